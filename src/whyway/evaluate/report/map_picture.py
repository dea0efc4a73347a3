"""A whole map from above, as an SVG, and in numbers: what a reader made of a file. `map`'s axes, y up; metres are the unit."""

from __future__ import annotations

from collections import Counter

import numpy as np

from whyway.evaluate.report.picture import STYLE, color_variables, zebra
from whyway.maps.lanes import RoadLane
from whyway.types import Floats, InputError, Lane, LaneKind, LaneMap, MarkingKind

_MARGIN_M = 10.0
_STYLE = """
.pic .way{fill:var(--p-other);opacity:.35}.pic .walk{fill:var(--p-bike);opacity:.6}
.pic .give{stroke:var(--p-amber);stroke-width:.5}.pic .arrow{fill:none;stroke:var(--p-plan);stroke-width:.3;opacity:.8}
"""
_ARROW_M = 30.0
"""Lanes outside junctions show their direction this often."""


def map_svg(lane_map: LaneMap, width_px: int = 1600) -> str:
    """The map as an SVG file: lanes by kind, ways through junctions, markings, stop lines, lights, crossings, directions.

    Raises:
      InputError: the map has no lanes.
    """
    if not lane_map.lanes:
        raise InputError(f"map {lane_map.name!r} has no lanes: there is nothing to draw")
    x = np.concatenate([c for lane in lane_map.lanes for c in (lane.left_x_m, lane.right_x_m)])
    y = np.concatenate([c for lane in lane_map.lanes for c in (lane.left_y_m, lane.right_y_m)])
    west, east = float(x.min()) - _MARGIN_M, float(x.max()) + _MARGIN_M
    south, north = float(y.min()) - _MARGIN_M, float(y.max()) + _MARGIN_M
    parts: list[str] = []
    for lane in sorted(lane_map.lanes, key=lambda lane: lane.in_junction):
        parts.append(f'<path class="{_class(lane)}" d="{_path(*RoadLane(lane).polygon)}Z"/>')
    for lane in lane_map.lanes:
        if not lane.in_junction:
            parts += _marks(lane)
    for crossing in lane_map.crossings:
        cx, cy, width = zebra(crossing)
        parts.append(f'<path class="zebra" stroke-width="{width:.2f}" d="{_path(cx, cy)}"/>')
    for line in lane_map.stop_lines:
        kind = "stop" if line.light_id or line.is_stop_sign else "give"
        parts.append(f'<path class="{kind}" d="{_path(line.x_m, line.y_m)}"/>')
    for light in lane_map.lights:
        parts.append(f'<circle class="red" cx="{light.x_m:.2f}" cy="{-light.y_m:.2f}" r="1"/>')
    light_colors, dark_colors = color_variables()
    style = f"<style>.pic{{{light_colors}}}@media(prefers-color-scheme:dark){{.pic{{{dark_colors}}}}}{STYLE}{_STYLE}</style>"
    box = f"{west:.1f} {-north:.1f} {east - west:.1f} {north - south:.1f}"
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="pic" viewBox="{box}" width="{width_px}">'
    )
    return f"{head}{style}{''.join(parts)}</svg>\n"


def map_facts(lane_map: LaneMap) -> dict[str, int | float | str]:
    """What there is on a map, in numbers: name -> count or length."""
    kinds = Counter(lane.kind for lane in lane_map.lanes)
    driving = [RoadLane(lane) for lane in lane_map.lanes if lane.kind == LaneKind.DRIVING]
    ends = sum(not len(r.lane.successor_ids) for r in driving)
    lines = lane_map.stop_lines
    return {
        "name": lane_map.name,
        "lanes": len(lane_map.lanes),
        **{f"lanes: {kind.name.lower()}": kinds[kind] for kind in sorted(kinds)},
        "driving lanes, km": round(sum(r.length_m for r in driving) / 1e3, 2),
        "in junctions": sum(r.lane.in_junction for r in driving),
        "without a successor": ends,
        "lights": len(lane_map.lights),
        "stop lines: of lights": sum(bool(s.light_id) for s in lines),
        "stop lines: of stop signs": sum(s.is_stop_sign for s in lines),
        "stop lines: give way": sum(not s.light_id and not s.is_stop_sign for s in lines),
        "crossings": len(lane_map.crossings),
    }


def _class(lane: Lane) -> str:
    if lane.kind in (LaneKind.BIKE,):
        return "bike"
    if lane.kind in (LaneKind.SIDEWALK, LaneKind.CROSSWALK):
        return "walk"
    return "way" if lane.in_junction else "road"


def _marks(lane: Lane) -> list[str]:
    marks = []
    for x, y, marking in (
        (lane.left_x_m, lane.left_y_m, lane.left_marking),
        (lane.right_x_m, lane.right_y_m, lane.right_marking),
    ):
        if marking in (MarkingKind.DASHED, MarkingKind.SOLID):
            dashed = " dash" if marking == MarkingKind.DASHED else ""
            marks.append(f'<path class="mark{dashed}" d="{_path(x, y)}"/>')
    if lane.kind == LaneKind.DRIVING:
        center = RoadLane(lane).center
        s = np.arange(min(_ARROW_M, center.length_m) / 2, center.length_m, _ARROW_M)
        px, py, yaw, _ = center.at(s)
        for ax, ay, angle in zip(px.tolist(), py.tolist(), yaw.tolist(), strict=True):
            turned = f"translate({ax:.1f} {-ay:.1f}) rotate({-np.degrees(angle):.0f})"
            marks.append(f'<path class="arrow" transform="{turned}" d="M-1-.7L.6 0L-1 .7"/>')
    return marks


def _path(x_m: Floats, y_m: Floats) -> str:
    return "M" + "L".join(f"{x:.2f} {-y:.2f}" for x, y in zip(x_m, y_m, strict=True))
