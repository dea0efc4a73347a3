"""Plots over time as SVG: speed and acceleration with the stated decisions as bands, steering with the lateral ones. No library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from whyway.evaluate.drive import Drive
from whyway.evaluate.metrics.navsim import LAT_ACCELERATION_MPS2, LON_ACCELERATION_MPS2
from whyway.evaluate.report.moments import Decision
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
            _Axes(drive.t_s, (curves := [Curve(limit, "second"), Curve(drive.v_mps * 3.6)]), 170, low=0.0, head=30),
            curves, "speed [km/h]", along, safety, marks,
        ),
        "acceleration": _plot(
            _Axes(drive.t_s, (curves := [Curve(drive.a_mps2)]), 130),
            curves, "acceleration [m/s²]", along, safety, marks, LON_ACCELERATION_MPS2,
        ),
        "lateral": _plot(
            _Axes(drive.t_s, (curves := [Curve(np.degrees(drive.steer_rad), "second"), Curve(lat)]), 130, foot=22),
            curves, "lateral acceleration [m/s²], steering [°]", across, safety, marks,
            (-LAT_ACCELERATION_MPS2, LAT_ACCELERATION_MPS2),
        ),
    }  # fmt: skip


class _Axes:
    """Where a time and a value are in a plot; `head` has room for numbers, `foot` for the time axis."""

    def __init__(
        self,
        t_s: Floats,
        curves: Sequence[Curve],
        height: float,
        low: float | None = None,
        head: float = 18.0,
        foot: float = 6.0,
    ) -> None:
        values = np.concatenate([c.values[np.isfinite(c.values)] for c in curves])
        self.t_s, self.height, self.head, self.foot = t_s, height, head, foot
        self.end = max(float(t_s[-1]), 1e-6)
        self.low = min(float(values.min()), -1.0) if low is None else low
        self.high = max(float(values.max()) * 1.08, self.low + 2.0)

    def x(self, t_s: float) -> float:
        return LEFT + t_s / self.end * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        return self.head + (self.high - value) / (self.high - self.low) * self.height

    @property
    def below(self) -> float:
        return self.head + self.height

    def across(self, kind: str, value: float) -> str:
        """A horizontal line."""
        y = self.y(value)
        return f'<line class="{kind}" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'

    def stretch(
        self,
        kind: str,
        from_s: float,
        to_s: float,
        y: float,
        height: float,
        tip: str,
        fill: str = "",
    ) -> str:
        """A rectangle over some time, with its explanation."""
        x = self.x(from_s)
        w = max(self.x(to_s) - x, 1.0)
        color = f' fill="{fill}"' if fill else ""
        box = f'x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{height:.1f}"'
        return f'<rect class="{kind}" {box}{color}><title>{escape(tip)}</title></rect>'


def _plot(
    axes: _Axes,
    curves: Sequence[Curve],
    title: str,
    bands: Sequence[Band],
    safety: Sequence[Intervention],
    marks: Sequence[float],
    bounds: tuple[float, ...] = (),
) -> str:
    numbers = axes.head > 20
    parts = [f'<text x="{LEFT}" y="12">{escape(title)}</text>']
    for b in bands:
        tip = f"{b.text}, {b.from_s:.1f} to {b.to_s:.1f} s"
        parts.append(axes.stretch("band", b.from_s, b.to_s, axes.head, axes.height, tip, b.color))
        parts.append(axes.stretch("strip", b.from_s, b.to_s, axes.below - 4, 4, tip, b.color))
    for tick in _ticks(axes.low, axes.high, 4):
        parts.append(axes.across("grid", tick))
        parts.append(
            f'<text x="{LEFT - 8}" y="{axes.y(tick) + 4:.1f}" text-anchor="end">{tick:g}</text>'
        )
    parts += [axes.across("bound", bound) for bound in bounds if axes.low < bound < axes.high]
    for i, t in enumerate(marks, start=1):
        x = axes.x(t)
        parts.append(
            f'<line class="moment" x1="{x:.1f}" x2="{x:.1f}" y1="{axes.head}" y2="{axes.below}"/>'
        )
        if numbers:
            parts.append(f'<text class="number" x="{x:.1f}" y="{axes.head - 5:.1f}">{i}</text>')
    parts += [_line(axes, curve) for curve in curves]
    for s in safety:
        tip = f"safety: {words(s.state)}, {s.reason}"
        parts.append(
            axes.stretch("safety", s.from_s, max(s.to_s, s.from_s + 0.1), axes.head, 6, tip)
        )
    if axes.foot > 20:
        for tick in _ticks(0.0, axes.end, 10):
            parts.append(
                f'<text x="{axes.x(tick):.1f}" y="{axes.below + 16:.1f}" text-anchor="middle">{tick:g} s</text>'
            )
    scale = f'data-left="{LEFT}" data-right="{WIDTH - RIGHT}" data-end="{axes.end}"'
    cursor = f'<line class="cursor" x1="-9" x2="-9" y1="{axes.head}" y2="{axes.below}"/>'
    return (
        f'<svg class="plot" viewBox="0 0 {WIDTH:g} {axes.below + axes.foot:g}" {scale}'
        f' xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escape(title)} over time">'
        f"{''.join(parts)}{cursor}</svg>"
    )


def _line(axes: _Axes, curve: Curve) -> str:
    points = " ".join(
        f"{axes.x(t):.1f},{axes.y(v):.1f}"
        for t, v in zip(axes.t_s, curve.values, strict=True)
        if np.isfinite(v)
    )
    return f'<polyline class="curve {curve.kind}" points="{points}"/>'


def _ticks(low: float, high: float, about: int) -> list[float]:
    """Round numbers between two values."""
    raw = (high - low) / max(about, 1)
    power = 10.0 ** np.floor(np.log10(raw))
    step = float(power * min((1, 2, 2.5, 5, 10), key=lambda m: abs(m * power - raw)))
    first = np.ceil(low / step - 1e-9) * step
    return [round(float(v), 10) + 0.0 for v in np.arange(first, high + step * 1e-9, step)]
