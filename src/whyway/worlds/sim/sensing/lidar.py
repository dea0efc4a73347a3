"""Spinning lidar: rays of one sweep against the solids of all things and the ground -> points with intensity, ring and time. numpy alone.

Every firing (column) has its own moment: with motion distortion the car and all road users are where they were then, between the last
two looks. The solids are those of `shapes.py`, so a camera beside the lidar sees the same surfaces at the same depth.

Shapes of arrays: C columns x E rings.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from whyway.geometry import wrap_angle
from whyway.types import EgoState, Floats, Ints
from whyway.worlds.sim.sensing.labels import Label
from whyway.worlds.sim.sensing.rig import LidarSpec
from whyway.worlds.sim.sensing.shapes import shapes
from whyway.worlds.sim.sensing.things import Things, between

REFLECTIVITY: dict[Label, float] = {
    Label.ROAD: 0.15, Label.POLE: 0.5, Label.TRAFFIC_LIGHT: 0.35, Label.TRAFFIC_SIGN: 0.95, Label.PEDESTRIAN: 0.3,
    Label.RIDER: 0.3, Label.CAR: 0.55, Label.TRUCK: 0.65, Label.BUS: 0.6, Label.MOTORCYCLE: 0.4, Label.BICYCLE: 0.35,
    Label.STATIC: 0.6, Label.DYNAMIC: 0.4,
}  # fmt: skip
"""Share of the light that comes back from a surface hit squarely; plausible values near 905 nm, not measured ones."""
_REFLECTIVITY = np.array([REFLECTIVITY.get(Label(i), 0.2) for i in range(len(Label))])


@dataclass(frozen=True, slots=True, eq=False)
class Sweep:
    """Points `(n,)` in the lidar's body frame as it was when each was measured, in the order of firing.

    Attributes:
      xyz_m: (n, 3).
      intensity: 0..1: reflectivity by class, times the cosine of incidence, weakened with distance.
      ring: of the lowest ray 0, upwards.
      time_s: when each was measured, after the sweep's stamp: not positive.
      label: what was hit (`Label`; the ground is ROAD); for judgement, a real lidar has none.
      thing: id of the road user hit, else 0; likewise.
    """

    xyz_m: NDArray[np.float32]
    intensity: NDArray[np.float32]
    ring: NDArray[np.uint16]
    time_s: NDArray[np.float32]
    label: NDArray[np.uint8]
    thing: Ints


@dataclass(frozen=True, slots=True, eq=False)
class _Rays:
    """One sweep's rays in `map`: origin (C, 3), direction (C, E, 3) of length 1; headings of a column are within `spread` of its first."""

    origin: Floats
    direction: Floats
    spread: float


def sweep(
    spec: LidarSpec,
    before: tuple[EgoState, Things] | None,
    now: tuple[EgoState, Things],
    stamp_s: float,
    dt_s: float,
    rng: np.random.Generator,
) -> Sweep:
    """What was measured in the last `dt_s`.

    Args:
      spec: the lidar.
      before: the car and all things `dt_s` ago; None if there is no before: everything stands.
      now: the car and all things at the stamp.
      stamp_s: now; sets where in its turn the lidar is.
      dt_s: how long the sweep lasted.
      rng: advanced by as many draws as there are rays, whatever they hit.
    """
    columns = max(1, round(spec.columns * spec.rate_hz * dt_s))
    share = (np.arange(columns) + 1.0) / columns
    time = (share - 1.0) * dt_s if spec.motion_distortion else np.zeros(columns)
    if before is None or not spec.motion_distortion:
        before = now
        share = np.ones(columns)
    azimuth = -math.pi + 2 * math.pi * ((spec.rate_hz * (stamp_s - dt_s)) % 1.0)
    local, base, spread = _directions(spec, round(azimuth, 9), columns, dt_s)
    rays = _rays(spec, base, spread, before[0], now[0], share)
    distance, cosine, label, thing = cast(rays, before[1], now[1], share, spec.range_m)

    noise, luck = rng.standard_normal(distance.shape), rng.random(distance.shape)
    measured = distance + spec.range_sigma_m * noise
    back = (
        (distance <= spec.range_m)
        & (measured >= spec.range_min_m)
        & (luck >= spec.dropout_probability)
    )
    column, ring = np.nonzero(back)
    intensity = _REFLECTIVITY[label] * cosine * np.exp(-spec.attenuation_1pm * distance)
    return Sweep(
        (local[back] * measured[back][:, None]).astype(np.float32),
        intensity[back].astype(np.float32),
        ring.astype(np.uint16),
        time[column].astype(np.float32),
        label[back],
        thing[back],
    )


@lru_cache(maxsize=8)
def _directions(
    spec: LidarSpec, azimuth_rad: float, columns: int, dt_s: float
) -> tuple[Floats, Floats, float]:
    """Unit vectors (C, E, 3) in the body frame and in `base_link`, and how far headings of one column differ from its first one's."""
    turn = 2 * math.pi * spec.rate_hz * dt_s * np.arange(columns) / columns
    azimuth_C1, elevation_E = (azimuth_rad + turn)[:, None], spec.elevations_rad
    flat = np.cos(elevation_E)
    up = np.broadcast_to(np.sin(elevation_E), (columns, len(elevation_E)))
    local = np.stack([np.cos(azimuth_C1) * flat, np.sin(azimuth_C1) * flat, up], axis=-1)
    base = local @ spec.mount.rotation.T
    heading = np.arctan2(base[..., 1], base[..., 0])
    spread = float(np.abs(wrap_angle(heading - heading[:, :1])).max()) + 1e-9
    return local, base, spread


def _rays(
    spec: LidarSpec, base: Floats, spread: float, before: EgoState, now: EgoState, share: Floats
) -> _Rays:
    """Rays in `map` from a car that moves evenly from one pose to the next."""
    x = before.x_m + share * (now.x_m - before.x_m)
    y = before.y_m + share * (now.y_m - before.y_m)
    yaw = before.yaw_rad + share * wrap_angle(now.yaw_rad - before.yaw_rad)
    c, s = np.cos(yaw), np.sin(yaw)
    mount = spec.mount
    origin = np.stack(
        [
            x + c * mount.x_m - s * mount.y_m,
            y + s * mount.x_m + c * mount.y_m,
            np.full_like(x, mount.z_m),
        ],
        axis=1,
    )
    c, s = c[:, None], s[:, None]
    turned = (
        c * base[..., 0] - s * base[..., 1],
        s * base[..., 0] + c * base[..., 1],
        base[..., 2],
    )
    return _Rays(origin, np.stack(turned, axis=-1), spread)


def cast(
    rays: _Rays, before: Things, now: Things, share: Floats, range_m: float
) -> tuple[Floats, Floats, NDArray[np.uint8], Ints]:
    """Distance (inf: nothing), cosine of incidence, label and thing `(C, E)` of the first surface on each ray."""
    down = rays.direction[..., 2]
    with np.errstate(divide="ignore"):
        distance = np.where(down < 0.0, rays.origin[:, None, 2] / -down, np.inf)
    cosine = np.abs(down)
    label = np.full(distance.shape, int(Label.ROAD), dtype=np.uint8)
    thing = np.zeros(distance.shape, dtype=np.int64)
    x, y, yaw = between(before, now, share)
    radius = np.hypot(now.length_m, now.width_m) / 2
    heading = np.arctan2(rays.direction[:, 0, 1], rays.direction[:, 0, 0])
    dx, dy = x - rays.origin[:, 0], y - rays.origin[:, 1]
    away = np.hypot(dx, dy)
    # a ray can meet a thing only if it looks to within the angle that the circle round it fills
    half = np.arcsin(np.minimum(radius[:, None] / np.maximum(away, 1e-9), 1.0))
    off = np.abs(wrap_angle(np.arctan2(dy, dx) - heading))
    hit = ((off <= half + rays.spread) | (away <= radius[:, None])) & (
        away <= range_m + radius[:, None]
    )
    for i in np.nonzero(hit.any(axis=1))[0].tolist():
        at = np.nonzero(hit[i])[0]
        _meet(rays, at, (x[i, at], y[i, at], yaw[i, at]), now, i, distance, cosine, label, thing)
    return distance, cosine, label, thing


def _meet(
    rays: _Rays, at: Ints, pose: tuple[Floats, Floats, Floats], now: Things, i: int,
    distance: Floats, cosine: Floats, label: NDArray[np.uint8], thing: Ints,
) -> None:  # fmt: skip
    """Let the rays of some columns meet one thing's solids; what is nearer than what they met before is written down.

    A convex solid is where all its half-spaces are; a ray enters it where it enters the last of them and leaves with the first (Kay and
    Kajiya, "Ray tracing complex scenes", SIGGRAPH 1986).
    """
    x, y, yaw = (p[:, None] for p in pose)
    c, s = np.cos(yaw), np.sin(yaw)
    ox, oy = rays.origin[at, 0][:, None] - x, rays.origin[at, 1][:, None] - y
    direction = rays.direction[at]
    size = np.array([now.length_m[i], now.width_m[i], now.height_m[i]])
    # both in the thing's unit box; distances along the ray stay what they are
    origin = np.stack([c * ox + s * oy, c * oy - s * ox, rays.origin[at, 2][:, None]], -1) / size
    dx, dy = direction[..., 0], direction[..., 1]
    ray = np.stack([c * dx + s * dy, c * dy - s * dx, direction[..., 2]], -1) / size
    best, facing = np.full(dx.shape, np.inf), np.zeros(dx.shape)
    what = np.zeros(dx.shape, dtype=np.uint8)
    for normal, offset, solid_label in _planes()[int(now.shape[i])]:
        with np.errstate(divide="ignore", invalid="ignore"):
            towards = ray @ normal.T
            reach = (offset - origin @ normal.T) / towards
        enter = np.where(towards < 0.0, reach, -np.inf)
        leave = np.where(towards > 0.0, reach, np.inf)
        # a ray along a plane is inside its half-space all the way or not at all
        missed = ((towards == 0.0) & (origin @ normal.T > offset)).any(axis=-1)
        side = enter.argmax(axis=-1)
        first = np.take_along_axis(enter, side[..., None], axis=-1)[..., 0]
        nearer = ~missed & (first <= leave.min(axis=-1)) & (first > 0.0) & (first < best)
        best = np.where(nearer, first, best)
        # a normal scales inversely to its surface; (normal / size) . (ray * size) is normal . ray
        length = np.linalg.norm(normal / size, axis=1)
        cosine_here = np.take_along_axis(towards, side[..., None], axis=-1)[..., 0] / length[side]
        facing = np.where(nearer, np.abs(cosine_here), facing)
        what = np.where(nearer, np.uint8(solid_label), what)
    nearer = best < distance[at]
    distance[at] = np.where(nearer, best, distance[at])
    cosine[at] = np.where(nearer, facing, cosine[at])
    label[at] = np.where(nearer, what, label[at])
    thing[at] = np.where(nearer, now.id[i], thing[at])


_SIDES = np.array([(3, 2, 1), (4, 5, 6), (0, 1, 5), (1, 2, 6), (2, 3, 7), (3, 0, 4)])


@cache
def _planes() -> tuple[tuple[tuple[Floats, Floats, int], ...], ...]:
    """By shape, each solid's half-spaces normal . p <= offset: normals (6, 3) outwards, offsets (6,); and its label."""
    found = []
    for shape in shapes():
        solids = []
        for corners, solid_label in zip(shape.solids, shape.solid_label.tolist(), strict=True):
            a, b, c = (corners[_SIDES[:, k]] for k in range(3))
            normal = np.cross(b - a, c - a)
            solids.append((normal, (normal * a).sum(axis=1), int(solid_label)))
        found.append(tuple(solids))
    return tuple(found)
