"""A log -> what the Rerun viewer shows: lanes, the ego, objects coloured by cited cause, the plan, sentences, numbers over time.

What is shown (`shown`) is made without the SDK; `save` and `spawn` hand it over. No verdict is made here, so a log needs no truth:
a vehicle's own log can be looked at.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from whyway.config import Config
from whyway.evaluate.instants import Instant, cited, unseen
from whyway.evaluate.report.picture import COLORS
from whyway.log import Log
from whyway.trace.sentences import in_words, sentence
from whyway.trace.sentences import name as object_name
from whyway.types import (
    Actor,
    Floats,
    InputError,
    LaneKind,
    LaneMap,
    ObjectClass,
    Plan,
    SafetyState,
    Scene,
    Trace,
    TrackedObject,
    Truth,
    Verdict,
)

NEEDS = "whyway view --rerun needs: pip install 'whyway[view]'"
TIMELINE = "drive"
"""Seconds since the log's first scene."""

LANE_KINDS = (LaneKind.DRIVING, LaneKind.SHOULDER, LaneKind.BIKE, LaneKind.PARKING)
HEIGHT_M = {ObjectClass.TRUCK: 3.2, ObjectClass.BUS: 3.2, ObjectClass.PEDESTRIAN: 1.8}
_CAR_HEIGHT_M = 1.6


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """Polylines `(n, 3)` in `map`, in one colour (red, green, blue)."""

    lines: tuple[Floats, ...]
    color: tuple[int, int, int]
    radius_m: float


@dataclass(frozen=True, slots=True)
class Box:
    """A box in `map`, with its name where it is to be read."""

    x_m: float
    y_m: float
    yaw_rad: float
    length_m: float
    width_m: float
    height_m: float
    color: tuple[int, int, int]
    label: str


@dataclass(frozen=True, slots=True)
class Words:
    """A line of a text log; `alarm` where safety or the trace's own checks object."""

    text: str
    alarm: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """What an entity is from a time on; `at_s` None: always."""

    entity: str
    at_s: float | None
    what: Lines | tuple[Box, ...] | Words | float


def color(name: str) -> tuple[int, int, int]:
    """A colour of the pictures, on dark ground, as Rerun's is."""
    text = COLORS[name][1].lstrip("#")
    return int(text[:2], 16), int(text[2:4], 16), int(text[4:], 16)


def shown(log: Log) -> Iterator[Item]:
    """Everything to show, in time order.

    Raises:
      InputError: the log holds no scene.
    """
    scenes = log.of(Scene)
    if not scenes:
        raise InputError(f"{log.path}: holds no Scene: there is nothing to show")
    for lane_map in log.of(LaneMap)[-1:]:
        yield from _map(lane_map)
    traces = {t.stamp_ns: t for t in log.of(Trace)}
    plans = {p.stamp_ns: p for p in log.of(Plan)}
    truths = {t.stamp_ns: t for t in log.of(Truth)}
    verdicts = {v.stamp_ns: v for v in log.of(Verdict)}
    start, said = scenes[0].stamp_ns, ""
    for scene in scenes:
        stamp = scene.stamp_ns
        t, trace, verdict = (stamp - start) * 1e-9, traces.get(stamp), verdicts.get(stamp)
        yield from _instant(t, scene, trace, plans.get(stamp), truths.get(stamp))
        words = "" if trace is None else sentence(trace)
        if words and words != said:
            yield Item("words/said", t, Words(words))
        said = words
        if verdict is not None and verdict.state != SafetyState.NOMINAL:
            state = in_words(verdict.state.name)
            yield Item("words/safety", t, Words(f"{state}: {verdict.reason}", alarm=True))
        yield from _numbers(t, scene, trace, verdict)


def _map(lane_map: LaneMap) -> Iterator[Item]:
    lanes = [lane for lane in lane_map.lanes if lane.kind in LANE_KINDS]
    edges = [
        _line(x, y)
        for lane in lanes
        for x, y in ((lane.left_x_m, lane.left_y_m), (lane.right_x_m, lane.right_y_m))
    ]
    yield Item("map/lanes", None, Lines(tuple(edges), color("line"), 0.06))
    stops = tuple(_line(s.x_m, s.y_m) for s in lane_map.stop_lines)
    if stops:
        yield Item("map/stop_lines", None, Lines(stops, color("red"), 0.15))


def _line(x_m: Floats, y_m: Floats, z_m: float = 0.0) -> Floats:
    line: Floats = np.stack([x_m, y_m, np.full(len(x_m), z_m)], axis=-1)
    return line


def _instant(
    t: float, scene: Scene, trace: Trace | None, plan: Plan | None, truth: Truth | None
) -> Iterator[Item]:
    yield Item("ego", t, (_ego(scene, truth),))
    empty = Truth(scene.stamp_ns, scene.ego, 0.0, 0.0, 0.0)
    moment = Instant(0, scene, trace, plan, empty if truth is None else truth)
    causes, listed = cited(moment)
    names = (
        {} if trace is None else {c.id: object_name(c) for c in trace.perception.critical_objects}
    )
    tracks = tuple(
        _box(
            o,
            color("cause" if o.id in causes else "listed" if o.id in listed else "other"),
            names.get(o.id, ""),
        )
        for o in scene.objects
    )
    yield Item("objects", t, tracks)
    yield Item("unseen", t, tuple(_box(a, color("line"), "") for a in unseen(moment)))
    if plan is not None:
        line = _line(plan.waypoints.x_m, plan.waypoints.y_m, 0.2)
        yield Item("plan", t, Lines((line,), color("plan"), 0.25))


def _ego(scene: Scene, truth: Truth | None) -> Box:
    vehicle, ego = Config().vehicle, scene.ego
    length, width, offset = (
        (vehicle.length_m, vehicle.width_m, vehicle.center_offset_m)
        if truth is None
        else (truth.ego_length_m, truth.ego_width_m, truth.ego_center_offset_m)
    )
    x = ego.x_m + offset * np.cos(ego.yaw_rad)
    y = ego.y_m + offset * np.sin(ego.yaw_rad)
    return Box(float(x), float(y), ego.yaw_rad, length, width, _CAR_HEIGHT_M, color("ego"), "ego")


def _box(o: TrackedObject | Actor, rgb: tuple[int, int, int], label: str) -> Box:
    height = HEIGHT_M.get(o.object_class, _CAR_HEIGHT_M)
    return Box(o.x_m, o.y_m, o.yaw_rad, o.length_m, o.width_m, height, rgb, label)


def _numbers(
    t: float, scene: Scene, trace: Trace | None, verdict: Verdict | None
) -> Iterator[Item]:
    yield Item("speed/driven_kmh", t, scene.ego.v_mps * 3.6)
    yield Item("acceleration/driven_mps2", t, scene.ego.a_mps2)
    if trace is None:
        return
    yield Item("speed/limit_kmh", t, trace.perception.speed_limit_mps * 3.6)
    yield Item("speed/target_kmh", t, trace.planning.target_speed_mps * 3.6)
    yield Item("acceleration/target_mps2", t, trace.planning.target_acceleration_mps2)
    yield Item("decision/longitudinal", t, float(trace.planning.longitudinal))
    yield Item("decision/lateral", t, float(trace.planning.lateral))
    for stage in trace.integrity.latency:
        yield Item(f"latency/{stage.stage}_ms", t, stage.latency_ms)
    if verdict is not None:
        yield Item("latency/control_ms", t, verdict.latency_ms)


# ----------------------------------------------------------------------------------------------------------- the SDK


def sdk() -> ModuleType:
    """The SDK.

    Raises:
      InputError: it is not installed.
    """
    try:
        return importlib.import_module("rerun")
    except ImportError as error:
        raise InputError(NEEDS) from error


def save(log: Log, path: Path) -> None:
    """Write a recording, `.rrd`, that `rerun FILE` opens.

    Raises:
      InputError: the SDK is not installed, or the log holds no scene.
    """
    rr = sdk()
    path.parent.mkdir(parents=True, exist_ok=True)
    recording = _recording(rr, log)
    recording.save(path, default_blueprint=_blueprint(rr))
    _send(rr, recording, log)
    recording.disconnect()  # the file is whole then


def spawn(log: Log) -> None:
    """Open the viewer and show a log in it.

    Raises:
      InputError: the SDK is not installed, or the log holds no scene.
    """
    rr = sdk()
    recording = _recording(rr, log)
    recording.spawn(default_blueprint=_blueprint(rr))
    _send(rr, recording, log)
    recording.flush()


def _recording(rr: ModuleType, log: Log) -> Any:
    world, driver = log.info.get("world", log.path.stem), log.info.get("driver", "unknown driver")
    recording = rr.RecordingStream("whyway")
    recording.send_recording_name(f"{driver} in {world}")
    return recording


def _send(rr: ModuleType, recording: Any, log: Log) -> None:
    recording.log("/", rr.ViewCoordinates.RIGHT_HAND_Z_UP, static=True)
    for item in shown(log):
        if item.at_s is not None:
            recording.set_time(TIMELINE, duration=item.at_s)
        recording.log(item.entity, _archetype(rr, item.what), static=item.at_s is None)


def _archetype(rr: ModuleType, what: Lines | tuple[Box, ...] | Words | float) -> Any:
    if isinstance(what, Lines):
        return rr.LineStrips3D(what.lines, colors=[what.color], radii=[what.radius_m])
    if isinstance(what, Words):
        level = rr.TextLogLevel.WARN if what.alarm else rr.TextLogLevel.INFO
        return rr.TextLog(what.text, level=level)
    if isinstance(what, tuple):
        turns = [[0.0, 0.0, np.sin(b.yaw_rad / 2), np.cos(b.yaw_rad / 2)] for b in what]
        return rr.Boxes3D(
            centers=np.array([[b.x_m, b.y_m, b.height_m / 2] for b in what]).reshape(-1, 3),
            sizes=np.array([[b.length_m, b.width_m, b.height_m] for b in what]).reshape(-1, 3),
            quaternions=np.array(turns).reshape(-1, 4),
            colors=np.array([b.color for b in what], dtype=np.uint8).reshape(-1, 3),
            labels=[b.label for b in what],
            fill_mode="solid",
        )
    return rr.Scalars(what)


def _blueprint(rr: ModuleType) -> Any:
    views = importlib.import_module("rerun.blueprint")
    plots = [
        views.TimeSeriesView(origin=f"/{name}", name=name)
        for name in ("speed", "acceleration", "decision", "latency")
    ]
    seen = ["/map/**", "/ego", "/objects", "/unseen", "/plan"]
    return views.Blueprint(
        views.Horizontal(
            views.Vertical(
                views.Spatial3DView(origin="/", contents=seen, name="from above"),
                views.TextLogView(origin="/words", name="what it says"),
                row_shares=[3, 1],
            ),
            views.Vertical(*plots),
            column_shares=[2, 1],
        )
    )
