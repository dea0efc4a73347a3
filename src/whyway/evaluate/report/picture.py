"""One moment of a drive from above, as an SVG: lanes, lights, the ego and its plan, who is cited and who is not.

Metres are the unit of the drawing, the ego's heading points right. Colours are CSS variables, so that a page can restyle the
picture for light and dark; `standalone` brings its own.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from html import escape

import numpy as np

from whyway.evaluate.drive import Drive, read_drive
from whyway.evaluate.instants import Instant, Instants, cited, unseen
from whyway.geometry import box_corners, to_frame
from whyway.log import Log
from whyway.trace import sentence
from whyway.trace.sentences import name as object_name
from whyway.types import (
    CauseKind,
    Crossing,
    Floats,
    LaneKind,
    Lateral,
    LightColor,
    Longitudinal,
    MarkingKind,
    TrackedObject,
)

BACK_M, AHEAD_M, SIDE_M = 24.0, 56.0, 20.0
"""What a picture shows around the ego."""

SMALL_M = 1.4
"""Shorter road users are drawn as a disc of this diameter."""

COLORS = {
    "ground": ("#eef1ec", "#14181d"),
    "road": ("#d3d7dc", "#2a3038"),
    "route": ("#bcd3ee", "#2b4360"),
    "bike": ("#d8ccc2", "#3a322c"),
    "line": ("#ffffff", "#59626d"),
    "text": ("#1c2430", "#e8ecf1"),
    "halo": ("#ffffff", "#14181d"),
    "other": ("#8d97a3", "#646e7a"),
    "listed": ("#5b6b80", "#93a4ba"),
    "cause": ("#d9480f", "#ff8a3d"),
    "ego": ("#1864ab", "#4dabf7"),
    "plan": ("#1971c2", "#74c0fc"),
    "driven": ("#7c8ea3", "#788ca3"),
    "hit": ("#c2255c", "#ff6ea6"),
    "red": ("#e03131", "#ff6b6b"),
    "amber": ("#f08c00", "#ffc233"),
    "green": ("#2f9e44", "#51cf66"),
}
"""Name -> colour on light and on dark ground."""

LONGITUDINAL_COLORS = {
    Longitudinal.STOP: "#d6336c",
    Longitudinal.YIELD: "#e8590c",
    Longitudinal.PASS: "#7048e8",
    Longitudinal.GAP_SEARCH: "#0c8599",
    Longitudinal.KEEP_DISTANCE: "#1c7ed6",
    Longitudinal.ADAPT_SPEED: "#b86e00",
    Longitudinal.RESUME_SPEED: "#2b8a3e",
}
LATERAL_COLORS = {
    Lateral.KEEP_LANE: "#868e96",
    Lateral.LANE_CHANGE: "#ae3ec9",
    Lateral.NUDGE: "#1098ad",
    Lateral.TURN: "#4263eb",
    Lateral.MERGE: "#d6336c",
    Lateral.SPLIT: "#5c940d",
}
"""Of decisions; white words on them can be read on light and on dark ground."""

_LIGHTS = {LightColor.RED: "red", LightColor.AMBER: "amber", LightColor.GREEN: "green"}


def color_variables(prefix: str = "--p-") -> tuple[str, str]:
    """CSS declarations of all colours: for light, for dark."""
    return (
        "".join(f"{prefix}{name}:{light};" for name, (light, _) in COLORS.items()),
        "".join(f"{prefix}{name}:{dark};" for name, (_, dark) in COLORS.items()),
    )


STYLE = """
.pic{background:var(--p-ground);font:1.9px system-ui,sans-serif}
.pic .road{fill:var(--p-road)}.pic .route{fill:var(--p-route)}.pic .bike{fill:var(--p-bike)}
.pic .mark{fill:none;stroke:var(--p-line);stroke-width:.14}.pic .dash{stroke-dasharray:1.5 2.2}
.pic .zebra{fill:none;stroke:var(--p-line);stroke-dasharray:.5 .5}
.pic .stop{stroke:var(--p-line);stroke-width:.5}
.pic .other{fill:var(--p-other)}.pic .listed{fill:var(--p-listed)}.pic .cause{fill:var(--p-cause)}
.pic .nose{fill:var(--p-halo);opacity:.55}
.pic .unseen{fill:none;stroke:var(--p-other);stroke-width:.18;stroke-dasharray:.5 .4}
.pic .ego{fill:var(--p-ego)}.pic .driven{fill:none;stroke:var(--p-driven);stroke-width:.25}
.pic .plan{fill:none;stroke:var(--p-plan);stroke-width:.9;stroke-linecap:round;opacity:.55}
.pic .tick{fill:var(--p-plan)}
.pic .guess{fill:none;stroke:var(--p-cause);stroke-width:.22;stroke-dasharray:.7 .5}
.pic .leader{stroke:var(--p-cause);stroke-width:.12}
.pic text{fill:var(--p-text);paint-order:stroke;stroke:var(--p-halo);stroke-width:.5;stroke-linejoin:round}
.pic .caption{font-weight:600}.pic text.named{fill:var(--p-cause);font-weight:600}
.pic .red{fill:var(--p-red);stroke:var(--p-red)}.pic .amber{fill:var(--p-amber);stroke:var(--p-amber)}
.pic .green{fill:var(--p-green);stroke:var(--p-green)}.pic .ring{fill:none;stroke:var(--p-cause);stroke-width:.3}
"""


class _View:
    """Map -> picture: the ego at the origin, its heading to the right, y downwards."""

    def __init__(self, x_m: float, y_m: float, yaw_rad: float) -> None:
        self._pose = (x_m, y_m, np.float64(yaw_rad))

    def points(self, x_m: Floats, y_m: Floats) -> tuple[Floats, Floats]:
        x, y = to_frame(np.asarray(x_m), np.asarray(y_m), *self._pose)
        return x, -y

    def path(self, x_m: Floats, y_m: Floats, close: bool = False) -> str:
        """SVG path data of the part that can be seen; "" if there is none."""
        x, y = self.points(x_m, y_m)
        margin = 6.0
        near = (x > -BACK_M - margin) & (x < AHEAD_M + margin) & (np.abs(y) < SIDE_M + margin)
        # keep the neighbours of what is seen, so that lines leave through the edge
        keep = near | np.roll(near, 1) | np.roll(near, -1)
        crosses = (
            (x.min() < AHEAD_M) & (x.max() > -BACK_M) & (y.min() < SIDE_M) & (y.max() > -SIDE_M)
        )
        if not near.any() and not crosses:
            return ""
        if not near.any() or close and len(x) < 8:
            keep = np.ones(len(x), dtype=np.bool_)
        steps = " ".join(f"{a:.2f} {b:.2f}" for a, b in zip(x[keep], y[keep], strict=True))
        return f"M{steps}{'Z' if close else ''}"

    def box(
        self, x_m: float, y_m: float, yaw_rad: float, length_m: float, width_m: float, kind: str
    ) -> str:
        corners = box_corners(*(np.float64(v) for v in (x_m, y_m, yaw_rad, length_m, width_m)))
        x, y = self.points(corners[:, 0], corners[:, 1])
        if length_m < SMALL_M:  # who walks would be a speck
            return f'<circle class="{kind}" cx="{x.mean():.2f}" cy="{y.mean():.2f}" r="{SMALL_M / 2}"/>'
        if (np.abs(y) > SIDE_M + length_m).all() or x.max() < -BACK_M or x.min() > AHEAD_M:
            return ""
        outline = f'<path class="{kind}" d="M{_pairs(x, y)}Z"/>'
        if kind == "unseen":
            return outline
        # a lighter stripe where the windscreen is tells the front
        t = np.array([0.18, 0.32])
        left, right = (0, 1), (3, 2)
        wx = [
            x[a] + f * (x[b] - x[a])
            for f, (a, b) in ((t[0], left), (t[1], left), (t[1], right), (t[0], right))
        ]
        wy = [
            y[a] + f * (y[b] - y[a])
            for f, (a, b) in ((t[0], left), (t[1], left), (t[1], right), (t[0], right))
        ]
        return outline + f'<path class="nose" d="M{_pairs(wx, wy)}Z"/>'


def _pairs(x: Iterable[float], y: Iterable[float]) -> str:
    return " ".join(f"{a:.2f} {b:.2f}" for a, b in zip(x, y, strict=True))


def moment_svg(drive: Drive, moment: Instant) -> str:
    """Draw one moment, styled by the page it stands in (`STYLE`, `color_variables`)."""
    view = _View(
        float(drive.x_m[moment.index]),
        float(drive.y_m[moment.index]),
        float(drive.yaw_rad[moment.index]),
    )
    parts = [
        *_road(drive, view),
        *_signals(drive, view, moment),
        *_driven(drive, view, moment.index),
    ]
    parts += [
        *_plan(view, moment),
        *_others(view, moment),
        _ego(drive, view, moment.index),
        *_labels(view, moment),
    ]
    said = moment.trace
    title = "" if said is None else f"<title>{escape(said.planning.longitudinal.name)}</title>"
    box = f"{-BACK_M} {-SIDE_M} {AHEAD_M + BACK_M} {2 * SIDE_M}"
    return f'<svg class="pic" viewBox="{box}" xmlns="http://www.w3.org/2000/svg" role="img">{title}{"".join(parts)}</svg>'


def picture_of(log: Log, at_s: float) -> str:
    """The SVG file of a log's instant nearest to a time, for a README or a slide.

    Raises:
      ScoreError: the log holds no map, route or truth.
    """
    drive = read_drive(log)
    index = int(np.argmin(np.abs(drive.t_s - at_s)))
    instant = Instants(log).at(index)
    return standalone(
        moment_svg(drive, instant), "" if instant.trace is None else sentence(instant.trace)
    )


CAPTION_COLUMNS = 72
"""Characters of a caption that fit beside each other in a picture."""


def standalone(svg: str, caption: str = "", width_px: int = 1200) -> str:
    """Make a picture a file of its own, light or dark as its reader prefers, with a caption inside."""
    light, dark = color_variables()
    style = (
        f"<style>.pic{{{light}}}@media(prefers-color-scheme:dark){{.pic{{{dark}}}}}{STYLE}</style>"
    )
    head, _, rest = svg.partition(">")
    text = caption[:1].upper() + caption[1:]
    lines = textwrap.wrap(text, CAPTION_COLUMNS)
    words = "".join(
        f'<text class="caption" x="{1.5 - BACK_M}" y="{SIDE_M - 1.5 - 2.2 * (len(lines) - 1 - i)}">{escape(line)}</text>'
        for i, line in enumerate(lines)
    )
    return f'{head} width="{width_px}">{style}{rest.removesuffix("</svg>")}{words}</svg>\n'


def _road(drive: Drive, view: _View) -> list[str]:
    road = drive.road
    route = set(road.route_ids)
    fills: list[str] = []
    marks: list[str] = []
    for lane_id, member in sorted(road.lanes.items(), key=lambda item: item[0] in route):
        lane = member.lane
        if lane.kind not in (LaneKind.DRIVING, LaneKind.SHOULDER, LaneKind.BIKE, LaneKind.PARKING):
            continue
        kind = "route" if lane_id in route else "bike" if lane.kind == LaneKind.BIKE else "road"
        outline = view.path(*member.polygon, close=True)
        if not outline:
            continue
        fills.append(f'<path class="{kind}" d="{outline}"/>')
        if lane.in_junction:
            continue
        for x, y, marking in (
            (lane.left_x_m, lane.left_y_m, lane.left_marking),
            (lane.right_x_m, lane.right_y_m, lane.right_marking),
        ):
            line = view.path(x, y)
            if line and marking != MarkingKind.NONE:
                dashed = " dash" if marking == MarkingKind.DASHED else ""
                marks.append(f'<path class="mark{dashed}" d="{line}"/>')
    return fills + marks


def _signals(drive: Drive, view: _View, moment: Instant) -> list[str]:
    colors = {light.light_id: light.color for light in moment.truth.lights}
    causes = set()
    if moment.trace is not None:
        causes = {c.id for c in moment.trace.planning.causes if c.kind == CauseKind.TRAFFIC_LIGHT}
    parts = []
    for crossing in drive.road.lane_map.crossings:
        x, y, width = zebra(crossing)
        stripes = view.path(x, y)
        if stripes:
            parts.append(f'<path class="zebra" stroke-width="{width:.2f}" d="{stripes}"/>')
    for line in drive.road.lane_map.stop_lines:
        path = view.path(line.x_m, line.y_m)
        if path:
            color = _LIGHTS.get(colors.get(line.light_id, LightColor.UNKNOWN), "")
            parts.append(f'<path class="stop {color}" d="{path}"/>')
    for light in drive.road.lane_map.lights:
        (x,), (y,) = view.points(np.array([light.x_m]), np.array([light.y_m]))
        if -BACK_M < x < AHEAD_M and abs(y) < SIDE_M:
            color = _LIGHTS.get(colors.get(light.id, LightColor.UNKNOWN), "other")
            parts.append(f'<circle class="{color}" cx="{x:.2f}" cy="{y:.2f}" r=".8"/>')
            if light.id in causes:
                parts.append(f'<circle class="ring" cx="{x:.2f}" cy="{y:.2f}" r="1.6"/>')
                side, anchor = (-2.2, "end") if x > AHEAD_M - 14.0 else (2.2, "start")
                at = f'x="{x + side:.2f}" y="{y + 2.6:.2f}" text-anchor="{anchor}"'
                parts.append(f'<text class="named" {at}>light {light.id}</text>')
    return parts


def zebra(crossing: Crossing) -> tuple[Floats, Floats, float]:
    """The middle line of a crossing, from kerb to kerb, and how wide it is: a broad dashed line makes the stripes."""
    x, y = crossing.x_m, crossing.y_m
    sides = np.hypot(np.roll(x, -1) - x, np.roll(y, -1) - y)
    first = int(np.argsort(sides)[0]) if len(x) == 4 else 0
    a, b = first, (first + 1) % len(x)
    c, d = (first + 2) % len(x), (first + 3) % len(x)
    ends_x = np.array([(x[a] + x[b]) / 2, (x[c] + x[d]) / 2])
    ends_y = np.array([(y[a] + y[b]) / 2, (y[c] + y[d]) / 2])
    return ends_x, ends_y, float(sides[first])


def _driven(drive: Drive, view: _View, index: int) -> list[str]:
    past = slice(max(0, index - 60), index + 1)
    if index < 1:
        return []
    path = view.path(drive.x_m[past], drive.y_m[past])
    return [f'<path class="driven" d="{path}"/>'] if path else []


def _plan(view: _View, moment: Instant) -> list[str]:
    if moment.plan is None or len(moment.plan.waypoints.t_s) < 2:
        return []
    w = moment.plan.waypoints
    path = view.path(w.x_m, w.y_m)
    if not path:
        return []
    x, y = view.points(w.x_m, w.y_m)
    whole = np.abs(w.t_s - np.round(w.t_s)) < 1e-6  # a dot a second tells the speed
    dots = [
        f'<circle class="tick" cx="{a:.2f}" cy="{b:.2f}" r=".32"/>'
        for a, b in zip(x[whole][1:], y[whole][1:], strict=True)
        if a < AHEAD_M and abs(b) < SIDE_M
    ]
    return [f'<path class="plan" d="{path}"/>', *dots]


def _others(view: _View, moment: Instant) -> list[str]:
    tracks: tuple[TrackedObject, ...] = () if moment.scene is None else moment.scene.objects
    causes, listed = cited(moment)
    parts = [
        view.box(a.x_m, a.y_m, a.yaw_rad, a.length_m, a.width_m, "unseen") for a in unseen(moment)
    ]
    for o in sorted(tracks, key=lambda o: o.id in causes):
        kind = "cause" if o.id in causes else "listed" if o.id in listed else "other"
        if o.id in causes and o.predictions:
            best = max(o.predictions, key=lambda p: p.probability)
            guess = view.path(np.append(o.x_m, best.x_m), np.append(o.y_m, best.y_m))
            parts.append(f'<path class="guess" d="{guess}"/>' if guess else "")
        parts.append(view.box(o.x_m, o.y_m, o.yaw_rad, o.length_m, o.width_m, kind))
    return parts


def _ego(drive: Drive, view: _View, index: int) -> str:
    x, y = drive.center
    return view.box(
        float(x[index]),
        float(y[index]),
        float(drive.yaw_rad[index]),
        drive.length_m,
        drive.width_m,
        "ego",
    )


def _labels(view: _View, moment: Instant) -> list[str]:
    if moment.trace is None:
        return []
    causes, _ = cited(moment)
    parts, taken = [], list[tuple[float, float]]()
    for c in moment.trace.perception.critical_objects:
        if c.id not in causes:
            continue
        (x,), (y,) = view.points(np.array([c.x_m]), np.array([c.y_m]))
        if not (-BACK_M - 3.0 < x < AHEAD_M + 3.0 and abs(y) < SIDE_M + 1.0):
            continue
        text = object_name(c)
        at_x = min(max(x, -BACK_M + 1.0), AHEAD_M - len(text) * 1.0)
        at_y = y - 3.0 if y > -SIDE_M + 6.0 else y + 4.5
        while any(abs(at_y - b) < 2.2 and abs(at_x - a) < 20.0 for a, b in taken):
            at_y -= 2.2
        taken.append((at_x, at_y))
        parts.append(f'<path class="leader" d="M{x:.2f} {y:.2f} {at_x:.2f} {at_y + 0.3:.2f}"/>')
        parts.append(f'<text class="named" x="{at_x:.2f}" y="{at_y:.2f}">{escape(text)}</text>')
    return parts
