"""A map's lanes, and the lines that actors bring with them, made into the `LaneTable` that traffic runs on. Once for a world's map.

L lines (P with the further parts of lanes that are cut), N rows, S successors at most. Everything is done for all lines at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from whyway.types import Floats, InputError, Ints, LaneKind, LaneMap, MarkingKind
from whyway.worlds.sim.decks import find_decks
from whyway.worlds.sim.junctions import (
    Bools,
    Graph,
    find_conflicts,
    find_controls,
    find_gates,
    find_swings,
    find_ways,
    joined_junctions,
)
from whyway.worlds.sim.lane_table import (
    CURVATURE,
    HALF_WIDTH,
    SPEED,
    UX,
    UY,
    YAW,
    LaneTable,
    Line,
    X,
    Y,
    line_at,
    line_of,
    lines_of,
)
from whyway.worlds.sim.overlaps import pieces, shared_stretches
from whyway.worlds.sim.precedence import find_priorities, find_rings
from whyway.worlds.sim.sampling import Ragged, Samples, arc_lengths, sample_lines

__all__ = [
    "CURVATURE", "HALF_WIDTH", "SPEED", "UX", "UY", "YAW", "LaneTable", "Line", "X", "Y", "build_table", "entered_anywhere",
    "line_at", "line_of", "lines_of",
]  # fmt: skip

SUCCESSORS = 6
"""S: of more, the straightest."""

SPACING_M = 1.0
LATERAL_MPS2, BRAKE_MPS2 = 2.0, 1.5
"""Comfortable in curves, and with which curves are approached."""

_FASTEST_MPS = 60.0
"""Where a map knows no limit."""
_MOST_ROWS = 1 << 24
"""Whole numbers below this are exact in single precision."""
_GAP_M = 3.0
"""Lanes further apart than this do not lead into each other, whatever a map says."""
_ENTRY_M, _ENTERED_M = 30.0, 40.0
"""Lanes without predecessor, or where there are none any, are entries if they are longer."""
_TRAFFIC = (int(LaneKind.DRIVING), int(LaneKind.BIKE))


def build_table(
    lane_map: LaneMap, light_ids: Sequence[int] = (), extra_lines: Sequence[Line] = ()
) -> LaneTable:
    """The table of a map in numpy float64: its lanes in their order, what actors bring with them, further parts of cut lanes.

    Args:
      lane_map: the map; lanes that are not for vehicles become lines without successors.
      light_ids: ids of the lights, in the order of `Signals`.
      extra_lines: actors' own ways.

    Raises:
      InputError: neither lanes nor lines, or one without length.
    """
    whole = _given(lane_map, extra_lines)
    driving = whole.kind == int(LaneKind.DRIVING)
    whole_links = _links(lane_map, extra_lines, whole.samples)
    stretches = shared_stretches(
        whole.samples, whole_links, driving, whole.marked, not whole.marked.any()
    )
    samples, of, shared, at = pieces(whole.samples, stretches)
    links, kind = _cut_links(whole_links, of), whole.kind[of]
    before, after = np.nonzero(links >= 0)[0], links[links >= 0]
    inside = joined_junctions(whole.marked[of] | shared, before, after, samples.length_m)
    graph = Graph(samples, of, inside, shared, before, after)
    controls = find_controls(lane_map, graph, light_ids)
    way, ring = find_ways(graph), find_rings(graph)
    conflict = find_conflicts(graph, way, ring)
    limit = whole.carry(_limits(lane_map, extra_lines))[at]
    priority = find_priorities(
        graph, controls, way, conflict, ring, limit[samples.shape.first], _zips(lane_map, of, shared)
    )  # fmt: skip
    gate = find_gates(graph, controls, way, conflict)
    gate[len(lane_map.lanes) : len(whole.kind)] = [line.gate_s_m for line in extra_lines]
    speed = _speeds(samples, limit)
    left, right = _neighbours(lane_map, graph)
    deck = find_decks(whole.samples, whole_links, driving, whole.marked)[of]
    columns = (
        samples.x_m, samples.y_m, samples.ux, samples.uy, samples.yaw_rad, samples.curvature_1pm,
        speed, whole.carry(_half_widths(lane_map, extra_lines))[at],
    )  # fmt: skip
    return LaneTable(
        rows=np.stack(columns, axis=-1),
        first=samples.shape.first,
        last=samples.shape.count - 2,
        step_m=samples.step_m,
        length_m=samples.length_m,
        marks=_marks(samples),
        entry_mps=speed[samples.shape.first],
        kind=kind,
        lane_id=whole.lane_id[of],
        in_junction=graph.inside,
        successor=links,
        successors=(links >= 0).sum(axis=1),
        entries=_entries(links, kind, graph.inside, samples.length_m),
        left=left,
        right=right,
        gate_s_m=gate,
        gate_light=controls.light,
        gate_stops=controls.stops,
        way=way,
        way_priority=priority,
        conflict=conflict,
        swings=find_swings(graph, way, ring, conflict),
        deck=deck,
        has_bridges=bool(deck.any()),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Whole:
    """All lines before any is cut."""

    samples: Samples
    carry: Callable[[Floats], Floats]
    """From values at the given points to values at the samples."""
    kind: Ints
    lane_id: Ints
    marked: Bools
    """Whether the map says that it lies in a junction."""


def _given(lane_map: LaneMap, extra_lines: Sequence[Line]) -> _Whole:
    lanes, own = lane_map.lanes, len(extra_lines)
    count = np.array([len(v.center_x_m) for v in lanes] + [len(v.x_m) for v in extra_lines])
    if not len(count):
        raise InputError(f"map {lane_map.name!r} has no lanes; give one that has")
    given = Ragged.of(count.astype(np.int64))
    x = np.concatenate([*(v.center_x_m for v in lanes), *(v.x_m for v in extra_lines)])
    y = np.concatenate([*(v.center_y_m for v in lanes), *(v.y_m for v in extra_lines)])
    _check(lane_map, x, y, given)
    is_lane = np.arange(len(count)) < len(lanes)
    samples, carry = sample_lines(x, y, given, is_lane, SPACING_M)
    kind = np.array([int(lane.kind) for lane in lanes] + own * [int(LaneKind.OTHER)])
    marked = np.array([lane.in_junction for lane in lanes] + own * [False])
    lane_id = np.array([lane.id for lane in lanes] + own * [0], dtype=np.int64)
    return _Whole(samples, carry, kind, lane_id, marked & np.isin(kind, _TRAFFIC))


def _check(lane_map: LaneMap, x_m: Floats, y_m: Floats, given: Ragged) -> None:
    s = arc_lengths(x_m, y_m, given)[given.first + given.count - 1]
    short = np.nonzero(~(np.isfinite(s) & (s > 1e-3)))[0]
    if len(short):
        i = int(short[0])
        known = i < len(lane_map.lanes)
        name = f"lane {lane_map.lanes[i].id}" if known else f"own line {i - len(lane_map.lanes)}"
        raise InputError(
            f"map {lane_map.name!r}: {name} has no length; give it two distinct, finite points"
        )


def _links(lane_map: LaneMap, extra_lines: Sequence[Line], samples: Samples) -> Ints:
    """`[L, S]` successors, straightest first."""
    lanes = lane_map.lanes
    index = {lane.id: i for i, lane in enumerate(lanes)}
    kinds = [int(lane.kind) for lane in lanes]
    begins, ends = samples.shape.first, samples.shape.first + samples.shape.count - 1
    links = np.full((len(lanes) + len(extra_lines), SUCCESSORS), -1, dtype=np.int64)
    for i, lane in enumerate(lanes):
        found = [index[j] for j in lane.successor_ids.tolist() if j in index]
        found = [j for j in found if kinds[i] in _TRAFFIC and kinds[j] in _TRAFFIC and j != i]
        # who drives does not turn off onto a cycle track, but a track may lead onto the road
        found = [j for j in found if kinds[j] == kinds[i] or kinds[i] == int(LaneKind.BIKE)]
        e = ends[i]
        found = [
            j for j in found
            if np.hypot(samples.x_m[begins[j]] - samples.x_m[e], samples.y_m[begins[j]] - samples.y_m[e]) < _GAP_M
        ]  # fmt: skip
        if len(found) > 1:
            turns = {j: abs(samples.yaw_rad[ends[j]] - samples.yaw_rad[begins[j]]) for j in found}
            found.sort(key=lambda j: (round(float(turns[j]), 2), j))  # noqa: B023
        links[i, : len(found[:SUCCESSORS])] = found[:SUCCESSORS]
    for k, line in enumerate(extra_lines):
        if line.then >= 0:
            links[len(lanes) + k, 0] = len(lanes) + line.then
    return links


def _cut_links(links: Ints, of: Ints) -> Ints:
    """`[P, S]` successors of the parts of lines: the last part has those of the line, each other one the next part."""
    cut = np.full((len(of), SUCCESSORS), -1, dtype=np.int64)
    final = np.zeros(len(links), dtype=np.int64)
    final[of] = np.arange(len(of))  # of equal targets the last one written stays
    cut[final] = links
    for part in range(len(links), len(of)):
        previous = int(of[part]) if part == len(links) or of[part - 1] != of[part] else part - 1
        cut[previous, :] = -1
        cut[previous, 0] = part
    return cut


def _zips(lane_map: LaneMap, of: Ints, shared: Bools) -> Bools:
    """`[P]` shared ground of lanes that lie beside each other."""
    lanes = lane_map.lanes
    beside = np.zeros(int(of.max()) + 1, dtype=bool)
    after = {lane.id: set(lane.successor_ids.tolist()) for lane in lanes}
    for i, lane in enumerate(lanes):
        beside[i] = any(
            after[lane.id] & after.get(other, set()) for other in (lane.left_id, lane.right_id)
        )
    return shared & beside[of]


def _neighbours(lane_map: LaneMap, graph: Graph) -> tuple[Ints, Ints]:
    """`[P]` lanes beside each, where the line between them may be crossed; not on ground that others share."""
    index = {lane.id: i for i, lane in enumerate(lane_map.lanes)}
    in_junction = graph.inside
    sides = np.full((2, graph.count), -1, dtype=np.int64)
    for i, lane in enumerate(lane_map.lanes):
        if lane.kind != LaneKind.DRIVING or in_junction[i]:
            continue
        for k, (other, marking) in enumerate(
            ((lane.left_id, lane.left_marking), (lane.right_id, lane.right_marking))
        ):
            j = index.get(other, -1)
            allowed = j >= 0 and marking != MarkingKind.SOLID and not in_junction[j]
            if allowed and lane_map.lanes[j].kind == LaneKind.DRIVING:
                sides[k, i] = j
    return sides[0], sides[1]


def _entries(links: Ints, kind: Ints, in_junction: Bools, length_m: Floats) -> Ints:
    arrives = np.zeros(len(links), dtype=bool)
    arrives[links[links >= 0]] = True
    leads = (links[:, 0] >= 0) | (length_m > _ENTRY_M)
    found: Ints = np.nonzero(~arrives & (kind == int(LaneKind.DRIVING)) & ~in_junction & leads)[0]
    return found


def entered_anywhere(table: LaneTable) -> LaneTable:
    """The table with every longer lane as an entry: on a closed ring of streets who leaves (`entries.STUCK_S`) could not come back.

    Nobody enters near others or seen by the ego.
    """
    long = (table.length_m > _ENTERED_M) & (table.kind == int(LaneKind.DRIVING))
    return replace(
        table, entries=np.flatnonzero(long & ~table.in_junction & (table.successors > 0))
    )


def _marks(samples: Samples) -> Floats:
    first, count = samples.shape.first, samples.shape.count
    if int(count.sum()) >= _MOST_ROWS:
        raise InputError(
            f"a map of {int(count.sum())} m of lanes is too large; cut it to what is driven on"
        )
    columns = (samples.length_m, samples.step_m, (count - 2).astype(float), first.astype(float))
    return np.stack(columns, axis=-1)


def _limits(lane_map: LaneMap, extra_lines: Sequence[Line]) -> Floats:
    """The speed wanted at the given points."""
    parts = [np.full(len(v.center_x_m), v.speed_limit_mps) for v in lane_map.lanes]
    parts += [np.broadcast_to(v.speed_mps, np.shape(v.x_m)).astype(float) for v in extra_lines]
    limit: Floats = np.nan_to_num(np.concatenate(parts), nan=_FASTEST_MPS, posinf=_FASTEST_MPS)
    return np.clip(limit, 0.0, _FASTEST_MPS)


def _half_widths(lane_map: LaneMap, extra_lines: Sequence[Line]) -> Floats:
    parts = [
        np.hypot(v.left_x_m - v.right_x_m, v.left_y_m - v.right_y_m) / 2 for v in lane_map.lanes
    ]
    halves: Floats = np.concatenate(
        [*parts, *(np.full(len(v.x_m), v.half_width_m) for v in extra_lines)]
    )
    return halves


def _speeds(samples: Samples, limit_mps: Floats) -> Floats:
    """Limits, slower in curves, braking in time for both within each line."""
    curve = LATERAL_MPS2 / np.maximum(np.abs(samples.bend_1pm), 1e-6)
    squared = np.minimum(limit_mps**2, curve)
    # the least over all points ahead of v^2 + 2 b (distance): a running minimum from behind over all lines at once, where a line
    # further on never counts because it stands higher
    shape = samples.shape
    braking = 2 * BRAKE_MPS2 * shape.place * np.repeat(samples.step_m, shape.count)
    height = float(squared.max() + braking.max()) + 1.0
    level = squared + braking + shape.owner * height
    least = np.minimum.accumulate(level[::-1])[::-1] - shape.owner * height - braking
    speed: Floats = np.sqrt(np.maximum(least, 0.0))
    return speed
