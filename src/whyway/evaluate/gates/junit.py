"""A report -> `junit.xml`, which CI systems show: a suite a log, a case a gate; what could not be judged is an error, as there.

Source: the schema of Ant's JUnit task (windyroad/JUnit-Schema, JUnit.xsd).
"""

from __future__ import annotations

import re
import socket
from datetime import datetime, timezone
from pathlib import Path

from lxml import etree

from whyway.evaluate.gates.results import LogResult, Outcome, Report, Result
from whyway.files import write_atomically

JUNIT = "junit.xml"
_ILLEGAL = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML document may hold, not even escaped (XML 1.0, section 2.2)."""


def write_junit(report: Report, folder: Path, now_s: float) -> Path:
    """Write the file into a folder; `now_s` is seconds since 1970."""
    path = folder / JUNIT
    write_atomically(path, _junit(report, now_s))
    return path


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
