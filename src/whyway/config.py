"""Every dial of the stack: one tree of frozen dataclasses, where each default stands once.

YAML files and `--key=value` override by dotted name (`safety.emergency_brake_mps2=7`); an unknown key, a wrong type or a value
out of range is a `ConfigError` of one line that names the remedy. `config_hash` identifies a configuration in logs and reports.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import sys
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml

from whyway.typed_yaml import UNREADABLE, nearest, read_yaml
from whyway.types import InputError


class ConfigError(InputError):
    """A configuration that cannot be used; its text is one line with the remedy."""


@dataclass(frozen=True, slots=True)
class VehicleConfig:
    """The ego: CommonRoad vehicle 2 (BMW 320i), from the CommonRoad vehicle models, table of parameters."""

    length_m: float = 4.508
    width_m: float = 1.61
    wheelbase_m: float = 2.5789
    steer_max_rad: float = 1.066
    steer_rate_max_rps: float = 0.4
    a_max_mps2: float = 11.5
    v_switch_mps: float = 7.319
    v_max_mps: float = 50.8

    @property
    def center_offset_m(self) -> float:
        """From `base_link` (rear axle) forward to the box's centre: the axles stand symmetric in the box."""
        return self.wheelbase_m / 2

    @property
    def front_m(self) -> float:
        """From `base_link` forward to the front bumper."""
        return self.length_m / 2 + self.center_offset_m

    @property
    def rear_m(self) -> float:
        """From `base_link` back to the rear bumper."""
        return self.length_m / 2 - self.center_offset_m


@dataclass(frozen=True, slots=True)
class IdmConfig:
    """Intelligent Driver Model: desired headway and gap, comfortable acceleration and braking."""

    headway_s: float = 1.4
    s0_m: float = 2.5
    a_mps2: float = 1.5
    b_mps2: float = 2.0
    coolness: float = 0.99
    """How much of IDM's overreaction to small gaps is taken back (the ACC model's c); 0 is plain IDM."""


@dataclass(frozen=True, slots=True)
class SensorConfig:
    """What lies between truth and driver: range, field of view, occlusion, noise, missed and false detections."""

    enabled: bool = True
    """Off: every road user is detected exactly."""
    range_m: float = 100.0
    field_of_view_rad: float = 2 * math.pi
    occlusion: bool = True
    position_sigma_m: float = 0.1
    yaw_sigma_rad: float = 0.01
    speed_sigma_mps: float = 0.15
    size_sigma_m: float = 0.05
    miss_probability: float = 0.01
    false_per_cycle: float = 0.01
    latency_s: float = 0.0
    """How old what is reported of others is; whole cycles."""


@dataclass(frozen=True, slots=True)
class PerceptionConfig:
    """Tracker and prediction."""

    position_sigma_m: float = 0.12
    velocity_sigma_mps: float = 0.2
    """What the tracker believes of its detectors' noise."""
    process_acceleration_mps2: float = 3.0
    gate_m: float = 4.0
    """No detection farther from a track's predicted place belongs to it."""
    confirm_hits: int = 2
    sure_probability: float = 0.9
    """A new detection at least so sure, and within `sure_range_m`, is believed at once."""
    sure_range_m: float = 15.0
    coast_s: float = 1.0
    """How long a track survives unseen where it should be seen."""
    occluded_coast_s: float = 4.0
    """How long it survives behind something, or beside the ego."""
    horizon_s: float = 5.0
    prediction_dt_s: float = 0.5
    history_s: float = 2.0


@dataclass(frozen=True, slots=True)
class MotionLimits:
    """Acceleration and jerk a plan keeps to; the emergency jerk only when it has to brake hard."""

    a_min_mps2: float = -6.0
    a_max_mps2: float = 2.0
    jerk_mps3: float = 2.0
    emergency_jerk_mps3: float = 10.0


@dataclass(frozen=True, slots=True)
class DrivingConfig:
    """How the expert and the planner drive: one set of dials for both, so that what is reasoned is what is planned."""

    idm: IdmConfig = field(default_factory=lambda: IdmConfig(headway_s=1.0, b_mps2=1.5))
    limits: MotionLimits = field(default_factory=MotionLimits)
    lateral_acceleration_mps2: float = 2.0
    """Comfortable in curves: sets the speed for a curvature."""
    yaw_rate_rps: float = 0.65
    """Most in curves: sets the speed for the tightest ones (below 5 m of radius). The jerk-limited approach exceeds it by a third, and
    what safety allows is 0.95."""
    comfort_brake_mps2: float = 1.5
    """With which limits, curves and halts ahead are approached."""
    corridor_margin_m: float = 0.3
    """Beside the ego's flanks: whoever comes closer is in the way."""
    lane_change_s: float = 5.0


@dataclass(frozen=True, slots=True)
class ReasonConfig:
    """The rule expert's proposals and thresholds, and the model's engine."""

    horizon_s: float = 5.0
    max_critical_objects: int = 8
    max_causes: int = 3
    lane_change_gain_mps2: float = 0.3
    safe_brake_mps2: float = 3.0
    blocked_after_s: float = 2.5
    """Whoever has stood so long in the lane for no reason is driven round ..."""
    patience_s: float = 20.0
    """... and so long, if there may be a reason; a junction is also entered by courtesy after so long."""
    passing_gap_m: float = 0.5
    """Beside somebody who is driven round; twice that beside cyclists and pedestrians."""
    passing_mps: float = 8.3
    """Not faster, aside of the lane's middle."""
    stand_off_m: float = 8.0
    """So far behind a blocker the ego waits: nearer, it could not steer round it."""
    model: str = ""
    """Of the driver `microgpt`: a folder, or a name under models/; empty: the shipped one."""
    backend: str = "auto"
    """What computes it: auto, numpy, onnxruntime, torch or tensorrt."""
    budget_ms: float = 0.0
    """Time for one decision of the model, after which its last one or the rules answer. 0: as long as it takes in lock-step, where a drive
    is the same on every machine, and half a cycle in real time."""
    budget_tokens: int = 160
    """Values it may say in one decision; no trace has so many."""
    temperature: float = 0.0
    """0: it says what is most probable; 1: it says things as often as it holds them for probable."""
    seed: int = 1
    """Of what it says at a temperature."""
    second_thoughts: bool = True
    """The model looks at what would be driven before it speaks; words that the plan would not show are taken back for its next best ones."""
    rules_if_bad_model: bool = False
    """A model that is missing, damaged or of another vocabulary is refused at start-up; on: the rules drive in its place, and say so."""


@dataclass(frozen=True, slots=True)
class PlanConfig:
    """Waypoints."""

    horizon_s: float = 8.0


@dataclass(frozen=True, slots=True)
class ControlConfig:
    """Path and speed follower."""

    preview_s: float = 2.5
    """How far ahead along the plan's path the steering looks."""
    settle_s: float = 0.35
    """Offsets from the path die out over about twice this time, or twice `settle_min_m` when slow."""
    settle_min_m: float = 1.5
    speed_gain_1ps: float = 0.8
    hold_brake_mps2: float = 2.0
    """At standstill, while the plan stays there."""


@dataclass(frozen=True, slots=True)
class SafetyConfig:
    """The supervisor's limits. Tight on purpose: a plan beyond them is refused."""

    enabled: bool = True
    odometry_timeout_s: float = 0.25
    odometry_slack: float = 1.0
    """How many times a car's error wheels and gyro may be off before a pose that disagrees with them is not believed; more where wheels skid."""
    scene_timeout_s: float = 0.25
    plan_timeout_s: float = 0.35
    healthy_s: float = 1.0
    """A minimal-risk stop ends at standstill once every input has been well for so long."""
    start_distance_m: float = 1.5
    start_heading_rad: float = 0.6
    """How far a plan may be from the ego when it is driven."""
    a_lon_min_mps2: float = -8.0
    a_lon_max_mps2: float = 3.0
    a_lat_max_mps2: float = 4.89
    jerk_max_mps3: float = 20.0
    yaw_rate_max_rps: float = 0.95
    emergency_brake_mps2: float = 7.0
    minimal_risk_brake_mps2: float = 3.5
    reaction_s: float = 0.2
    horizon_s: float = 4.0
    """How far ahead a plan is held to the limits and swept against all objects."""
    required_brake_mps2: float = 3.8
    """Emergency braking starts when gentler braking than this would no longer do ..."""
    ttc_min_s: float = 0.6
    """... or contact is nearer than this."""
    other_brake_mps2: float = 3.0
    """A road user that crosses is trusted to give way as long as this braking stops it short of the ego's path."""
    existence_min: float = 0.5


@dataclass(frozen=True, slots=True)
class TrafficConfig:
    """The simulator's other road users."""

    idm: IdmConfig = field(default_factory=IdmConfig)
    vehicles: int = 14
    """In the background, beside those with a part to play for the ego."""
    pedestrians: int = 2
    """With the one who crosses before the ego, who is always there."""
    reactive_logs: bool = False
    """Recorded road users drive on by themselves once the ego is in their way."""


@dataclass(frozen=True, slots=True)
class RouteTrafficConfig:
    """Who else is in town on a leaderboard's route."""

    vehicles: int = 60
    pedestrians: int = 20
    """Over the whole town, as on CARLA's leaderboard."""


@dataclass(frozen=True, slots=True)
class SimConfig:
    """The simulated world."""

    traffic: TrafficConfig = field(default_factory=TrafficConfig)
    route: RouteTrafficConfig = field(default_factory=RouteTrafficConfig)
    map_folder: str = ""
    """Where the maps (Town01.xodr, .xodr.gz) of leaderboard routes are; empty: near the route's file."""
    sensor: SensorConfig = field(default_factory=SensorConfig)
    command_timeout_s: float = 0.3
    """The vehicle interface brakes when no command has come for so long."""
    command_timeout_brake_mps2: float = 5.0


@dataclass(frozen=True, slots=True)
class ReplayConfig:
    """What a recording is replayed with."""

    map: str = ""
    """A map file in the frame of the recorded poses; empty: the recorded map, or else the driven way with lanes."""
    topics: str = ""
    """A preset (whyway, autoware, carla_ros_bridge, robot) or a YAML table; empty: found out."""
    handover_s: float = 0.0
    """At this time our driver takes over from the recorded one, in the simulator; 0: never."""


@dataclass(frozen=True, slots=True)
class NodesConfig:
    """How the ROS nodes wait for each other."""

    realtime: bool = False
    """Off: lock-step, the world waits for the command of each cycle."""
    stage_deadline_s: float = 2.0
    """Lock-step: how long control waits for a plan before it calls a stage dead (wall clock)."""
    restart_limit: int = 3


@dataclass(frozen=True, slots=True)
class Config:
    """The whole tree."""

    vehicle: VehicleConfig = field(default_factory=VehicleConfig)
    perception: PerceptionConfig = field(default_factory=PerceptionConfig)
    driving: DrivingConfig = field(default_factory=DrivingConfig)
    reason: ReasonConfig = field(default_factory=ReasonConfig)
    plan: PlanConfig = field(default_factory=PlanConfig)
    control: ControlConfig = field(default_factory=ControlConfig)
    safety: SafetyConfig = field(default_factory=SafetyConfig)
    sim: SimConfig = field(default_factory=SimConfig)
    nodes: NodesConfig = field(default_factory=NodesConfig)
    replay: ReplayConfig = field(default_factory=ReplayConfig)


C = TypeVar("C")


def leaves(config: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted name and value of every dial of a tree, in order of declaration (these are the ROS parameters)."""
    for f in dataclasses.fields(config):
        name, value = f"{prefix}{f.name}", getattr(config, f.name)
        if dataclasses.is_dataclass(value):
            yield from leaves(value, f"{name}.")
        else:
            yield name, value


def override(config: C, values: Mapping[str, Any], where: str = "config") -> C:
    """The tree with values replaced; keys are dotted names or nested mappings.

    Raises:
      ConfigError: an unknown key, or a value of the wrong type or out of range.
    """
    hints = typing.get_type_hints(type(config))
    changes: dict[str, Any] = {}
    nested: dict[str, dict[str, Any]] = {}
    for key, value in values.items():
        head, _, rest = str(key).partition(".")
        if head not in hints:
            raise ConfigError(f"{where}: unknown key {head!r}; {nearest(head, hints, len(hints))}")
        if dataclasses.is_dataclass(hints[head]):
            if not rest and not isinstance(value, Mapping):
                raise ConfigError(
                    f"{where}.{head}: is a section, not a value; set one of its keys, e.g. {head}.{next(leaves(getattr(config, head)))[0]}"
                )
            nested.setdefault(head, {}).update({rest: value} if rest else value)
        elif rest:
            raise ConfigError(
                f"{where}.{head}: has no key {rest!r}; it is a {hints[head].__name__}"
            )
        else:
            changes[head] = _in_range(
                _coerce(value, hints[head], f"{where}.{head}"), f"{where}.{head}"
            )
    for head, inner in nested.items():
        changes[head] = override(getattr(config, head), inner, f"{where}.{head}")
    try:
        return dataclasses.replace(config, **changes)  # type: ignore[type-var]
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from error


def _coerce(value: Any, kind: type, where: str) -> Any:
    if kind is bool and isinstance(value, bool):
        return value
    if (
        kind is float
        and isinstance(value, (int, float))
        and not isinstance(value, bool)
        and abs(value)
        <= sys.float_info.max  # neither infinite nor NaN nor a whole number too large
    ):
        return float(value)
    if kind is int and isinstance(value, int) and not isinstance(value, bool):
        return value
    if kind is str and isinstance(value, str):
        return value
    raise ConfigError(
        f"{where}: {value!r} is not a {'finite number' if kind is float else kind.__name__}"
    )


_INF = math.inf
_BOUNDS: dict[str, tuple[float, float]] = {
    "horizon_s": (1.0, 60.0), "history_s": (0.1, 60.0),
    "prediction_dt_s": (0.1, 1.0),
    "a_min_mps2": (-20.0, -0.5), "a_lon_min_mps2": (-20.0, -0.5),
    "length_m": (0.5, 30.0), "width_m": (0.3, 4.0), "wheelbase_m": (0.3, 15.0), "steer_max_rad": (0.05, 1.5),
    "range_m": (1.0, _INF), "gate_m": (0.1, _INF), "lane_change_s": (0.5, 30.0), "settle_s": (0.05, 10.0),
    "position_sigma_m": (0.0, 100.0), "vehicles": (0, 500), "pedestrians": (0, 500),
    "latency_s": (0.0, 2.0), "odometry_slack": (0.1, 1000.0),
    "max_critical_objects": (1, 8), "max_causes": (1, 3), "confirm_hits": (1, 100),
    # mounts and sensors of a rig (worlds/sim/sensing/rig.py)
    "x_m": (-50.0, 50.0), "y_m": (-50.0, 50.0), "z_m": (-50.0, 50.0),
    "roll_rad": (-math.pi, math.pi), "pitch_rad": (-math.pi, math.pi), "yaw_rad": (-math.pi, math.pi),
    "width_px": (1, 16384), "height_px": (1, 16384), "fx_px": (1.0, 1e6), "fy_px": (1.0, 1e6),
    "cx_px": (-1e6, 1e6), "cy_px": (-1e6, 1e6), "near_m": (1e-3, 100.0), "rate_hz": (0.1, 1000.0),
    "channels": (1, 256), "columns": (1, 36_000), "elevation_low_rad": (-1.57, 1.57), "elevation_high_rad": (-1.57, 1.57),
    "origin_latitude_deg": (-80.0, 80.0), "origin_longitude_deg": (-180.0, 180.0), "origin_altitude_m": (-1e3, 1e4),
    "bias_time_s": (1e-3, _INF),
}  # fmt: skip
"""What a dial may be, by its last name: beyond it something would divide by zero, never end or break the trace's grammar."""
_SHARES = ("probability", "coolness", "existence_min")
_RATES = ("_mps", "_mps2", "_mps3", "_rps", "_rad")


def _in_range(value: Any, where: str) -> Any:
    """The value, or a line that says what it may be; dials without bounds of their own are not negative."""
    if isinstance(value, (bool, str)):
        return value
    name = where.rpartition(".")[2]
    rate = name.endswith(_RATES) and "sigma" not in name and "gain" not in name
    low, high = (0.0, 1.0) if name.endswith(_SHARES) else (0.01 if rate else 0.0, _INF)
    low, high = _BOUNDS.get(name, (low, high))
    if low <= value <= high:
        return value
    allowed = f"{low:g} to {high:g}" if high < _INF else f"{low:g} or more"
    raise ConfigError(f"{where}: {value:g} is out of range; give {allowed}")


def load(path: Path | None = None, overrides: typing.Sequence[str] = ()) -> Config:
    """The default tree, with a YAML file and then `key=value` texts laid over it.

    Raises:
      ConfigError: a file that cannot be read or a key or value that does not belong.
    """
    config = Config()
    if path is not None:
        data = read_yaml(path, "give a YAML file of dials", ConfigError)
        if data is not None and not isinstance(data, Mapping):
            raise ConfigError(f"{path}: expected keys and values, found a {type(data).__name__}")
        config = override(config, data or {}, str(path))
    return override_texts(config, overrides)


def override_texts(config: Config, texts: typing.Sequence[str]) -> Config:
    """The tree with `key=value` texts laid over it, as a command line gives them.

    Raises:
      ConfigError: a key or value that does not belong.
    """
    for text in texts:
        key, equals, raw = text.partition("=")
        if not equals:
            raise ConfigError(f"{text!r}: write it as key=value, e.g. safety.reaction_s=0.3")
        try:
            value = yaml.safe_load(raw)
        except UNREADABLE as error:
            raise ConfigError(f"{text!r}: the value is not YAML; quote it") from error
        config = override(config, {key.strip().lstrip("-"): value}, "command line")
    return config


def as_dict(config: Any) -> dict[str, Any]:
    """The tree as nested plain values."""
    return dataclasses.asdict(config)


def config_hash(config: Any) -> str:
    """The first 16 hex digits of the SHA-256 of the tree, written as sorted JSON."""
    return hashlib.sha256(json.dumps(as_dict(config), sort_keys=True).encode()).hexdigest()[:16]
