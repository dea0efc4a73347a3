"""Which moments of a drive the page has a button for: the most telling ones, not too many and not too near to each other."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from whyway.evaluate.drive import Drive
from whyway.evaluate.moments import Moment

APART_S = 1.0
MOST = 10

_KIND = {
    "collision": "bad", "red light": "bad", "off road": "bad",
    "safety": "safety", "fault": "safety", "silence": "safety", "contradiction": "safety", "decision": "change",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Button:
    """An instant to jump to. `kind` is its colour: "bad" (what must not happen), "safety" (safety, a fault, words that are
    missing or wrong), "change" (of the decision) or "" (good to know).
    """

    index: int
    text: str
    kind: str


def buttons(found: Iterable[Moment], drive: Drive, most: int = MOST) -> list[Button]:
    """The most telling moments in time order, at least a second apart; times count from the drive's first instant."""
    chosen: list[Button] = []
    apart = APART_S / drive.dt_s
    for moment in sorted(found, key=lambda m: m.rank):
        button = Button(drive.index(moment.at_s), _text(moment), _KIND.get(moment.kind, ""))
        far = all(abs(button.index - b.index) >= apart for b in chosen)
        if len(chosen) < most and far and button.text:
            chosen.append(button)
    return sorted(chosen, key=lambda b: b.index)


def _text(moment: Moment) -> str:
    if moment.kind == "start":
        return "the start"
    return f"safety: {moment.what}" if moment.kind == "safety" else moment.what
