"""Where on a map a family can take place: sites found by what they must have, on any `LaneMap`.

A site is a way for the ego with a *conflict* point on it, and the ways by which others come. Lanes are tried in an order drawn
by luck, so that a map with many places serves many seeds. Found by walking the lane graph; nothing here knows who made the map.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from whyway.geometry import wrap_angle
from whyway.maps.path import LanePath, join
from whyway.maps.routes import make_route
from whyway.types import Floats, InputError, LaneKind, Route
from whyway.worlds.sim.family import TURNS, SiteSpec
from whyway.worlds.sim.family_lanes import Lanes, meeting

_LATERAL_MPS2 = 2.0
"""A road is straight where it may bend, but can be driven at the ego's speed with less than this to the side ..."""
_TIGHTEST_1PM = 1.0 / 30.0
"""... and bends no more than this."""
_TURN_RAD = math.radians(30.0)
_ARM_RAD = math.radians(45.0)
_ARM_ANGLES = {"right": math.pi / 2, "left": -math.pi / 2, "opposite": math.pi, "beside": 0.0}
"""Heading of who comes, against the ego's."""
_JUNCTION_M = 80.0
"""Lanes that end farther from each other do not lead into the same junction."""
_SHARED_M = 1.2
"""Two opposite lanes whose centres are so near share the road."""
_FARTHEST_M = 1500.0
_ONWARD_M = 500.0


class SiteError(InputError):
    """A map has no place for a family; one line."""


@dataclass(frozen=True, slots=True)
class Need:
    """A `SiteSpec` with its numbers known."""

    spec: SiteSpec
    approach_m: float
    behind_m: float
    beyond_m: float
    clear_m: float
    radius_m: float
    speed_mps: float
    """Of the ego at the start."""
    near: tuple[float, float] | None = None
    """Places nearer to this point are tried first; None: in an order drawn by luck."""

    def shorter(self, share: float) -> Need:
        """The same with less room, for maps with short roads."""
        names = ("approach_m", "behind_m", "beyond_m", "clear_m")
        return replace(self, **{name: getattr(self, name) * share for name in names})

    @property
    def straight_1pm(self) -> float:
        """Curvature up to which a road is straight."""
        return min(_TIGHTEST_1PM, _LATERAL_MPS2 / max(self.speed_mps, 1.0) ** 2)


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


@dataclass(frozen=True, slots=True)
class _Found:
    """Lanes in a row (`core`), with the conflict `conflict_m` from the start of the first."""

    core: tuple[int, ...]
    conflict_m: float
    arms: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


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


def _whole(lanes: Lanes, need: Need, found: _Found) -> Site | None:
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


# ------------------------------------------------------------------------------------------------------------ roads


def _roads(lanes: Lanes, need: Need, rng: np.random.Generator) -> Iterator[_Found]:
    """Straight stretches without junctions, as wide as asked all along."""
    span = need.approach_m + need.clear_m
    for first in _ordered(lanes, need, rng):
        run, total = _run(lanes, first, lambda i: _fits(lanes, need, i), span + need.behind_m)
        if total < span:
            continue
        # what is needed behind the start may lie before a junction, or in the stretch itself
        before = lanes.upstream((first,), need.behind_m)[:-1]
        missing = max(need.behind_m - lanes.length_m(before), 0.0)
        if total >= span + missing:
            yield _Found(run, missing + need.approach_m)


def _fits(lanes: Lanes, need: Need, lane_id: int) -> bool:
    lane, spec = lanes[lane_id], need.spec
    if lane.lane.in_junction or lane.lane.kind != LaneKind.DRIVING:
        return False
    if _sharpest(lanes, lane_id) > need.straight_1pm:
        return False
    return _fits_across(lanes, spec, lane_id)


def _sharpest(lanes: Lanes, lane_id: int) -> float:
    return float(np.abs(lanes[lane_id].center.curvature_1pm).max())


def _fits_across(lanes: Lanes, spec: SiteSpec, lane_id: int) -> bool:
    if spec.lane != "any" and lanes.side(lane_id, left=spec.lane == "left"):
        return False
    if spec.oncoming and (
        lanes.side(lane_id, left=True) or lanes[lane_id].lane.opposite_id not in lanes.all
    ):
        return False
    return spec.lanes == 1 or lanes.abreast(lane_id) >= spec.lanes


def _run(
    lanes: Lanes, first: int, fits: Callable[[int], bool], most_m: float
) -> tuple[tuple[int, ...], float]:
    """Lanes in a row from one on for which something holds, and how long they are."""
    run: list[int] = []
    total, here = 0.0, first
    while here and fits(here):
        run.append(here)
        total += lanes[here].length_m
        nexts = [i for i in lanes.after(here) if i not in run]
        if total >= most_m or not nexts:
            break
        here = nexts[0]
    return tuple(run), total


def _bends(lanes: Lanes, need: Need, rng: np.random.Generator) -> Iterator[_Found]:
    """Where a road without junctions begins to bend as sharply as asked."""
    for lane_id in _ordered(lanes, need, rng):
        lane = lanes[lane_id]
        if lane.lane.in_junction or not _fits_across(lanes, need.spec, lane_id):
            continue
        before = lanes.upstream((lane_id,), need.approach_m / 2)[:-1]
        if any(
            lanes[i].lane.in_junction or _sharpest(lanes, i) > 0.7 / need.radius_m for i in before
        ):
            continue
        bent = np.abs(lane.center.curvature_1pm) >= 1.0 / need.radius_m
        turned = abs(float(np.ptp(lane.center.yaw_rad)))
        if bent.any() and turned > _TURN_RAD:
            begins = float(lane.center.s_m[int(bent.argmax())])
            yield _Found((lane_id,), begins)


def _narrow(lanes: Lanes, need: Need, rng: np.random.Generator) -> Iterator[_Found]:
    """Where both directions begin to share the road."""
    for lane_id in _ordered(lanes, need, rng):
        if _shared(lanes, lane_id) and not any(_shared(lanes, i) for i in lanes.before(lane_id)):
            yield _Found((lane_id,), 0.0)


def _shared(lanes: Lanes, lane_id: int) -> bool:
    lane = lanes[lane_id]
    other = lanes.all.get(lane.lane.opposite_id)
    if other is None or lane.lane.in_junction or lane.length_m < 10.0:
        return False
    x, y, _, _ = lane.center.at(lane.length_m / 2)
    return abs(other.project(float(x), float(y))[1]) < _SHARED_M


# ---------------------------------------------------------------------------------------------- lanes that join lanes


def _ending(lanes: Lanes, need: Need, rng: np.random.Generator) -> Iterator[_Found]:
    """Lanes that end beside one that goes on: of a ramp (`merge`), or of a road that gets narrower (`drop`)."""
    for lane_id in _ordered(lanes, need, rng):
        before = lanes.before(lane_id)
        if lanes[lane_id].lane.in_junction or lanes.after(lane_id) or not before:
            continue
        beside = next((n for left in (True, False) if (n := lanes.side(lane_id, left))), 0)
        alone = not any(lanes.side(before[0], left) for left in (True, False))
        if not beside or not lanes.after(beside) or alone != (need.spec.kind == "merge"):
            continue
        others = lanes.upstream((beside,), need.approach_m + 200.0)
        yield _Found((lane_id, beside), 0.0, {"left>straight": lanes.onward(others, _ONWARD_M)})


def _merges(lanes: Lanes, need: Need, rng: np.random.Generator) -> Iterator[_Found]:
    """Ramps: lanes that end beside a road's, and ways that join another road's lane at a small angle."""
    yield from _ending(lanes, need, rng)
    ways = [_way(lanes, *parts) for parts in lanes.junction_ways()]
    for i in _order(lanes, need, rng, [way.entry for way in ways]):
        mine = ways[i]
        for other in ways:
            if other.exit != mine.exit or other.entry == mine.entry:
                continue
            gentle = max(abs(mine.turn_rad), abs(other.turn_rad)) < _TURN_RAD
            beside = other.entry in (lanes.side(mine.entry, True), lanes.side(mine.entry, False))
            if gentle and not beside and abs(wrap_angle(mine.in_rad - other.in_rad)) < _TURN_RAD:
                core = (mine.entry, *mine.inside, mine.exit)
                theirs = (other.entry, *other.inside, other.exit)
                others = lanes.upstream(theirs, need.approach_m + 200.0)
                arms = {"left>straight": lanes.onward(others, _ONWARD_M)}
                yield _Found(core, lanes.length_m(core[:-1]), arms)


def _zippers(lanes: Lanes, need: Need, rng: np.random.Generator) -> Iterator[_Found]:
    """Two neighbours that lead into the same lane."""
    for lane_id in _ordered(lanes, need, rng):
        for left in (False, True):
            other = lanes.side(lane_id, left)
            if not other or lanes[lane_id].lane.in_junction:
                continue
            mine, theirs = lanes.onward((lane_id,), 400.0), lanes.onward((other,), 400.0)
            joint = next((i for i in mine[1:] if i in theirs), 0)
            if joint and mine.index(joint) <= 2 and lanes[lane_id].lane.successor_ids.size == 1:
                core = mine[: mine.index(joint) + 1]
                conflict = lanes.length_m(core[:-1])
                others = lanes.upstream(theirs[: theirs.index(joint) + 1], need.approach_m + 200.0)
                name = "left>straight" if left else "right>straight"
                yield _Found(core, conflict, {name: lanes.onward(others, _ONWARD_M)})


def _rings(lanes: Lanes, need: Need, rng: np.random.Generator) -> Iterator[_Found]:
    """Ways into a circle, half round it or so, and out."""
    known: set[int] = set()
    for first in _ordered(lanes, need, rng):
        if first in known or not (ring := _ring(lanes, first)):
            continue
        known |= set(ring)
        for i in rng.permutation(len(ring)).tolist():
            for entry in lanes.before(ring[i]):
                if entry not in ring and (way := _round(lanes, ring, i)) is not None:
                    onto = (*lanes.upstream((entry,), 1.0), *way)
                    conflict = lanes.length_m(onto[: onto.index(ring[i])])
                    others = (*ring[i + 1 :], *ring[: i + 1])  # ends where the ego joins
                    arms = {"ring>straight": lanes.onward(others, _ONWARD_M)}
                    yield _Found(onto, conflict, arms)


def _ring(lanes: Lanes, first: int) -> tuple[int, ...]:
    """The lanes of a circle of at most 250 m round to the left that goes through a lane, from it on; () for none."""
    ring, total, turned = [first], lanes[first].length_m, lanes[first].turn_rad
    while total < 250.0 and len(ring) < 40:
        nexts = lanes.after(ring[-1])
        if not nexts or turned < -0.5:
            return ()
        # who stays on the ring turns left all the time
        here = max(nexts, key=lambda i: lanes[i].turn_rad / max(lanes[i].length_m, 1.0))
        if here == first:
            return tuple(ring) if abs(turned - 2 * math.pi) < 1.5 else ()
        if here in ring:
            return ()
        ring.append(here)
        total += lanes[here].length_m
        turned += lanes[here].turn_rad
    return ()


def _round(lanes: Lanes, ring: tuple[int, ...], i: int) -> tuple[int, ...] | None:
    """From the i-th lane of a ring past one way out at least, and out at the next."""
    way: list[int] = []
    outs = 0
    for k in range(len(ring) - 1):
        here = ring[(i + k) % len(ring)]
        way.append(here)
        exits = [j for j in lanes.after(here) if j not in ring]
        outs += bool(exits)
        if exits and outs >= 2:
            return (*way, exits[0])
    return None


# ------------------------------------------------------------------------------------------------------- junctions


@dataclass(frozen=True, slots=True)
class _Way:
    """A passage through a junction."""

    entry: int
    inside: tuple[int, ...]
    exit: int
    in_rad: float
    turn_rad: float

    @property
    def go(self) -> str:
        """Which way it turns."""
        sharp = abs(self.turn_rad) > _TURN_RAD
        return TURNS[1] if not sharp else TURNS[0] if self.turn_rad > 0 else TURNS[2]


def _junctions(lanes: Lanes, need: Need, rng: np.random.Generator) -> Iterator[_Found]:
    """Ways through junctions under the control asked for, where others can come from where they must."""
    spec = need.spec
    ways = [_way(lanes, *parts) for parts in lanes.junction_ways()]
    for i in _order(lanes, need, rng, [way.entry for way in ways]):
        mine = ways[i]
        if mine.go != spec.turn or not _fits_across(lanes, spec, mine.entry):
            continue
        arms = dict(_others(lanes, mine, ways))
        everyone = [mine.entry, *(v[0] for v in arms.values())]
        if lanes[mine.entry].lane.kind != LaneKind.DRIVING:
            continue
        if spec.control != "any" and _control(lanes, mine.entry, everyone) != spec.control:
            continue
        if all(arm in arms for arm in spec.arms):
            core = (mine.entry, *mine.inside, mine.exit)
            whole = {
                k: lanes.onward(lanes.upstream(v, need.approach_m + 150.0), _FARTHEST_M / 2)
                for k, v in arms.items()
                if k in spec.arms
            }
            yield _Found(core, lanes[mine.entry].length_m, whole)


def _way(lanes: Lanes, entry: int, inside: tuple[int, ...], exit_: int) -> _Way:
    yaw = float(lanes[entry].center.yaw_rad[-1])
    turn = sum(float(np.ptp(lanes[i].center.yaw_rad)) for i in inside)
    bend = float(wrap_angle(lanes[exit_].center.yaw_rad[0] - yaw))
    return _Way(entry, inside, exit_, yaw, bend if turn < math.pi else math.copysign(turn, bend))


def _others(lanes: Lanes, mine: _Way, ways: list[_Way]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """All arms; of several ways by one name, a bicycle lane's before the ego's own lane, else the first."""
    x, y, _, _ = lanes[mine.entry].center.at(lanes[mine.entry].length_m)
    found: dict[str, tuple[int, ...]] = {}
    for way in ways:
        entry = lanes[way.entry].center
        if math.hypot(entry.x_m[-1] - x, entry.y_m[-1] - y) > _JUNCTION_M:
            continue
        for name, ids in _meets(lanes, mine, way):
            if name not in found or lanes[ids[0]].lane.kind == LaneKind.BIKE:
                found[name] = ids
    yield from found.items()


def _meets(lanes: Lanes, mine: _Way, other: _Way) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The name of an arm by which somebody on another way crosses or joins the ego's, with its lanes."""
    if other.inside == mine.inside:
        return
    if other.entry != mine.entry and meeting(*_points(lanes, mine), *_points(lanes, other)) is None:
        return
    turn = float(wrap_angle(other.in_rad - mine.in_rad))
    bike = lanes[other.entry].lane.kind == LaneKind.BIKE
    for name, angle in _ARM_ANGLES.items():
        beside = name == "beside"
        if abs(wrap_angle(turn - angle)) < _ARM_RAD and (
            not beside or bike or other.entry == mine.entry
        ):
            yield f"{name}>{other.go}", (other.entry, *other.inside, other.exit)


def _points(lanes: Lanes, way: _Way) -> tuple[Floats, Floats]:
    centers = [lanes[i].center for i in way.inside]
    return np.concatenate([c.x_m for c in centers]), np.concatenate([c.y_m for c in centers])


def _control(lanes: Lanes, entry: int, everyone: list[int]) -> str:
    """Who has the right of way at the end of a lane, as `SiteSpec.control` calls it."""
    lines = lanes.stop_lines.get(entry, [])
    if any(line.light_id for line in lines):
        return "signals"
    if any(line.is_stop_sign for line in lines):
        all_stop = all(
            any(line.is_stop_sign for line in lanes.stop_lines.get(i, [])) for i in everyone
        )
        return "all_way_stop" if all_stop and len(everyone) > 1 else "stop"
    return "give_way" if lines else "none"


def _ordered(lanes: Lanes, need: Need, rng: np.random.Generator) -> list[int]:
    """Ids of lanes in the order in which they are tried."""
    ids = lanes.driving()
    return [ids[i] for i in _order(lanes, need, rng, ids)]


def _order(lanes: Lanes, need: Need, rng: np.random.Generator, ids: Sequence[int]) -> list[int]:
    """Positions of lanes in the order in which they are tried: by luck, or by the distance of their ends from a point."""
    order: list[int] = rng.permutation(len(ids)).tolist()
    if need.near is not None:
        x, y = need.near
        ends = [lanes[i].lane for i in ids]
        away = [math.hypot(v.center_x_m[-1] - x, v.center_y_m[-1] - y) for v in ends]
        order.sort(key=away.__getitem__)
    return order


_FINDERS: Mapping[str, Callable[[Lanes, Need, np.random.Generator], Iterator[_Found]]] = {
    "road": _roads, "bend": _bends, "junction": _junctions, "merge": _merges, "drop": _ending,
    "zipper": _zippers, "roundabout": _rings, "narrows": _narrow,
}  # fmt: skip
