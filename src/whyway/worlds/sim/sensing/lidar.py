"""Spinning lidar: rays of one sweep against the solids of all things and the ground -> points with intensity, ring and time. numpy alone.

Every firing (column) has its own moment: with motion distortion the car and all road users are where they were then, between the last
two looks. The solids are those of `shapes.py`, so a camera beside the lidar sees the same surfaces at the same depth.

Shapes of arrays: C columns x E rings.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
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
    what = label[back]
    intensity = _REFLECTIVITY[what] * cosine[back] * np.exp(-spec.attenuation_1pm * distance[back])
    return Sweep(
        (local[back] * measured[back][:, None]).astype(np.float32),
        intensity.astype(np.float32),
        ring.astype(np.uint16),
        time[column].astype(np.float32),
        what,
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
    for i, at, pose in _candidates(rays, before, now, share, range_m):
        _meet(rays, at, pose, now, i, (distance, cosine, label, thing))
    return distance, cosine, label, thing


def _candidates(
    rays: _Rays, before: Things, now: Things, share: Floats, range_m: float
) -> Iterator[tuple[int, Ints, tuple[Floats, Floats, Floats]]]:
    """Which things some columns look towards: index, columns, and the thing's pose at the moment of each of those columns.

    A ray can meet a thing only if it looks to within the angle that the circle round it fills. That is looked at for every few columns
    only; whatever may happen between them is added to the circle and the angle.
    """
    columns = len(share)
    every = max(1, columns // 120)
    few = np.arange(0, columns, every)
    x, y, _ = between(before, now, share[few])
    dx, dy = x - rays.origin[few, 0], y - rays.origin[few, 1]
    away = np.hypot(dx, dy)
    radius = (np.hypot(now.length_m, now.width_m) / 2 + MOST_MOVED_M * every / columns)[:, None]
    half = np.arcsin(np.minimum(radius / np.maximum(away, 1e-9), 1.0))
    heading = np.arctan2(rays.direction[:, 0, 1], rays.direction[:, 0, 0])
    turned = np.abs(wrap_angle(np.diff(heading[few]))).max(initial=0.0)
    off = np.abs(wrap_angle(np.arctan2(dy, dx) - heading[few]))
    close = (off <= half + rays.spread + turned) | (away <= radius)
    hit = np.repeat(close & (away <= range_m + radius), every, axis=1)[:, :columns]
    for i in np.nonzero(hit.any(axis=1))[0].tolist():
        at = np.nonzero(hit[i])[0]
        one = np.array([i])
        px, py, yaw = between(before, now[one], share[at])
        yield i, at, (px[0], py[0], yaw[0])


MOST_MOVED_M = 20.0
"""Nobody moves as far as that, seen from the car, within a sweep."""

_Hits = tuple[Floats, Floats, NDArray[np.uint8], Ints]
"""Distance, cosine, label, thing, each (C, E)."""


def _meet(
    rays: _Rays, at: Ints, pose: tuple[Floats, Floats, Floats], now: Things, i: int, hits: _Hits
) -> None:
    """Let the rays of some columns meet one thing's solids; what is nearer than what they met before is written down.

    A convex solid is where all its half-spaces are; a ray enters it where it enters the last of them and leaves with the first (Kay and
    Kajiya, "Ray tracing complex scenes", SIGGRAPH 1986).
    """
    x, y, yaw = (p[:, None] for p in pose)
    c, s = np.cos(yaw), np.sin(yaw)
    ox, oy = rays.origin[at, 0][:, None] - x, rays.origin[at, 1][:, None] - y
    dx, dy, dz = (rays.direction[at, :, k] for k in range(3))
    size = np.array([now.length_m[i], now.width_m[i], now.height_m[i]])
    # both in the thing's unit box; distances along the ray stay what they are
    origin = np.stack([c * ox + s * oy, c * oy - s * ox, rays.origin[at, 2][:, None]], -1) / size
    ray = np.stack([c * dx + s * dy, c * dy - s * dx, dz], -1) / size
    column, ring = np.nonzero(_through_box(origin, ray))
    if len(column) == 0:
        return
    normal, offset, solid_label = _planes()[int(now.shape[i])]
    ahead = (offset - origin[column, 0] @ normal.T).reshape(len(column), -1, 6)
    towards = (ray[column, ring] @ normal.T).reshape(len(column), -1, 6)
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = ahead / towards
    enter = np.where(towards < 0.0, reach, -np.inf)
    leave = np.where(towards > 0.0, reach, np.inf).min(axis=-1)
    # a ray along a plane is inside its half-space all the way or not at all
    leave[((towards == 0.0) & (ahead < 0.0)).any(axis=-1)] = -np.inf
    first = enter.max(axis=-1)
    first[(first > leave) | (first <= 0.0)] = np.inf
    rows, solid = np.arange(len(column)), first.argmin(axis=1)
    best = first[rows, solid]
    distance, cosine, label, thing = hits
    met = best < distance[at[column], ring]
    rows, solid = rows[met], solid[met]
    where = at[column[met]], ring[met]
    side = enter[rows, solid].argmax(axis=-1)
    # a normal scales inversely to its surface, and (normal / size) . (ray size) is normal . ray
    length = np.linalg.norm(normal / size, axis=1).reshape(-1, 6)[solid, side]
    distance[where] = best[met]
    cosine[where] = -towards[rows, solid, side] / length
    label[where] = solid_label[solid]
    thing[where] = now.id[i]


def _through_box(origin: Floats, ray: Floats) -> NDArray[np.bool_]:
    """Whether rays (c, E, 3) from origins (c, 1, 3) pass through the unit box."""
    low, high = np.array([-0.52, -0.52, -0.01]), np.array([0.52, 0.52, 1.01])
    with np.errstate(divide="ignore", invalid="ignore"):
        a, b = (low - origin) / ray, (high - origin) / ray
    # fmin and fmax pass over 0 / 0, a ray along a side
    enter, leave = np.fmin(a, b).max(axis=-1), np.fmax(a, b).min(axis=-1)
    through: NDArray[np.bool_] = (enter <= leave) & (leave > 0.0)
    return through


_SIDES = np.array([(3, 2, 1), (4, 5, 6), (0, 1, 5), (1, 2, 6), (2, 3, 7), (3, 0, 4)])


@cache
def _planes() -> tuple[tuple[Floats, Floats, NDArray[np.uint8]], ...]:
    """By shape, the half-spaces normal . p <= offset of its s solids, six by six: normals (6 s, 3) outwards, offsets (6 s,); labels (s,)."""
    found = []
    for shape in shapes():
        a, b, c = (shape.solids[:, _SIDES[:, k]].reshape(-1, 3) for k in range(3))
        normal = np.cross(b - a, c - a)
        found.append((normal, (normal * a).sum(axis=1), shape.solid_label))
    return tuple(found)
