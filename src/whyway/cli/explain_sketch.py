"""A top view in characters: where everybody was, seen from the ego, and where it meant to go. One column a metre, one row two."""

from __future__ import annotations

import string

import numpy as np
from rich.text import Text

from whyway.evaluate.black_box.explain import Account
from whyway.geometry import distance_to_box, from_frame, to_frame
from whyway.log import Log
from whyway.maps.road import Road
from whyway.types import LaneMap, Route, Truth

BEHIND_M, AHEAD_M, ASIDE_M = 20, 72, 8
_OFF_ROAD, _PLAN, _EGO, _OTHER = "░", "·", "█", "▒"
_STYLE = {_OFF_ROAD: "dim", _PLAN: "green", _EGO: "bold cyan", _OTHER: "dim", " ": ""}


def letters(a: Account) -> dict[int, str]:
    """What cited objects are called in the sketch, by id."""
    cited = a.trace.perception.critical_objects
    return {c.id: letter for c, letter in zip(cited, string.ascii_uppercase, strict=False)}


def sketch(a: Account, log: Log) -> list[Text]:
    """Rows from left to right of the ego, the ego heading right; empty without a scene."""
    if a.scene is None:
        return []
    ego = a.scene.ego
    heading = np.float64(ego.yaw_rad)
    ahead, left = np.meshgrid(
        np.arange(-BEHIND_M, AHEAD_M) + 0.5, np.arange(ASIDE_M, -ASIDE_M - 1, -2.0)
    )
    x, y = from_frame(ahead, left, ego.x_m, ego.y_m, heading)
    cells = np.full(ahead.shape, " ")
    maps, routes = log.of(LaneMap), log.of(Route)
    if maps and routes:
        cells[Road(maps[-1], routes[-1]).off_road(x, y)] = _OFF_ROAD
    w = a.trace.action.waypoints
    at, aside = to_frame(w.x_m, w.y_m, ego.x_m, ego.y_m, heading)
    column = np.floor(at).astype(int) + BEHIND_M
    row = np.rint((ASIDE_M - aside) / 2).astype(int)
    inside = (column >= 0) & (column < cells.shape[1]) & (row >= 0) & (row < cells.shape[0])
    cells[row[inside], column[inside]] = _PLAN
    called = letters(a)
    # those who are cited last: they are not to be hidden
    for o in sorted(a.scene.objects, key=lambda o: o.id in called):
        box = (o.x_m, o.y_m, np.float64(o.yaw_rad), o.length_m, o.width_m)
        cells[_covered(x, y, *box)] = called.get(o.id, _OTHER)
    length, width, offset = _size(log)
    middle = from_frame(offset, 0.0, ego.x_m, ego.y_m, heading)
    cells[_covered(x, y, *middle, heading, length, width)] = _EGO
    return [_row(line) for line in cells]


def _covered(
    x: np.ndarray, y: np.ndarray, box_x: float, box_y: float, yaw: np.float64, length: float, width: float
) -> np.ndarray:  # fmt: skip
    """The cells of a box; the one it is in, if it is smaller than a cell."""
    away = distance_to_box(x, y, box_x, box_y, yaw, length, width)
    covered: np.ndarray = away <= 0.5
    nearest = away == away.min()
    return covered if covered.any() else nearest & (away < 1.2)


def _size(log: Log) -> tuple[float, float, float]:
    """Length, width and the centre's place ahead of `base_link` of the ego."""
    truths = log.of(Truth)
    if not truths:
        return 4.5, 1.8, 1.3
    return truths[0].ego_length_m, truths[0].ego_width_m, truths[0].ego_center_offset_m


def _row(line: np.ndarray) -> Text:
    text = Text()
    for cell in line.tolist():
        text.append(cell, style=_STYLE.get(cell, "bold yellow"))
    return text
