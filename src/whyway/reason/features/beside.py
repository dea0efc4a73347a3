"""Who is in the lanes on either side, as a change of lanes sees them: MOBIL's gaps (Kesting, Treiber, Helbing, TRR 1999, 2007)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from whyway.reason.facts import OUTLOOK_S
from whyway.reason.features.view import ROLL_S, View, Viewer
from whyway.types import Floats, TrackedObject

SIDES = ("left", "right")
BESIDE_M = 1.8
"""Who is so near to the middle of a lane is in it."""
ROOM_M, FOLLOWER_S = 1.5, 0.6
"""What a follower there is left beside its braking way: as the rules have it, without any hurry."""

_KINDS: dict[str, str] = {
    "lane": "is in the lane on that side now",
    "gap": "ahead there, from the front bumper / 20 m",
    "behind": "behind there, from its front to our rear bumper / 20 m",
    "spare": "what is left behind there after headway and braking / 10 m",
    "loses": "how much less far the ego gets in that lane behind it / 20 m",
}
BESIDE: dict[str, str] = {f"{side}_{n}": what for side in SIDES for n, what in _KINDS.items()}
"""Of each road user."""
NEXT: dict[str, str] = {
    "lead_gap": "to the nearest one ahead there / 20 m",
    "lead_slower": "ego's speed less its speed / 5 m/s",
    "lead_loses": "how much less far the ego gets behind it / 20 m",
    "follower_gap": "from the nearest one behind there / 20 m",
    "follower_faster": "its speed less the ego's / 5 m/s",
    "least_spare": "the least that is left to anybody behind there / 10 m",
    "occupied": "whether somebody is alongside there",
}
"""Of each side: those next to the gap beside the ego."""


def beside_columns(v: View, viewer: Viewer, objects: Sequence[TrackedObject]) -> dict[str, Any]:
    """Columns `(objects,)` by name."""
    first = np.array([v.rows[o.id] for o in objects], dtype=np.int64)
    seen, vehicle, speed = v.seen, viewer.config.vehicle, v.scene.ego.v_mps
    along = np.maximum(seen.along_mps[first, 0], 0.0)
    brake, idm = viewer.config.reason.safe_brake_mps2, viewer.config.driving.idm
    prospect_s = float(ROLL_S[-1]) + OUTLOOK_S
    found: dict[str, Any] = {}
    for side, lane_id in zip(SIDES, viewer.road.neighbours(v.place.lane_id), strict=True):
        s, d = _on_lane(v, viewer, objects, lane_id)
        half = seen.half_length_m[first, 0]
        inside = np.abs(d) < BESIDE_M
        gap, behind = s - half - vehicle.front_m, -vehicle.rear_m - (s + half)
        closing = np.maximum(along - speed, 0.0)
        spare = behind - ROOM_M - FOLLOWER_S * along - closing**2 / (2 * brake)
        follows = s - half - vehicle.front_m + along * prospect_s - idm.s0_m - along * idm.headway_s
        loses = np.maximum(v.prospect_m - follows, 0.0)
        found[f"{side}_lane"] = inside
        found[f"{side}_gap"] = np.where(inside, gap / 20, 0.0)
        found[f"{side}_behind"] = np.where(inside, behind / 20, 0.0)
        found[f"{side}_spare"] = np.where(inside, spare / 10, 0.0)
        found[f"{side}_loses"] = np.where(inside & (gap > 0.0), loses / 20, 0.0)
    return found


def _on_lane(
    v: View, viewer: Viewer, objects: Sequence[TrackedObject], lane_id: int
) -> tuple[Floats, Floats]:
    """Where objects are ahead of the ego and aside of the middle, along the way on a neighbour lane; far off without one."""
    if lane_id not in viewer.road.lanes or not objects:
        return np.zeros(len(objects)), np.full(len(objects), 99.0)
    path = viewer.road.path_from(lane_id, viewer.road.lanes[lane_id].length_m + 100.0)
    x = np.array([v.scene.ego.x_m, *(o.x_m for o in objects)])
    y = np.array([v.scene.ego.y_m, *(o.y_m for o in objects)])
    s, d = path.center.project(x, y)
    return s[1:] - s[0], d[1:]


def next_columns(
    v: View, objects: Sequence[TrackedObject], beside: Mapping[str, Any]
) -> dict[str, Floats]:
    """Columns `(2,)` by name, from the objects' own."""
    speed = v.scene.ego.v_mps
    first = np.array([v.rows[o.id] for o in objects], dtype=np.int64)
    along = v.seen.along_mps[first, 0]
    rows = [_next(along - speed, {n: beside[f"{side}_{n}"] for n in _KINDS}) for side in SIDES]
    return {name: np.array([row[name] for row in rows]) for name in NEXT}


_NOBODY = {
    "lead_gap": 3.0, "lead_slower": 0.0, "lead_loses": 0.0,
    "follower_gap": 3.0, "follower_faster": 0.0, "least_spare": 3.0,
}  # fmt: skip


def _next(faster_mps: Floats, there: Mapping[str, Any]) -> dict[str, float]:
    found = dict(_NOBODY)
    inside = there["lane"]
    ahead, behind = inside & (there["gap"] > 0.0), inside & (there["behind"] > 0.0)
    if ahead.any():
        k = int(np.argmin(np.where(ahead, there["gap"], np.inf)))
        found |= {
            "lead_gap": float(there["gap"][k]),
            "lead_slower": -float(faster_mps[k]) / 5,
            "lead_loses": float(there["loses"][k]),
        }
    if behind.any():
        k = int(np.argmin(np.where(behind, there["behind"], np.inf)))
        found |= {
            "follower_gap": float(there["behind"][k]),
            "follower_faster": float(faster_mps[k]) / 5,
            "least_spare": float(np.min(there["spare"][behind])),
        }
    found["occupied"] = float(np.any(inside & ~ahead & ~behind))
    return found
