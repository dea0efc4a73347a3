"""A drive as compact numbers that a report's page draws: lanes near the way, and ten instants a second, fewer of a long drive.

Lengths are centimetres and angles milliradians, relative to the first pose. `assets/stage.js` reads what is written here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from whyway.evaluate.contacts import column, kind_of
from whyway.evaluate.drive import Drive
from whyway.evaluate.driving.pdms import Contact, DrivingScore
from whyway.evaluate.instants import Instant, Instants, cited, unseen
from whyway.evaluate.report.picture import zebra
from whyway.evaluate.report.trace_data import Texts, guesses, trace_fields
from whyway.trace import sentence
from whyway.types import Actor, CauseKind, Floats, LaneKind, TrackedObject

NEAR_M = 90.0
"""Lanes further than this from the driven way are left out."""

OBJECTS_M = 110.0
"""Objects further than this from the ego are left out: the player shows less."""

MOST_FRAMES = 1500
"""Of a drive longer than two and a half minutes only every second instant is shown, or every third ..."""

PLAN_STEP = 5
"""Every so many waypoints are drawn: two a second."""

HIT_BEFORE_S, HIT_AFTER_S = 5.0, 2.0
"""So long before a contact and after it is marked whom it is with."""


def shown_every(drive: Drive) -> int:
    """Of how many instants one is shown."""
    return math.ceil(drive.count / MOST_FRAMES)


def replay(drive: Drive, instants: Instants, texts: Texts) -> dict[str, Any]:
    """What the top view needs.

    Objects are `[id, x, y, yaw, length, width, kind, class, speed]` with kind 0 other, 1 listed, 2 cause, 3 unseen; those whom the
    ego touches are told apart for some seconds around it, as `hit: [text, x, y, yaw, length, width]`.
    """
    origin = (float(drive.x_m[0]), float(drive.y_m[0]))
    every = shown_every(drive)
    return {
        "dt": drive.dt_s * every,
        "every": every,
        "length": _cm(drive.length_m),
        "width": _cm(drive.width_m),
        "offset": _cm(drive.center_offset_m),
        "lanes": _lanes(drive, origin),
        "stops": [
            {"light": int(s.light_id), "line": _line(s.x_m, s.y_m, origin)}
            for s in drive.road.lane_map.stop_lines
        ],
        "lights": [
            [int(x.id), _cm(x.x_m - origin[0]), _cm(x.y_m - origin[1])]
            for x in drive.road.lane_map.lights
        ],
        "crossings": [
            {"line": _line(x, y, origin), "width": _cm(width)}
            for x, y, width in map(zebra, drive.road.lane_map.crossings)
        ],
        "frames": [
            _frame(drive, instants.at(i), origin, texts) for i in range(0, drive.count, every)
        ],
    }


def touched(drive: Drive, contacts: Sequence[Contact], texts: Texts) -> dict[int, list[list[int]]]:
    """Whom the ego touches, by the number of the frame in which it is to be seen."""
    origin = (float(drive.x_m[0]), float(drive.y_m[0]))
    every, found = shown_every(drive), dict[int, list[list[int]]]()
    a = drive.actors
    for contact in contacts:
        who = column(drive, contact.actor_id)
        text = texts(f"{kind_of(drive, contact.actor_id)}, actor {contact.actor_id}")
        near = (drive.t_s > contact.at_s - HIT_BEFORE_S) & (drive.t_s < contact.at_s + HIT_AFTER_S)
        for i in np.flatnonzero(near & np.isfinite(a.x_m[:, who])).tolist():
            if i % every == 0:
                found.setdefault(i // every, []).append(
                    [
                        text,
                        _cm(a.x_m[i, who] - origin[0]),
                        _cm(a.y_m[i, who] - origin[1]),
                        round(float(a.yaw_rad[i, who]) * 1000),
                        _cm(a.length_m[i, who]),
                        _cm(a.width_m[i, who]),
                    ]
                )
    return found


def places(drive: Drive, driving: DrivingScore, texts: Texts) -> list[list[int]]:
    """Where the ego's front was as it left the road or ran a red light: [text, x, y]."""
    x, y = drive.front
    found = []
    for broken in driving.broken:
        i = drive.index(broken.at_s)
        here = [_cm(x[i] - drive.x_m[0]), _cm(y[i] - drive.y_m[0])]
        found.append([texts(broken.what), *here])
    return found


def _cm(value: float) -> int:
    return round(float(value) * 100)


def _line(x_m: Floats, y_m: Floats, origin: tuple[float, float]) -> list[int]:
    flat = np.stack([np.asarray(x_m) - origin[0], np.asarray(y_m) - origin[1]], axis=-1).reshape(-1)
    found: list[int] = np.round(flat * 100).astype(int).tolist()
    return found


def _lanes(drive: Drive, origin: tuple[float, float]) -> list[dict[str, Any]]:
    route = set(drive.road.route_ids)
    way_x, way_y = drive.x_m[::10], drive.y_m[::10]
    found = []
    for lane_id, member in sorted(drive.road.lanes.items(), key=lambda item: item[0] in route):
        lane = member.lane
        if lane.kind not in (LaneKind.DRIVING, LaneKind.SHOULDER, LaneKind.BIKE, LaneKind.PARKING):
            continue
        far = np.hypot(lane.center_x_m[:, None] - way_x, lane.center_y_m[:, None] - way_y).min()
        if far > NEAR_M + member.length_m / 2:
            continue
        found.append(
            {
                "kind": "route"
                if lane_id in route
                else "bike"
                if lane.kind == LaneKind.BIKE
                else "road",
                "junction": lane.in_junction,
                "left": _line(lane.left_x_m, lane.left_y_m, origin),
                "right": _line(lane.right_x_m, lane.right_y_m, origin),
                "marks": [int(lane.left_marking), int(lane.right_marking)],
            }
        )
    return found


def _frame(
    drive: Drive, instant: Instant, origin: tuple[float, float], texts: Texts
) -> dict[str, Any]:
    i = instant.index
    frame: dict[str, Any] = {
        "ego": [
            _cm(drive.x_m[i] - origin[0]),
            _cm(drive.y_m[i] - origin[1]),
            round(float(drive.yaw_rad[i]) * 1000),
            round(float(drive.v_mps[i]), 2),
            round(float(drive.a_mps2[i]), 2),
        ],
        "objects": _objects(instant, origin, (float(drive.x_m[i]), float(drive.y_m[i]))),
    }
    lights = {int(x.light_id): int(x.color) for x in instant.truth.lights}
    if lights:
        frame["lights"] = lights
    if instant.plan is not None:
        w = instant.plan.waypoints
        if np.isfinite(w.x_m).all() and np.isfinite(w.y_m).all():
            frame["plan"] = _line(w.x_m[::PLAN_STEP], w.y_m[::PLAN_STEP], origin)
    if instant.trace is not None:
        frame["why"] = texts(sentence(instant.trace))
        frame["trace"] = trace_fields(instant.trace, texts)
        causes = instant.trace.planning.causes
        lights_cited = [int(c.id) for c in causes if c.kind == CauseKind.TRAFFIC_LIGHT]
        if lights_cited:
            frame["because"] = lights_cited
        paths = [_line(x, y, origin) for x, y in guesses(instant.trace)]
        if paths:
            frame["guess"] = paths
    return frame


def _objects(
    instant: Instant, origin: tuple[float, float], ego: tuple[float, float]
) -> list[list[int]]:
    causes, listed = cited(instant)
    tracks = () if instant.scene is None else instant.scene.objects
    rows: list[tuple[TrackedObject | Actor, int]] = [
        (o, 2 if o.id in causes else 1 if o.id in listed else 0) for o in tracks
    ]
    rows += [(a, 3) for a in unseen(instant)]
    return [
        [
            int(o.id),
            _cm(o.x_m - origin[0]),
            _cm(o.y_m - origin[1]),
            round(float(o.yaw_rad) * 1000),
            _cm(o.length_m),
            _cm(o.width_m),
            kind,
            int(o.object_class),
            _cm(_speed(o)),
        ]
        for o, kind in rows
        if all(map(math.isfinite, (o.yaw_rad, o.length_m, o.width_m, _speed(o))))
        and math.dist((o.x_m, o.y_m), ego) < OBJECTS_M
    ]


def _speed(o: TrackedObject | Actor) -> float:
    return o.v_mps if isinstance(o, Actor) else math.hypot(o.vx_mps, o.vy_mps)
