"""Which cycles of a drive are kept: those around a change of words or deeds, rare decisions sooner, and few where nothing happens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from whyway.trace.meta_actions import MetaActions
from whyway.types import CYCLE_S, CauseKind, Decision, Floats, Lateral, Longitudinal

AROUND = 1
"""Cycles before and after a change that are as telling as the change."""
CHANGED, MOVED = 6.0, 2.5
"""How much likelier a cycle is kept at a change of words, or of deeds alone, than one in which all is as before."""
DISAGREES = 6.0
"""And one in which the expert would not have decided what the driver did."""
FADES_S = 0.5
"""A decision that has stood so long is half as telling."""
RARE_LONGITUDINAL = {
    Longitudinal.GAP_SEARCH: 8.0, Longitudinal.PASS: 12.0, Longitudinal.YIELD: 2.0, Longitudinal.ADAPT_SPEED: 2.0,
}  # fmt: skip
RARE_LATERAL = {
    Lateral.LANE_CHANGE: 4.0, Lateral.NUDGE: 3.0, Lateral.MERGE: 4.0, Lateral.SPLIT: 4.0, Lateral.TURN: 1.5,
}  # fmt: skip
RARE_CAUSE = {
    CauseKind.VISIBILITY: 3.0, CauseKind.STOP_SIGN: 3.0, CauseKind.ROAD_WORK: 3.0, CauseKind.TRAFFIC_LIGHT: 2.0,
    CauseKind.CURVATURE: 1.5,
}  # fmt: skip
RARE_CITED = (1.0, 1.5, 2.5)
"""By how many road users are cited; the last holds for more."""
"""How much likelier a cycle with one of these is kept; the largest counts. Everything else: 1."""


@dataclass(frozen=True, slots=True)
class Gist:
    """What of a cycle decides whether it is kept."""

    decision: Decision
    causes: frozenset[tuple[CauseKind, int]]
    done: MetaActions | None
    """None off the lanes."""
    cited: int = 0
    """Road users."""
    agrees: bool = True
    """Whether driver and expert decide the same."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A cycle that is kept: which, and whether something changes there."""

    index: int
    changed: bool


def changes(gists: Sequence[Gist]) -> list[float]:
    """For each cycle: `CHANGED` if anything is said otherwise than in the one before, `MOVED` if only done otherwise, else 0, as the first."""
    found = [0.0, *(_change(a, b) for a, b in zip(gists, gists[1:], strict=False))]
    return found[: len(gists)]


def _change(before: Gist, now: Gist) -> float:
    if (before.decision, before.causes) != (now.decision, now.causes):
        return CHANGED
    return MOVED if before.done != now.done else 0.0


def choose(
    gists: Sequence[Gist], keyframes_per_s: float, rng: np.random.Generator
) -> tuple[Chosen, ...]:
    """The keyframes among the cycles of one stretch of a drive, in order.

    Drawn without replacement, by weights (Efraimidis and Spirakis 2006: the largest u^(1/w)). There are `keyframes_per_s` of them, or
    fewer: as many as there is news, where a cycle that only repeats what has stood for long is little news.

    Args:
      gists: one per cycle.
      keyframes_per_s: at most so many.
      rng: draws.
    """
    if not gists:
        return ()
    new = changes(gists)
    news = _news(gists, new)
    weights = news * [_rarity(gist) for gist in gists]
    most = round(keyframes_per_s * CYCLE_S * len(gists))
    count = min(most, round(float(np.minimum(news, 1.0).sum())))
    keys = np.log(rng.random(len(gists))) / weights
    kept = np.sort(np.argsort(-keys, kind="stable")[: max(count, 1)])
    return tuple(Chosen(int(i), new[i] > 0.0) for i in kept)


def _news(gists: Sequence[Gist], new: Sequence[float]) -> Floats:
    """How much each cycle tells that the ones before it did not."""
    since_s = 0.0
    found = np.zeros(len(gists))
    for i, gist in enumerate(gists):
        since_s = 0.0 if new[i] else since_s + CYCLE_S
        near = max(new[max(0, i - AROUND) : i + AROUND + 1])
        found[i] = near or 1.0 / (1.0 + since_s / FADES_S)
        found[i] *= 1.0 if gist.agrees else DISAGREES
    return found


def _rarity(gist: Gist) -> float:
    longitudinal, lateral, _ = gist.decision
    kinds = (RARE_CAUSE.get(kind, 1.0) for kind, _ in gist.causes)
    cited = RARE_CITED[min(gist.cited, len(RARE_CITED) - 1)]
    return max(
        cited, RARE_LONGITUDINAL.get(longitudinal, 1.0), RARE_LATERAL.get(lateral, 1.0), *kinds
    )
