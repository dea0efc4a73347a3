"""Who goes first at a junction: by lights and signs where there are some, else by what the roads look like.

L lines, V ways, K links. Runs once, when a table is built.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from whyway.geometry import wrap_angle
from whyway.types import Floats, Ints
from whyway.worlds.sim.junctions import Bools, Controls, Graph

FIRST, LEFT_TURN, GIVE_WAY, STOP = range(4)
"""Values of `LaneTable.way_priority`: green or main road; a left turn across those; gives way; has a stop sign."""

_LINE_REACH_M = 20.0
"""A stop line belongs to the junction that begins within this distance behind it."""
_TURN_RAD = 0.35
_STRAIGHT_RAD = 0.7
_SAME_BEND_RAD, _SAME_LIMIT_MPS, _SAME_ROAD_M = 0.15, 2.0, 100.0
"""Merging lanes that differ by less look alike."""
_ROAD_M = 300.0
_RING_LINES, _RING_M, _RING_RADII_M, _ROUND, _BENT = 24, 400.0, (4.0, 60.0), 0.15, 0.8
"""A roundabout has at most so many lines and metres, a radius between these, which varies by this part of it; this part of it
is bent (round a block of houses one drives straight on, mostly)."""


def find_priorities(
    graph: Graph, controls: Controls, way: Ints, conflict: Bools, ring: Bools, limit_mps: Floats, zips: Bools
) -> Ints:  # fmt: skip
    """`(V,)` the rank of each way.

    Args:
      graph: the lines.
      controls: what stands on them.
      way: `(L,)` ways.
      conflict: `[V, V]` ways that exclude each other.
      ring: `(L,)` lines of roundabouts, which go before those who enter.
      limit_mps: `(L,)` speed limits: of two roads that merge the faster one is the main road.
      zips: `(L,)` lanes that merge with one beside them: neither has to wait for the other.
    """
    ways = len(conflict)
    priority = np.full(ways, FIRST, dtype=np.int64)
    if not ways:
        return priority
    before, after = graph.before, graph.after
    turn = way_turns(graph, way, ways)
    priority[turn > _TURN_RAD] = LEFT_TURN
    enters = np.nonzero((way[after] >= 0) & (way[before] < 0))[0]
    entry, into = before[enters], way[after[enters]]
    governed = np.zeros(ways, dtype=bool)
    for line, w in zip(entry.tolist(), into.tolist(), strict=True):
        at = _line_before(graph, controls, line)
        if at < 0:
            continue
        governed[w] = True
        if controls.light[at] < 0:
            priority[w] = STOP if controls.stops[at] else GIVE_WAY
    junction = _junctions(conflict, entry, into)
    free = ~np.isin(junction, junction[governed])
    _stems(priority, turn, free, junction, entry, into)
    _merges(graph, priority, turn, free, way, limit_mps, zips)
    _rings(graph, priority, way, ring, governed)
    return priority


def _junctions(conflict: Bools, entry: Ints, into: Ints) -> Ints:
    """`(V,)` numbers of the junctions: ways that exclude each other or come from one line belong together."""
    ways, lines = len(conflict), int(entry.max(initial=-1)) + 1
    a, b = np.nonzero(conflict)
    # each line that leads into ways is a node, too
    rows, columns = np.concatenate([a, ways + entry]), np.concatenate([b, into])
    joined = coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(ways + lines, ways + lines))
    numbers: Ints = connected_components(joined, directed=False)[1][:ways]
    return numbers


def way_turns(graph: Graph, way: Ints, ways: int) -> Floats:
    """`(V,)` heading change along each way, left positive; of several ends, the one of the line with the highest number."""
    samples = graph.samples
    lines = np.nonzero(way >= 0)[0]
    leads = way[graph.before] == way[graph.after]
    begins = np.setdiff1d(lines, graph.after[leads])
    ends = np.setdiff1d(lines, graph.before[leads])
    turn = np.zeros(ways)
    first = samples.shape.first
    turn[way[ends]] = samples.yaw_rad[(first + samples.shape.count - 1)[ends]]
    turn[way[begins]] -= samples.yaw_rad[first[begins]]
    return np.asarray(wrap_angle(turn))


def _line_before(graph: Graph, controls: Controls, line: int) -> int:
    """The line with the stop line that governs the end of this one: itself or one shortly before it; -1 for none."""
    room, length = _LINE_REACH_M, graph.samples.length_m
    for _ in range(8):
        if controls.line[line]:
            return line if length[line] - controls.s_m[line] < room else -1
        room -= float(length[line])
        if room <= 0.0:
            return -1
        arriving = graph.before[graph.after == line]
        if len(arriving) != 1:
            return -1
        line = int(arriving[0])
    return -1


def _stems(
    priority: Ints, turn: Floats, free: Bools, junction: Ints, entry: Ints, into: Ints
) -> None:
    """Where nobody has a line, a road that ends at the junction gives way to one that goes on through it."""
    straight = np.abs(turn) < _STRAIGHT_RAD
    goes_on = np.zeros(int(entry.max(initial=-1)) + 1, dtype=bool)
    goes_on[entry[straight[into]]] = True
    crossed = np.zeros(int(junction.max()) + 1, dtype=bool)
    crossed[junction[straight]] = True
    ends = ~goes_on[entry] & crossed[junction[into]] & free[into]
    priority[into[ends]] = GIVE_WAY


def _merges(
    graph: Graph, priority: Ints, turn: Floats, free: Bools, way: Ints, limit_mps: Floats, zips: Bools
) -> None:  # fmt: skip
    """Where nobody has a line and lanes merge, the main road goes first: the straighter, or faster, or longer one."""
    before, after = graph.before, graph.after
    from_way = way[before] >= 0
    many = np.bincount(after[from_way], minlength=graph.count) > 1
    for line in np.nonzero(many)[0].tolist():
        group = before[(after == line) & from_way]
        group = group[free[way[group]] & (np.abs(turn[way[group]]) < _STRAIGHT_RAD)]
        if len(set(way[group].tolist())) < 2 or bool(zips[group].all()):
            continue
        rank = {i: _main(graph, i, line, limit_mps) for i in group.tolist()}
        best = min(rank.values())
        for i, r in rank.items():
            if r > best:
                priority[way[i]] = GIVE_WAY


def _main(graph: Graph, line: int, into: int, limit_mps: Floats) -> tuple[int, int, int]:
    """The smaller, the more a lane looks like the main road that goes on as `into`."""
    samples = graph.samples
    first = samples.shape.first
    bend = abs(float(wrap_angle(samples.yaw_rad[first[into]] - samples.yaw_rad[first[line]])))
    road, at = 0.0, line
    while road < _ROAD_M:
        arriving = graph.before[graph.after == at]
        if not len(arriving):
            break
        at = int(arriving[0])
        road += float(samples.length_m[at])
    return (
        round(bend / _SAME_BEND_RAD),
        -round(float(limit_mps[line]) / _SAME_LIMIT_MPS),
        -round(min(road, _ROAD_M) / _SAME_ROAD_M),
    )


def _rings(graph: Graph, priority: Ints, way: Ints, ring: Bools, governed: Bools) -> None:
    """Who is in a roundabout goes before who enters it."""
    before, after = graph.before, graph.after
    around = ring[before] & (way[after] >= 0) & ~governed[way[after]]
    priority[way[after[around]]] = FIRST
    inner = np.nonzero(ring & (way >= 0))[0]
    enters = ring[after] & ~ring[before] & (way[before] >= 0)
    waits = way[before[enters]]
    # where the ring itself is the junction, those who enter come onto its lines directly
    priority[way[inner]] = FIRST
    priority[waits] = np.maximum(priority[waits], GIVE_WAY)


def find_rings(graph: Graph) -> Bools:
    """`(L,)` lines of roundabouts: always keeping to the inner side of the bend leads back to where one was, on a circle."""
    samples = graph.samples
    first, last = samples.shape.first, samples.shape.first + samples.shape.count - 1
    turn = samples.yaw_rad[last] - samples.yaw_rad[first]
    nexts: list[list[int]] = [[] for _ in range(graph.count)]
    for a, b in zip(graph.before.tolist(), graph.after.tolist(), strict=True):
        nexts[a].append(b)
    ring = np.zeros(graph.count, dtype=bool)
    length = samples.length_m
    for start in np.nonzero((np.abs(turn) > 0.1) & (length < _RING_M / 2))[0].tolist():
        if ring[start]:
            continue
        side = math.copysign(1.0, float(turn[start]))
        lines, road = [start], float(length[start])
        while len(lines) <= _RING_LINES and road < _RING_M and nexts[lines[-1]]:
            at = max(nexts[lines[-1]], key=lambda i: side * float(turn[i]))
            if at in lines:
                if at == start and _is_round(graph, lines):
                    ring[lines] = True
                break
            lines.append(at)
            road += float(length[at])
    return ring


def _is_round(graph: Graph, lines: list[int]) -> bool:
    samples = graph.samples
    spans = [(int(samples.shape.first[i]), int(samples.shape.count[i])) for i in lines]
    rows = np.concatenate([np.arange(a, a + n) for a, n in spans])
    x, y = samples.x_m[rows], samples.y_m[rows]
    r = np.hypot(x - (x.min() + x.max()) / 2, y - (y.min() + y.max()) / 2)
    mean = float(r.mean())
    bent = float((np.abs(samples.bend_1pm[rows]) > 1 / (3 * mean)).mean())
    within = _RING_RADII_M[0] < mean < _RING_RADII_M[1]
    return within and float(r.std()) < _ROUND * mean and bent > _BENT
