"""Which moments of a drive deserve a picture: what went wrong, what safety did, where the mind changed, how close it came."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from whyway.evaluate.drive import Drive
from whyway.evaluate.score import SceneScore
from whyway.evaluate.supervision import GAP_S
from whyway.geometry import box_corners, distance_to_box
from whyway.types import Direction, Floats, Lateral, Longitudinal, Trace

HOLDS_S = 0.5
"""A decision that changes back sooner than this is no change."""

APART_S = 1.0
MOST = 10

Decision = tuple[Longitudinal, Lateral, Direction]


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant of the drive and what is remarkable about it; a smaller rank is more so.

    `kind` is "bad" (what must not happen), "safety" (safety or a fault), "change" (of the decision) or "" (good to know).
    """

    index: int
    rank: float
    what: str
    kind: str = ""


def moments(
    drive: Drive, score: SceneScore, traces: tuple[Trace, ...], most: int = MOST
) -> list[Moment]:
    """The most remarkable moments in time order, at least a second apart."""
    chosen: list[Moment] = []
    apart = APART_S / drive.dt_s
    for moment in sorted(_candidates(drive, score, traces), key=lambda m: m.rank):
        if len(chosen) < most and all(abs(moment.index - m.index) >= apart for m in chosen):
            chosen.append(moment)
    return sorted(chosen, key=lambda m: m.index)


def decisions(traces: tuple[Trace, ...], start_ns: int) -> list[tuple[float, float, Decision]]:
    """Stretches of one stated decision: from, to [s], what; where traces are missing there is none."""
    found: list[tuple[float, float, Decision]] = []
    for trace in traces:
        t = (trace.stamp_ns - start_ns) * 1e-9
        p = trace.planning
        said = (p.longitudinal, p.lateral, p.direction)
        goes_on = bool(found) and t - found[-1][1] <= GAP_S
        if goes_on:
            found[-1] = (found[-1][0], t, found[-1][2])
        if not goes_on or found[-1][2] != said:
            found.append((t, t, said))
    return found


def box_gap(drive: Drive) -> Floats:
    """Distance `(T,)` from the ego's box to the nearest actor's outline, about: corners of each against the other's box."""
    if not len(drive.actors.ids):
        return np.full(drive.count, np.inf)
    a = drive.actors
    their_boxes = (a.x_m, a.y_m, a.yaw_rad, a.length_m, a.width_m)
    theirs = box_corners(*their_boxes)  # (T, A, 4, 2)
    x, y, yaw = (v[:, None, None] for v in (*drive.center, drive.yaw_rad))
    of_theirs = distance_to_box(
        theirs[..., 0], theirs[..., 1], x, y, yaw, drive.length_m, drive.width_m
    )
    ours = drive.corners[:, None]  # (T, 1, 4, 2)
    of_ours = distance_to_box(ours[..., 0], ours[..., 1], *(v[..., None] for v in their_boxes))
    gap = np.minimum(of_theirs, of_ours)
    nearest: Floats = np.where(np.isnan(gap), np.inf, gap).min(axis=(1, 2))
    return nearest


def _candidates(drive: Drive, score: SceneScore, traces: tuple[Trace, ...]) -> list[Moment]:
    def index(at_s: float) -> int:
        return int(np.clip(np.searchsorted(drive.t_s, at_s - 1e-6), 0, drive.count - 1))

    found = []
    driven = score.driving if score.open_loop is None else None  # else a person drove
    for c in driven.contacts if driven else ():
        whose = "at fault" if c.at_fault else "not at fault"
        kind = c.kind.lower().replace("_", " ")
        found.append(
            Moment(
                index(c.at_s), 0.0, f"collision with actor {c.actor_id} ({kind}, {whose})", "bad"
            )
        )
    found += [
        Moment(index(t), 0.0, f"ran the red light {i}", "bad")
        for t, i in (driven.red_lights_run if driven else ())
    ]
    found += [
        Moment(index(t), 0.1, "off the road", "bad")
        for t in (driven.off_road_s[:1] if driven else ())
    ]
    for i in score.interventions:
        what = i.state.lower().replace("_", " ")
        text = f"safety: {what}, {i.reason or i.fault.lower()}"
        found.append(Moment(index(i.from_s), 1.0, text, "safety"))
    found += [
        Moment(index(e.at_s), 1.5, f"{e.source}: {e.fault.lower().replace('_', ' ')}", "safety")
        for e in score.events
    ]
    held = [d for d in decisions(traces, int(drive.stamps_ns[0])) if d[1] - d[0] >= HOLDS_S]
    for before, after in zip(held, held[1:], strict=False):
        if before[2] != after[2]:
            # a decision that is held longer is worth more of a picture
            rank = 2.0 + 1.0 / (1.0 + after[1] - after[0])
            found.append(Moment(index(after[0]), rank, _change(before[2], after[2]), "change"))
    gap = box_gap(drive)
    if np.isfinite(gap.min()):
        moving = np.where(drive.v_mps > 0.5, gap, np.inf)
        closest = int(np.argmin(moving if np.isfinite(moving.min()) else gap))
        if gap[closest] > 0.0:  # else it is a contact, and told as such
            found.append(
                Moment(closest, 2.1, f"closest to another road user: {gap[closest]:.1f} m")
            )
    if traces:
        found.append(Moment(min(5, drive.count - 1), 2.6, "the start"))
    return found


def _change(before: Decision, after: Decision) -> str:
    def words(d: Decision) -> str:
        text = d[0].name.lower().replace("_", " ")
        if d[1] != Lateral.KEEP_LANE:
            side = f" {d[2].name.lower()}" if d[2] != Direction.NONE else ""
            text += f", {d[1].name.lower().replace('_', ' ')}{side}"
        return text

    return f"{words(before)} → {words(after)}"
