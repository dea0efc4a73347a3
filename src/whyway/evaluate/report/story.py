"""What happened in a drive, in a few sentences for someone who has never seen it: what went wrong, what was seen, said and done before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from whyway.evaluate.contacts import LOOK_BACK_S, column, kind_of, known, met
from whyway.evaluate.drive import Drive
from whyway.evaluate.driving.pdms import Contact
from whyway.evaluate.instants import Instants
from whyway.evaluate.moments import stands
from whyway.evaluate.score import SceneScore
from whyway.trace.sentences import in_words, sentence
from whyway.types import LightColor

LEAD_S = 1.0
"""A page opens this long before what went wrong."""
STOOD_S = 5.0
"""A drive that ends with so long a standstill ends there."""


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
    headline = _capital(score.verdict)
    stood = None if score.open_loop else teller.stood_from()
    if stood is None:
        return Story(headline, tuple(teller.also()), None)
    waited = f"It stood from {drive.t_s[stood]:.1f} s to the end, saying: {teller.saying(stood)}"
    came_short = not score.passed or score.route_completion < 0.99
    return Story(headline, (waited, *teller.also()), stood if came_short else None)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


class _Teller:
    """Finds what to tell of one drive."""

    def __init__(self, drive: Drive, score: SceneScore, instants: Instants) -> None:
        self.drive, self.score, self.instants = drive, score, instants

    def first_failure(self) -> tuple[int, str, list[str]] | None:
        """The first thing that must not happen: instant, headline, what is known of it."""
        d, found = self.score.driving, list[tuple[float, str, list[str]]]()
        for c in d.contacts:
            if c.at_fault:
                found.append((c.at_s, self.meeting(c), self.contact(c)))
                break
        for b in d.broken:
            lines = [] if b.light is None else self.red(b.at_s, b.light)
            found.append((b.at_s, _capital(f"{b.what} at {b.at_s:.1f} s"), lines))
        if d.driving_direction_compliance < 1.0 and self.drive.oncoming.any():
            at_s = float(self.drive.t_s[int(np.argmax(self.drive.oncoming))])
            found.append((at_s, f"Drove in an oncoming lane from {at_s:.1f} s on", []))
        if not found:
            return None
        at_s, text, lines = min(found, key=lambda f: f[0])
        return self.drive.index(at_s), text, lines

    def first_contradiction(self) -> tuple[int, str, list[str]] | None:
        """The first time that a watched driver's words were wrong: instant, headline, what is known of it."""
        f = self.score.faithfulness
        wrong = [*f.contradictions_at_s[:1], *f.ungrounded_at_s[:1]]
        if self.score.passed or not wrong:
            return None
        return (
            self.drive.index(min(wrong)),
            self.score.verdict.removeprefix("failed: ").capitalize(),
            [],
        )

    def meeting(self, c: Contact) -> str:
        """Who ran into whom, and when."""
        return _capital(met(self.drive, c, f" at {c.at_s:.1f} s"))

    def contact(self, c: Contact) -> list[str]:
        """How fast both were, and what perception and the trace knew of the other."""
        drive, i = self.drive, self.drive.index(c.at_s)
        other = abs(float(drive.actors.v_mps[i, column(drive, c.actor_id)])) * 3.6
        theirs = "which stood still" if other < 1.0 else f"which moved at {other:.0f} km/h"
        kind, speed = kind_of(drive, c.actor_id), float(drive.v_mps[i]) * 3.6
        lines = [f"It drove {speed:.0f} km/h when it touched the {kind}, {theirs}."]
        return [*lines, known(drive, self.instants, c)]

    def red(self, at_s: float, light: int) -> list[str]:
        """How long the light had been red, and what the trace said of it."""
        i, colors = self.drive.index(at_s), self.drive.lights.get(light)
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
            when = max(t - near[0].from_s, 0.0)
            lines.append(f"Safety: {near[0].did}, {when:.1f} s before ({near[0].why}).")
        return lines

    def saying(self, i: int) -> str:
        """The sentence at an instant, in quotes."""
        trace = self.instants.at(i).trace
        return "nothing: there is no trace." if trace is None else f"“{sentence(trace)}”."

    def stood_from(self) -> int | None:
        """Where the standstill began that the drive ends with; None if there is none worth telling."""
        stood = stands(self.drive.t_s, self.drive.v_mps)
        if not stood or stood[-1][1] < self.drive.t_s[-1] or stood[-1][1] - stood[-1][0] < STOOD_S:
            return None
        return self.drive.index(stood[-1][0])

    def also(self) -> list[str]:
        """What else must be known: other failures, contacts by others' fault, words against deeds, faults."""
        d, f, lines = self.score.driving, self.score.faithfulness, list[str]()
        if self.score.open_loop is None:
            reasons = self.score.verdict.removeprefix("failed: ").split("; ")
            if len(reasons) > 1:
                lines.append(f"The whole verdict: {'; '.join(reasons)}.")
            lines += [f"{self.meeting(c)}." for c in d.contacts[:3] if not c.at_fault]
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
        lines += [f"{e.source}: {in_words(e.fault)} at {e.at_s:.1f} s." for e in faults[:2]]
        return lines
