"""Others, placed in `map` from a pose that is not believed, placed anew as they are seen from the car. No clock, no state."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from whyway.geometry import from_frame, to_frame, wrap_angle
from whyway.types import EgoState, PredictedPath, TrackedObject


def as_seen(
    objects: Sequence[TrackedObject], wrong: EgoState, ego: EgoState
) -> tuple[TrackedObject, ...]:
    """Objects placed in `map` from a wrong ego, placed anew from the right one; their predictions go along."""
    turn = ego.yaw_rad - wrong.yaw_rad
    c, s = math.cos(turn), math.sin(turn)

    def moved(x: Any, y: Any) -> tuple[Any, Any]:
        own = to_frame(x, y, wrong.x_m, wrong.y_m, wrong.yaw_rad)
        return from_frame(*own, ego.x_m, ego.y_m, ego.yaw_rad)

    def path(p: PredictedPath) -> PredictedPath:
        x, y = moved(p.x_m, p.y_m)
        return replace(p, x_m=x, y_m=y, yaw_rad=p.yaw_rad + turn)

    found = []
    for o in objects:
        x, y = moved(o.x_m, o.y_m)
        found.append(
            replace(
                o,
                x_m=float(x),
                y_m=float(y),
                yaw_rad=float(wrap_angle(o.yaw_rad + turn)),
                vx_mps=c * o.vx_mps - s * o.vy_mps,
                vy_mps=s * o.vx_mps + c * o.vy_mps,
                predictions=tuple(path(p) for p in o.predictions),
            )
        )
    return tuple(found)
