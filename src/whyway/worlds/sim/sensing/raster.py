"""Triangles -> pixels: near-plane clipping, spans, painter's order on the ground, a z-buffer above it, one pass of shading. Compiled.

Pixel (u, v) is a centre: the ray through it is ((u - cx) / fx, (v - cy) / fy, 1) in the optical frame (x right, y down, z forward), and depth
is along z. A pixel belongs to a polygon if its centre does; on a border shared by two it belongs to exactly one of them, because both
compute that border from the same two points in the same order.

All that is flat lies in z = 0, so its depth is that plane's and needs no buffer; flat faces only overwrite each other. Only solids
use the z-buffer, of 1 / depth, which is linear over the image.

`view` (21,): rotation optical -> map by rows (9), eye in map (3), fx, fy, cx, cy, near, then sun direction (3) and haze length.
Shapes of arrays: F flat faces, S faces of solids, H x W pixels.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from whyway.types import Floats, Ints
from whyway.worlds.sim.sensing.jit import compiled
from whyway.worlds.sim.sensing.shapes import SHINES

FX, FY, CX, CY, NEAR, SUN, HAZE = 12, 13, 14, 15, 16, 17, 20
SHADE = 1 << 30
"""Bit of a flat pixel's face that lies in somebody's shadow."""
_MOST = 16
"""Corners of a polygon after clipping, at most."""

I32 = NDArray[np.int32]
F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]


@compiled
def to_eye(view: Floats, x: float, y: float, z: float, out: Floats, row: int) -> None:
    """A point of `map` in the optical frame, into a row of `out`."""
    dx, dy, dz = x - view[9], y - view[10], z - view[11]
    out[row, 0] = view[0] * dx + view[3] * dy + view[6] * dz
    out[row, 1] = view[1] * dx + view[4] * dy + view[7] * dz
    out[row, 2] = view[2] * dx + view[5] * dy + view[8] * dz


@compiled
def project(eye: Floats, count: int, view: Floats, uv: Floats) -> int:
    """Clip a polygon at the near plane and project it; how many corners are in `uv`."""
    near, m = view[NEAR], 0
    for i in range(count):
        j = i + 1 if i + 1 < count else 0
        inside, next_inside = eye[i, 2] >= near, eye[j, 2] >= near
        if inside:
            uv[m, 0] = view[FX] * eye[i, 0] / eye[i, 2] + view[CX]
            uv[m, 1] = view[FY] * eye[i, 1] / eye[i, 2] + view[CY]
            m += 1
        if inside != next_inside:
            # always from the inner end: a neighbour that shares this edge then gets the same point
            a, b = (i, j) if inside else (j, i)
            t = (eye[a, 2] - near) / (eye[a, 2] - eye[b, 2])
            x = eye[a, 0] + t * (eye[b, 0] - eye[a, 0])
            y = eye[a, 1] + t * (eye[b, 1] - eye[a, 1])
            uv[m, 0] = view[FX] * x / near + view[CX]
            uv[m, 1] = view[FY] * y / near + view[CY]
            m += 1
    return m


@compiled
def edges(uv: Floats, count: int, width: int, height: int, line: Floats) -> tuple[int, int]:
    """Borders of a convex polygon as x = offset + slope y, in `line` rows (slope, offset, 1 if x must be less); its rows from, to.

    Without rows in the image (0, 0). Horizontal borders bound nothing; their rows in `line` hold for every x.
    """
    area, low, high = 0.0, np.inf, -np.inf
    left, right = np.inf, -np.inf
    for i in range(count):
        j = i + 1 if i + 1 < count else 0
        area += uv[i, 0] * uv[j, 1] - uv[j, 0] * uv[i, 1]
        low, high = min(low, uv[i, 1]), max(high, uv[i, 1])
        left, right = min(left, uv[i, 0]), max(right, uv[i, 0])
    # written so that what is not a number is out too
    if not (high > 0.0 and low < height and right > 0.0 and left < width and area != 0.0):
        return 0, 0
    first, last = max(0, math.ceil(low)), min(height, math.ceil(high))
    if first >= last:
        return 0, 0
    for i in range(count):
        j = i + 1 if i + 1 < count else 0
        rise = uv[j, 1] - uv[i, 1]
        if rise == 0.0:
            line[i, 0], line[i, 1], line[i, 2] = 0.0, -np.inf, 0.0
            continue
        # from the upper end, whichever way round the polygon goes
        a, b = (i, j) if rise > 0.0 else (j, i)
        slope = (uv[b, 0] - uv[a, 0]) / (uv[b, 1] - uv[a, 1])
        line[i, 0], line[i, 1] = slope, uv[a, 0] - uv[a, 1] * slope
        line[i, 2] = 1.0 if (rise > 0.0) == (area > 0.0) else 0.0
    return first, last


@compiled
def span(line: Floats, count: int, y: int, width: int) -> tuple[int, int]:
    """Pixels from, to of a row."""
    low, high = 0.0, float(width)
    for i in range(count):
        x = line[i, 1] + line[i, 0] * y
        if line[i, 2] > 0.5:
            high = min(high, x)
        else:
            low = max(low, x)
    if not low < high:
        return 0, 0
    return math.ceil(low), math.ceil(high)


@compiled
def paint(
    view: Floats,
    corners: Floats,
    first: Ints,
    tiles: Ints,
    layers: int,
    tile_count: int,
    offset: int,
    face: I32,
) -> None:
    """Draw the flat faces (F, 3, 2) of the tiles `tiles`, layer by layer; a pixel gets `offset` plus its face's number."""
    height, width = face.shape
    eye, uv, line = np.empty((3, 3)), np.empty((_MOST, 2)), np.empty((_MOST, 3))
    for layer in range(layers):
        for tile in tiles:
            at = layer * tile_count + tile
            for f in range(first[at], first[at + 1]):
                for k in range(3):
                    to_eye(view, corners[f, k, 0], corners[f, k, 1], 0.0, eye, k)
                m = project(eye, 3, view, uv)
                if m < 3:
                    continue
                y0, y1 = edges(uv, m, width, height, line)
                for y in range(y0, y1):
                    x0, x1 = span(line, m, y, width)
                    for x in range(x0, x1):
                        face[y, x] = offset + f


@compiled
def cast_shadows(view: Floats, box: Floats, face: I32) -> None:
    """Mark the ground that boxes (n, 6: x, y, yaw, length, width, height) keep the sun from."""
    height, width = face.shape
    points, hull = np.empty((8, 2)), np.empty((_MOST, 2))
    eye, uv, line = np.empty((_MOST, 3)), np.empty((_MOST, 2)), np.empty((_MOST, 3))
    slide_x, slide_y = -view[SUN] / view[SUN + 2], -view[SUN + 1] / view[SUN + 2]
    for n in range(box.shape[0]):
        c, s = math.cos(box[n, 2]), math.sin(box[n, 2])
        for k in range(8):
            along = box[n, 3] * (0.5 if k & 1 else -0.5)
            aside = box[n, 4] * (0.5 if k & 2 else -0.5)
            z = box[n, 5] if k & 4 else 0.0
            points[k, 0] = box[n, 0] + c * along - s * aside + slide_x * z
            points[k, 1] = box[n, 1] + s * along + c * aside + slide_y * z
        count = convex_hull(points, hull)
        for k in range(count):
            to_eye(view, hull[k, 0], hull[k, 1], 0.0, eye, k)
        m = project(eye, count, view, uv)
        if m < 3:
            continue
        y0, y1 = edges(uv, m, width, height, line)
        for y in range(y0, y1):
            x0, x1 = span(line, m, y, width)
            for x in range(x0, x1):
                face[y, x] |= SHADE


@compiled
def convex_hull(points: Floats, hull: Floats) -> int:
    """Gift wrapping (Jarvis 1973) of a few points (n, 2); how many corners are in `hull`."""
    n, start = points.shape[0], 0
    for i in range(1, n):
        if points[i, 0] < points[start, 0] or (
            points[i, 0] == points[start, 0] and points[i, 1] < points[start, 1]
        ):
            start = i
    at, count = start, 0
    while count < n:
        hull[count, 0], hull[count, 1] = points[at, 0], points[at, 1]
        count += 1
        best = 0 if at != 0 else 1
        for i in range(n):
            if i == at:
                continue
            bx, by = points[best, 0] - points[at, 0], points[best, 1] - points[at, 1]
            ix, iy = points[i, 0] - points[at, 0], points[i, 1] - points[at, 1]
            cross = bx * iy - by * ix
            if cross < 0.0 or (cross == 0.0 and ix * ix + iy * iy > bx * bx + by * by):
                best = i
        at = best
        if at == start:
            break
    return count


@compiled
def place(
    shape: Ints, pose: Floats, size: Floats, own_rgb: Floats, identity: Ints, first: Ints, local: Floats, local_rgb: NDArray[np.int16],
    local_label: U8, view: Floats, corners: Floats, rgb: U8, label: U8, thing: I32,
) -> int:  # fmt: skip
    """Put shapes where things are: triangles (S, 3, 3) in `map`, lit by the sun; how many there are.

    Args:
      shape: which one each thing has (n,); shape k's triangles are `local[first[k]:first[k + 1]]`.
      pose: x, y, yaw (n, 3).
      size: length, width, height (n, 3).
      own_rgb: for what is painted in the thing's colour (n, 3).
      identity: of each thing (n,).
      first: see `shape`.
      local: triangles in the unit box.
      local_rgb: negative for the thing's own, `SHINES` more for what is light.
      local_label: of each triangle.
      view: for the sun.
      corners: out.
      rgb: out.
      label: out.
      thing: out.
    """
    m = 0
    for n in range(shape.shape[0]):
        c, s = math.cos(pose[n, 2]), math.sin(pose[n, 2])
        for t in range(first[shape[n]], first[shape[n] + 1]):
            for k in range(3):
                x, y = local[t, k, 0] * size[n, 0], local[t, k, 1] * size[n, 1]
                corners[m, k, 0] = pose[n, 0] + c * x - s * y
                corners[m, k, 1] = pose[n, 1] + s * x + c * y
                corners[m, k, 2] = local[t, k, 2] * size[n, 2]
            ax, bx = corners[m, 1, 0] - corners[m, 0, 0], corners[m, 2, 0] - corners[m, 0, 0]
            ay, by = corners[m, 1, 1] - corners[m, 0, 1], corners[m, 2, 1] - corners[m, 0, 1]
            az, bz = corners[m, 1, 2] - corners[m, 0, 2], corners[m, 2, 2] - corners[m, 0, 2]
            nx, ny, nz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
            length = math.sqrt(nx * nx + ny * ny + nz * nz) + 1e-12
            sun = (nx * view[SUN] + ny * view[SUN + 1] + nz * view[SUN + 2]) / length
            # light of the sky from above, of the sun from its side
            light = 0.62 + 0.1 * nz / length + 0.38 * max(0.0, sun)
            for k in range(3):
                own = float(local_rgb[t, k]) if local_rgb[t, k] >= 0 else own_rgb[n, k]
                rgb[m, k] = int(min(255.0, own * light) if own < SHINES else own - SHINES)
            label[m], thing[m] = local_label[t], identity[n]
            m += 1
    return m


@compiled
def draw_solids(
    view: Floats, corners: Floats, count: int, offset: int, face: I32, nearness: F32
) -> None:
    """Draw triangles (S, 3, 3), counter-clockwise from outside, with a z-buffer of 1 / depth (0 where there is none yet)."""
    height, width = face.shape
    eye, uv, line = np.empty((3, 3)), np.empty((_MOST, 2)), np.empty((_MOST, 3))
    for f in range(count):
        for k in range(3):
            to_eye(view, corners[f, k, 0], corners[f, k, 1], corners[f, k, 2], eye, k)
        ax, ay, az = eye[1, 0] - eye[0, 0], eye[1, 1] - eye[0, 1], eye[1, 2] - eye[0, 2]
        bx, by, bz = eye[2, 0] - eye[0, 0], eye[2, 1] - eye[0, 1], eye[2, 2] - eye[0, 2]
        nx, ny, nz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
        d = nx * eye[0, 0] + ny * eye[0, 1] + nz * eye[0, 2]
        if d >= 0.0:
            continue  # seen from behind
        m = project(eye, 3, view, uv)
        if m < 3:
            continue
        y0, y1 = edges(uv, m, width, height, line)
        # the plane n . p = d gives 1 / depth = n . ray / d
        step_x, step_y = nx / (view[FX] * d), ny / (view[FY] * d)
        start = nz / d - step_x * view[CX] - step_y * view[CY]
        for y in range(y0, y1):
            x0, x1 = span(line, m, y, width)
            row = start + step_y * y
            for x in range(x0, x1):
                w = np.float32(row + step_x * x)
                if w > nearness[y, x]:
                    nearness[y, x] = w
                    face[y, x] = offset + f


@compiled
def shade(
    view: Floats, face: I32, nearness: F32, flat_label: U8, flat_rgb: U8, solid_label: U8, solid_rgb: U8, solid_thing: I32, terrain_label: int,
    terrain_rgb: U8, sky_label: int, rgb: U8, depth: F32, label: U8, thing: I32,
) -> None:  # fmt: skip
    """Faces -> colour, depth, label and thing of every pixel.

    Flat faces are numbered from 1, solid ones after them; 0 is terrain below the horizon and sky above it.
    """
    height, width = face.shape
    flats = flat_label.shape[0]
    sun_lit, in_shade = np.float32(1.0), np.float32(0.55)
    far = np.float32(view[HAZE])
    # a ray meets z = 0 at depth = -eye z / (its z in map), which is linear over the image
    to_right = -view[6] / view[FX] / view[11]
    down = -view[7] / view[FY] / view[11]
    corner = -view[8] / view[11] - to_right * view[CX] - down * view[CY]
    up = np.float32(view[11])
    for v in range(height):
        row = corner + down * v
        for u in range(width):
            f, w = face[v, u], nearness[v, u]
            light = sun_lit
            if w > 0.0:
                k = f - flats - 1
                red, green, blue = solid_rgb[k, 0], solid_rgb[k, 1], solid_rgb[k, 2]
                label[v, u], thing[v, u] = solid_label[k], solid_thing[k]
            else:
                w = np.float32(row + to_right * u)
                if w <= 1e-5:
                    # sky: from haze at the horizon to blue above
                    high = min(np.float32(1.0), -w * up * np.float32(2.2))
                    rgb[v, u, 0] = np.uint8(np.float32(206.0) - np.float32(112.0) * high)
                    rgb[v, u, 1] = np.uint8(np.float32(217.0) - np.float32(68.0) * high)
                    rgb[v, u, 2] = np.uint8(np.float32(226.0) - np.float32(8.0) * high)
                    depth[v, u], label[v, u], thing[v, u] = np.inf, sky_label, 0
                    continue
                if f & SHADE:
                    light, f = in_shade, f & ~SHADE
                if f > 0:
                    red, green, blue = flat_rgb[f - 1, 0], flat_rgb[f - 1, 1], flat_rgb[f - 1, 2]
                    label[v, u] = flat_label[f - 1]
                else:
                    red, green, blue = terrain_rgb[0], terrain_rgb[1], terrain_rgb[2]
                    label[v, u] = terrain_label
                thing[v, u] = 0
            z = np.float32(1.0) / w
            depth[v, u] = z
            haze = z / (z + far)
            clear = (np.float32(1.0) - haze) * light
            rgb[v, u, 0] = np.uint8(clear * red + haze * np.float32(206.0))
            rgb[v, u, 1] = np.uint8(clear * green + haze * np.float32(217.0))
            rgb[v, u, 2] = np.uint8(clear * blue + haze * np.float32(226.0))
