"""Where on a map a family can take place: sites found by what they must have, on any `LaneMap`.

A site is a way for the ego with a *conflict* point on it, and the ways by which others come. Lanes are tried in an order drawn
by luck, so that a map with many places serves many seeds. Found by walking the lane graph; nothing here knows who made the map.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from whyway.maps.path import LanePath, join
from whyway.maps.routes import make_route
from whyway.types import InputError, Route
from whyway.worlds.scenes.family_junctions import junctions
from whyway.worlds.scenes.family_lanes import Lanes
from whyway.worlds.scenes.family_need import Found, Need
from whyway.worlds.scenes.family_roads import bends, ending, merges, narrow, rings, roads, zippers


class SiteError(InputError):
    """A map has no place for a family; one line."""


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """A place: `start_m` and `conflict_m` are arc lengths of `path`, `arms` the lanes by which others come (`from>to`)."""

    lanes: Lanes
    route: Route
    path: LanePath
    start_m: float
    conflict_m: float
    goal_m: float
    arms: Mapping[str, tuple[int, ...]]


def find_sites(lanes: Lanes, need: Need, rng: np.random.Generator) -> Iterator[Site]:
    """Places on a map that have what is needed, in an order drawn by luck; none where the map has none."""
    for found in _FINDERS[need.spec.kind](lanes, need, rng):
        ready = all(arm in found.arms for arm in need.spec.arms)
        if ready and (site := _whole(lanes, need, found)) is not None:
            yield site


def no_site(lanes: Lanes, need: Need, reason: str = "") -> SiteError:
    """The error for a map that has no place, or none for `reason`."""
    why = f" ({reason})" if reason else ""
    return SiteError(
        f"map {lanes.lane_map.name!r} has no place for this: {_described(need)}{why}; use another map, or the family's own"
    )


def _described(need: Need) -> str:
    spec = need.spec
    parts = [
        f"a {spec.kind}",
        f"{need.behind_m + need.approach_m:.0f} m before and {need.beyond_m:.0f} m behind it",
    ]
    if spec.lanes > 1:
        parts.append(f"{spec.lanes} lanes")
    if spec.oncoming:
        parts.append("an oncoming lane")
    if spec.kind == "junction":
        parts.append(f"turn {spec.turn}, control {spec.control}")
    parts += [f"others who come from {arm}" for arm in spec.arms]
    return ", ".join(parts)


def _whole(lanes: Lanes, need: Need, found: Found) -> Site | None:
    """The site with its approach and its way on, if the map has them."""
    ids = lanes.upstream(found.core, need.behind_m + need.approach_m - found.conflict_m + 5.0)
    ahead = lanes.length_m(ids[: len(ids) - len(found.core)])
    conflict = ahead + found.conflict_m
    if conflict < need.behind_m + need.approach_m - 0.5:
        return None
    span = conflict + need.beyond_m + 20.0
    ids = lanes.onward(ids, span + _changes(lanes, ids))
    path = _path(lanes, ids)
    # arc lengths of lanes in a row and of the smoothed line differ by centimetres; a lane change takes some metres
    at = float(path.lane_start_s[ids.index(found.core[0])]) + found.conflict_m
    goal, start = at + need.beyond_m, at - need.approach_m
    if goal > path.length_m - 5.0 or start < need.behind_m - 1.0:
        return None
    x, y, _, _ = path.center.at(goal)
    kept = _until(path, goal)
    route = make_route(lanes.lane_map, kept, (float(x), float(y)))
    goal_on_last, _ = lanes[kept[-1]].project(float(x), float(y))
    return Site(lanes, route, _path(lanes, kept, goal_on_last), start, at, goal, found.arms)


def _path(lanes: Lanes, ids: Sequence[int], goal_m: float = math.inf) -> LanePath:
    return join(ids, lanes.all, lanes.stop_lines, lanes.crossings, goal_m)


def _changes(lanes: Lanes, ids: tuple[int, ...]) -> float:
    """Length of lanes that are counted twice because a way leads from one to its neighbour."""
    return sum(
        lanes[a].length_m
        for a, b in zip(ids, ids[1:], strict=False)
        if b in (lanes.side(a, True), lanes.side(a, False))
    )


def _until(path: LanePath, s_m: float) -> list[int]:
    """The lanes of a path up to the one at `s_m`, one more where there is one, so that the way does not end there."""
    return list(path.lane_ids[: int(path.index_at(s_m)) + 2])


_FINDERS: Mapping[str, Callable[[Lanes, Need, np.random.Generator], Iterator[Found]]] = {
    "road": roads, "bend": bends, "junction": junctions, "merge": merges, "drop": ending,
    "zipper": zippers, "roundabout": rings, "narrows": narrow,
}  # fmt: skip
