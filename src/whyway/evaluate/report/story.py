"""What happened in a drive, in a few sentences for someone who has never seen it: what went wrong, what was seen, said and done before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from whyway.evaluate.drive import Drive
from whyway.evaluate.driving.pdms import Contact
from whyway.evaluate.report.picture import UNSEEN_M, Instants, cited
from whyway.evaluate.score import SceneScore
from whyway.trace import sentence
from whyway.types import LightColor, ObjectClass

LEAD_S = 1.0
"""A page opens this long before what went wrong."""
LOOK_BACK_S = 5.0
STANDS_MPS, STOOD_S = 0.3, 5.0
"""A drive that ends with so long a standstill ends there."""

_HOW = {
    "FRONT": "with its front",
    "LATERAL": "with its side",
    "REAR": "hit from behind",
    "STOPPED_EGO": "while it stood",
    "STOPPED_TRACK": "which stood still",
}


@dataclass(frozen=True, slots=True)
class Story:
    """`headline` in a few words, `lines` that explain it, and the instant at which it happened (None: nothing did)."""

    headline: str
    lines: tuple[str, ...]
    index: int | None

    def opens_at(self, dt_s: float) -> int:
        """The instant at which a page opens: a second before it happened, else the start."""
        return 0 if self.index is None else max(0, self.index - round(LEAD_S / dt_s))


def story(drive: Drive, score: SceneScore, instants: Instants) -> Story:
    """The story of a drive; of a replayed one no word on how the recorded driver drove."""
    teller = _Teller(drive, score, instants)
    first = teller.first_contradiction() if score.open_loop else teller.first_failure()
    if first is not None:
        index, headline, lines = first
        lines += teller.before(index)
        return Story(headline, (*lines, *teller.also()), index)
    headline = score.verdict[:1].upper() + score.verdict[1:]
    stood = None if score.open_loop else teller.stood_from()
    if stood is None:
        return Story(headline, tuple(teller.also()), None)
    waited = f"It stood from {drive.t_s[stood]:.1f} s to the end, saying: {teller.saying(stood)}"
    came_short = not score.passed or score.route_completion < 0.99
    return Story(headline, (waited, *teller.also()), stood if came_short else None)


class _Teller:
    """Finds what to tell of one drive."""

    def __init__(self, drive: Drive, score: SceneScore, instants: Instants) -> None:
        self.drive, self.score, self.instants = drive, score, instants

    def index(self, at_s: float) -> int:
        """The instant at a time."""
        return int(np.clip(np.searchsorted(self.drive.t_s, at_s - 1e-6), 0, self.drive.count - 1))

    def first_failure(self) -> tuple[int, str, list[str]] | None:
        """The first thing that must not happen: instant, headline, what is known of it."""
        d, found = self.score.driving, list[tuple[float, str, list[str]]]()
        for c in d.contacts:
            if c.at_fault:
                who = f"{self.kind_of(c)} (actor {c.actor_id})"
                text = f"Ran into a {who} at {c.at_s:.1f} s, {_HOW.get(c.kind, '')}".rstrip(", ")
                found.append((c.at_s, text, self.contact(c)))
                break
        for at_s, light in d.red_lights_run[:1]:
            found.append(
                (at_s, f"Ran the red light {light} at {at_s:.1f} s", self.red(at_s, light))
            )
        if d.drivable_area_compliance < 1.0:
            at_s = d.off_road_s[0]
            found.append((at_s, f"Left the road at {at_s:.1f} s", []))
        if d.driving_direction_compliance < 1.0 and self.drive.oncoming.any():
            at_s = float(self.drive.t_s[int(np.argmax(self.drive.oncoming))])
            found.append((at_s, f"Drove in an oncoming lane from {at_s:.1f} s on", []))
        if not found:
            return None
        at_s, text, lines = min(found, key=lambda f: f[0])
        return self.index(at_s), text, lines

    def first_contradiction(self) -> tuple[int, str, list[str]] | None:
        """The first time that a watched driver's words were wrong: instant, headline, what is known of it."""
        f = self.score.faithfulness
        wrong = [*f.contradictions_at_s[:1], *f.ungrounded_at_s[:1]]
        if self.score.passed or not wrong:
            return None
        return self.index(min(wrong)), self.score.verdict.removeprefix("failed: ").capitalize(), []

    def kind_of(self, contact: Contact) -> str:
        """The word for it: car, pedestrian ..."""
        (column,) = np.flatnonzero(self.drive.actors.ids == contact.actor_id)
        return ObjectClass(int(self.drive.actors.object_class[column])).name.lower()

    def contact(self, c: Contact) -> list[str]:
        """How fast both were, and what perception and the trace knew of the other."""
        drive, i = self.drive, self.index(c.at_s)
        (column,) = np.flatnonzero(drive.actors.ids == c.actor_id)
        other = abs(float(drive.actors.v_mps[i, column])) * 3.6
        theirs = "which stood still" if other < 1.0 else f"which moved at {other:.0f} km/h"
        speed = float(drive.v_mps[i]) * 3.6
        lines = [f"It drove {speed:.0f} km/h when it touched the {self.kind_of(c)}, {theirs}."]
        return [*lines, self.known(i, int(column))]

    def known(self, i: int, column: int) -> str:
        """Whether an actor was tracked, and whether the trace cited it, in the seconds before."""
        drive, tracked, named = self.drive, list[int](), list[int]()
        track_id = 0
        for k in range(max(0, i - round(LOOK_BACK_S / drive.dt_s)), i + 1):
            x, y = drive.actors.x_m[k, column], drive.actors.y_m[k, column]
            instant = self.instants.at(k)
            objects = () if instant.scene is None else instant.scene.objects
            near = [(float(np.hypot(o.x_m - x, o.y_m - y)), o.id) for o in objects]
            if near and min(near)[0] <= UNSEEN_M:
                tracked.append(k)
                track_id = min(near)[1]
                if track_id in cited(instant)[0]:
                    named.append(k)
        if not tracked:
            return "Perception had no track of it in the seconds before."
        since = f"Perception tracked it (as object {track_id})"
        lost = "" if tracked[-1] >= i - 1 else f" until {drive.t_s[tracked[-1]]:.1f} s"
        if not named:
            return f"{since}{lost}, but no decision of the last {LOOK_BACK_S:.0f} s cited it."
        before = (i - named[0]) * drive.dt_s
        return f"{since}{lost}, and the trace cited it as a cause, first {before:.1f} s before."

    def red(self, at_s: float, light: int) -> list[str]:
        """How long the light had been red, and what the trace said of it."""
        i, colors = self.index(at_s), self.drive.lights.get(light)
        lines = []
        if colors is not None:
            red = colors[: i + 1] == int(LightColor.RED)
            since = int(len(red) - np.argmin(red[::-1])) if not red.all() else 0
            lines.append(f"It had been red for {(i - since) * self.drive.dt_s:.1f} s.")
        trace = self.instants.at(max(0, i - 1)).trace
        if trace is not None:
            lines.append(f"The trace took it for {trace.perception.traffic_light.name.lower()}.")
        return lines

    def before(self, i: int) -> list[str]:
        """What was said a second before, and what safety did."""
        at = max(0, i - round(LEAD_S / self.drive.dt_s))
        lines = [f"A second before it said: {self.saying(at)}"]
        if self.score.open_loop is not None:
            return lines  # its commands went nowhere
        t = float(self.drive.t_s[i])
        near = [x for x in self.score.interventions if x.to_s > t - LOOK_BACK_S and x.from_s <= t]
        if not near:
            lines.append(f"Safety let every command of the {LOOK_BACK_S:.0f} s before through.")
        else:
            what, when = near[0].state.lower().replace("_", " "), t - near[0].from_s
            reason = near[0].reason or near[0].fault.lower().replace("_", " ")
            lines.append(f"Safety: {what}, {max(when, 0.0):.1f} s before ({reason}).")
        return lines

    def saying(self, i: int) -> str:
        """The sentence at an instant, in quotes."""
        trace = self.instants.at(i).trace
        return "nothing: there is no trace." if trace is None else f"“{sentence(trace)}”."

    def stood_from(self) -> int | None:
        """Where the standstill began that the drive ends with; None if there is none worth telling."""
        moving = np.flatnonzero(np.abs(self.drive.v_mps) > STANDS_MPS)
        start = int(moving[-1]) + 1 if len(moving) else 0
        stands_s = (self.drive.count - 1 - start) * self.drive.dt_s
        return start if stands_s >= STOOD_S else None

    def also(self) -> list[str]:
        """What else must be known: other failures, contacts by others' fault, words against deeds, faults."""
        d, f, lines = self.score.driving, self.score.faithfulness, list[str]()
        if self.score.open_loop is None:
            reasons = self.score.verdict.removeprefix("failed: ").split("; ")
            if len(reasons) > 1:
                lines.append(f"The whole verdict: {'; '.join(reasons)}.")
            lines += [
                f"Touched by a {self.kind_of(c)} (actor {c.actor_id}) at {c.at_s:.1f} s, not by its own fault."
                for c in d.contacts[:3]
                if not c.at_fault
            ]
        if f.contradictions_at_s:
            count, first = len(f.contradictions_at_s), f.contradictions_at_s[0]
            lines.append(
                f"{count} of {f.cycles} plans did the opposite of what was said, first at {first:.1f} s."
            )
        if f.ungrounded_at_s:
            count, first = len(f.ungrounded_at_s), f.ungrounded_at_s[0]
            lines.append(
                f"{count} of {f.cycles} traces cited what was not there, first at {first:.1f} s."
            )
        faults = [e for e in self.score.events if e.fault != "NONE"]
        lines += [
            f"{e.source}: {e.fault.lower().replace('_', ' ')} at {e.at_s:.1f} s."
            for e in faults[:2]
        ]
        return lines
