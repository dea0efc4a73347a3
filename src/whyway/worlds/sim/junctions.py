"""Junctions of a lane graph: where one may have to stop, and which ways through exclude each other.

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
from scipy.spatial import cKDTree

from whyway.types import Floats, Ints, LaneMap
from whyway.worlds.sim.overlaps import CONFLICT_M
from whyway.worlds.sim.sampling import Samples

Bools = NDArray[np.bool_]

_START_M = 5.0
"""A stop line so near the start of a junction's line is meant for those who come to it."""
_STUB_M = 7.0
"""On a shorter line between two junctions nobody can wait."""
_SWING_M2, _SWING_MOST_M = 5.0, 4.5
"""Room that two vehicles of some 9 m need beside each other per curvature of either's bend, and no more than this apart."""
_AHEAD_M, _ON_RING_M = 40.0, 12.0
"""How much of what follows a way within the junction is part of what it needs free; on a roundabout less."""


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """L lines and how they hang together."""

    samples: Samples
    of_lane: Ints
    """`(L,)` which lane of the map (its position) a line is a part of; beyond the last one: an own line."""
    inside: Bools
    """`(L,)` lines of junctions, and ground that unmarked lanes share."""
    shared: Bools
    """`(L,)` of these, the latter."""
    before: Ints
    """`(K,)` each link's line ..."""
    after: Ints
    """`(K,)` ... and the one it leads to."""

    @property
    def count(self) -> int:
        """L."""
        return len(self.of_lane)


@dataclass(frozen=True, slots=True, eq=False)
class Controls:
    """What stands on each line `(L,)`: the stop line that is met last."""

    s_m: Floats
    """Where, inf without."""
    light: Ints
    """Index of its light, -1 without."""
    stops: Bools
    """Whether it is a stop sign's."""

    @property
    def line(self) -> Bools:
        """Whether there is one."""
        return np.isfinite(self.s_m)


def joined_junctions(inside: Bools, before: Ints, after: Ints, length_m: Floats) -> Bools:
    """`(L,)` the lines of junctions, and those between two of them on which nobody could wait without standing in the first."""
    arrives, leaves = np.zeros_like(inside), np.zeros_like(inside)
    arrives[after[inside[before]]] = True
    leaves[before[inside[after]]] = True
    return inside | (arrives & leaves & (length_m < _STUB_M))


def find_controls(lane_map: LaneMap, graph: Graph, light_ids: Sequence[int]) -> Controls:
    """The stop lines of the map, put onto the lines on which they are met."""
    found = Controls(
        np.full(graph.count, np.inf), np.full(graph.count, -1), np.zeros(graph.count, dtype=bool)
    )
    lights = {int(light): i for i, light in enumerate(light_ids)}
    index = {lane.id: i for i, lane in enumerate(lane_map.lanes)}
    length = graph.samples.length_m
    for stop in lane_map.stop_lines:
        x, y = float(np.mean(stop.x_m)), float(np.mean(stop.y_m))
        for lane_id in stop.lane_ids.tolist():
            if lane_id not in index:
                continue
            parts = np.nonzero(graph.of_lane == index[lane_id])[0].tolist()
            _, s, line = min((*arc_length_at(graph.samples, i, x, y)[::-1], i) for i in parts)
            met = [(line, min(max(s, 0.0), float(length[line])))]
            if graph.inside[line] and (s < _START_M or graph.shared[line]):
                met = [(i, float(length[i])) for i in graph.before[graph.after == line].tolist()]
            for i, at in met:
                # of several lines on a lane the last one counts: it stands before the junction
                if at >= found.s_m[i] or not np.isfinite(found.s_m[i]):
                    found.s_m[i], found.light[i] = at, lights.get(stop.light_id, -1)
                    found.stops[i] = stop.is_stop_sign and found.light[i] < 0
    return found


def arc_length_at(samples: Samples, line: int, x_m: float, y_m: float) -> tuple[float, float]:
    """Arc length of a line's point nearest to a point (straight on beyond its ends), and the distance to its nearest row."""
    a = int(samples.shape.first[line])
    b = a + int(samples.shape.count[line])
    rx, ry = x_m - samples.x_m[a:b], y_m - samples.y_m[a:b]
    k = int(np.argmin(rx * rx + ry * ry))
    along = rx[k] * samples.ux[a + k] + ry[k] * samples.uy[a + k]
    return float(k * samples.step_m[line] + along), float(np.hypot(rx[k], ry[k]))


def find_ways(graph: Graph) -> Ints:
    """`(L,)` numbers of the ways, -1 outside: a junction's line goes on with the way of the only line before it, if that is inside."""
    count = graph.count
    arriving = np.bincount(graph.after, minlength=count)
    root = np.arange(count)
    inside = graph.inside
    chained = inside[graph.before] & inside[graph.after] & (arriving[graph.after] == 1)
    root[graph.after[chained]] = graph.before[chained]
    for _ in range(int(np.ceil(np.log2(count + 1))) + 1):  # to the front of each chain
        root = root[root]
    way = np.full(count, -1, dtype=np.int64)
    way[inside] = np.unique(root[inside], return_inverse=True)[1]
    return way


def find_conflicts(graph: Graph, way: Ints, ring: Bools) -> Bools:
    """`[V, V]` ways that come near each other; not those from one entry: who follows sees who leads.

    Args:
      graph: the lines.
      way: `(L,)` their ways.
      ring: `(L,)` lines of roundabouts, of which one needs only the beginning.
    """
    ways = int(way.max(initial=-1)) + 1
    conflict = np.zeros((ways, ways), dtype=bool)
    if not ways:
        return conflict
    point_way, rows = _footprints(graph, way, ring)
    points = np.stack([graph.samples.x_m[rows], graph.samples.y_m[rows]], axis=-1)
    pairs = cKDTree(points).query_pairs(CONFLICT_M, output_type="ndarray")
    a, b = point_way[pairs[:, 0]], point_way[pairs[:, 1]]
    conflict[a, b] = conflict[b, a] = True
    return conflict & ~_allied(graph, way)


def find_swings(graph: Graph, way: Ints, ring: Bools, conflict: Bools) -> Bools:
    """`[V, V]` ways that turn side by side so tightly that long vehicles on both, or on one, would touch.

    A box of length L whose axles keep to a bend of curvature k needs L^2 k / 8 more room: part at its ends outside, part between its
    axles inside.
    """
    ways = len(conflict)
    swings = np.zeros((ways, ways), dtype=bool)
    if not ways:
        return swings
    point_way, rows = _footprints(graph, way, ring)
    bends = np.abs(graph.samples.bend_1pm[rows])
    points = np.stack([graph.samples.x_m[rows], graph.samples.y_m[rows]], axis=-1)
    i, j = cKDTree(points).query_pairs(_SWING_MOST_M, output_type="ndarray").T
    apart = np.hypot(*(points[i] - points[j]).T)
    touch = apart < CONFLICT_M + _SWING_M2 * (bends[i] + bends[j])
    a, b = point_way[i[touch]], point_way[j[touch]]
    swings[a, b] = swings[b, a] = True
    return swings & ~conflict & ~_allied(graph, way)


def _allied(graph: Graph, way: Ints) -> Bools:
    """`[V, V]` ways from one entry, or one behind the other: who follows sees who leads."""
    ways = int(way.max(initial=-1)) + 1
    allied = np.eye(ways, dtype=bool)
    before, after = graph.before, graph.after
    enters = (way[after] >= 0) & (way[before] != way[after])
    into, ones = way[after[enters]], np.ones(int(enters.sum()), dtype=np.int64)
    entry = coo_matrix((ones, (into, before[enters])), shape=(ways, graph.count)).tocsr()
    same = (entry @ entry.T).tocoo()
    allied[same.row, same.col] = True
    in_row = enters & (way[before] >= 0)
    allied[way[before[in_row]], way[after[in_row]]] = True
    allied[way[after[in_row]], way[before[in_row]]] = True
    return allied


def _footprints(graph: Graph, way: Ints, ring: Bools) -> tuple[Ints, Ints]:
    """The ground each way needs, as ways and rows: its own lines, and the first metres of what it leads into within the junction."""
    samples, inside, before, after = graph.samples, graph.inside, graph.before, graph.after
    owner = samples.shape.owner
    own = inside[owner]
    labels, rows = [way[owner[own]]], [np.nonzero(own)[0]]
    nexts: dict[int, list[int]] = {}
    both = inside[before] & inside[after]
    for a, b in zip(before[both].tolist(), after[both].tolist(), strict=True):
        nexts.setdefault(a, []).append(b)
    for a in sorted(nexts):
        ahead = [(b, 0.0) for b in nexts[a] if way[b] != way[a]]
        while ahead:
            line, gone = ahead.pop()
            step, count = float(samples.step_m[line]), int(samples.shape.count[line])
            far = _ON_RING_M if ring[line] else _AHEAD_M
            needed = int(samples.shape.first[line]) + np.arange(
                min(count, 1 + int(max(far - gone, 0.0) / step))
            )
            labels.append(np.full(len(needed), way[a]))
            rows.append(needed)
            gone += float(samples.length_m[line])
            ahead += [(b, gone) for b in nexts.get(line, ()) if gone < far]
    at = np.concatenate(rows)
    return np.concatenate(labels), at


def find_gates(graph: Graph, controls: Controls, way: Ints, conflict: Bools) -> Floats:
    """`(L,)` stop lines, and the ends of lines behind which a way begins that others cross; who is inside does not stop again."""
    gate: Floats = controls.s_m.copy()
    contested: Any = conflict.any(axis=1) if len(conflict) else np.zeros(0, dtype=bool)
    before, after = graph.before, graph.after
    enters = (way[after] >= 0) & (way[before] < 0)
    lines = before[enters][contested[way[after[enters]]]]
    bare = lines[~controls.line[lines]]
    gate[bare] = graph.samples.length_m[bare]
    return gate
