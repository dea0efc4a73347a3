"""Plots over time as SVG: speed and acceleration with the stated decisions as bands, steering with the lateral ones. No library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from whyway.evaluate.drive import Drive
from whyway.evaluate.metrics import LAT_ACCELERATION_MPS2, LON_ACCELERATION_MPS2
from whyway.evaluate.moments import Decision
from whyway.evaluate.supervision import Intervention
from whyway.types import Floats, Lateral, Longitudinal

WIDTH, LEFT, RIGHT = 1000.0, 56.0, 10.0

LONGITUDINAL_COLORS = {
    Longitudinal.STOP: "#d6336c",
    Longitudinal.YIELD: "#f76707",
    Longitudinal.PASS: "#7048e8",
    Longitudinal.GAP_SEARCH: "#15aabf",
    Longitudinal.KEEP_DISTANCE: "#1c7ed6",
    Longitudinal.ADAPT_SPEED: "#f59f00",
    Longitudinal.RESUME_SPEED: "#37b24d",
}
LATERAL_COLORS = {
    Lateral.KEEP_LANE: "#adb5bd",
    Lateral.LANE_CHANGE: "#ae3ec9",
    Lateral.NUDGE: "#22b8cf",
    Lateral.TURN: "#4263eb",
    Lateral.MERGE: "#e64980",
    Lateral.SPLIT: "#82c91e",
}

STYLE = """
.plot{font:12px system-ui,sans-serif;overflow:visible}.plot text{fill:var(--soft)}
.plot .grid{stroke:var(--rule);stroke-width:1}.plot .axis{stroke:var(--soft);stroke-width:1}
.plot .curve{fill:none;stroke:var(--ink);stroke-width:2;stroke-linejoin:round}
.plot .second{stroke:var(--soft);stroke-dasharray:5 4;stroke-width:1.5}
.plot .bound{stroke:var(--bad);stroke-dasharray:2 4;stroke-width:1.2}
.plot .band{opacity:.28}.plot .strip{opacity:.9}
.plot .safety{fill:var(--bad);opacity:.85}.plot .moment{stroke:var(--soft);stroke-width:1;stroke-dasharray:1 3}
.plot .number{fill:var(--ink);font-weight:600;text-anchor:middle}
.plot .cursor{stroke:var(--accent);stroke-width:1.5}
"""


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """A line in a plot."""

    values: Floats
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Band:
    """A coloured stretch of time."""

    from_s: float
    to_s: float
    color: str
    text: str


def longitudinal_bands(decisions: Sequence[tuple[float, float, Decision]]) -> list[Band]:
    """Bands of the stated longitudinal decision."""
    return [Band(a, b, LONGITUDINAL_COLORS[d[0]], words(d[0].name)) for a, b, d in decisions]


def lateral_bands(decisions: Sequence[tuple[float, float, Decision]]) -> list[Band]:
    """Bands of the stated lateral decision."""
    return [
        Band(
            a,
            b,
            LATERAL_COLORS[d[1]],
            f"{words(d[1].name)}{'' if not d[2] else ' ' + words(d[2].name)}",
        )
        for a, b, d in decisions
    ]


def legend(bands: Sequence[Band]) -> list[tuple[str, str]]:
    """Colour and text of each kind of band that occurs, in order of appearance."""
    return list({b.text: (b.color, b.text) for b in bands}.values())


def words(enum_name: str) -> str:
    """`KEEP_DISTANCE` -> `keep distance`."""
    return enum_name.lower().replace("_", " ")


def plots(
    drive: Drive,
    decisions: Sequence[tuple[float, float, Decision]],
    safety: Sequence[Intervention],
    marks: Sequence[float],
) -> dict[str, str]:
    """The three plots by name; `marks` are the times of the numbered moments."""
    limit = drive.road.route_path.limit_at(drive.route_s_m) * 3.6
    along, across = longitudinal_bands(decisions), lateral_bands(decisions)
    lat = drive.v_mps * drive.yaw_rate_rps
    return {
        "speed": _plot(
            drive.t_s,
            [Curve(limit, "second"), Curve(drive.v_mps * 3.6)],
            "speed [km/h]", 170, along, safety, marks, low=0.0, numbers=True,
        ),
        "acceleration": _plot(
            drive.t_s,
            [Curve(drive.a_mps2)],
            "acceleration [m/s²]", 130, along, safety, marks, bounds=LON_ACCELERATION_MPS2,
        ),
        "lateral": _plot(
            drive.t_s,
            [Curve(np.degrees(drive.steer_rad), "second"), Curve(lat)],
            "lateral acceleration [m/s²], steering [°]", 130, across, safety, marks,
            bounds=(-LAT_ACCELERATION_MPS2, LAT_ACCELERATION_MPS2), time_axis=True,
        ),
    }  # fmt: skip


def _plot(
    t_s: Floats,
    curves: Sequence[Curve],
    title: str,
    height: float,
    bands: Sequence[Band],
    safety: Sequence[Intervention],
    marks: Sequence[float],
    *,
    low: float | None = None,
    bounds: tuple[float, float] | None = None,
    numbers: bool = False,
    time_axis: bool = False,
) -> str:
    end = max(float(t_s[-1]), 1e-6)
    values = np.concatenate([c.values[np.isfinite(c.values)] for c in curves])
    bottom = min(float(values.min()), -1.0) if low is None else low
    top = max(float(values.max()) * 1.08, bottom + 2.0)
    head, foot = 30.0 if numbers else 18.0, 22.0 if time_axis else 6.0
    at_x = lambda t: LEFT + t / end * (WIDTH - LEFT - RIGHT)  # noqa: E731
    at_y = lambda v: head + (top - v) / (top - bottom) * height  # noqa: E731
    parts = [f'<text x="{LEFT}" y="{head - 6 if not numbers else 12}">{escape(title)}</text>']
    for band in bands:
        x, w = at_x(band.from_s), max(at_x(band.to_s) - at_x(band.from_s), 1.0)
        tip = f"<title>{escape(band.text)}, {band.from_s:.1f} to {band.to_s:.1f} s</title>"
        box = f'x="{x:.1f}" width="{w:.1f}" fill="{band.color}"'
        parts.append(f'<rect class="band" {box} y="{head:.1f}" height="{height:.1f}">{tip}</rect>')
        parts.append(
            f'<rect class="strip" {box} y="{head + height - 4:.1f}" height="4">{tip}</rect>'
        )
    for tick in _ticks(bottom, top, 4):
        y = at_y(tick)
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        )
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>')
    for bound in bounds or ():
        if bottom < bound < top:
            y = at_y(bound)
            parts.append(
                f'<line class="bound" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            )
    for i, t in enumerate(marks, start=1):
        x = at_x(t)
        parts.append(
            f'<line class="moment" x1="{x:.1f}" x2="{x:.1f}" y1="{head}" y2="{head + height}"/>'
        )
        if numbers:
            parts.append(f'<text class="number" x="{x:.1f}" y="{head - 5:.1f}">{i}</text>')
    for curve in curves:
        points = " ".join(
            f"{at_x(t):.1f},{at_y(v):.1f}"
            for t, v in zip(t_s, curve.values, strict=True)
            if np.isfinite(v)
        )
        parts.append(f'<polyline class="curve {curve.kind}" points="{points}"/>')
    for stretch in safety:
        x = at_x(stretch.from_s)
        w = max(at_x(stretch.to_s) - x, 3.0)
        tip = f"<title>safety: {escape(words(stretch.state))}, {escape(stretch.reason)}</title>"
        parts.append(
            f'<rect class="safety" x="{x:.1f}" width="{w:.1f}" y="{head:.1f}" height="6">{tip}</rect>'
        )
    if time_axis:
        for tick in _ticks(0.0, end, 10):
            parts.append(
                f'<text x="{at_x(tick):.1f}" y="{head + height + 16:.1f}" text-anchor="middle">{tick:g} s</text>'
            )
    total = head + height + foot
    scale = f'data-left="{LEFT}" data-right="{WIDTH - RIGHT}" data-end="{end}"'
    cursor = f'<line class="cursor" x1="-9" x2="-9" y1="{head}" y2="{head + height}"/>'
    return (
        f'<svg class="plot" viewBox="0 0 {WIDTH:g} {total:g}" {scale} xmlns="http://www.w3.org/2000/svg"'
        f' role="img" aria-label="{escape(title)} over time">{"".join(parts)}{cursor}</svg>'
    )


def _ticks(low: float, high: float, about: int) -> list[float]:
    """Round numbers between two values."""
    raw = (high - low) / max(about, 1)
    power = 10.0 ** np.floor(np.log10(raw))
    step = float(power * min((1, 2, 2.5, 5, 10), key=lambda m: abs(m * power - raw)))
    first = np.ceil(low / step - 1e-9) * step
    return [round(float(v), 10) + 0.0 for v in np.arange(first, high + step * 1e-9, step)]
