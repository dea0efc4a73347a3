"""What a pixel or point shows: CARLA's semantic ids (0.9.14 on), which follow Cityscapes, and the colours they are shown in."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whyway.types import ObjectClass


class Label(IntEnum):
    """CARLA's `CityObjectLabel`; those that this simulator shows, and a few it never does for completeness of the list."""

    UNLABELED = 0
    ROAD = 1
    SIDEWALK = 2
    BUILDING = 3
    WALL = 4
    FENCE = 5
    POLE = 6
    TRAFFIC_LIGHT = 7
    TRAFFIC_SIGN = 8
    VEGETATION = 9
    TERRAIN = 10
    SKY = 11
    PEDESTRIAN = 12
    RIDER = 13
    CAR = 14
    TRUCK = 15
    BUS = 16
    TRAIN = 17
    MOTORCYCLE = 18
    BICYCLE = 19
    STATIC = 20
    DYNAMIC = 21
    OTHER = 22
    WATER = 23
    ROAD_LINE = 24
    GROUND = 25


OF_CLASS: dict[ObjectClass, Label] = {
    ObjectClass.UNKNOWN: Label.DYNAMIC,
    ObjectClass.CAR: Label.CAR,
    ObjectClass.TRUCK: Label.TRUCK,
    ObjectClass.BUS: Label.BUS,
    ObjectClass.TRAILER: Label.TRUCK,
    ObjectClass.MOTORCYCLE: Label.MOTORCYCLE,
    ObjectClass.BICYCLE: Label.BICYCLE,
    ObjectClass.PEDESTRIAN: Label.PEDESTRIAN,
    ObjectClass.ANIMAL: Label.DYNAMIC,
    ObjectClass.HAZARD: Label.STATIC,
}
"""Whoever rides a two-wheeler is a RIDER."""

_COLORS = {
    Label.ROAD: (128, 64, 128), Label.SIDEWALK: (244, 35, 232), Label.BUILDING: (70, 70, 70), Label.WALL: (102, 102, 156),
    Label.FENCE: (190, 153, 153), Label.POLE: (153, 153, 153), Label.TRAFFIC_LIGHT: (250, 170, 30),
    Label.TRAFFIC_SIGN: (220, 220, 0), Label.VEGETATION: (107, 142, 35), Label.TERRAIN: (152, 251, 152), Label.SKY: (70, 130, 180),
    Label.PEDESTRIAN: (220, 20, 60), Label.RIDER: (255, 0, 0), Label.CAR: (0, 0, 142), Label.TRUCK: (0, 0, 70),
    Label.BUS: (0, 60, 100), Label.TRAIN: (0, 80, 100), Label.MOTORCYCLE: (0, 0, 230), Label.BICYCLE: (119, 11, 32),
    Label.STATIC: (110, 190, 160), Label.DYNAMIC: (170, 120, 50), Label.OTHER: (55, 90, 80), Label.WATER: (45, 60, 150),
    Label.ROAD_LINE: (157, 234, 50), Label.GROUND: (81, 0, 81),
}  # fmt: skip


def palette() -> NDArray[np.uint8]:
    """RGB by label, (256, 3), as CARLA and Cityscapes paint them; black for what has none."""
    table: NDArray[Any] = np.zeros((256, 3), dtype=np.uint8)
    for label, rgb in _COLORS.items():
        table[label] = rgb
    return table
