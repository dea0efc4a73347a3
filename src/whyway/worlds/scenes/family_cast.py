"""A family's numbers are drawn, and its actors put in their places at a site: `Family` + seed + `Site` -> parts. Pure."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from whyway.config import VehicleConfig
from whyway.maps.signals import SignalPlan
from whyway.types import LightColor
from whyway.worlds.scenes.cast import NAN, Cue, Part, sized
from whyway.worlds.scenes.expression import evaluate
from whyway.worlds.scenes.family import (
    ActorSpec,
    Amount,
    ArmPlace,
    CueSpec,
    Family,
    FamilyError,
    LanePlace,
    LightSpec,
    WalkPlace,
)
from whyway.worlds.scenes.family_lanes import meeting
from whyway.worlds.scenes.family_need import Need
from whyway.worlds.scenes.family_sites import Site
from whyway.worlds.sim.state import When
from whyway.worlds.sim.table import Line

Numbers: TypeAlias = dict[str, float]

_ONWARD_M = 600.0
_DIGITS = 3
_SPARE_M = 3.0


class PlaceError(FamilyError):
    """An actor has no place at a site; another site may do."""


# ----------------------------------------------------------------------------------------------------------- numbers


def draw(family: Family, seed: int, vehicle: VehicleConfig) -> Numbers:
    """The parameters of a seed: the same seed, the same numbers; later ones may use earlier ones.

    Raises:
      FamilyError: a text that gives no number.
    """
    rng = np.random.default_rng([zlib.crc32(family.name.encode()), seed])
    numbers: Numbers = {"ego_length_m": vehicle.length_m, "ego_width_m": vehicle.width_m}
    for name, spec in family.parameters.items():
        if spec.be is not None:
            numbers[name] = number(spec.be, numbers)
        elif spec.one_of:
            numbers[name] = number(spec.one_of[int(rng.integers(len(spec.one_of)))], numbers)
        else:
            low, high = (number(a, numbers) for a in spec.between)
            if low > high:
                raise FamilyError(
                    f"family {family.name}: {name} is drawn between {low:g} and {high:g}; swap them"
                )
            numbers[name] = round(float(rng.uniform(low, high)), _DIGITS)
    return numbers


def number(amount: Amount, numbers: Mapping[str, float]) -> float:
    """The value of a number or a text."""
    return amount if isinstance(amount, float) else evaluate(str(amount), numbers)


def needed(family: Family, numbers: Numbers) -> Need:
    """What a site must have, in numbers."""
    spec = family.site
    lengths = (spec.approach_m, spec.behind_m, spec.beyond_m, spec.clear_m, spec.radius_m)
    approach, behind, beyond, clear, radius = (number(a, numbers) for a in lengths)
    speed = number(family.ego.speed_mps, numbers)
    return Need(spec, approach, behind, beyond, clear, radius, speed)


# ------------------------------------------------------------------------------------------------------------ places


def cast(family: Family, numbers: Numbers, site: Site) -> tuple[Part, ...]:
    """Everybody with a part, in their places.

    Raises:
      PlaceError: the site has no room for somebody.
    """
    speed = number(family.ego.speed_mps, numbers)
    stage = _Placer(site, numbers, speed)
    parts: list[Part] = []
    for name, spec in family.actors.items():
        for i in range(spec.times):
            part = stage.part(spec, i)
            stage.check_apart(part)
            parts.append(replace(part, name=f"{name} {i + 1}" if spec.times > 1 else name))
    return tuple(parts)


class _Placer:
    """Turns places of a family into places on a map."""

    def __init__(self, site: Site, numbers: Numbers, ego_mps: float) -> None:
        self.site, self.numbers, self.ego_mps = site, numbers, ego_mps

    def check_apart(self, part: Part) -> None:
        """Nobody begins where the ego does: a way to a junction may pass it on the way.

        Raises:
          PlaceError: somebody would.
        """
        if not part.lanes:
            return
        x, y, _, _ = (
            float(c) for c in self.site.lanes[part.lanes[0]].center.at(part.s_m, part.d_m)
        )
        ego_x, ego_y, _, _ = self.site.path.center.at(self.site.start_m)
        near = (part.length_m + self.numbers["ego_length_m"]) / 2
        if (
            abs(part.d_m) < 2.0
            and math.hypot(x - ego_x, y - ego_y) < near
            and not self._abreast(x, y)
        ):
            raise PlaceError("somebody would begin where the ego does")

    def _abreast(self, x_m: float, y_m: float) -> bool:
        """Whether a point lies a lane beside the ego's start."""
        _, d = self.site.path.center.project(x_m, y_m)
        return abs(float(d)) > 2.5

    def number(self, amount: Amount) -> float:
        return number(amount, self.numbers)

    def optional(self, amount: Amount | None, otherwise: float) -> float:
        return otherwise if amount is None else self.number(amount)

    def part(self, spec: ActorSpec, i: int) -> Part:
        """The i-th of an actor's row."""
        length, width = (
            None if a is None else self.number(a) for a in (spec.length_m, spec.width_m)
        )
        v = self.number(spec.speed_mps)
        part = Part(
            "", *sized(spec.kind, length, width), v_mps=v, cap_mps=self.optional(spec.cap_mps, v),
            headway_s=self.optional(spec.headway_s, NAN), hurry=self.number(spec.hurry),
        )  # fmt: skip
        further = i * self.number(spec.every_m)
        if spec.in_lane is not None:
            part, meets = self._in_lane(part, spec.in_lane, further)
        elif spec.on_arm is not None:
            part, meets = self._on_arm(part, spec.on_arm, further)
        else:
            assert spec.on_walk is not None
            part, meets = self._on_walk(part, spec.on_walk, further)
        cues = tuple(self._cue(part, cue, meets) for cue in spec.cues)
        if spec.reckless:
            cues = (Cue(When.AT_TIME, 0.0, speed_mps=v, reckless=True), *cues)
        fastest = max([v, *(abs(c.speed_mps) for c in cues if not math.isnan(c.speed_mps))])
        own = part.own and replace(part.own, speed_mps=max(fastest, 0.5))
        return replace(part, cues=cues, own=own)

    def _along(self, ahead: Amount | None, before: Amount | None, further: float) -> float:
        """Arc length of the ego's way."""
        if ahead is not None:
            return self.site.start_m + self.number(ahead) + further
        assert before is not None
        return self.site.conflict_m - self.number(before) + further

    def _in_lane(self, part: Part, place: LanePlace, further: float) -> tuple[Part, float]:
        s = self._along(place.ahead_m, place.before_m, further)
        ids, along = self._lane_there(place.lane, s)
        d = self.number(place.offset_m)
        return replace(part, lanes=ids, s_m=along, d_m=d), s - part.length_m / 2

    def _lane_there(self, which: str, s_m: float) -> tuple[tuple[int, ...], float]:
        """The lanes from beside a point of the ego's way on, and how far along the first that is."""
        path, lanes = self.site.path, self.site.lanes
        if which == "oncoming":
            return self._oncoming(s_m)
        if not 0.0 <= s_m <= path.length_m:
            raise PlaceError(
                f"the ego's way is {path.length_m:.0f} m long and has no place at {s_m:.0f} m"
            )
        at = int(path.index_at(s_m))
        mine = path.lane_ids[at]
        x, y, _, _ = (float(c) for c in path.center.at(s_m))
        if which == "own":
            along, _ = lanes[mine].project(x, y)
            return lanes.onward(path.lane_ids[at:], _ONWARD_M), along
        other = lanes.side(mine, left=which == "left")
        if not other:
            raise PlaceError(f"there is no lane {which} of the ego's")
        along, _ = lanes[other].project(x, y)
        if not -1.0 <= along <= lanes[other].length_m + 1.0:
            raise PlaceError(f"the lane {which} of the ego's ends too early")
        return lanes.onward((other,), _ONWARD_M), along

    def _oncoming(self, s_m: float) -> tuple[tuple[int, ...], float]:
        """The lanes the other way from a point of the ego's way on; behind a junction, so far back along the lane that comes from there."""
        path, lanes = self.site.path, self.site.lanes
        back = 0.0
        while not (other := lanes.opposite(path.lane_at(s_m - back))):
            back += 5.0
            if s_m - back < self.site.start_m:
                raise PlaceError("there is no lane the other way beside the ego's")
        x, y, _, _ = (float(c) for c in path.center.at(s_m - back))
        along = lanes[other].project(x, y)[0] - back
        ids = lanes.upstream((other,), max(-along, 0.0))
        along += lanes.length_m(ids[:-1])
        if along < 0.0:
            raise PlaceError("the lane the other way begins too late")
        return lanes.onward(ids, _ONWARD_M), along

    def _on_arm(self, part: Part, place: ArmPlace, further: float) -> tuple[Part, float]:
        site, lanes = self.site, self.site.lanes
        ids = site.arms.get(f"{place.come}>{place.go}")
        if ids is None:
            raise FamilyError(
                f"the site does not ask for arm {place.come}>{place.go}; add it to site.arms"
            )
        centers = [lanes[i].center for i in ids]
        x, y = (np.concatenate([getattr(c, k) for c in centers]) for k in ("x_m", "y_m"))
        own_s = np.arange(site.start_m, min(site.path.length_m, site.conflict_m + 120.0), 1.0)
        if place.come == "beside":  # side by side all along: what counts is the junction
            own_s = own_s[own_s > site.conflict_m]
        mx, my, _, _ = site.path.center.at(own_s)
        met = meeting(mx, my, x, y)
        if met is None:
            raise PlaceError(f"the way {place.come}>{place.go} does not meet the ego's")
        meets = float(own_s[met[0]])
        starts = np.concatenate([[0.0], np.cumsum([c.length_m for c in centers])])
        along = np.concatenate([c.s_m + s0 for c, s0 in zip(centers, starts[:-1], strict=True)])
        if place.after_ego_s is not None:
            time = (meets - site.start_m) / max(self.ego_mps, 0.5) + self.number(place.after_ego_s)
            back = max(part.v_mps, 0.0) * time
        else:
            assert place.before_m is not None
            back = self.number(place.before_m)
        s = float(along[met[1]]) - back + further
        k = int(np.searchsorted(starts, s, side="right")) - 1
        if not 0 <= k < len(ids):
            raise PlaceError(f"the way {place.come}>{place.go} begins {-s:.0f} m too late")
        d = 0.0
        if ids[k] in site.path.lane_ids:  # in the ego's own lane: at its right edge
            half = float(
                np.interp(s - starts[k], lanes[ids[k]].raw_s_m, lanes[ids[k]].raw_width_m / 2)
            )
            d = -(half - part.width_m / 2 - 0.2)
        chain = lanes.onward(ids[k:], _ONWARD_M)
        return replace(part, lanes=chain, s_m=s - float(starts[k]), d_m=d), meets

    def _on_walk(self, part: Part, place: WalkPlace, further: float) -> tuple[Part, float]:
        s = self._along(place.ahead_m, place.before_m, further)
        x, y, yaw, _ = (float(c) for c in self.site.path.center.at(s))
        sign = 1.0 if place.side == "right" else -1.0
        slant = math.radians(self.number(place.slant_deg))
        heading = yaw + sign * (math.pi / 2 - slant)
        c, sn = math.cos(heading), math.sin(heading)
        away = self.number(place.aside_m) / max(math.cos(slant), 0.2)
        length = self.number(place.length_m)
        # who backs begins near the far end of its line; one at the very end would have left the road
        more = _SPARE_M if place.backwards else 0.0
        xs = x + np.array([-away - more, length - away]) * c
        ys = y + np.array([-away - more, length - away]) * sn
        at = 0.0
        if place.backwards:
            xs, ys, at = xs[::-1].copy(), ys[::-1].copy(), length
        own = Line(xs, ys, 1.0, half_width_m=part.width_m / 2)
        return replace(part, own=own, s_m=at), s

    # -------------------------------------------------------------------------------------------------------- cues

    def _cue(self, part: Part, spec: CueSpec, meets_m: float) -> Cue:
        when, value, at = self._moment(part, spec, meets_m)
        offset = NAN
        if spec.offset_m is not None:
            offset = self.number(spec.offset_m)
        elif spec.to_lane is not None:
            offset = self._offset_to(part, spec.to_lane)
        return Cue(
            when, value, at,
            speed_mps=self.optional(spec.speed_mps, NAN),
            rate_mps2=self.number(spec.rate_mps2),
            offset_m=offset,
            lateral_mps=self.number(spec.lateral_mps),
            reckless=spec.reckless,
        )  # fmt: skip

    def _moment(self, part: Part, spec: CueSpec, meets_m: float) -> tuple[When, float, float]:
        if spec.at_s is not None:
            return When.AT_TIME, self.number(spec.at_s), 0.0
        if spec.ego_within_m is not None:
            return When.EGO_WITHIN, self.number(spec.ego_within_m), 0.0
        if spec.ego_arrives_s is not None:
            return When.EGO_ARRIVES, self.number(spec.ego_arrives_s), meets_m
        if spec.ego_passed_m is not None:
            return When.EGO_PASSED, self.site.start_m + self.number(spec.ego_passed_m), 0.0
        if spec.own_m is not None:
            return When.OWN_S, part.s_m + self.number(spec.own_m), 0.0
        assert spec.after_s is not None
        return When.AFTER, self.number(spec.after_s), 0.0

    def _offset_to(self, part: Part, lane: str) -> float:
        """From the middle of a part's own lane, to its left, to the middle of a lane as the ego calls it."""
        if lane == "home":
            return 0.0
        if not part.lanes:
            raise FamilyError("only who is in a lane can move to another; give offset_m")
        lanes = self.site.lanes
        here = lanes[part.lanes[0]]
        x, y, _, _ = (float(c) for c in here.center.at(part.s_m))
        s, _ = self.site.path.center.project(x, y)
        ids, along = self._lane_there(lane, float(s))
        tx, ty, _, _ = (float(c) for c in lanes[ids[0]].center.at(along))
        return here.project(tx, ty)[1]


# ------------------------------------------------------------------------------------------------------------ lights


def lights(
    spec: LightSpec | None,
    numbers: Numbers,
    site: Site,
    plan: SignalPlan,
    ego_mps: float,
    front_m: float,
) -> SignalPlan:
    """The map's programs, all moved by the same time, so that the ego's light does what the family asks.

    Args:
      spec: what it asks; None leaves the programs as they are.
      numbers: the drawn parameters.
      site: where the ego goes.
      plan: the map's programs.
      ego_mps: the ego's speed at the start.
      front_m: from the middle of the ego's box to its front.

    Raises:
      PlaceError: there is no light on the ego's way, or it has no program.
    """
    if spec is None:
        return plan
    at = next(
        (
            (s, line.light_id)
            for s, line in site.path.stop_lines
            if line.light_id in plan.cycles and s > site.start_m
        ),
        None,
    )
    if at is None:
        raise PlaceError("no light with a program stands on the ego's way")
    s, light = at
    arrives = (s - site.start_m - front_m) / max(ego_mps, 0.5)
    ends = arrives - number(spec.ends_before_arrival_s, numbers)
    cycle = plan.cycles[light]
    color = LightColor.GREEN if spec.color == "green" else LightColor.RED
    if color not in cycle.colors:
        raise PlaceError(f"light {light} never shows {spec.color}")
    last = len(cycle.colors) - 1 - cycle.colors[::-1].index(color)
    shift = ends - sum(cycle.durations_s[: last + 1]) - cycle.offset_s
    return SignalPlan({i: replace(c, offset_s=c.offset_s + shift) for i, c in plan.cycles.items()})
