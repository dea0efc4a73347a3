"""Which boxes hide behind which, as seen from one point. Arrays only, no state."""

from __future__ import annotations

import numpy as np

from whyway.geometry import box_corners, to_frame, wrap_angle
from whyway.types import Floats

_RAYS = 9


def hidden_share(
    boxes: tuple[Floats, Floats, Floats, Floats, Floats],
    by: tuple[Floats, Floats, Floats, Floats, Floats],
    x_m: float,
    y_m: float,
) -> Floats:
    """The part of each box's angle that nearer boxes cover.

    Args:
      boxes: x, y, yaw, length, width, each `(n,)`: what may be hidden.
      by: the same, each `(m,)`: what may hide it. A box does not hide itself or what is nearer.
      x_m: where the eye is.
      y_m: where the eye is.

    Returns:
      `(n,)` shares in 0..1.
    """
    middle, low, high, near = _spans(boxes, x_m, y_m)
    by_middle, by_low, by_high, by_near = _spans(by, x_m, y_m)
    along = (np.arange(_RAYS) + 0.5) / _RAYS
    rays = (middle + low)[:, None] + (high - low)[:, None] * along
    off = wrap_angle(rays[:, :, None] - by_middle)
    covered = (off >= by_low) & (off <= by_high) & (by_near < near[:, None, None] - 0.05)
    share: Floats = covered.any(axis=-1).mean(axis=-1)
    return share


def _spans(
    boxes: tuple[Floats, Floats, Floats, Floats, Floats], x_m: float, y_m: float
) -> tuple[Floats, Floats, Floats, Floats]:
    """Bearing of each centre, the angles to its right and left edge from there, distance of the nearest point."""
    x, y, yaw, length, width = boxes
    corners = box_corners(x, y, yaw, length, width)
    middle = np.arctan2(y - y_m, x - x_m)
    spread = wrap_angle(np.arctan2(corners[..., 1] - y_m, corners[..., 0] - x_m) - middle[:, None])
    px, py = to_frame(np.full_like(x, x_m), np.full_like(y, y_m), x, y, yaw)
    outside = np.maximum(np.abs(px) - length / 2, 0.0), np.maximum(np.abs(py) - width / 2, 0.0)
    return middle, spread.min(axis=-1), spread.max(axis=-1), np.hypot(*outside)
