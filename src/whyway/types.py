"""Every value that crosses a stage, a topic or a log: frozen dataclasses in SI units.

This file is the one source of all schemas: the `.msg` files of `whyway_msgs`, the log's schemas and the
converters are derived from it by name (`messages.py`).

Conventions (REP-103): x forward, y left, z up; radians; metres; seconds. A name ends in its unit. Frames: `map`
unless the class says otherwise; an actor's own frame is `base_link`. The ego's `base_link` is the rear axle
centre on the ground; an object's position is the centre of its box. `stamp_ns` is the time of the *input* a value was
computed from, in nanoseconds of the data's own clock.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from enum import IntEnum
from operator import attrgetter
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray


class InputError(ValueError):
    """Wrong input from outside: a file, an argument, a setting. Its text is one line that says what to do."""


Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CYCLE_NS = 100_000_000
"""One decision: worlds step, stages run, plans are sampled and drives are judged at 10 Hz, NAVSIM's rate. Not a dial: all must agree."""
CYCLE_S = CYCLE_NS * 1e-9

STUCK_ABOVE_MPS = 0.5
"""A car at least so fast sees nothing twice from the same place."""

VOLATILE = {"volatile": True}
"""Metadata of fields measured on the wall clock: they differ from run to run, so comparisons may leave them out."""


def _floats() -> Floats:
    return np.zeros(0)


def _ints() -> Ints:
    return np.zeros(0, dtype=np.int64)


# --------------------------------------------------------------------------------------------------------- enums
# Values are wire format: append, never renumber. Names and sources: notes on the trace, Autoware, CommonRoad.


class ObjectClass(IntEnum):
    """Autoware's ObjectClassification labels."""

    UNKNOWN = 0
    CAR = 1
    TRUCK = 2
    BUS = 3
    TRAILER = 4
    MOTORCYCLE = 5
    BICYCLE = 6
    PEDESTRIAN = 7
    ANIMAL = 8
    HAZARD = 9


class RoadType(IntEnum):
    """What kind of road the ego is on."""

    UNKNOWN = 0
    STRAIGHT = 1
    CURVE = 2
    INTERSECTION = 3
    ROUNDABOUT = 4
    MERGE = 5
    SPLIT = 6
    PARKING = 7


class LightColor(IntEnum):
    """Colour of a traffic light; UNKNOWN where there is none in view."""

    UNKNOWN = 0
    RED = 1
    AMBER = 2
    GREEN = 3


class NavCommand(IntEnum):
    """What the route asks for next."""

    FOLLOW = 0
    LEFT = 1
    RIGHT = 2
    STRAIGHT = 3
    CHANGE_LEFT = 4
    CHANGE_RIGHT = 5


class Role(IntEnum):
    """The part a cited object plays for the ego."""

    LEAD = 0
    CUT_IN = 1
    CROSSING = 2
    ONCOMING = 3
    ADJACENT_LEFT = 4
    ADJACENT_RIGHT = 5
    REAR = 6
    PARKED = 7
    VRU = 8
    BLOCKER = 9
    EMERGENCY = 10


class LaneRelation(IntEnum):
    """Where a cited object is, relative to the ego's lane."""

    EGO = 0
    LEFT = 1
    RIGHT = 2
    OFF = 3


class Intent(IntEnum):
    """What an object is expected to do."""

    KEEP = 0
    ACCELERATE = 1
    DECELERATE = 2
    STOP = 3
    CUT_IN_LEFT = 4
    CUT_IN_RIGHT = 5
    TURN_LEFT = 6
    TURN_RIGHT = 7
    CROSS = 8
    YIELD = 9


class Conflict(IntEnum):
    """How an object's predicted path meets the ego's."""

    NONE = 0
    REAR_END = 1
    CROSS = 2
    MERGE = 3
    HEAD_ON = 4


class Longitudinal(IntEnum):
    """The longitudinal decision."""

    STOP = 0
    YIELD = 1
    PASS = 2
    GAP_SEARCH = 3
    KEEP_DISTANCE = 4
    ADAPT_SPEED = 5
    RESUME_SPEED = 6


class Lateral(IntEnum):
    """The lateral decision; its side is a `Direction`."""

    KEEP_LANE = 0
    LANE_CHANGE = 1
    NUDGE = 2
    TURN = 3
    MERGE = 4
    SPLIT = 5


class Direction(IntEnum):
    """The side of a lateral decision."""

    NONE = 0
    LEFT = 1
    RIGHT = 2


class CauseKind(IntEnum):
    """What kind of thing a decision is because of."""

    NONE = 0
    OBJECT = 1
    TRAFFIC_LIGHT = 2
    STOP_SIGN = 3
    SPEED_LIMIT = 4
    CURVATURE = 5
    ROUTE = 6
    ROAD_WORK = 7
    VISIBILITY = 8


class Risk(IntEnum):
    """The metric a rejected alternative would have violated."""

    COLLISION = 0
    RULE = 1
    COMFORT = 2
    PROGRESS = 3


class MetaLongitudinal(IntEnum):
    """Longitudinal meta-action computed from a trajectory."""

    REVERSE = 0
    STOP = 1
    STRONG_ACCELERATION = 2
    GENTLE_ACCELERATION = 3
    STRONG_DECELERATION = 4
    GENTLE_DECELERATION = 5
    MAINTAIN_SPEED = 6


class MetaLateral(IntEnum):
    """Lateral meta-action computed from a trajectory."""

    GO_STRAIGHT = 0
    STEER_LEFT = 1
    STEER_RIGHT = 2
    SHARP_STEER_LEFT = 3
    SHARP_STEER_RIGHT = 4
    REVERSE_LEFT = 5
    REVERSE_RIGHT = 6


class MetaLane(IntEnum):
    """Motion relative to the lane, computed from a trajectory in the lane frame."""

    LANE_KEEP = 0
    LEFT_LANE_CHANGE = 1
    RIGHT_LANE_CHANGE = 2
    SLIGHTLY_SHIFT_LEFT = 3
    SLIGHTLY_SHIFT_RIGHT = 4
    TURN_LEFT = 5
    TURN_RIGHT = 6
    FOLLOW_CURVE_LEFT = 7
    FOLLOW_CURVE_RIGHT = 8


class Agreement(IntEnum):
    """Whether what is done agrees with what is said, on one axis."""

    OK = 0
    UNSUPPORTED = 1
    CONTRADICTORY = 2


class SafetyState(IntEnum):
    """What the safety supervisor does with the command."""

    NOMINAL = 0
    EMERGENCY_BRAKE = 1
    MINIMAL_RISK = 2


class Fault(IntEnum):
    """Why safety (or the vehicle interface) intervened, or what an event reports."""

    NONE = 0
    ODOMETRY_STALE = 1
    ODOMETRY_INVALID = 2
    SCENE_STALE = 3
    PLAN_STALE = 4
    PLAN_INVALID = 5
    COLLISION_IMMINENT = 6
    COMMAND_TIMEOUT = 7
    NODE_DIED = 8
    NODE_RESTARTED = 9
    INTERNAL_ERROR = 10
    TRACE_CONTRADICTED = 11
    FALLBACK = 12
    OVERRIDDEN = 13


class LaneKind(IntEnum):
    """What a lane is for."""

    DRIVING = 0
    BIKE = 1
    SIDEWALK = 2
    SHOULDER = 3
    PARKING = 4
    CROSSWALK = 5
    OTHER = 6


class MarkingKind(IntEnum):
    """Line painted on a lane's border."""

    UNKNOWN = 0
    NONE = 1
    DASHED = 2
    SOLID = 3


# ----------------------------------------------------------------------------------------------------------- map


@dataclass(frozen=True, slots=True, eq=False)
class Lane:
    """One lane segment; the three polylines have n points each, in driving direction.

    `left_id`/`right_id` are neighbours in the *same* direction, `opposite_id` is the left neighbour of opposite direction; 0 is none.
    """

    id: int
    kind: LaneKind
    speed_limit_mps: float
    in_junction: bool
    left_id: int
    right_id: int
    opposite_id: int
    left_marking: MarkingKind
    right_marking: MarkingKind
    successor_ids: Ints
    predecessor_ids: Ints
    center_x_m: Floats
    center_y_m: Floats
    left_x_m: Floats
    left_y_m: Floats
    right_x_m: Floats
    right_y_m: Floats


@dataclass(frozen=True, slots=True, eq=False)
class StopLine:
    """A line (x, y of its two ends) at which the lanes `lane_ids` may have to stop.

    `light_id` is the traffic light that governs it, 0 if it is a stop sign's (`is_stop_sign`) or a give-way line.
    """

    id: int
    x_m: Floats
    y_m: Floats
    lane_ids: Ints
    light_id: int
    is_stop_sign: bool


@dataclass(frozen=True, slots=True, eq=False)
class TrafficLight:
    """A traffic light as the map knows it: where it stands and which lanes it governs."""

    id: int
    x_m: float
    y_m: float
    lane_ids: Ints


@dataclass(frozen=True, slots=True, eq=False)
class Crossing:
    """A pedestrian crossing: its polygon (n points, not closed) and the lanes it crosses."""

    id: int
    x_m: Floats
    y_m: Floats
    lane_ids: Ints


@dataclass(frozen=True, slots=True, eq=False)
class LaneMap:
    """The static road, in `map`."""

    FRAME: ClassVar[str] = "map"

    stamp_ns: int
    name: str
    lanes: tuple[Lane, ...] = ()
    stop_lines: tuple[StopLine, ...] = ()
    lights: tuple[TrafficLight, ...] = ()
    crossings: tuple[Crossing, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """Lanes to follow, in order (a lane change is two neighbours in a row), and the goal point."""

    FRAME: ClassVar[str] = "map"

    stamp_ns: int
    lane_ids: Ints
    goal_x_m: float
    goal_y_m: float


# --------------------------------------------------------------------------------------------------- observation


@dataclass(frozen=True, slots=True)
class EgoState:
    """The ego's `base_link` in `map`; `steer_rad` is the steering tyre angle, left positive."""

    x_m: float
    y_m: float
    yaw_rad: float
    v_mps: float
    a_mps2: float
    yaw_rate_rps: float
    steer_rad: float

    @property
    def is_finite(self) -> bool:
        """Whether every value is a number."""
        return all(map(math.isfinite, _EGO_VALUES(self)))


_EGO_VALUES = attrgetter(*(f.name for f in dataclasses.fields(EgoState)))
"""`dataclasses.astuple` copies deeply: 17 times as slow, for every detection of every cycle."""


@dataclass(frozen=True, slots=True)
class Detection:
    """One detected box in `base_link`; the velocity is over ground, its axes are `base_link`'s."""

    object_class: ObjectClass
    x_m: float
    y_m: float
    yaw_rad: float
    length_m: float
    width_m: float
    vx_mps: float
    vy_mps: float
    existence_probability: float

    @property
    def is_finite(self) -> bool:
        """Whether every value is a number."""
        return all(map(math.isfinite, _DETECTION_VALUES(self)))


_DETECTION_VALUES = attrgetter(*(f.name for f in dataclasses.fields(Detection)))


@dataclass(frozen=True, slots=True)
class LightState:
    """Colour of one traffic light of the map."""

    light_id: int
    color: LightColor
    confidence: float


@dataclass(frozen=True, slots=True)
class Observation:
    """What the car senses at one instant. The ego's state is in `map`, the detections in `base_link`.

    `ego_stamp_ns` is the odometry's own stamp: it lags `stamp_ns` when odometry is stale.
    """

    FRAME: ClassVar[str] = "base_link"

    stamp_ns: int
    ego_stamp_ns: int
    ego: EgoState
    detections: tuple[Detection, ...] = ()
    lights: tuple[LightState, ...] = ()

    def sees_anew(self, before: Observation | None, stuck: bool = False) -> bool:
        """Whether the detections measure this instant: at least half are numbers, and they are not the last ones again.

        From a car that moves nothing measured stays the same to the last digit; seeing nobody twice is no repetition. A detector that was
        `stuck` before still is while it repeats itself, whether the car moves or stands by now.
        """
        found = self.detections
        if 2 * sum(d.is_finite for d in found) < len(found):
            return False
        telling = stuck or abs(self.ego.v_mps) > STUCK_ABOVE_MPS
        return not (found and telling and before is not None and found == before.detections)


# --------------------------------------------------------------------------------------------------------- scene


@dataclass(frozen=True, slots=True, eq=False)
class PredictedPath:
    """One hypothesis for an object: box centres every `dt_s`, the first one `dt_s` from now; sigma is the position's standard deviation."""

    intent: Intent
    probability: float
    dt_s: float
    x_m: Floats
    y_m: Floats
    yaw_rad: Floats
    v_mps: Floats
    sigma_m: Floats


@dataclass(frozen=True, slots=True, eq=False)
class TrackedObject:
    """A tracked road user: box centre, heading, velocity in `map`; `lane_id` is 0 off the lanes."""

    id: int
    object_class: ObjectClass
    x_m: float
    y_m: float
    yaw_rad: float
    vx_mps: float
    vy_mps: float
    length_m: float
    width_m: float
    existence_probability: float
    age_s: float
    unseen_s: float
    lane_id: int
    predictions: tuple[PredictedPath, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """What perception believes: the ego with its history (oldest first, every 0.1 s), tracked and predicted objects, lights.

    The static part of the scene (lanes, stop lines, route) crosses once, latched, as `LaneMap` and `Route`.
    """

    FRAME: ClassVar[str] = "map"

    stamp_ns: int
    ego_stamp_ns: int
    ego: EgoState
    history_x_m: Floats
    history_y_m: Floats
    history_yaw_rad: Floats
    history_v_mps: Floats
    objects: tuple[TrackedObject, ...] = ()
    lights: tuple[LightState, ...] = ()
    latency_ms: float = field(default=0.0, metadata=VOLATILE)


# --------------------------------------------------------------------------------------------------------- trace


@dataclass(frozen=True, slots=True)
class CriticalObject:
    """An object the trace cites: the copy of what was believed of it when the decision was taken."""

    id: int
    object_class: ObjectClass
    role: Role
    x_m: float
    y_m: float
    yaw_rad: float
    vx_mps: float
    vy_mps: float
    lane_relation: LaneRelation
    existence_probability: float
    relevance: float


@dataclass(frozen=True, slots=True)
class PerceptionTrace:
    """What matters in the scene. Distances are along the route from `base_link`; inf where there is none ahead."""

    road_type: RoadType
    speed_limit_mps: float
    curvature_1pm: float
    distance_to_junction_m: float
    distance_to_stop_line_m: float
    traffic_light: LightColor
    traffic_light_distance_m: float
    traffic_light_confidence: float
    ego: EgoState
    command: NavCommand
    command_distance_m: float
    critical_objects: tuple[CriticalObject, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class ObjectPrediction:
    """What a cited object is expected to do and how it meets the ego; inf where it does not."""

    id: int
    intent: Intent
    probability: float
    dt_s: float
    path_x_m: Floats
    path_y_m: Floats
    path_sigma_m: Floats
    conflict: Conflict
    time_to_collision_s: float
    min_gap_m: float
    time_of_conflict_s: float


@dataclass(frozen=True, slots=True, eq=False)
class PredictionTrace:
    """One prediction per cited object."""

    objects: tuple[ObjectPrediction, ...] = ()


@dataclass(frozen=True, slots=True)
class Cause:
    """Why the decision is what it is, and the declared counterfactual: the decision if this cause were absent.

    `id` is the object, light or stop line meant, 0 where the kind says it all. Weights of all causes sum to at most 1.
    """

    kind: CauseKind
    id: int
    weight: float
    counterfactual_longitudinal: Longitudinal
    counterfactual_lateral: Lateral
    counterfactual_direction: Direction


@dataclass(frozen=True, slots=True)
class Rejected:
    """An alternative that was weighed and left, the metric it would have violated, and when."""

    longitudinal: Longitudinal
    lateral: Lateral
    direction: Direction
    risk: Risk
    at_s: float


Decision = tuple[Longitudinal, Lateral, Direction]


@dataclass(frozen=True, slots=True)
class PlanningTrace:
    """The decision, its causes and what was rejected.

    `target_speed_mps` is the speed to converge to, `stop_distance_m` how far `base_link` may travel before it stands (inf: no stop),
    `target_acceleration_mps2` the acceleration the decision asks for now. While it drives aside of its lane's centre, `offset_m` to
    the left of it (negative: right), it is there from `offset_from_m` to `offset_until_m` ahead of `base_link`; all 0 otherwise.
    """

    longitudinal: Longitudinal
    lateral: Lateral
    direction: Direction
    causes: tuple[Cause, ...]
    rejected: tuple[Rejected, ...]
    target_speed_mps: float
    target_acceleration_mps2: float
    stop_distance_m: float
    confidence: float
    offset_m: float = 0.0
    offset_from_m: float = 0.0
    offset_until_m: float = 0.0

    @property
    def decision(self) -> Decision:
        """What is decided, without its numbers."""
        return self.longitudinal, self.lateral, self.direction


@dataclass(frozen=True, slots=True, eq=False)
class Waypoints:
    """n poses of `base_link` at times `t_s` after the plan's stamp (the first is t = 0: where the ego is)."""

    t_s: Floats = field(default_factory=_floats)
    x_m: Floats = field(default_factory=_floats)
    y_m: Floats = field(default_factory=_floats)
    yaw_rad: Floats = field(default_factory=_floats)
    v_mps: Floats = field(default_factory=_floats)
    a_mps2: Floats = field(default_factory=_floats)
    curvature_1pm: Floats = field(default_factory=_floats)


@dataclass(frozen=True, slots=True, eq=False)
class ActionTrace:
    """What the final trajectory does: computed from it, never generated.

    `sft_waypoints` and `delta_*` are empty unless a residual (delta) head runs.
    """

    meta_longitudinal: MetaLongitudinal
    meta_lateral: MetaLateral
    meta_lane: MetaLane
    waypoints: Waypoints
    sft_waypoints: Waypoints
    delta_x_m: Floats
    delta_y_m: Floats
    delta_norm_m: float


@dataclass(frozen=True, slots=True)
class StageLatency:
    """How long one stage took, on the wall clock."""

    stage: str
    latency_ms: float = field(metadata=VOLATILE)


@dataclass(frozen=True, slots=True)
class Integrity:
    """Whether the trace can be trusted: provenance, and whether words and action agree."""

    model_sha256: str
    vocabulary_version: str
    seed: int
    input_hash: str
    grammar_ok: bool
    longitudinal: Agreement
    lateral: Agreement
    lane: Agreement
    grounding_ok: bool
    fallback_used: bool
    validator: str
    latency: tuple[StageLatency, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """The typed reasoning trace: perception -> prediction -> planning -> action, with its integrity."""

    FRAME: ClassVar[str] = "map"

    stamp_ns: int
    trace_id: int
    perception: PerceptionTrace
    prediction: PredictionTrace
    planning: PlanningTrace
    action: ActionTrace
    integrity: Integrity


# -------------------------------------------------------------------------------------------------- plan, command


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Waypoints to drive, and before/after a residual head where one runs; without waypoints it is withheld."""

    FRAME: ClassVar[str] = "map"

    stamp_ns: int
    trace_id: int
    waypoints: Waypoints
    sft_waypoints: Waypoints = field(default_factory=Waypoints)
    delta_x_m: Floats = field(default_factory=_floats)
    delta_y_m: Floats = field(default_factory=_floats)
    latency_ms: float = field(default=0.0, metadata=VOLATILE)

    @property
    def withheld(self) -> bool:
        """Whether it must not be driven: what it would do contradicts what its trace says."""
        return len(self.waypoints.t_s) == 0


@dataclass(frozen=True, slots=True)
class Command:
    """What the vehicle is asked to do: acceleration along `base_link` x and steering tyre angle (left positive)."""

    FRAME: ClassVar[str] = "base_link"

    stamp_ns: int
    acceleration_mps2: float
    steer_rad: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What safety made of the command it was given, and why."""

    FRAME: ClassVar[str] = "base_link"

    stamp_ns: int
    state: SafetyState
    fault: Fault
    reason: str
    object_id: int
    requested_acceleration_mps2: float
    requested_steer_rad: float
    latency_ms: float = field(default=0.0, metadata=VOLATILE)


# ------------------------------------------------------------------------------------------- truth, events (logs)


@dataclass(frozen=True, slots=True)
class Actor:
    """A road user as the world knows it: box centre in `map`; `id` is the world's own and stays."""

    id: int
    object_class: ObjectClass
    x_m: float
    y_m: float
    yaw_rad: float
    v_mps: float
    length_m: float
    width_m: float
    is_static: bool


@dataclass(frozen=True, slots=True)
class Truth:
    """What is really there, from a simulator or recording, for judgement only: no stage of the driver sees it."""

    FRAME: ClassVar[str] = "map"

    stamp_ns: int
    ego: EgoState
    ego_length_m: float
    ego_width_m: float
    ego_center_offset_m: float
    actors: tuple[Actor, ...] = ()
    lights: tuple[LightState, ...] = ()


@dataclass(frozen=True, slots=True)
class Event:
    """Something a person should know: a node that died, a fault that was injected, a command that did not come."""

    FRAME: ClassVar[str] = "base_link"

    stamp_ns: int
    source: str
    fault: Fault
    detail: str


MESSAGES: tuple[type[Any], ...] = (
    Lane, StopLine, TrafficLight, Crossing, LaneMap, Route,
    EgoState, Detection, LightState, Observation,
    PredictedPath, TrackedObject, Scene,
    CriticalObject, PerceptionTrace, ObjectPrediction, PredictionTrace, Cause, Rejected, PlanningTrace,
    Waypoints, ActionTrace, StageLatency, Integrity, Trace,
    Plan, Command, Verdict, Actor, Truth, Event,
)  # fmt: skip
"""Every dataclass that becomes a message, parts before wholes."""


# ------------------------------------------------------------------------------------------------------- equality

T = TypeVar("T")


def differences(a: Any, b: Any, *, ignore_volatile: bool = False, path: str = "") -> list[str]:
    """List the field paths at which two values differ; NaN equals NaN, -0.0 equals 0.0.

    Args:
      a: a dataclass of this file, or a part of one.
      b: the value to compare with.
      ignore_volatile: leave out fields measured on the wall clock.
      path: prefix of the names returned.
    """
    if type(a) is not type(b) and not (isinstance(a, (int, float)) and isinstance(b, (int, float))):
        return [f"{path}: {type(a).__name__} against {type(b).__name__}"]
    if dataclasses.is_dataclass(a):
        found: list[str] = []
        for f in dataclasses.fields(a):
            if ignore_volatile and f.metadata.get("volatile"):
                continue
            here = f"{path}.{f.name}" if path else f.name
            found += differences(
                getattr(a, f.name), getattr(b, f.name), ignore_volatile=ignore_volatile, path=here
            )
        return found
    if isinstance(a, np.ndarray):
        if a.shape != b.shape:
            return [f"{path}: shape {a.shape} against {b.shape}"]
        same_values = np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
        return [] if same_values else [f"{path}: arrays differ"]
    if isinstance(a, tuple):
        if len(a) != len(b):
            return [f"{path}: {len(a)} items against {len(b)}"]
        return [
            d
            for i, (x, y) in enumerate(zip(a, b, strict=True))
            for d in differences(x, y, ignore_volatile=ignore_volatile, path=f"{path}[{i}]")
        ]
    if isinstance(a, float) and isinstance(b, float) and math.isnan(a) and math.isnan(b):
        return []
    return [] if a == b else [f"{path}: {a!r} against {b!r}"]


def same(a: Any, b: Any, *, ignore_volatile: bool = False) -> bool:
    """Whether two values are equal in every field (see `differences`)."""
    return not differences(a, b, ignore_volatile=ignore_volatile)
