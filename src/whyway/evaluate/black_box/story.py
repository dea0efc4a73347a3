"""The black box: the moments of a drive that matter to whoever finds the car in the morning. From the log alone.

What went wrong comes first when there is too much to tell: collisions, red lights, the road left; safety's interventions, faults, words
that were missing or contradicted; then where the car came to a stand, and where its mind changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from whyway.evaluate.black_box.explain import span
from whyway.evaluate.drive import Drive, ScoreError, read_drive
from whyway.evaluate.driving.pdms import DrivingScore, driving_score
from whyway.evaluate.moments import RANK, Moment, moments
from whyway.evaluate.plain import plain
from whyway.evaluate.score import from_handover
from whyway.evaluate.traces.faithfulness import Faithfulness, faithfulness
from whyway.log import Log

MOST = 30


@dataclass(frozen=True, slots=True)
class Story:
    """The moments in the order of time; `left_out` says how many of the least telling are missing, `unjudged` why nothing is said of
    how it drove (no truth, say).
    """

    duration_s: float
    moments: tuple[Moment, ...]
    left_out: int
    unjudged: str
    truncated: str

    def to_json(self) -> dict[str, Any]:
        """Everything, as plain values."""
        values: dict[str, Any] = plain(self)
        return values


def story(log: Log, most: int = MOST) -> Story:
    """The moments that matter, at most so many.

    Raises:
      ExplainError: nothing was decided in the log.
    """
    times = span(log)
    drive, driving, words, unjudged = _judged(log)
    found = moments(log, times.start_ns, drive, driving, words)
    chosen = sorted(found, key=lambda m: m.rank)[:most]
    in_time = sorted(chosen, key=lambda m: (m.at_s, RANK[m.kind]))
    return Story(
        times.duration_s, tuple(in_time), len(found) - len(chosen), unjudged, log.truncated
    )


def _judged(log: Log) -> tuple[Drive | None, DrivingScore | None, Faithfulness | None, str]:
    """The arrays, how it drove and what came of its words; and why one of these is missing, if one is."""
    try:
        drive = read_drive(log)
    except ScoreError as error:
        return None, None, None, str(error)
    words = faithfulness(log, drive.road)
    if log.info.get("notes", {}).get("open_loop") == "yes":
        return drive, None, words, "it was a recording of somebody else's driving"
    return drive, driving_score(from_handover(log, drive)), words, ""
