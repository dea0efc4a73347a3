"""Score against severity, a small panel for each fault, as one SVG: PDMS with its interval, harm, share of time in a fallback. No library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

ACROSS, WIDE, HIGH = 5, 190, 150
_LEFT, _TOP, _PLOT_W, _PLOT_H = 30, 30, 150, 84
_STYLE = (
    "text{font:10px system-ui,sans-serif;fill:#444}.t{font-weight:600;fill:#111}.a{stroke:#ccc;fill:none}"
    ".i{fill:#1c7ed6;opacity:.18}.c{fill:none;stroke:#1c7ed6;stroke-width:2}.d{fill:#1c7ed6}"
    ".f{fill:none;stroke:#f59f00;stroke-width:1.5;stroke-dasharray:4 3}.h{fill:#e03131}.b{stroke:#888;stroke-dasharray:1 3}"
)


def picture(summary: Mapping[str, Any]) -> str:
    """The SVG of a summary."""
    panels: dict[str, list[Mapping[str, Any]]] = {}
    for point in summary["points"]:
        panels.setdefault(point["fault"], []).append(point)
    rows = -(-len(panels) // ACROSS)
    base = float(summary["baseline"]["pdms"]["mean"])
    drawn = [
        f'<g transform="translate({WIDE * (k % ACROSS)},{HIGH * (k // ACROSS) + 24})">{_panel(name, points, base)}</g>'
        for k, (name, points) in enumerate(panels.items())
    ]
    legend = (
        '<text x="30" y="14">PDMS <tspan fill="#1c7ed6">with its 95 % interval</tspan> (dotted: without a fault), '
        '<tspan fill="#e28b00">share of time in a fallback</tspan>, <tspan fill="#e03131">share of drives harmed by the fault</tspan>, '
        "against severity</text>"
    )
    size = f"{WIDE * ACROSS} {HIGH * rows + 30}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}" role="img"><style>{_STYLE}</style>'
        f'<rect width="100%" height="100%" fill="#fff"/>{legend}{"".join(drawn)}</svg>\n'
    )


def _panel(name: str, points: Sequence[Mapping[str, Any]], base: float) -> str:
    count = len(points)
    xs = [_LEFT + _PLOT_W * (k + 0.5) / count for k in range(count)]
    unit = points[0]["unit"]
    parts = [
        f'<text class="t" x="{_LEFT}" y="20">{escape(name)} [{escape(unit)}]</text>',
        f'<rect class="a" x="{_LEFT}" y="{_TOP}" width="{_PLOT_W}" height="{_PLOT_H}"/>',
        *(
            f'<text x="{_LEFT - 4}" y="{_y(v) + 3:.1f}" text-anchor="end">{v:g}</text>'
            for v in (0, 1)
        ),
        f'<path class="b" d="M{_LEFT} {_y(base):.1f}h{_PLOT_W}"/>',
    ]
    for x, p in zip(xs, points, strict=True):
        harm = float(p["harm_share"]["mean"])
        if harm > 0.0:
            parts.append(
                f'<rect class="h" x="{x - 4:.1f}" y="{_y(harm):.1f}" width="8" height="{_y(0.0) - _y(harm):.1f}"/>'
            )
        parts.append(
            f'<text x="{x:.1f}" y="{_TOP + _PLOT_H + 13}" text-anchor="middle">{p["value"]:g}</text>'
        )
    ends = [
        (x, p["pdms"]["low"], p["pdms"]["high"])
        for x, p in zip(xs, points, strict=True)
        if p["pdms"]["low"] is not None
    ]
    if len(ends) > 1:
        loop = [(x, high) for x, _, high in ends] + [(x, low) for x, low, _ in reversed(ends)]
        parts.append(f'<path class="i" d="{_path(loop)}Z"/>')
    elif ends:
        x, low, high = ends[0]
        parts.append(
            f'<rect class="i" x="{x - 10:.1f}" y="{_y(high):.1f}" width="20" height="{_y(low) - _y(high):.1f}"/>'
        )
    falls = [(x, float(p["fallback_share"]["mean"])) for x, p in zip(xs, points, strict=True)]
    scores = [(x, float(p["pdms"]["mean"])) for x, p in zip(xs, points, strict=True)]
    parts += [f'<path class="f" d="{_path(falls)}"/>', f'<path class="c" d="{_path(scores)}"/>']
    parts += [f'<circle class="d" cx="{x:.1f}" cy="{_y(v):.1f}" r="2.5"/>' for x, v in scores]
    return "".join(parts)


def _y(value: float) -> float:
    return _TOP + _PLOT_H * (1.0 - value)


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f} {_y(v):.1f}" for x, v in points)
