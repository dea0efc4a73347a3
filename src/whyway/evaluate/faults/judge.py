"""The log of a drive under a fault -> what came of it, and of its promise. From logs alone: the drive's and that without the fault."""

from __future__ import annotations

import bisect
import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whyway import topics
from whyway.config import Config, override
from whyway.evaluate.drive import Drive, read_drive
from whyway.evaluate.driving.pdms import DrivingScore, driving_score
from whyway.evaluate.faults.promise import Promise, promise
from whyway.evaluate.moments import STANDS_MPS
from whyway.log import Log
from whyway.types import Floats, Observation, SafetyState, Verdict
from whyway.worlds.faults import Injection

Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Result:
    """One drive.

    Attributes:
      pdms: the driving score.
      collisions: at-fault ones.
      harm: what the ego did that it must not, whatever the cause: at-fault collisions and leaving the road; "" for nothing.
      fallback_share: of the time since the fault began, in which safety or the vehicle itself braked; 0 without a fault.
      reacted_s: from the fault's beginning to the first fallback; None if there was none.
      within_s: what is promised for that; None if nothing is.
      late: how the promise was broken, in words; "" if it was kept.
      harmless: whether no harm is promised.
    """

    pdms: float
    collisions: int
    harm: str
    fallback_share: float
    reacted_s: float | None
    within_s: float | None
    late: str
    harmless: bool

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return dataclasses.asdict(self)


def judge(log: Log, injection: Injection | None) -> Result:
    """What came of a drive; `injection` is the one fault in it, None if there was none.

    Raises:
      ScoreError: the log cannot be judged.
    """
    drive = read_drive(log)
    score = driving_score(drive)
    at_fault = sum(c.at_fault for c in score.contacts)
    if injection is None:
        return Result(score.pdms, at_fault, _harm(score), 0.0, None, None, "", True)
    config = override(Config(), log.info["config"])
    t_s = drive.stamps_ns * 1e-9
    falls = fallback(log, drive, config)
    during = t_s >= injection.from_s - 1e-6
    first = np.flatnonzero(falls & during)
    begun = int(np.argmax(during)) if during.any() else len(t_s) - 1
    promised = promise(injection, config, float(drive.v_mps[begun]))
    reacted_s = float(t_s[first[0]] - injection.from_s) if len(first) else None
    return Result(
        pdms=score.pdms,
        collisions=at_fault,
        harm=_harm(score),
        fallback_share=float(falls[during].mean()) if during.any() else 0.0,
        reacted_s=reacted_s,
        within_s=promised.within_s,
        late=_broken(promised, injection, log, drive, falls, float(drive.v_mps[begun])),
        harmless=promised.harmless,
    )


def _harm(score: DrivingScore) -> str:
    reasons = [
        f"ran into actor {c.actor_id} at {c.at_s:.1f} s" for c in score.contacts if c.at_fault
    ]
    if score.off_road_s:
        reasons.append(f"left the road at {score.off_road_s[0]:.1f} s")
    return "; ".join(reasons)


def fallback(log: Log, drive: Drive, config: Config) -> Bools:
    """At each instant of the drive `(T,)`, whether safety did not let the command through or the vehicle braked by itself.

    The log tells the world's time of every verdict, whatever stamp the fault gave it.
    """
    at, verdicts = log.stamps_ns[topics.VERDICT.name], log.of(Verdict, topics.VERDICT.name)
    alone_ns = round(config.sim.command_timeout_s * 1e9)
    falls = np.zeros(drive.count, dtype=np.bool_)
    for k, stamp in enumerate(drive.stamps_ns.tolist()):
        last = bisect.bisect_right(at, stamp) - 1
        if last < 0:
            continue
        silent = stamp - at[last] >= alone_ns
        falls[k] = silent or verdicts[last].state != SafetyState.NOMINAL
    return falls


def _broken(
    promised: Promise, i: Injection, log: Log, drive: Drive, falls: Bools, v_mps: float
) -> str:
    stands_s = promised.stands_within_s(v_mps)
    if promised.within_s is None or stands_s is None:
        return ""
    t_s: Floats = np.asarray(drive.stamps_ns * 1e-9, dtype=np.float64)
    due, end = i.from_s + promised.within_s, min(i.to_s, float(t_s[-1]))
    if promised.needs_view and not _seen_all_the_while(log, i.from_s, end):
        return ""
    stands = i.from_s + stands_s
    fast = np.abs(drive.v_mps) >= STANDS_MPS
    stood = np.flatnonzero(~fast & (t_s > i.from_s))
    if not promised.lasts and len(stood):
        end = min(end, float(t_s[stood[0]]))
    open_road = (t_s > due + 1e-6) & (t_s < end - 1e-6) & fast & ~falls
    if open_road.any():
        at = float(t_s[open_road][0])
        return f"drives on at {at:.1f} s, though a fallback is promised from {due:.1f} s"
    moving = fast & (t_s > stands) & (t_s < end - 1e-6)
    if moving.any():
        at, v = float(t_s[moving][0]), float(drive.v_mps[moving][0])
        return f"still drives {v:.1f} m/s at {at:.1f} s, though a stand is promised from {stands:.1f} s"
    return ""


def _seen_all_the_while(log: Log, from_s: float, to_s: float) -> bool:
    """Whether somebody was detected in every observation of a stretch: of an empty view nothing can be told."""
    name = topics.OBSERVATION.name
    seen = zip(log.stamps_ns[name], log.of(Observation, name), strict=True)
    return all(o.detections for at, o in seen if from_s - 1e-6 <= at * 1e-9 <= to_s)
