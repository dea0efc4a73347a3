"""Scenario families as files: what they may say (frozen dataclasses) and how they are read. Unknown words are errors.

A family is a small YAML file in `worlds/scenes/families`: where it can take place (`site`), what is drawn by luck (`parameters`), who
takes part (`actors` with their place and their cues), and what else is special (lights, sensors, judgement). Every number may be an
arithmetic text over the parameters (`$speed_mps * 2`). `family_world.py` makes worlds of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from whyway.types import InputError

Amount = float | str
"""A number, or a text that gives one (`expression.evaluate`)."""

_MOST_ACTORS, MOST_CUES = 40, 4

KINDS = ("road", "bend", "junction", "merge", "drop", "zipper", "roundabout", "narrows")
LANES = ("own", "left", "right", "oncoming")
ARMS = ("left", "right", "opposite", "beside", "ring")
TURNS = ("left", "straight", "right")
CLASSES = ("car", "van", "truck", "bus", "motorcycle", "bicycle", "pedestrian", "animal", "hazard")


class FamilyError(InputError):
    """A family file that cannot be used; its text is one line with the remedy."""


def one_of(value: str, allowed: tuple[str, ...], what: str) -> None:
    """The value, if it is allowed.

    Raises:
      ValueError: it is not; one line.
    """
    if value not in allowed:
        raise ValueError(f"{what} {value!r}: give one of {', '.join(allowed)}")


def _only_one(a: Any, b: Any, a_name: str, b_name: str) -> None:
    if (a is None) == (b is None):
        raise ValueError(f"needs either {a_name} or {b_name}")


@dataclass(frozen=True, slots=True)
class SiteSpec:
    """Where it can take place. Lengths are along the ego's way; the *conflict* is the point everything is timed for:
    on a road anywhere, else where the curve, junction, ring, narrow part or second lane begins.
    """

    kind: str
    approach_m: Amount = 80.0
    """From the ego's start to the conflict."""
    behind_m: Amount = 0.0
    """Road needed behind the start."""
    beyond_m: Amount = 60.0
    """From the conflict to the goal."""
    clear_m: Amount = 40.0
    """Of a road: how far it stays as it is behind the conflict."""
    lanes: int = 1
    """At least so many in the ego's direction."""
    lane: str = "any"
    """Which of them is the ego's: `left`, `right` (most) or `any`."""
    goal_lane: str = "own"
    """Of a road: where the goal lies, in the ego's lane or the one beside it: `own`, `left` or `right`."""
    oncoming: bool = False
    """Whether there must be a lane the other way beside ours (the ego is in the leftmost of its lanes)."""
    radius_m: Amount = 40.0
    """Of a bend: at most."""
    turn: str = "straight"
    """Of the ego at a junction."""
    control: str = "any"
    """Of the ego's way into a junction: signals, stop, all_way_stop, give_way, none (it has no line) or any."""
    arms: tuple[str, ...] = ()
    """Who must be able to come, as `from>to`: `left>straight`."""

    def __post_init__(self) -> None:
        one_of(self.kind, KINDS, "kind")
        one_of(self.turn, TURNS, "turn")
        one_of(self.lane, ("left", "right", "any"), "lane")
        one_of(self.goal_lane, ("own", "left", "right"), "goal_lane")
        if self.goal_lane != "own" and self.kind != "road":
            raise ValueError(f"goal_lane {self.goal_lane!r}: only on a road")
        one_of(
            self.control, ("signals", "stop", "all_way_stop", "give_way", "none", "any"), "control"
        )
        for arm in self.arms:
            source, _, target = arm.partition(">")
            one_of(source, ARMS, "arms: from")
            one_of(target, TURNS, "arms: to")


@dataclass(frozen=True, slots=True)
class DrawSpec:
    """A number drawn by luck: evenly `between` two, or `one_of` some; or made of others (`be`)."""

    between: tuple[Amount, ...] = ()
    one_of: tuple[Amount, ...] = ()
    be: Amount | None = None

    def __post_init__(self) -> None:
        ways = (len(self.between) == 2) + bool(self.one_of) + (self.be is not None)
        if ways != 1 or len(self.between) not in (0, 2):
            raise ValueError("give either between: [low, high], one_of: [...] or be: text")


@dataclass(frozen=True, slots=True)
class LanePlace:
    """A place in a lane, by the ego's way: centre of the box."""

    lane: str = "own"
    ahead_m: Amount | None = None
    """From the ego's start; negative behind."""
    before_m: Amount | None = None
    """Before the conflict; negative behind it."""
    offset_m: Amount = 0.0
    """To the left of the lane's centre, in the lane's direction."""
    facing_back: bool = False
    """Stands against the lane's direction."""

    def __post_init__(self) -> None:
        one_of(self.lane, LANES, "lane")
        _only_one(self.ahead_m, self.before_m, "ahead_m", "before_m")


@dataclass(frozen=True, slots=True)
class ArmPlace:
    """A place on a way through the site's junction, by where it meets the ego's way."""

    come: str = "left"
    """Where from, as the ego sees it: left, right, opposite; round the ring; or `beside` it, in the bicycle lane (without
    one, at the right edge of the ego's own lane)."""
    go: str = "straight"
    """Which way it turns."""
    after_ego_s: Amount | None = None
    """At its speed it is where the ways meet so long after the ego at *its* start speed."""
    before_m: Amount | None = None
    """Or: so far from where the ways meet."""

    def __post_init__(self) -> None:
        one_of(self.come, ARMS, "come")
        one_of(self.go, TURNS, "go")
        _only_one(self.after_ego_s, self.before_m, "after_ego_s", "before_m")


@dataclass(frozen=True, slots=True)
class WalkPlace:
    """A straight way of one's own across the road, and a place at its beginning."""

    side: str = "right"
    """Where it begins, as the ego sees it."""
    aside_m: Amount = 4.0
    """How far from the middle of the ego's lane it begins."""
    length_m: Amount = 14.0
    ahead_m: Amount | None = None
    before_m: Amount | None = None
    """Where it crosses the ego's lane: see `LanePlace`."""
    slant_deg: Amount = 0.0
    """Turned so much from straight across, positive towards the ego's direction."""
    backwards: bool = False
    """Faces away from the road and backs along the way."""

    def __post_init__(self) -> None:
        one_of(self.side, ("left", "right"), "side")
        _only_one(self.ahead_m, self.before_m, "ahead_m", "before_m")


@dataclass(frozen=True, slots=True)
class CueSpec:
    """What an actor does from a moment on, until its next cue. Exactly one moment must be given."""

    at_s: Amount | None = None
    ego_within_m: Amount | None = None
    ego_arrives_s: Amount | None = None
    """The ego's front is so many seconds from where the actor stands in its way or will cross it."""
    ego_passed_m: Amount | None = None
    """The ego's centre is so far behind its start."""
    own_m: Amount | None = None
    """The actor has come so far along its own way."""
    after_s: Amount | None = None
    """So long after the cue before."""
    speed_mps: Amount | None = None
    """Drives at exactly this speed; without it as traffic does."""
    rate_mps2: Amount = 3.0
    to_lane: str | None = None
    """Moves over to a lane as seen from the ego's: own, left or right; `home` is its own."""
    offset_m: Amount | None = None
    """Moves so far to the left of its lane's centre."""
    lateral_mps: Amount = 1.2
    reckless: bool = False
    """Minds neither others nor lights nor rights of way."""

    def __post_init__(self) -> None:
        if sum(getattr(self, name) is not None for name in MOMENTS) != 1:
            raise ValueError(f"needs exactly one of {', '.join(MOMENTS)}")
        if self.to_lane is not None:
            one_of(self.to_lane, ("own", "left", "right", "home"), "to_lane")
            if self.offset_m is not None:
                raise ValueError("give to_lane or offset_m, not both")


MOMENTS = ("at_s", "ego_within_m", "ego_arrives_s", "ego_passed_m", "own_m", "after_s")


@dataclass(frozen=True, slots=True)
class ActorSpec:
    """Somebody with a part to play. Exactly one place must be given."""

    kind: str = "car"
    length_m: Amount | None = None
    width_m: Amount | None = None
    in_lane: LanePlace | None = None
    on_arm: ArmPlace | None = None
    on_walk: WalkPlace | None = None
    speed_mps: Amount = 0.0
    """At the start."""
    cap_mps: Amount | None = None
    """Before its first cue it drives no faster; without it no faster than at the start."""
    reckless: bool = False
    """From the start: exactly its speed, minding nobody."""
    headway_s: Amount | None = None
    hurry: Amount = 1.0
    """Desired speed as a part of what the road allows."""
    times: int = 1
    """So many in a row ..."""
    every_m: Amount = 7.0
    """... so far apart, each further ahead than the one before."""
    cues: tuple[CueSpec, ...] = ()

    def __post_init__(self) -> None:
        one_of(self.kind, CLASSES, "kind")
        if sum(p is not None for p in (self.in_lane, self.on_arm, self.on_walk)) != 1:
            raise ValueError("needs exactly one of in_lane, on_arm, on_walk")
        if len(self.cues) > MOST_CUES - self.reckless:
            raise ValueError(f"at most {MOST_CUES} cues, being reckless from the start among them")
        if not 1 <= self.times <= _MOST_ACTORS:
            raise ValueError(f"times must be 1 to {_MOST_ACTORS}")


@dataclass(frozen=True, slots=True)
class EgoSpec:
    """How the ego begins."""

    speed_mps: Amount = 8.0


@dataclass(frozen=True, slots=True)
class LightSpec:
    """What the ego's light at the site shows: a colour that ends some time before the ego, at its start speed, is there."""

    color: str = "green"
    ends_before_arrival_s: Amount = -20.0

    def __post_init__(self) -> None:
        one_of(self.color, ("green", "red"), "color")


@dataclass(frozen=True, slots=True)
class FairSpec:
    """What a careful driver needs to get through: this braking, so long after the event can be seen."""

    brake_mps2: float = 6.0
    reaction_s: float = 0.5
    sees: str = "event"
    """Since when: the first cue (`event`) or always (`start`: what stands in plain view)."""

    def __post_init__(self) -> None:
        one_of(self.sees, ("event", "start"), "sees")
        if not (0.0 < self.brake_mps2 <= 8.0 and 0.0 <= self.reaction_s <= 2.0):
            raise ValueError("brake_mps2 must be at most 8, reaction_s at most 2")


@dataclass(frozen=True, slots=True)
class PassSpec:
    """What a drive must do beside keeping its record clean (the log's verdict)."""

    goal: bool = True
    """Reach the goal in time."""
    no_contact: bool = False
    """Touch nobody, whoever's fault it were."""
    stop_at_line: bool = False
    """Stand before the first stop line of the route."""
    limit_slack_mps: Amount | None = None
    """Never faster than the limit and so much (0.5 s of grace at a border)."""


@dataclass(frozen=True, slots=True)
class Family:
    """One family: see the file's head."""

    name: str
    about: str
    site: SiteSpec
    map: Mapping[str, Any]
    """The kit's map it plays on unless another is given: `piece` and that function's arguments."""
    parameters: Mapping[str, DrawSpec] = field(default_factory=dict)
    ego: EgoSpec = EgoSpec()
    actors: Mapping[str, ActorSpec] = field(default_factory=dict)
    lights: LightSpec | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    """Dials it sets, by dotted name."""
    fair: FairSpec = FairSpec()
    passes: PassSpec = PassSpec()
    duration_s: Amount = 30.0
