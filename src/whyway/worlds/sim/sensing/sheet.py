"""A contact sheet of one moment: colour, depth, semantics, and the lidar's points from above. Writes PNG with nothing but zlib.

python -m whyway.worlds.sim.sensing.sheet docs/camera.png
"""

from __future__ import annotations

import argparse
import struct
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from whyway.config import Config, override
from whyway.types import EgoState, Truth
from whyway.worlds import World, make_world
from whyway.worlds.sim.sensing.camera import Frame
from whyway.worlds.sim.sensing.labels import Label, palette
from whyway.worlds.sim.sensing.lidar import Sweep
from whyway.worlds.sim.sensing.rig import DEFAULT, Rig
from whyway.worlds.sim.sensing.suite import Suite

Pixels: TypeAlias = NDArray[np.uint8]
"""(H, W, 3)."""

_GAP_PX = 4
_BUSY = {"sim.traffic.vehicles": 30, "sim.traffic.pedestrians": 12}
_POINTS_HALF_M = 24.0


def png(pixels: Pixels) -> bytes:
    """The PNG file of an RGB picture; of the filters none, left and up each row takes the one that leaves least."""
    height, width = pixels.shape[:2]
    rows = np.ascontiguousarray(pixels).reshape(height, width * 3)
    left, up = rows.copy(), rows.copy()
    left[:, 3:] -= rows[:, :-3]
    up[1:] -= rows[:-1]
    kinds = np.stack([rows, left, up])
    effort = np.abs(kinds.view(np.int8).astype(np.int64)).sum(axis=2)
    best = effort.argmin(axis=0)
    lines = np.concatenate([best[:, None].astype(np.uint8), kinds[best, np.arange(height)]], axis=1)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(lines.tobytes(), 9)
    return b"".join(
        [b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", header), chunk(b"IDAT", body), chunk(b"IEND", b"")]
    )


def depth_picture(depth_m: NDArray[np.float32]) -> Pixels:
    """Depth in colours, warm is near; equal steps are equal ratios from 2 to 200 m, the sky is black."""
    stops = np.array(
        [
            (249, 238, 130),
            (251, 155, 60),
            (222, 73, 104),
            (140, 41, 129),
            (59, 15, 112),
            (10, 8, 40),
        ]
    )
    share = np.clip(np.log(np.minimum(depth_m, 1e4) / 2.0) / np.log(100.0), 0.0, 1.0)
    at = share * (len(stops) - 1)
    channels = [np.interp(at, np.arange(len(stops)), stops[:, k]) for k in range(3)]
    picture = np.stack(channels, axis=-1).astype(np.uint8)
    picture[~np.isfinite(depth_m)] = 0
    return picture


def points_picture(sweep: Sweep, height: int, width: int) -> Pixels:
    """Points from above, ahead is up, in the colour of what was hit; the ground is grey."""
    picture = np.full((height, width, 3), 16, dtype=np.uint8)
    scale = height / (2 * _POINTS_HALF_M)
    u = np.rint(width / 2 - sweep.xyz_m[:, 1] * scale).astype(np.int64)
    v = np.rint(height / 2 - sweep.xyz_m[:, 0] * scale).astype(np.int64)
    color = palette()[sweep.label].astype(np.float64)
    bright = np.clip(color * 1.2 + 70.0, 0.0, 255.0)
    ground = sweep.label == Label.ROAD
    bright[ground] = 84.0
    for kind in (ground, ~ground):  # what stands covers the ground
        for i, j in ((0, 0),) if kind is ground else ((0, 0), (0, 1), (1, 0), (1, 1)):
            chosen = kind & (u >= 0) & (u < width - j) & (v >= 0) & (v < height - i)
            picture[v[chosen] + i, u[chosen] + j] = bright[chosen].astype(np.uint8)
    return picture


def contact_sheet(frame: Frame, sweep: Sweep) -> Pixels:
    """Two by two: colour and depth, semantics and points."""
    height, width = frame.label.shape
    tiles = [
        [frame.rgb, depth_picture(frame.depth_m)],
        [palette()[frame.label], points_picture(sweep, height, width)],
    ]
    sheet = np.full((2 * height + _GAP_PX, 2 * width + _GAP_PX, 3), 255, dtype=np.uint8)
    for i, row in enumerate(tiles):
        for j, tile in enumerate(row):
            top, left = i * (height + _GAP_PX), j * (width + _GAP_PX)
            sheet[top : top + height, left : left + width] = tile
    return sheet


# ------------------------------------------------------------------------------------------- a moment worth a picture


def seen_from(truth: Truth, actor_id: int) -> Truth:
    """The same moment with a road user in the ego's place, and the ego gone."""
    actor = next(a for a in truth.actors if a.id == actor_id)
    back = truth.ego_center_offset_m
    ego = EgoState(
        actor.x_m - back * float(np.cos(actor.yaw_rad)), actor.y_m - back * float(np.sin(actor.yaw_rad)), actor.yaw_rad,
        actor.v_mps, 0.0, 0.0, 0.0,
    )  # fmt: skip
    return replace(truth, ego=ego, actors=tuple(a for a in truth.actors if a.id != actor_id))


def moments(world: World, every_s: float) -> Iterator[Truth]:
    """Views of everybody who drives, every so often."""
    every = max(1, round(every_s * 10))
    k = 0
    while not world.done:
        if k % every == 0:
            truth = world.truth()
            yield truth
            for actor in truth.actors:
                if actor.length_m > 3.0 and not actor.is_static:
                    yield seen_from(truth, actor.id)
        world.step(None)
        k += 1


def richness(frame: Frame) -> float:
    """How much there is to see: different things and labels, each counting as much as it is large up to a point."""
    score = 0.0
    for values, enough, worth in (
        (frame.thing[frame.thing > 0], 1000, 1.0),
        (frame.label, 300, 2.0),
    ):
        _, count = np.unique(values, return_counts=True)
        score += worth * float(np.minimum(count / enough, 1.0).sum())
    # whoever fills the picture hides the rest
    largest = np.bincount(frame.thing.ravel().clip(0))[1:].max(initial=0) / frame.thing.size
    return score - 20.0 * max(0.0, float(largest) - 0.08)


def write_sheet(
    path: Path, spec: str = "town", seed: int = 1, duration_s: float = 30.0, rig: Rig = DEFAULT
) -> int:
    """Look for the richest view of a drive in which the ego stands, write its contact sheet, give the file's size.

    Args:
      path: of the PNG.
      spec: of the world, as `make_world` takes it.
      seed: of the world.
      duration_s: how long to look.
      rig: its first camera and lidar are used.

    Raises:
      InputError: no such world, or numba is missing.
    """
    world = make_world(spec, seed, override(Config(), _BUSY), duration_s)
    camera, lidar = next(iter(rig.cameras)), next(iter(rig.lidars))
    suite = Suite(rig, world.lane_map, seed)

    def look(truth: Truth) -> Any:
        suite.step(truth)
        return suite.picture(camera)

    best = max(moments(world, 2.0), key=lambda truth: richness(look(truth)))
    frame = look(best)
    data = png(contact_sheet(frame, suite.sweep(lidar)))
    path.write_bytes(data)
    return len(data)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Write a contact sheet of the simulated sensors.")
    parser.add_argument("path", type=Path)
    parser.add_argument("--world", default="town")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--duration", type=float, default=30.0)
    a = parser.parse_args()
    print(f"{a.path}: {write_sheet(a.path, a.world, a.seed, a.duration) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
