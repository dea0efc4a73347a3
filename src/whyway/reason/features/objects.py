"""Other road users: who they are, where along the ego's path, and what stands between the ego and them. One row each, its own only."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from whyway.maps.swerve import shift_length_m
from whyway.reason.features.beside import BESIDE
from whyway.reason.features.meetings import MEETING, MODES, meetings
from whyway.reason.features.table import filled, one_hot, one_hot_names
from whyway.reason.features.view import View, Viewer
from whyway.reason.rules import STANDS_MPS
from whyway.reason.spec import Float32s
from whyway.types import (
    Floats,
    Ints,
    LaneRelation,
    LightColor,
    ObjectClass,
    TrackedObject,
)

_VRU = (ObjectClass.PEDESTRIAN, ObjectClass.BICYCLE, ObjectClass.ANIMAL)

_OWN: dict[str, str] = {
    **one_hot_names("", ObjectClass, "is of class"),
    "vulnerable": "pedestrian, cyclist, animal",
    "existence": "probability",
    "age": "/ 5 s up to 1",
    "unseen": "/ 2 s",
    "length": "/ 5 m",
    "width": "/ 2 m",
    "stands": "",
    "stood_2.5": "for how long / 2.5 s up to 1",
    "stood_10": "... / 10 s up to 1",
    "stood_20": "... / 20 s up to 1",
    "s": "ahead of base_link along the path / 50 m",
    "s_near": "... / 10 m",
    "d": "left of the path / 3.5 m",
    "d_far": "... / 20 m",
    "d_ego": "left of the ego / 3.5 m",
    "along": "speed along the path / 15 m/s",
    "across": "speed to the left / 5 m/s",
    "speed": "/ 15 m/s",
    "slower": "ego's speed less its speed along / 5 m/s",
    "cos": "of the heading relative to the path",
    "sin": "",
    "gap": "from the front bumper to its near end / 50 m",
    "gap_near": "... / 10 m",
    "behind": "from its far end to the rear bumper / 20 m",
    "beside": "whether it is alongside",
    "left_edge": "left of the path / 3.5 m",
    "right_edge": "left of the path / 3.5 m",
    "flank": "free between its edge and the ego's flank, where both are now / 2 m",
    "flank_path": "... with the ego in its lane's middle / 2 m",
    "closing": "1 / time to collision at present speeds / 1 1/s",
    "headway": "gap / v / 3 s",
    **one_hot_names("", LaneRelation, "relation to the ego's lane"),
    "on_path": "on a lane of the ego's path",
    "on_left": "on the lane to the left, same direction",
    "on_right": "on the lane to the right",
    "on_oncoming": "on the opposite lane beside the ego's path",
    "off_lanes": "on no lane",
    **{
        f"{side}_{name}": meaning
        for side in ("left", "right")
        for name, meaning in (
            ("offset", "the ego's from the path to pass it on that side / 2 m"),
            ("over", "how far its flank would be over the border then / 2 m"),
            ("way", "what is left of the way to it after moving over so far / 20 m"),
        )
    },
    **BESIDE,
    "wait_line": "from its far end to the next line / 20 m",
    "wait_light": "whether that is a light's",
    "wait_held": "whether it is red or amber",
    "wait_junction": "from its far end to the next junction / 20 m",
    "hides": "speed not to exceed because of who may hide behind it, less v / 5 m/s",
    "hides_holds": "whether that is below what the road allows",
    "first_there": "whether it has the way, or gets there first: the ego would wait for it",
    "wait_at": "where the ego would, from base_link / 30 m",
    "wait_needs": "braking that takes / 3 m/s2",
    "wait_can": "whether that can still be done",
    "ego_goes": "whether the ego gets through before it",
}
"""Of the road user itself."""
OBJECT: dict[str, str] = {
    **_OWN,
    **{f"{name}_{k}": meaning for k in range(MODES) for name, meaning in MEETING.items()},
}
"""With how each of its likely futures meets the ego's way."""


def object_rows(
    v: View, viewer: Viewer, objects: Sequence[TrackedObject], relations: Sequence[LaneRelation], beside: Mapping[str, Any]
) -> Float32s:  # fmt: skip
    """(objects, features)

    Args:
      v: the view; all `objects` are among its own.
      viewer: of the road.
      objects: in the order of their slots.
      relations: of each to the ego's lane.
      beside: `beside_columns` of them.
    """
    first = np.array([v.rows[o.id] for o in objects], dtype=np.int64)
    own = {
        **_identity(v, objects),
        **_motion(v, viewer, first),
        **one_hot("", relations, LaneRelation),
        **_lanes(v, viewer, objects),
        **beside,
        **_passing(v, viewer, objects, first),
        **_waiting(v, first),
        **_hiding(v, objects),
        **_rights(v, viewer, objects),
    }
    return np.hstack([filled(own, _OWN, len(objects)), meetings(v, viewer, objects)])


def _identity(v: View, objects: Sequence[TrackedObject]) -> dict[str, Any]:
    stood = np.array([v.memory.standing_s.get(o.id, 0.0) for o in objects])
    speed = np.array([math.hypot(o.vx_mps, o.vy_mps) for o in objects])
    return {
        **one_hot("", [o.object_class for o in objects], ObjectClass),
        "vulnerable": np.array([o.object_class in _VRU for o in objects]),
        "existence": np.array([o.existence_probability for o in objects]),
        "age": np.minimum(np.array([o.age_s for o in objects]) / 5, 1.0),
        "unseen": np.array([o.unseen_s for o in objects]) / 2,
        "length": np.array([o.length_m for o in objects]) / 5,
        "width": np.array([o.width_m for o in objects]) / 2,
        "speed": speed / 15,
        "stands": speed < STANDS_MPS,
        "stood_2.5": np.minimum(stood / 2.5, 1.0),
        "stood_10": np.minimum(stood / 10, 1.0),
        "stood_20": np.minimum(stood / 20, 1.0),
    }


def _motion(v: View, viewer: Viewer, first: Ints) -> dict[str, Any]:
    seen, vehicle, speed = v.seen, viewer.config.vehicle, v.scene.ego.v_mps
    x, d = seen.ahead_m[first, 0], seen.d_m[first, 0]
    half, wide = seen.half_length_m[first, 0], seen.half_width_m[first, 0]
    along, yaw = seen.along_mps[first, 0], seen.relative_yaw_rad[first, 0]
    across = (seen.d_m[first, 1] - d) / (seen.t_s[1] - seen.t_s[0])
    gap = x - half - vehicle.front_m
    behind = -vehicle.rear_m - (x + half)
    closing = np.where(gap > 0, speed - along, 0.0) / np.maximum(gap, 0.5)
    return {
        "s": x / 50,
        "s_near": x / 10,
        "d": d / 3.5,
        "d_far": d / 20,
        "d_ego": (d - v.keep.d_m) / 3.5,
        "along": along / 15,
        "across": across / 5,
        "slower": (speed - along) / 5,
        "cos": np.cos(yaw),
        "sin": np.sin(yaw),
        "gap": gap / 50,
        "gap_near": gap / 10,
        "behind": behind / 20,
        "beside": (gap < 0) & (behind < 0),
        "left_edge": (d + wide) / 3.5,
        "right_edge": (d - wide) / 3.5,
        "flank": (np.abs(d - v.keep.d_m) - wide - vehicle.width_m / 2) / 2,
        "flank_path": (np.abs(d) - wide - vehicle.width_m / 2) / 2,
        "closing": closing,
        "headway": np.maximum(gap, 0.0) / max(speed, 0.5) / 3,
    }


def _lanes(v: View, viewer: Viewer, objects: Sequence[TrackedObject]) -> dict[str, Any]:
    lanes = [viewer.road.lanes[i].lane for i in v.keep.path.lane_ids]
    kinds = {
        "on_path": {x.id for x in lanes},
        "on_left": {x.left_id for x in lanes} - {0},
        "on_right": {x.right_id for x in lanes} - {0},
        "on_oncoming": {x.opposite_id for x in lanes} - {0},
        "off_lanes": {0},
    }
    return {name: [o.lane_id in those for o in objects] for name, those in kinds.items()}


def _passing(
    v: View, viewer: Viewer, objects: Sequence[TrackedObject], first: Ints
) -> dict[str, Any]:
    """How far aside of its lane's middle the ego has to drive to pass each, and how far that is over the border."""
    seen, m, config = v.seen, v.keep, viewer.config
    d, wide, x = seen.d_m[first, 0], seen.half_width_m[first, 0], seen.ahead_m[first, 0]
    half = config.vehicle.width_m / 2
    gap = config.reason.passing_gap_m * np.array(
        [2.0 if o.object_class in _VRU else 1.0 for o in objects]
    )
    within = m.path.half_width_at(m.s_m + np.maximum(x, 0.0)) - half
    to_go = x - seen.half_length_m[first, 0] - config.vehicle.front_m
    found: dict[str, Any] = {}
    for side, sign in (("left", 1.0), ("right", -1.0)):
        offset = sign * d + wide + half + gap
        moves_over = _moving_over_m(offset - sign * m.d_m, v.scene.ego.v_mps)
        found[f"{side}_offset"] = offset / 2
        found[f"{side}_over"] = (offset - within) / 2
        found[f"{side}_way"] = (to_go - moves_over) / 20
    return found


def _moving_over_m(by_m: Floats, v_mps: float) -> Floats:
    """`maps.swerve.shift_length_m` for many at once."""
    return np.array([shift_length_m(by, v_mps) for by in by_m.tolist()])


def _waiting(v: View, first: Ints) -> dict[str, Any]:
    """What somebody who stands may be waiting for."""
    m, seen = v.keep, v.seen
    far = m.s_m + seen.ahead_m[first, 0] + seen.half_length_m[first, 0]
    at = np.array([*(s for s, _ in m.path.stop_lines), math.inf])
    lights = [x.light_id for _, x in m.path.stop_lines]
    held = [
        v.facts.lights.get(i) in (LightColor.RED, LightColor.AMBER) if i else False for i in lights
    ]
    k = np.searchsorted(at[:-1], far - 3.0)
    begins = np.array([*(a for a, _ in m.path.junctions), math.inf])
    j = np.searchsorted(begins[:-1], far - 3.0)
    return {
        "wait_line": (at[k] - far) / 20,
        "wait_light": np.array([*(i != 0 for i in lights), False])[k],
        "wait_held": np.array([*held, False])[k],
        "wait_junction": (begins[j] - far) / 20,
    }


def _hiding(v: View, objects: Sequence[TrackedObject]) -> dict[str, Any]:
    cap = np.array([v.caps.get(o.id, math.inf) for o in objects])
    return {"hides": (cap - v.scene.ego.v_mps) / 5, "hides_holds": cap < v.cap_mps}


def _rights(v: View, viewer: Viewer, objects: Sequence[TrackedObject]) -> dict[str, Any]:
    """Who goes first where ways meet: each against the ego as lines hold it, as if there were nobody else."""
    waits, goes = viewer.halts.conflicts(v.facts, v.keep, v.held, v.corridor)
    at: dict[int, float] = {}
    for stand, i in waits:
        at[i] = min(stand, at.get(i, math.inf))
    stand_m = np.array([at.get(o.id, math.inf) for o in objects])
    speed, first = v.scene.ego.v_mps, np.isfinite(stand_m)
    needs = speed**2 / (2 * np.maximum(stand_m, 0.5)) / 3
    return {
        "first_there": first,
        "wait_at": np.where(first, stand_m, 0.0) / 30,
        "wait_needs": needs,
        "wait_can": [
            i in at and viewer.halts.can_stop(speed, at[i]) for i in (o.id for o in objects)
        ],
        "ego_goes": [o.id in goes for o in objects],
    }
