"""Results -> `result.jsonl`, in driving_log_replayer_v2's shape: written as the logs are judged, there once it is whole.

A line a frame of each log with the state so far, then a line with the log's verdict; the last line of the file is the verdict over all.
`Result.Success` of a frame says whether it and all before it are as in the reference; figures are judged on whole logs only.
Source: tier4.github.io/driving_log_replayer_v2/result_format.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any

from whyway.evaluate.gates.results import LogResult, Outcome, Report
from whyway.evaluate.plain import plain

RESULT = "result.jsonl"
_DETAIL = 4000
"""Of a diff so many characters; all of it is in junit.xml."""


class ResultLines:
    """Writes the file; a folder holds the old one, or none, until `end`."""

    def __init__(self, folder: Path, now_s: float) -> None:
        """Begin; `now_s`, seconds since 1970, is the system's time of every line."""
        self.path = folder / RESULT
        self._now_s = now_s
        self._beside = folder / f".{RESULT}.{os.getpid()}"
        self._stream = self._beside.open("w", encoding="utf-8")

    def take(self, log: LogResult) -> None:
        """Write a log's frames and its verdict."""
        stamp_s = 0.0
        for stamp_ns, seen in log.frames.items():
            stamp_s = stamp_ns * 1e-9
            differing = seen["Golden"]["Total"]
            summary = f"{differing} frames not as in the reference, {seen['Flips']} flips"
            self._line(differing == 0, summary, stamp_s, {"Log": log.name, **seen})
        results = [r.to_json() | {"detail": r.detail[:_DETAIL]} for r in log.results]
        verdict = {"Log": log.name, "Verdict": log.outcome.words, "Gates": results}
        self._line(log.outcome is Outcome.PASSED, _summary(log), stamp_s, verdict)

    def end(self, report: Report) -> None:
        """Write the verdict over all, if there is more than one, and let the file be seen."""
        if len(report.logs) != 1:
            verdicts = {log.name: log.outcome.words for log in report.logs}
            whole = {"Verdict": report.outcome.words, "Logs": verdicts}
            self._line(report.outcome is Outcome.PASSED, report.summary(), 0.0, whole)
        self._stream.close()
        self._beside.replace(self.path)

    def _line(self, success: bool, summary: str, stamp_s: float, frame: Any) -> None:
        line = {
            "Result": {"Success": success, "Summary": summary},
            "Stamp": {"System": self._now_s, "ROS": stamp_s},
            "Frame": plain(frame, digits=None),
        }
        self._stream.write(json.dumps(line) + "\n")

    def __enter__(self) -> ResultLines:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self._stream.close()
        self._beside.unlink(missing_ok=True)


def _summary(log: LogResult) -> str:
    bad = [r for r in log.results if r.outcome is not Outcome.PASSED]
    told = "; ".join(f"{r.name}: {r.text}" for r in bad)
    return f"{log.outcome.words}: {told or f'{len(log.results)} gates'}"
