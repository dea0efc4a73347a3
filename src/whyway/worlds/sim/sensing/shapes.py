"""What things look like: road users by class, traffic lights and signs, each a few solids with flat sides. Camera and lidar share them.

A shape is drawn into its box: x from -0.5 (rear) to 0.5 (front), y to the left likewise, z from 0 (ground) to 1 (top); placing it scales,
turns and moves it. A solid is a hexahedron between two rectangles at two heights, so its sides are planes and it is convex. Decorations
(lamps, windows) are flat and seen from outside, by cameras alone.

Shapes of arrays: s solids, t triangles.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from whyway.types import Floats, LightColor, ObjectClass
from whyway.worlds.sim.sensing.labels import OF_CLASS, Label

Rgb: TypeAlias = tuple[int, int, int]
Rect: TypeAlias = tuple[float, float, float, float]
"""x from, to; y from, to."""

PAINT: Rgb = (-1, -1, -1)
"""The thing's own colour, given when it is placed."""
SHINES = 256
"""Added to each channel of what is as bright in the shade."""
GLASS, TYRE, DARK, WHITE = (38, 48, 58), (22, 22, 24), (45, 46, 48), (235, 235, 230)
RED_LAMP, STEEL, SKIN, JEANS = (205, 30, 28), (120, 124, 128), (196, 148, 118), (48, 56, 82)
ORANGE = (235, 110, 30)

HEIGHT_M: dict[ObjectClass, float] = {
    ObjectClass.UNKNOWN: 1.5, ObjectClass.CAR: 1.5, ObjectClass.TRUCK: 3.4, ObjectClass.BUS: 3.1, ObjectClass.TRAILER: 3.4,
    ObjectClass.MOTORCYCLE: 1.6, ObjectClass.BICYCLE: 1.75, ObjectClass.PEDESTRIAN: 1.75, ObjectClass.ANIMAL: 0.9,
    ObjectClass.HAZARD: 0.8,
}  # fmt: skip
"""Road users are boxes on the plane everywhere else; here they need a height."""
LIGHT_SIZE_M, SIGN_SIZE_M = (0.4, 0.45, 3.9), (0.12, 0.75, 2.6)
"""Length, width, height of a traffic light and a stop sign with their poles. They look along their x axis."""


@dataclass(frozen=True, slots=True)
class Solid:
    """A convex hexahedron: a rectangle at one height, another one above it, four flat sides."""

    low: Rect
    low_z: float
    high: Rect
    high_z: float
    rgb: Rgb
    label: Label

    def corners(self) -> Floats:
        """Eight corners (8, 3): below, then above, each rear right, front right, front left, rear left."""
        rows = []
        for (x0, x1, y0, y1), z in ((self.low, self.low_z), (self.high, self.high_z)):
            rows += [(x0, y0, z), (x1, y0, z), (x1, y1, z), (x0, y1, z)]
        return np.array(rows)


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """One thing's looks.

    Attributes:
      solids: corners (s, 8, 3), see `Solid.corners`.
      solid_label: (s,).
      triangles: (t, 3, 3), counter-clockwise from outside: the solids' sides and the decorations.
      rgb: (t, 3); `PAINT` where the colour is the thing's own, `SHINES` more where it is light.
      label: (t,).
    """

    solids: Floats
    solid_label: NDArray[np.uint8]
    triangles: Floats
    rgb: NDArray[np.int16]
    label: NDArray[np.uint8]


_Face: TypeAlias = tuple[Floats, Rgb, Label]
_SIDES = ((3, 2, 1, 0), (4, 5, 6, 7), (0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7))
"""Corners of the bottom, the top, and the right, front, left and rear side, counter-clockwise from outside."""


def _shape(solids: list[Solid], decorations: list[_Face] = []) -> Shape:  # noqa: B006 (never changed)
    faces = [
        (solid.corners()[list(side)], solid.rgb, solid.label) for solid in solids for side in _SIDES
    ] + decorations
    triangles, rgb, label = [], [], []
    for polygon, color, what in faces:
        for k in range(1, len(polygon) - 1):
            triangles.append(polygon[[0, k, k + 1]])
            rgb.append(color)
            label.append(what)
    return Shape(
        np.array([solid.corners() for solid in solids]),
        np.array([solid.label for solid in solids], dtype=np.uint8),
        np.array(triangles),
        np.array(rgb, dtype=np.int16),
        np.array(label, dtype=np.uint8),
    )


def _block(rect: Rect, z0: float, z1: float, rgb: Rgb, label: Label) -> Solid:
    return Solid(rect, z0, rect, z1, rgb, label)


def _patch(x: float, y0: float, y1: float, z0: float, z1: float, rgb: Rgb, label: Label) -> _Face:
    """A rectangle across, looking forward if `x` is positive, else back."""
    corners = np.array([(x, y0, z0), (x, y1, z0), (x, y1, z1), (x, y0, z1)])
    return (corners if x > 0.0 else corners[::-1]), rgb, label


def _band(y: float, x0: float, x1: float, z0: float, z1: float, rgb: Rgb, label: Label) -> _Face:
    """A rectangle along, looking to the left if `y` is positive, else to the right."""
    corners = np.array([(x1, y, z0), (x0, y, z0), (x0, y, z1), (x1, y, z1)])
    return (corners if y > 0.0 else corners[::-1]), rgb, label


def _wheels(
    xs: tuple[float, ...], radius_x: float, radius_z: float, label: Label
) -> Iterator[_Face]:
    """Discs just outside both sides."""
    angles = np.arange(8) * (2 * math.pi / 8) + math.pi / 8
    for x in xs:
        for y in (0.502, -0.502):
            rim = np.stack(
                [x + radius_x * np.cos(angles), np.full(8, y), radius_z * (1.0 + np.sin(angles))],
                axis=1,
            )
            yield (rim[::-1] if y > 0.0 else rim), TYRE, label


def _tyres(xs: tuple[float, ...], half: float, top: float, label: Label) -> list[Solid]:
    """What of the wheels reaches below the body: solid, so that a lidar meets it and it is seen from ahead."""
    return [
        _block((x - half, x + half, *y), 0.0, top, TYRE, label)
        for x in xs
        for y in ((0.38, 0.5), (-0.5, -0.38))
    ]


# ---------------------------------------------------------------------------------------------------------- vehicles


def _car() -> Shape:
    label = Label.CAR
    solids = [
        _block((-0.46, 0.46, -0.43, 0.43), 0.08, 0.2, DARK, label),
        Solid((-0.5, 0.5, -0.5, 0.5), 0.18, (-0.49, 0.485, -0.47, 0.47), 0.6, PAINT, label),
        Solid((-0.44, 0.24, -0.46, 0.46), 0.6, (-0.31, 0.06, -0.37, 0.37), 0.96, GLASS, label),
        Solid((-0.31, 0.06, -0.37, 0.37), 0.96, (-0.28, 0.03, -0.33, 0.33), 1.0, PAINT, label),
        *_tyres((-0.3, 0.32), 0.05, 0.2, label),
    ]
    extras = list(_wheels((-0.3, 0.32), 0.075, 0.21, label))
    for side in (-1, 1):
        low, high = sorted((side * 0.27, side * 0.46))
        extras += [
            _patch(-0.502, low, high, 0.4, 0.52, RED_LAMP, label),
            _patch(0.502, low, high, 0.36, 0.46, WHITE, label),
        ]
    return _shape(solids, extras)


def _truck(cab: bool) -> Shape:
    label = Label.TRUCK
    solids = [
        _block((-0.49, 0.48, -0.36, 0.36), 0.12, 0.3, DARK, label),
        _block((-0.5, 0.26 if cab else 0.5, -0.5, 0.5), 0.3, 1.0, (222, 224, 226), label),
        *_tyres((-0.36, -0.22, 0.36), 0.045, 0.2, label),
    ]
    extras = list(_wheels((-0.36, -0.22, 0.36), 0.06, 0.145, label))
    extras += [_patch(-0.502, y, y + 0.14, 0.32, 0.37, RED_LAMP, label) for y in (-0.45, 0.31)]
    if cab:
        solids.append(
            Solid((0.3, 0.5, -0.48, 0.48), 0.16, (0.3, 0.48, -0.47, 0.47), 0.86, PAINT, label)
        )
        glass = np.array(
            [(0.496, -0.43, 0.5), (0.496, 0.43, 0.5), (0.485, 0.43, 0.78), (0.485, -0.43, 0.78)]
        )
        extras.append((glass + [0.01, 0.0, 0.0], GLASS, label))
        extras += [_band(y, 0.36, 0.46, 0.52, 0.76, GLASS, label) for y in (0.502, -0.502)]
    return _shape(solids, extras)


def _bus() -> Shape:
    label = Label.BUS
    solids = [
        _block((-0.48, 0.48, -0.42, 0.42), 0.06, 0.13, DARK, label),
        _block((-0.5, 0.5, -0.5, 0.5), 0.12, 1.0, PAINT, label),
        *_tyres((-0.3, 0.3), 0.035, 0.13, label),
    ]
    extras = list(_wheels((-0.3, 0.3), 0.05, 0.16, label))
    extras += [_band(y, -0.44, 0.42, 0.5, 0.82, GLASS, label) for y in (0.503, -0.503)]
    extras += [_patch(x, -0.43, 0.43, 0.45, 0.85, GLASS, label) for x in (0.503, -0.503)]
    extras += [_patch(-0.503, y, y + 0.13, 0.2, 0.3, RED_LAMP, label) for y in (-0.45, 0.32)]
    return _shape(solids, extras)


def _two_wheeler(label: Label, width: float, rgb: Rgb) -> Shape:
    """Frame and wheels, and whoever rides."""
    rider = Label.RIDER
    solids = [
        _block((-0.5, -0.16, -width, width), 0.0, 0.36, TYRE, label),
        _block((0.16, 0.5, -width, width), 0.0, 0.36, TYRE, label),
        _block((-0.34, 0.34, -width, width), 0.3, 0.46, rgb, label),
        _block((0.22, 0.3, -0.48, 0.48), 0.56, 0.61, DARK, label),
        _block((-0.14, 0.1, -0.26, 0.26), 0.28, 0.54, JEANS, rider),
        Solid((-0.2, 0.06, -0.34, 0.34), 0.54, (-0.06, 0.18, -0.3, 0.3), 0.84, PAINT, rider),
        _block((0.02, 0.16, -0.17, 0.17), 0.84, 1.0, (60, 62, 70), rider),
    ]
    return _shape(solids)


def _pedestrian() -> Shape:
    label = Label.PEDESTRIAN
    solids = [
        _block((-0.1, 0.3, 0.04, 0.3), 0.0, 0.47, JEANS, label),
        _block((-0.3, 0.1, -0.3, -0.04), 0.0, 0.47, JEANS, label),
        Solid((-0.24, 0.24, -0.34, 0.34), 0.45, (-0.22, 0.22, -0.46, 0.46), 0.83, PAINT, label),
        _block((-0.2, 0.24, -0.2, 0.2), 0.85, 1.0, SKIN, label),
        _block((-0.08, 0.08, -0.08, 0.08), 0.82, 0.86, SKIN, label),
    ]
    return _shape(solids)


def _animal() -> Shape:
    label, brown = Label.DYNAMIC, (112, 82, 54)
    legs = [
        _block((x, x + 0.12, y, y + 0.2), 0.0, 0.45, brown, label)
        for x in (-0.38, 0.18)
        for y in (-0.35, 0.15)
    ]
    body = _block((-0.42, 0.34, -0.4, 0.4), 0.42, 0.8, brown, label)
    return _shape([*legs, body, _block((0.3, 0.5, -0.25, 0.25), 0.6, 1.0, brown, label)])


def _hazard() -> Shape:
    """A striped cone on a foot, as wide as its box: debris, works, whatever blocks a lane."""
    label = Label.STATIC
    solids, wide = [_block((-0.5, 0.5, -0.5, 0.5), 0.0, 0.1, DARK, label)], 0.38
    for k, rgb in enumerate((ORANGE, WHITE, ORANGE, WHITE, ORANGE)):
        a, b = wide * (1 - k / 5.5), wide * (1 - (k + 1) / 5.5)
        z = 0.1 + 0.18 * k
        solids.append(Solid((-a, a, -a, a), z, (-b, b, -b, b), z + 0.18, rgb, label))
    return _shape(solids)


def _unknown() -> Shape:
    return _shape([_block((-0.5, 0.5, -0.5, 0.5), 0.0, 1.0, (128, 128, 132), Label.DYNAMIC)])


# ---------------------------------------------------------------------------------------------------------- roadside

_LAMPS = {
    LightColor.RED: (255, 40, 30),
    LightColor.AMBER: (255, 180, 20),
    LightColor.GREEN: (30, 235, 90),
}


def _light(shown: LightColor) -> Shape:
    """A pole and a head with three lamps, of which one is lit, or none."""
    pole, head = Label.POLE, Label.TRAFFIC_LIGHT
    solids = [
        _block((-0.25, 0.0, -0.13, 0.13), 0.0, 0.74, STEEL, pole),
        _block((-0.3, 0.3, -0.5, 0.5), 0.72, 1.0, (30, 33, 34), head),
    ]
    angles = np.arange(8) * (2 * math.pi / 8) + math.pi / 8
    lamps = []
    for k, (color, lit) in enumerate(_LAMPS.items()):
        dark = (lit[0] // 5, lit[1] // 5, lit[2] // 5)
        rgb = (lit[0] + SHINES, lit[1] + SHINES, lit[2] + SHINES) if color == shown else dark
        y, z = 0.34 * np.cos(angles), 0.952 - 0.091 * k + 0.039 * np.sin(angles)
        lamps.append((np.stack([np.full(8, 0.33), y, z], axis=1), rgb, head))
    return _shape(solids, lamps)


def _stop_sign() -> Shape:
    label = Label.TRAFFIC_SIGN
    angles = np.arange(8) * (2 * math.pi / 8) + math.pi / 8

    def plate(x: float, size: float, rgb: Rgb) -> _Face:
        y, z = 0.54 * size * np.cos(angles), 0.85 + 0.15 * size * np.sin(angles)
        rim = np.stack([np.full(8, x), y, z], axis=1)
        return (rim if x > 0.0 else rim[::-1]), rgb, label

    pole = _block((-0.25, 0.25, -0.05, 0.05), 0.0, 0.98, STEEL, Label.POLE)
    faces = [plate(0.5, 1.0, WHITE), plate(0.55, 0.9, (190, 24, 30))]
    return _shape([pole], [*faces, plate(-0.5, 1.0, STEEL)])


@cache
def shapes() -> tuple[Shape, ...]:
    """All shapes: road users by `ObjectClass`, then what `LIGHT` and `STOP_SIGN` count from."""
    users: dict[ObjectClass, Shape] = {
        ObjectClass.UNKNOWN: _unknown(),
        ObjectClass.CAR: _car(),
        ObjectClass.TRUCK: _truck(cab=True),
        ObjectClass.BUS: _bus(),
        ObjectClass.TRAILER: _truck(cab=False),
        ObjectClass.MOTORCYCLE: _two_wheeler(OF_CLASS[ObjectClass.MOTORCYCLE], 0.22, (70, 72, 76)),
        ObjectClass.BICYCLE: _two_wheeler(OF_CLASS[ObjectClass.BICYCLE], 0.06, (150, 152, 156)),
        ObjectClass.PEDESTRIAN: _pedestrian(),
        ObjectClass.ANIMAL: _animal(),
        ObjectClass.HAZARD: _hazard(),
    }
    return (*(users[c] for c in ObjectClass), *(_light(c) for c in LightColor), _stop_sign())


LIGHT = len(ObjectClass)
"""Shapes of traffic lights: this plus the colour shown."""
STOP_SIGN = LIGHT + len(LightColor)
