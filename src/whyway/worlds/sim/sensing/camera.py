"""Camera: pose of the car and things around -> colour, depth, semantics and instances of every pixel, in one pass over the scene.

Own rasteriser (`raster.py`), because a renderer with a graphics library is not at hand on every machine and would give no labels. Pictures
are geometric: no textures, no lens distortion, no motion blur, no exposure; the ground is flat and the car itself is not seen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whyway.types import Floats, InputError, Ints
from whyway.worlds.sim.sensing import jit
from whyway.worlds.sim.sensing.labels import Label
from whyway.worlds.sim.sensing.mounting import OPTICAL_IN_BODY
from whyway.worlds.sim.sensing.rig import CameraSpec
from whyway.worlds.sim.sensing.scenery import LAYERS, TERRAIN_RGB, Scenery
from whyway.worlds.sim.sensing.shapes import shapes
from whyway.worlds.sim.sensing.things import Things

SUN: Floats = np.array([-0.42, 0.48, 0.77]) / np.linalg.norm([-0.42, 0.48, 0.77])
"""Where the sun stands, in `map`."""
HAZE_M = 900.0
"""Half of what is so far away is haze."""

_PAINTS = np.array(
    [(172, 30, 34), (30, 76, 150), (214, 216, 218), (58, 62, 68), (128, 132, 138), (20, 92, 84), (222, 168, 44), (232, 234, 236)]
)  # fmt: skip
"""Colours of cars, coats and frames, by the thing's id."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture: arrays (H, W), depth in metres along the optical axis, inf in the sky; `thing` is the id of a road user, else 0."""

    rgb: NDArray[np.uint8]
    depth_m: NDArray[np.float32]
    label: NDArray[np.uint8]
    thing: NDArray[np.int32]


class Camera:
    """Looks at a scenery.

    Args:
      spec: intrinsics and mounting.
      scenery: what never moves.

    Raises:
      InputError: numba is missing, or the camera is not above the ground; one line.
    """

    def __init__(self, spec: CameraSpec, scenery: Scenery) -> None:
        jit.require()
        if spec.mount.z_m <= 0.0:
            raise InputError(f"camera at z_m = {spec.mount.z_m:g}: mount it above the ground")
        self.spec, self.scenery = spec, scenery
        pixels = (spec.height_px, spec.width_px)
        self._face = np.zeros(pixels, dtype=np.int32)
        self._nearness = np.zeros(pixels, dtype=np.float32)

    def look(self, x_m: float, y_m: float, yaw_rad: float, things: Things) -> Frame:
        """What it sees from a car whose `base_link` is at a pose in `map`.

        Args:
          x_m: of `base_link`.
          y_m: of `base_link`.
          yaw_rad: of `base_link`.
          things: road users, and the roadside as it is now (`Roadside.showing`).
        """
        from whyway.worlds.sim.sensing import raster

        spec, scenery = self.spec, self.scenery
        view = self.view(x_m, y_m, yaw_rad)
        face, nearness = self._face, self._nearness
        face.fill(0)
        nearness.fill(0.0)
        tiles = self._tiles(view)
        tile_count = len(scenery.radius_m)
        raster.paint(view, scenery.corners_m, scenery.first, tiles, LAYERS, tile_count, 1, face)
        near = self._near(things, view)
        raster.cast_shadows(view, _boxes(near), face)
        solids = place(near, view)
        raster.draw_solids(
            view, solids.corners_m, len(solids.label), len(scenery.label) + 1, face, nearness
        )
        shape = (spec.height_px, spec.width_px)
        frame = Frame(
            np.empty((*shape, 3), dtype=np.uint8), np.empty(shape, dtype=np.float32),
            np.empty(shape, dtype=np.uint8), np.empty(shape, dtype=np.int32),
        )  # fmt: skip
        raster.shade(
            view, face, nearness, scenery.label, scenery.rgb, solids.label, solids.rgb, solids.thing,
            int(Label.TERRAIN), np.array(TERRAIN_RGB, dtype=np.uint8), int(Label.SKY),
            frame.rgb, frame.depth_m, frame.label, frame.thing,
        )  # fmt: skip
        return frame

    def view(self, x_m: float, y_m: float, yaw_rad: float) -> Floats:
        """What the rasteriser needs to know of the eye, see `raster.py`."""
        spec = self.spec
        body, eye = spec.mount.in_map(x_m, y_m, yaw_rad)
        if not (np.isfinite(eye).all() and np.isfinite(body).all()):
            raise InputError(f"camera at {x_m}, {y_m}, {yaw_rad}: the pose is not finite")
        rotation = body @ OPTICAL_IN_BODY
        intrinsics = (spec.fx_px, spec.fy_px, spec.cx_px, spec.cy_px, spec.near_m)
        return np.concatenate([rotation.ravel(), eye, intrinsics, SUN, [HAZE_M]])

    def _sides(self, view: Floats) -> tuple[Floats, Floats]:
        """Inward normals (4, 3) in `map` of the planes through the eye and the picture's borders; the eye."""
        s = self.spec
        left, right = (-0.5 - s.cx_px) / s.fx_px, (s.width_px - 0.5 - s.cx_px) / s.fx_px
        top, bottom = (-0.5 - s.cy_px) / s.fy_px, (s.height_px - 0.5 - s.cy_px) / s.fy_px
        normals = np.array(
            [(1.0, 0.0, -left), (-1.0, 0.0, right), (0.0, 1.0, -top), (0.0, -1.0, bottom)]
        )
        normals /= np.linalg.norm(normals, axis=1)[:, None]
        return normals @ view[:9].reshape(3, 3).T, view[9:12]

    def _in_view(self, view: Floats, x: Any, y: Any, z: Any, radius: Any) -> Any:
        """Whether balls (n,) are near enough and reach into the picture."""
        normals, eye = self._sides(view)
        offset = np.stack([x - eye[0], y - eye[1], z - eye[2]], axis=1)
        inside = (offset @ normals.T >= -radius[:, None]).all(axis=1)
        distance = np.hypot(offset[:, 0], offset[:, 1])
        return inside & (distance <= self.spec.range_m + radius)

    def _tiles(self, view: Floats) -> Ints:
        """Tiles in view, ascending; only those around are looked at."""
        x0, y0, nx, ny = self.scenery.grid
        size, reach = self.scenery.tile_m, self.spec.range_m
        ix = np.arange(
            max(0, int((view[9] - reach - x0) // size)),
            min(nx, int((view[9] + reach - x0) // size) + 1),
        )
        iy = np.arange(
            max(0, int((view[10] - reach - y0) // size)),
            min(ny, int((view[10] + reach - y0) // size) + 1),
        )
        tile: Ints = (iy[:, None] * nx + ix[None, :]).ravel()
        radius = self.scenery.radius_m[tile]
        tile, radius = tile[radius > 0.0], radius[radius > 0.0]
        x, y = x0 + (tile % nx + 0.5) * size, y0 + (tile // nx + 0.5) * size
        chosen: Ints = tile[self._in_view(view, x, y, np.zeros(len(tile)), radius)]
        return chosen

    def _near(self, things: Things, view: Floats) -> Things:
        half = things.height_m / 2
        # long shadows reach in from outside
        radius = np.sqrt(things.length_m**2 + things.width_m**2) / 2 + things.height_m
        return things[self._in_view(view, things.x_m, things.y_m, half, radius)]


@dataclass(frozen=True, slots=True, eq=False)
class Solids:
    """Triangles of placed things: corners (S, 3, 3) in `map`, colour as lit, label, whose."""

    corners_m: Floats
    rgb: NDArray[np.uint8]
    label: NDArray[np.uint8]
    thing: NDArray[np.int32]


def place(things: Things, view: Floats) -> Solids:
    """All triangles of some things."""
    from whyway.worlds.sim.sensing import raster

    first, local, local_rgb, local_label = _library()
    total = int((first[things.shape + 1] - first[things.shape]).sum())
    solids = Solids(
        np.empty((total, 3, 3)), np.empty((total, 3), dtype=np.uint8), np.empty(total, dtype=np.uint8),
        np.empty(total, dtype=np.int32),
    )  # fmt: skip
    paint = _PAINTS[(things.id * 2654435761 >> 7) % len(_PAINTS)].astype(np.float64)
    pose = np.stack([things.x_m, things.y_m, things.yaw_rad], axis=1)
    size = np.stack([things.length_m, things.width_m, things.height_m], axis=1)
    raster.place(
        things.shape, pose, size, paint, things.id, first, local, local_rgb, local_label, view,
        solids.corners_m, solids.rgb, solids.label, solids.thing,
    )  # fmt: skip
    return solids


@cache
def _library() -> tuple[Ints, Floats, NDArray[np.int16], NDArray[np.uint8]]:
    """All shapes' triangles in a row, and where each shape's begin."""
    every = shapes()
    counts = [len(shape.label) for shape in every]
    return (
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        np.concatenate([shape.triangles for shape in every]),
        np.concatenate([shape.rgb for shape in every]),
        np.concatenate([shape.label for shape in every]),
    )


def _boxes(things: Things) -> Floats:
    """What casts the shadows: road users a little slimmer than their box, poles much."""
    slim = np.where(things.id == 0, 0.3, 0.94)
    columns = (
        things.x_m, things.y_m, things.yaw_rad, things.length_m * slim, things.width_m * slim, things.height_m * 0.9,
    )  # fmt: skip
    boxes: Floats = np.stack(columns, axis=1)
    return boxes


def scaled(spec: CameraSpec, factor: float) -> CameraSpec:
    """The same view with more (or fewer) pixels: pixel centres keep their rays, so cx scales about the picture's corner."""
    return replace(
        spec, width_px=round(spec.width_px * factor), height_px=round(spec.height_px * factor),
        fx_px=spec.fx_px * factor, fy_px=spec.fy_px * factor,
        cx_px=(spec.cx_px + 0.5) * factor - 0.5, cy_px=(spec.cy_px + 0.5) * factor - 0.5,
    )  # fmt: skip
