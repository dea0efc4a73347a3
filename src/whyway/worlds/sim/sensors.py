"""What the ego senses of the truth: range, field of view, occlusion, noise, misses, false detections. Seeded, no identity.

The sensor stands at the middle of the ego's box and looks around. Random values are drawn for everybody, seen or not, so that
what one road user does never changes the noise of another.

Shapes: n other road users of one world, m rays per box.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from whyway.config import SensorConfig
from whyway.geometry import hidden_share, to_frame, wrap_angle
from whyway.types import Detection, EgoState, Floats, Ints, LightColor, LightState, ObjectClass

VISIBLE_SHARE = 0.25
"""A box of which less than this part of its angle is seen is not detected."""
Bools: TypeAlias = NDArray[np.bool_]

_RAYS = 24
_FALSE_MOST = 4
_LIGHT_HALF_VIEW_RAD = math.radians(75.0)


@dataclass(frozen=True, slots=True, eq=False)
class Boxes:
    """Road users around the ego, arrays `(n,)`; centres in `map`."""

    object_class: Ints
    x_m: Floats
    y_m: Floats
    yaw_rad: Floats
    v_mps: Floats
    length_m: Floats
    width_m: Floats

    def __getitem__(self, keep: np.ndarray) -> Boxes:
        """The boxes selected by a mask or index array."""
        return Boxes(*(getattr(self, name)[keep] for name in self.__slots__))


def visible_share(boxes: Boxes, x_m: float, y_m: float) -> Floats:
    """The part of each box's angle, as seen from a point, that no nearer box covers; `(n,)` in 0..1."""
    arrays = (boxes.x_m, boxes.y_m, boxes.yaw_rad, boxes.length_m, boxes.width_m)
    share: Floats = 1.0 - hidden_share(arrays, arrays, x_m, y_m, rays=_RAYS)
    return share


def sense(
    ego: EgoState,
    center_offset_m: float,
    boxes: Boxes,
    sensor: SensorConfig,
    rng: np.random.Generator,
    present: Bools | None = None,
) -> tuple[Detection, ...]:
    """Detections in `base_link`, nearest first.

    Args:
      ego: its state.
      center_offset_m: from `base_link` to the middle of its box, where the sensor stands.
      boxes: everybody else, `(n,)`.
      sensor: the model's dials.
      rng: advanced by a number of draws that depends on n and the false detections alone.
      present: which boxes exist now, `(n,)`; None for all.
    """
    n = len(boxes.x_m)
    present = np.ones(n, dtype=np.bool_) if present is None else present
    if not sensor.enabled:
        return _detections(ego, boxes[present], np.ones(int(present.sum())))
    noise, luck, belief = rng.standard_normal((n, 6)), rng.random(n), rng.random(n)
    false = _false_boxes(ego, sensor, rng)

    eye_x = ego.x_m + center_offset_m * math.cos(ego.yaw_rad)
    eye_y = ego.y_m + center_offset_m * math.sin(ego.yaw_rad)
    distance = np.hypot(boxes.x_m - eye_x, boxes.y_m - eye_y)
    bearing = wrap_angle(np.arctan2(boxes.y_m - eye_y, boxes.x_m - eye_x) - ego.yaw_rad)
    seen = (
        present & (distance <= sensor.range_m) & (np.abs(bearing) <= sensor.field_of_view_rad / 2)
    )
    if sensor.occlusion:
        # only what is within range can hide something within range
        within = np.nonzero(present & (distance <= sensor.range_m + boxes.length_m))[0]
        share = np.zeros(n)
        share[within] = visible_share(boxes[within], eye_x, eye_y)
        seen &= share >= VISIBLE_SHARE
    seen &= luck >= sensor.miss_probability

    measured = Boxes(
        boxes.object_class,
        boxes.x_m + sensor.position_sigma_m * noise[:, 0],
        boxes.y_m + sensor.position_sigma_m * noise[:, 1],
        boxes.yaw_rad + sensor.yaw_sigma_rad * noise[:, 2],
        boxes.v_mps + sensor.speed_sigma_mps * noise[:, 3],
        np.maximum(boxes.length_m + sensor.size_sigma_m * noise[:, 4], 0.2),
        np.maximum(boxes.width_m + sensor.size_sigma_m * noise[:, 5], 0.2),
    )[seen]
    together = Boxes(
        *(np.concatenate([getattr(measured, k), getattr(false, k)]) for k in Boxes.__slots__)
    )
    # the detector is surer of what is there than of what is not, but not always
    sure = np.concatenate(
        [0.7 + 0.3 * belief[seen], 0.3 + 0.5 * rng.random(_FALSE_MOST)[: len(false.x_m)]]
    )
    return _detections(ego, together, sure)


def _false_boxes(ego: EgoState, sensor: SensorConfig, rng: np.random.Generator) -> Boxes:
    """Cars that are not there, anywhere in view."""
    count = min(int(rng.poisson(sensor.false_per_cycle)), _FALSE_MOST)
    draw = rng.random((_FALSE_MOST, 3))[:count]
    distance = sensor.range_m * np.sqrt(draw[:, 0])
    angle = ego.yaw_rad + (draw[:, 1] - 0.5) * sensor.field_of_view_rad
    one = np.ones(count)
    return Boxes(
        np.full(count, int(ObjectClass.CAR), dtype=np.int64),
        ego.x_m + distance * np.cos(angle),
        ego.y_m + distance * np.sin(angle),
        2 * math.pi * draw[:, 2],
        0.0 * one,
        4.5 * one,
        1.8 * one,
    )


def _detections(ego: EgoState, boxes: Boxes, existence: Floats) -> tuple[Detection, ...]:
    x, y = to_frame(boxes.x_m, boxes.y_m, ego.x_m, ego.y_m, np.float64(ego.yaw_rad))
    yaw = wrap_angle(boxes.yaw_rad - ego.yaw_rad)
    columns = (
        boxes.object_class, x, y, yaw, boxes.length_m, boxes.width_m, boxes.v_mps * np.cos(yaw), boxes.v_mps * np.sin(yaw), existence,
    )  # fmt: skip
    order = np.argsort(np.hypot(x, y), kind="stable").tolist()
    kind, *rest = (c.tolist() for c in columns)
    return tuple(Detection(ObjectClass(kind[i]), *(c[i] for c in rest)) for i in order)


def see_lights(
    ego: EgoState, light_id: Ints, x_m: Floats, y_m: Floats, colors: Ints, range_m: float
) -> tuple[LightState, ...]:
    """The lights within range and ahead of the ego, by their id in the map."""
    if len(light_id) == 0:
        return ()
    x, y = to_frame(x_m, y_m, ego.x_m, ego.y_m, np.float64(ego.yaw_rad))
    seen = (
        (np.hypot(x, y) <= range_m) & (np.abs(np.arctan2(y, x)) <= _LIGHT_HALF_VIEW_RAD) & (x > 0.0)
    )
    return tuple(
        LightState(int(light_id[i]), LightColor(int(colors[i])), 1.0) for i in np.nonzero(seen)[0]
    )
