"""What stands and moves in the world, as plain arrays: the only view of it that sensors take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from whyway.geometry import wrap_angle
from whyway.types import Floats, Ints, LaneMap, Truth
from whyway.worlds.sim.sensing.shapes import HEIGHT_M, LIGHT, LIGHT_SIZE_M, SIGN_SIZE_M, STOP_SIGN

_HEIGHT_OF = np.array([HEIGHT_M[c] for c in sorted(HEIGHT_M)])


@dataclass(frozen=True, slots=True, eq=False)
class Things:
    """Placed shapes, arrays `(n,)`: which of `shapes.shapes()`, the box's centre on the ground in `map`, its heading and size.

    `id` is the road user's, 0 for what is part of the road. Road users' shapes are their `ObjectClass`.
    """

    shape: Ints
    x_m: Floats
    y_m: Floats
    yaw_rad: Floats
    length_m: Floats
    width_m: Floats
    height_m: Floats
    id: Ints

    def __getitem__(self, keep: np.ndarray) -> Things:
        """The things selected by a mask or index array."""
        return Things(*(getattr(self, f.name)[keep] for f in fields(self)))

    def __len__(self) -> int:
        return len(self.id)

    def __add__(self, other: Things) -> Things:
        pairs = ((getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        return Things(*(np.concatenate(pair) for pair in pairs))


def make_things(
    object_class: Ints, x_m: Floats, y_m: Floats, yaw_rad: Floats, length_m: Floats, width_m: Floats, id: Ints
) -> Things:  # fmt: skip
    """Road users from arrays `(n,)`, e.g. a simulator's; each as high as its class."""
    shape = np.asarray(object_class, dtype=np.int64)
    x, y, yaw, length, width = (
        np.asarray(c, dtype=np.float64) for c in (x_m, y_m, yaw_rad, length_m, width_m)
    )
    whose = np.asarray(id, dtype=np.int64)
    return Things(shape, x, y, yaw, length, width, _HEIGHT_OF[shape], whose)


def road_users(truth: Truth) -> Things:
    """Everybody but the ego."""
    rows = [
        (int(a.object_class), a.x_m, a.y_m, a.yaw_rad, a.length_m, a.width_m, a.id)
        for a in truth.actors
    ]
    object_class, x, y, yaw, length, width, whose = _columns(rows)
    return make_things(
        object_class.astype(np.int64), x, y, yaw, length, width, whose.astype(np.int64)
    )


def _columns(rows: Sequence[Sequence[float]]) -> Floats:
    """Seven columns (7, n)."""
    columns: Floats = np.array(rows, dtype=np.float64).reshape(-1, 7).T
    return columns


def between(before: Things, after: Things, share: Floats) -> tuple[Floats, Floats, Floats]:
    """Poses x, y, yaw `(n, k)` of the things of `after` on the way from `before`, at shares of the way `(k,)`.

    Who was not there before, or was somewhere else altogether, stands.
    """
    order = np.argsort(before.id, kind="stable")
    at = np.searchsorted(before.id[order], after.id)
    found = (
        order[np.minimum(at, max(len(order) - 1, 0))] if len(order) else np.zeros(len(after), int)
    )
    moved = []
    for name in ("x_m", "y_m", "yaw_rad"):
        old = getattr(before, name)[found] if len(order) else np.zeros(len(after))
        moved.append(getattr(after, name) - old)
    dx, dy, turned = moved[0], moved[1], wrap_angle(moved[2])
    same = np.zeros(len(after), dtype=np.bool_)
    if len(order):
        same = (before.id[found] == after.id) & (np.hypot(dx, dy) < _JUMP_M)
    back = (1.0 - np.asarray(share))[None, :] * same[:, None]
    return (
        after.x_m[:, None] - dx[:, None] * back,
        after.y_m[:, None] - dy[:, None] * back,
        after.yaw_rad[:, None] - turned[:, None] * back,
    )


_JUMP_M = 10.0
"""Nobody moves as far as that between two looks."""


@dataclass(frozen=True, slots=True, eq=False)
class Roadside:
    """What stands beside the road and never moves: traffic lights (whose shape shows their colour) and stop signs."""

    things: Things
    light_id: Ints
    """Of the first things, which are the lights."""

    def showing(self, truth: Truth) -> Things:
        """The things with the lights' colours as they are now."""
        colors = {light.light_id: int(light.color) for light in truth.lights}
        shape = self.things.shape.copy()
        shape[: len(self.light_id)] = [LIGHT + colors.get(i, 0) for i in self.light_id.tolist()]
        return replace(self.things, shape=shape)


def roadside(lane_map: LaneMap) -> Roadside:
    """Lights and stop signs of a map, each looking at those it is meant for."""
    lanes = {lane.id: lane for lane in lane_map.lanes}

    def against(lane_ids: Ints) -> float:
        """Heading of who comes to the end of these lanes, turned round."""
        lane = next((lanes[i] for i in lane_ids.tolist() if i in lanes), None)
        if lane is None or len(lane.center_x_m) < 2:
            return 0.0
        dx, dy = (
            lane.center_x_m[-1] - lane.center_x_m[-2],
            lane.center_y_m[-1] - lane.center_y_m[-2],
        )
        return float(np.arctan2(-dy, -dx))

    rows = [
        (LIGHT, light.x_m, light.y_m, against(light.lane_ids), *LIGHT_SIZE_M)
        for light in lane_map.lights
    ]
    for line in lane_map.stop_lines:
        if line.is_stop_sign and len(line.x_m) >= 2:
            yaw = against(line.lane_ids)
            # the end on the driver's right, and a little beyond
            x, y = np.asarray(line.x_m), np.asarray(line.y_m)
            right = int(np.argmax(-x * np.sin(yaw) + y * np.cos(yaw)))
            aside = (-0.8 * np.sin(yaw), 0.8 * np.cos(yaw))
            rows.append((STOP_SIGN, x[right] + aside[0], y[right] + aside[1], yaw, *SIGN_SIZE_M))
    shape, x, y, yaw, length, width, height = _columns(rows)
    nobody = np.zeros(len(rows), dtype=np.int64)
    things = Things(shape.astype(np.int64), x, y, yaw, length, width, height, nobody)
    return Roadside(things, np.array([light.id for light in lane_map.lights], dtype=np.int64))
