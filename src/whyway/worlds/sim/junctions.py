"""Junctions of a lane graph: where one may have to stop, which ways through exclude each other, who goes first.

A *way* is a chain of junction lines from one entry. L lines, V ways, S successors at most. Everything here runs once, when a
table is built.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from whyway.geometry import wrap_angle
from whyway.types import Floats, Ints, LaneKind, LaneMap
from whyway.worlds.sim.sampling import Samples

Bools = NDArray[np.bool_]

CONFLICT_M = 2.6
"""Ways through a junction that come so near each other are used one at a time; lanes side by side are further apart."""
FIRST, LEFT_TURN, GIVE_WAY, STOP = range(4)
"""Values of `Junctions.priority`."""

_LINE_REACH_M = 20.0
"""A stop line belongs to the junction that begins within this distance behind it."""
_START_M = 5.0
"""A stop line so near the start of a junction's line is meant for those who come to it."""
_AHEAD_M = 25.0
"""How much of what follows a way within the junction is part of what it needs free."""
_TURN_RAD = 0.35


@dataclass(frozen=True, slots=True, eq=False)
class Junctions:
    """What `LaneTable` says of junctions, under the same names."""

    in_junction: Bools
    gate_s_m: Floats
    gate_light: Ints
    gate_stops: Bools
    way: Ints
    priority: Ints
    conflict: Bools


@dataclass(slots=True, eq=False)
class _Control:
    """What stands at the end of each line `(L,)`."""

    gate_s_m: Floats
    light: Ints
    stops: Bools
    line: Bools
    """Whether there is a line at all."""


def find_junctions(
    lane_map: LaneMap, samples: Samples, links: Ints, light_ids: Sequence[int]
) -> Junctions:
    """Ways, gates and who goes first, from a map's facts; `links` `[L, S]` are the successors of each line."""
    count = len(links)
    inside = np.zeros(count, dtype=bool)
    traffic = (LaneKind.DRIVING, LaneKind.BIKE)
    inside[: len(lane_map.lanes)] = [
        lane.in_junction and lane.kind in traffic for lane in lane_map.lanes
    ]
    before, after = np.nonzero(links >= 0)[0], links[links >= 0]
    control = _control(lane_map, samples, light_ids, inside, before, after)
    way = _ways(inside, before, after)
    ways = int(way.max(initial=-1)) + 1
    conflict = _conflicts(samples, way, ways, inside, before, after)
    priority = _priorities(samples, control, way, conflict, before, after)
    gate = _gates(samples, control, way, conflict, before, after)
    return Junctions(inside, gate, control.light, control.stops, way, priority, conflict)


def _control(
    lane_map: LaneMap,
    samples: Samples,
    light_ids: Sequence[int],
    inside: Bools,
    before: Ints,
    after: Ints,
) -> _Control:
    """The stop lines, put onto the lines on which they are met."""
    count = len(inside)
    found = _Control(
        np.full(count, np.inf), np.full(count, -1), np.zeros(count, dtype=bool), np.zeros(count, dtype=bool)
    )  # fmt: skip
    lights = {int(light): i for i, light in enumerate(light_ids)}
    index = {lane.id: i for i, lane in enumerate(lane_map.lanes)}
    for stop in lane_map.stop_lines:
        x, y = float(np.mean(stop.x_m)), float(np.mean(stop.y_m))
        for lane_id in stop.lane_ids.tolist():
            if lane_id not in index:
                continue
            line = index[lane_id]
            s = arc_length_at(samples, line, x, y)
            met = [(line, min(max(s, 0.0), float(samples.length_m[line])))]
            if s < _START_M and inside[line]:
                met = [(int(p), float(samples.length_m[p])) for p in before[after == line]]
            for where, at in met:
                # of several lines on a lane the last one counts: it stands before the junction
                if not found.line[where] or at >= found.gate_s_m[where]:
                    found.gate_s_m[where], found.line[where] = at, True
                    found.light[where] = lights.get(stop.light_id, -1)
                    found.stops[where] = stop.is_stop_sign and found.light[where] < 0
    return found


def arc_length_at(samples: Samples, line: int, x_m: float, y_m: float) -> float:
    """Arc length of a line's point nearest to a point, straight on beyond its ends."""
    a = int(samples.shape.first[line])
    b = a + int(samples.shape.count[line])
    rx, ry = x_m - samples.x_m[a:b], y_m - samples.y_m[a:b]
    k = int(np.argmin(rx * rx + ry * ry))
    along = rx[k] * samples.ux[a + k] + ry[k] * samples.uy[a + k]
    return float(k * samples.step_m[line] + along)


def _ways(inside: Bools, before: Ints, after: Ints) -> Ints:
    """`(L,)` numbers of the ways: a junction's line goes on with the way of the only line before it, if that is inside too."""
    count = len(inside)
    arriving = np.bincount(after, minlength=count)
    root = np.arange(count)
    chained = inside[before] & inside[after] & (arriving[after] == 1)
    root[after[chained]] = before[chained]
    for _ in range(int(np.ceil(np.log2(count + 1))) + 1):  # to the front of each chain
        root = root[root]
    way = np.full(count, -1, dtype=np.int64)
    way[inside] = np.unique(root[inside], return_inverse=True)[1]
    return way


def _conflicts(
    samples: Samples, way: Ints, ways: int, inside: Bools, before: Ints, after: Ints
) -> Bools:
    """`[V, V]` ways that come near each other; not those from one entry: who follows sees who leads."""
    conflict = np.zeros((ways, ways), dtype=bool)
    if not ways:
        return conflict
    point_way, points = _footprints(samples, way, inside, before, after)
    pairs = cKDTree(points).query_pairs(CONFLICT_M, output_type="ndarray")
    a, b = point_way[pairs[:, 0]], point_way[pairs[:, 1]]
    conflict[a, b] = conflict[b, a] = True
    conflict[np.arange(ways), np.arange(ways)] = False
    # ways from one entry, and ways in a row
    enters = (way[after] >= 0) & (way[before] != way[after])
    from_line, into = before[enters], way[after[enters]]
    apart = np.zeros_like(conflict)
    one = coo_matrix(
        (np.ones(len(into), dtype=np.int64), (into, from_line)), shape=(ways, len(way))
    ).tocsr()
    shared = (one @ one.T).tocoo()
    apart[shared.row, shared.col] = True
    in_row = enters & (way[before] >= 0)
    apart[way[before[in_row]], way[after[in_row]]] = True
    conflict &= ~(apart | apart.T)
    return conflict


def _footprints(
    samples: Samples, way: Ints, inside: Bools, before: Ints, after: Ints
) -> tuple[Ints, Floats]:
    """The ground each way needs: its own lines, and the first metres of the ways within the junction it leads into."""
    owner, place = samples.shape.owner, samples.shape.place
    own = inside[owner]
    labels, rows = [way[owner[own]]], [np.nonzero(own)[0]]
    leads = inside[before] & inside[after] & (way[before] != way[after])
    near = place * samples.step_m[owner] < _AHEAD_M
    for a, b in zip(before[leads].tolist(), after[leads].tolist(), strict=True):
        first = int(samples.shape.first[b])
        more = first + np.nonzero(near[first : first + int(samples.shape.count[b])])[0]
        labels.append(np.full(len(more), way[a]))
        rows.append(more)
    at = np.concatenate(rows)
    return np.concatenate(labels), np.stack([samples.x_m[at], samples.y_m[at]], axis=-1)


def _priorities(
    samples: Samples, control: _Control, way: Ints, conflict: Bools, before: Ints, after: Ints
) -> Ints:
    """`(V,)` who goes first: lights and main roads, then left turns across them, then who gives way, then stop signs."""
    ways = len(conflict)
    priority = np.full(ways, FIRST, dtype=np.int64)
    if not ways:
        return priority
    turn = way_turns(samples, way, ways)
    priority[turn > _TURN_RAD] = LEFT_TURN
    enters = np.nonzero((way[after] >= 0) & (way[before] < 0))[0]
    controlled = np.zeros(ways, dtype=bool)
    for e in enters.tolist():
        line, into = int(before[e]), int(way[after[e]])
        at = _line_before(samples, control, line, before, after)
        if at < 0:
            continue
        controlled[into] = True
        if control.light[at] < 0:
            priority[into] = STOP if control.stops[at] else GIVE_WAY
    _stems(priority, turn, controlled, conflict, before[enters], way[after[enters]])
    return priority


def _line_before(samples: Samples, control: _Control, line: int, before: Ints, after: Ints) -> int:
    """The line with the stop line that governs the end of this one: itself or one shortly before it; -1 for none."""
    room = _LINE_REACH_M
    for _ in range(8):
        if control.line[line]:
            return line if samples.length_m[line] - control.gate_s_m[line] < room else -1
        room -= float(samples.length_m[line])
        arriving = before[after == line]
        if room <= 0.0 or len(arriving) != 1:
            return -1
        line = int(arriving[0])
    return -1


def _stems(
    priority: Ints, turn: Floats, controlled: Bools, conflict: Bools, entry: Ints, way: Ints
) -> None:
    """Where nobody has a line, a road that ends at the junction gives way to one that goes on through it."""
    _, junction = connected_components(conflict, directed=False)
    governed = np.isin(junction, junction[controlled])
    straight = np.abs(turn) < 2 * _TURN_RAD
    goes_on = np.zeros(int(entry.max(initial=-1)) + 1, dtype=bool)
    goes_on[entry[straight[way]]] = True
    crossed = np.zeros(int(junction.max()) + 1, dtype=bool)
    crossed[junction[straight]] = True
    ends = ~goes_on[entry] & crossed[junction[way]] & ~governed[way]
    priority[way[ends]] = GIVE_WAY


def way_turns(samples: Samples, way: Ints, ways: int) -> Floats:
    """`(V,)` heading change along each way, left positive; of several ends, the last one's."""
    first = samples.shape.first
    last = first + samples.shape.count - 1
    turn = np.zeros(ways)
    lines = np.nonzero(way >= 0)[0]
    np.add.at(turn, way[lines], samples.yaw_rad[last[lines]] - samples.yaw_rad[first[lines]])
    # a way that forks turns once, not once for each branch
    return np.asarray(wrap_angle(turn))


def _gates(
    samples: Samples, control: _Control, way: Ints, conflict: Bools, before: Ints, after: Ints
) -> Floats:
    """`(L,)` stop lines, and the ends of lines behind which a way begins that others cross."""
    gate = control.gate_s_m.copy()
    contested: Any = conflict.any(axis=1) if len(conflict) else np.zeros(0, dtype=bool)
    enters = (way[before] < 0) & (way[after] >= 0)
    lines = before[enters][contested[way[after[enters]]]]
    bare = lines[~control.line[lines]]
    gate[bare] = samples.length_m[bare]
    return gate
