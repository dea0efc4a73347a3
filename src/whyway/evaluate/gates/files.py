"""A report -> `result.jsonl` (driving_log_replayer_v2's shape) and `junit.xml` (what CI systems show).

`result.jsonl` has a line a frame of each log with the state so far, then a line with the log's verdict; the last line of the file is the
verdict over all. `Result.Success` of a frame says whether it and all before it are as in the reference; figures are judged on whole
logs only. Source: tier4.github.io/driving_log_replayer_v2/result_format; JUnit: the schema of Ant's JUnit task (windyroad/JUnit-Schema).
"""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from lxml import etree

from whyway.evaluate.gates.results import LogResult, Outcome, Report, Result, finite
from whyway.files import write_atomically

RESULT, JUNIT = "result.jsonl", "junit.xml"
_ILLEGAL = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML document may hold, not even escaped (XML 1.0, section 2.2)."""


def write_files(report: Report, folder: Path, now_s: float | None = None) -> tuple[Path, Path]:
    """Write both files.

    Args:
      report: what to say.
      folder: where to; it exists.
      now_s: seconds since 1970 that stand for now; None: the clock's.
    """
    now = time.time() if now_s is None else now_s
    result, junit = folder / RESULT, folder / JUNIT
    lines = (json.dumps(_plain(line)) for line in _lines(report, now))
    write_atomically(result, "".join(f"{line}\n" for line in lines))
    write_atomically(junit, _junit(report, now))
    return result, junit


# ---------------------------------------------------------------------------------------------------------- jsonl


def _lines(report: Report, now_s: float) -> Iterator[dict[str, Any]]:
    for log in report.logs:
        stamp_s = 0.0
        for stamp_ns, seen in log.frames.items():
            stamp_s = stamp_ns * 1e-9
            differing = seen["Golden"]["Total"]
            summary = f"{differing} frames not as in the reference, {seen['Flips']} flips"
            yield _line(differing == 0, summary, now_s, stamp_s, {"Log": log.name, **seen})
        results = [r.to_json() | {"detail": r.detail[:4000]} for r in log.results]
        verdict = {"Log": log.name, "Verdict": log.outcome.words, "Gates": results}
        passed = log.outcome is Outcome.PASSED
        yield _line(passed, _summary(log), now_s, stamp_s, verdict)
    if len(report.logs) != 1:
        passed = report.outcome is Outcome.PASSED
        last = {"Verdict": report.outcome.words, "Logs": {x.name: x.outcome.words for x in report.logs}}  # fmt: skip
        yield _line(passed, report.summary(), now_s, 0.0, last)


def _line(success: bool, summary: str, now_s: float, stamp_s: float, frame: Any) -> dict[str, Any]:
    return {
        "Result": {"Success": success, "Summary": summary},
        "Stamp": {"System": now_s, "ROS": stamp_s},
        "Frame": frame,
    }


def _summary(log: LogResult) -> str:
    bad = [r for r in log.results if r.outcome is not Outcome.PASSED]
    told = "; ".join(f"{r.name}: {r.text}" for r in bad)
    return f"{log.outcome.words}: {told or f'{len(log.results)} gates'}"


def _plain(value: Any) -> Any:
    """JSON has no NaN and no infinity: null stands for them."""
    if isinstance(value, dict):
        return {key: _plain(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return finite(value)


# ---------------------------------------------------------------------------------------------------------- JUnit


def _junit(report: Report, now_s: float) -> str:
    root = etree.Element("testsuites")
    when = datetime.fromtimestamp(now_s, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
    for number, log in enumerate(report.logs):
        suite = _element(
            root,
            "testsuite",
            package="whyway.gates",
            id=str(number),
            name=log.name,
            timestamp=when,
            hostname=socket.gethostname() or "localhost",
            tests=str(len(log.results)),
            failures=str(sum(r.outcome is Outcome.FAILED for r in log.results)),
            errors=str(sum(r.outcome is Outcome.NOT_JUDGED for r in log.results)),
            time=f"{log.wall_s:.3f}",
        )
        properties = _element(suite, "properties")
        _element(properties, "property", name="log", value=str(log.path))
        _element(properties, "property", name="gates", value=str(report.gates))
        for result in log.results:
            _case(suite, log, result, report.remedy)
        _element(suite, "system-out").text = _legal(report.remedy)
        _element(suite, "system-err")
    text: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)
    return text.decode()


def _case(suite: etree._Element, log: LogResult, result: Result, remedy: str) -> None:
    each_s = log.wall_s / len(log.results)
    case = _element(
        suite,
        "testcase",
        name=result.name,
        classname=f"whyway.gates.{result.kind}",
        time=f"{each_s:.3f}",
    )
    if result.outcome is Outcome.PASSED:
        return
    tag = "failure" if result.outcome is Outcome.FAILED else "error"
    child = _element(case, tag, message=result.text, type=result.kind)
    golden = result.kind == "golden" and result.outcome is Outcome.FAILED
    lines = [result.text, f"allowed: {result.limit}" if result.limit else "", result.detail]
    lines.append(f"if this is meant: {remedy}" if golden else "")
    child.text = _legal("\n".join(filter(None, lines)))


def _element(parent: etree._Element, tag: str, **attributes: str) -> etree._Element:
    return etree.SubElement(parent, tag, {k: _legal(v) for k, v in attributes.items()})


def _legal(text: str) -> str:
    return _ILLEGAL.sub("�", text)
