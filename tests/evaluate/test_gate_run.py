"""`whyway gate`: verdicts and exit codes, references that are missing or renewed, and the files it leaves for machines."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import pytest
from lxml import etree
from made_drives import Made, a_plan, a_trace, straight

from whyway.cli import main
from whyway.evaluate.gates.error import GateError
from whyway.evaluate.gates.jsonl import ResultLines
from whyway.evaluate.gates.junit import write_junit
from whyway.evaluate.gates.results import LogResult, Outcome, Report, Result, overall
from whyway.evaluate.gates.run import run_gates
from whyway.evaluate.gates.schema import read_gates
from whyway.log import LogWriter
from whyway.types import Longitudinal

EGO = straight(0.0, 8.0)
GATES = """
golden: [{reference: "refs/{name}.mcap", topics: [trace, plan]}]
semantic: [{limits: {flips_per_minute: {at_most: 5, rise: 1}}, reference: "refs/{name}.mcap"}]
budget: [{rates: {trace: {at_least: 9.5}}}]
"""


@pytest.fixture
def gates(tmp_path):
    path = tmp_path / "gates.yaml"
    path.write_text(GATES)
    return path


@pytest.fixture
def log(made):
    return drive(made)


def drive(made: Made, decision=lambda t: Longitudinal.RESUME_SPEED, spoil=lambda plan: plan) -> Path:  # fmt: skip
    log = made.drive(
        EGO,
        duration_s=5.0,
        say=lambda t: a_trace(t, EGO, decision(t)),
        plan=lambda t: spoil(a_plan(t, EGO)),
    )
    return log.path


def blessed(gates: Path, log: Path) -> None:
    """Take a log for the reference."""
    run_gates(read_gates(gates), [log], update=True)


def as_before(log: Path, new: Path) -> Path:
    """Another log under the name of an earlier one."""
    new.replace(log)
    return log


def flipping(t: float) -> Longitudinal:
    return Longitudinal.STOP if round(t * 10) % 2 else Longitudinal.RESUME_SPEED


def gate(capsys, *words: object) -> tuple[int, str]:
    code = main(["gate", *map(str, words)])
    return code, capsys.readouterr().out


# ------------------------------------------------------------------------------------------------------ verdicts


def test_without_a_reference_nothing_is_passed_and_the_remedy_is_told(gates, log, tmp_path, capsys):
    code, told = gate(capsys, gates, log, "--out", tmp_path / "o")
    assert code == 2
    assert f"no reference {gates.parent / 'refs' / log.name}; --update-refs writes it" in told


def test_update_refs_then_pass(gates, log, tmp_path, capsys):
    code, told = gate(capsys, gates, log, "--out", tmp_path / "o", "--update-refs")
    assert code == 0 and f"written from {log}: new" in told
    code, told = gate(capsys, gates, log, "--out", tmp_path / "o")
    assert code == 0 and "passed: 4 passed over 1 logs" in told and "--update-refs" not in told


def test_a_log_that_differs_fails_and_the_exact_remedy_is_told_which_then_works(
    gates, log, made, tmp_path, capsys, monkeypatch
):
    blessed(gates, log)
    log = as_before(log, drive(made, flipping))
    code, told = gate(capsys, gates, log, "--out", tmp_path / "o")
    assert code == 1
    lines = told.splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("failed"))
    assert first == 1, "failures come first"
    assert "expected RESUME_SPEED  got STOP" in told
    remedy = lines[lines.index("if this is meant, take it for the new reference:") + 1].strip()
    assert remedy == f"whyway gate {gates} {log} --update-refs"
    # the new reference is taken, though nervous it still is
    code, told = gate(capsys, *remedy.split()[2:], "--out", tmp_path / "o")
    assert "25 of 51 frames differ" in told and code == 1
    failed = [line for line in told.splitlines() if line.startswith("failed ")]
    assert len(failed) == 1 and "flips_per_minute" in failed[0] and "at most 5" in failed[0]


def test_a_reference_that_would_not_change_is_left_as_it_is(gates, log):
    blessed(gates, log)
    reference = gates.parent / "refs" / log.name
    before = reference.stat()
    report = run_gates(read_gates(gates), [log], update=True)
    assert report.updated == (f"{reference}: unchanged",)
    assert reference.stat().st_mtime_ns == before.st_mtime_ns


@pytest.mark.parametrize("spoil", ["nothing", "not a log", "cut"])
def test_a_reference_that_cannot_be_used_is_no_verdict_and_can_be_renewed(gates, log, spoil):
    blessed(gates, log)
    reference = gates.parent / "refs" / log.name
    data = reference.read_bytes()
    reference.write_bytes({"nothing": b"", "not a log": b"{}", "cut": data[: len(data) // 2]}[spoil])  # fmt: skip
    assert run_gates(read_gates(gates), [log]).outcome is Outcome.NOT_JUDGED
    assert run_gates(read_gates(gates), [log], update=True).outcome is Outcome.PASSED


def test_a_log_that_breaks_off_is_not_judged_unless_it_failed_before(gates, log, made):
    blessed(gates, log)
    log.write_bytes(log.read_bytes()[: log.stat().st_size * 2 // 3])
    report = run_gates(read_gates(gates), [log])
    assert report.outcome is Outcome.NOT_JUDGED
    assert all("breaks off" in r.text for r in report.logs[0].results)
    bad = as_before(log, drive(made, flipping))
    bad.write_bytes(bad.read_bytes()[: bad.stat().st_size * 2 // 3])
    assert run_gates(read_gates(gates), [bad]).outcome is Outcome.FAILED


@pytest.mark.parametrize("share", [0.0, 0.01, 0.2, 0.5, 0.8, 0.95, 0.999])
def test_a_log_cut_anywhere_is_no_pass_and_no_crash(gates, log, share):
    blessed(gates, log)
    data = log.read_bytes()
    log.write_bytes(data[: int(len(data) * share)])
    assert run_gates(read_gates(gates), [log]).outcome is Outcome.NOT_JUDGED


def test_a_log_that_breaks_off_is_no_reference_and_none_is_written_beside_it(gates, log, made):
    whole = drive(made)
    log.write_bytes(log.read_bytes()[:-300])
    with pytest.raises(GateError, match="no reference is written"):
        run_gates(read_gates(gates), [whole, log], update=True)
    assert not (gates.parent / "refs").exists()


def test_a_log_with_no_frames_is_not_judged(gates, tmp_path, capsys):
    with LogWriter(tmp_path / "empty.mcap", {}):
        pass
    code, told = gate(capsys, gates, tmp_path / "empty.mcap", "--out", tmp_path / "o")
    assert code == 2 and "holds no message of ours" in told


def test_what_is_not_there_or_no_log_is_not_judged_and_the_others_are(gates, log, tmp_path):
    blessed(gates, log)
    wrong = tmp_path / "wrong.mcap"
    wrong.write_text("no log")
    report = run_gates(read_gates(gates), [tmp_path / "none.mcap", wrong, log])
    assert [x.outcome for x in report.logs] == [Outcome.NOT_JUDGED] * 2 + [Outcome.PASSED]
    assert report.outcome is Outcome.NOT_JUDGED


def test_a_log_that_no_gate_is_for_has_not_passed(gates, log):
    gates.write_text(GATES.replace("golden: [{", "golden: [{logs: town.mcap, ").replace(
        "semantic: [{", "semantic: [{logs: town.mcap, ").replace("budget: [{", "budget: [{logs: town.mcap, "))  # fmt: skip
    report = run_gates(read_gates(gates), [log])
    assert report.outcome is Outcome.NOT_JUDGED
    assert "no gate of" in report.logs[0].results[0].text


def test_nan_in_a_plan_fails_the_golden_gate(gates, log, made):
    def nan(plan):
        x = plan.waypoints.x_m.copy()
        x[0] = math.nan
        return dataclasses.replace(plan, waypoints=dataclasses.replace(plan.waypoints, x_m=x))

    blessed(gates, log)
    report = run_gates(read_gates(gates), [as_before(log, drive(made, spoil=nan))])
    (failed,) = [r for r in report.logs[0].results if r.outcome is Outcome.FAILED]
    assert failed.kind == "golden" and "got nan" in failed.detail


def test_folders_are_searched_and_two_logs_of_one_name_are_told_apart(gates, made, tmp_path):
    gates.write_text('golden: [{reference: "refs/{folder}.mcap", topics: [trace]}]')
    runs = [tmp_path / "runs" / name / "drive.mcap" for name in ("a", "b")]
    for run in runs:
        run.parent.mkdir(parents=True)
        drive(made).replace(run)
    report = run_gates(read_gates(gates), [tmp_path / "runs"], update=True)
    assert [log.name for log in report.logs] == ["a/drive", "b/drive"]
    assert report.outcome is Outcome.PASSED
    assert sorted(p.name for p in (tmp_path / "refs").iterdir()) == ["a.mcap", "b.mcap"]
    gates.write_text('golden: [{reference: "refs/one.mcap", topics: [trace]}]')
    with pytest.raises(GateError, match="share the reference"):
        run_gates(read_gates(gates), [tmp_path / "runs"], update=True)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(GateError, match="no .mcap below"):
        run_gates(read_gates(gates), [empty])


def test_pooled_gates_are_a_log_of_their_own(gates, made):
    gates.write_text("semantic: [{pooled: true, limits: {flips_per_minute: {at_most: 5}}}]\n"
                     "budget: [{rates: {trace: {at_least: 9.5}}}]")  # fmt: skip
    calm, nervous = [drive(made) for _ in range(6)], [drive(made, flipping) for _ in range(6)]
    assert run_gates(read_gates(gates), calm).outcome is Outcome.PASSED
    report = run_gates(read_gates(gates), nervous)
    assert [log.name for log in report.logs if log.outcome is Outcome.FAILED] == ["all logs"]


def test_wrong_input_is_exit_code_two_and_one_line(gates, log, tmp_path, capsys):
    gates.write_text("semantic: [{limits: {flip_per_minute: {at_most: 5}}}]")
    assert main(["gate", str(gates), str(log), "--out", str(tmp_path / "o")]) == 2
    told = capsys.readouterr().err
    assert "did you mean 'flips_per_minute'?" in told and len(told.strip().splitlines()) == 1
    assert main(["gate", str(tmp_path / "none.yaml"), str(log)]) == 2
    assert main(["gate", str(gates)]) == 2
    assert main(["gate", str(gates), str(log), "--safety.reaction_s=1"]) == 2


@pytest.mark.parametrize(
    ("outcomes", "whole"),
    [
        ([], Outcome.NOT_JUDGED),
        ([Outcome.PASSED], Outcome.PASSED),
        ([Outcome.PASSED, Outcome.NOT_JUDGED], Outcome.NOT_JUDGED),
        ([Outcome.NOT_JUDGED, Outcome.FAILED], Outcome.FAILED),
    ],
)
def test_a_failure_counts_most_and_what_was_not_judged_has_not_passed(outcomes, whole):
    assert overall(outcomes) is whole


# --------------------------------------------------------------------------------------------------------- files

# what the usual schema (windyroad/JUnit-Schema, for Ant's task) asks of a file, in RELAX NG
JUNIT = etree.RelaxNG(
    etree.fromstring("""
<element name="testsuites" xmlns="http://relaxng.org/ns/structure/1.0"
         datatypeLibrary="http://www.w3.org/2001/XMLSchema-datatypes">
  <zeroOrMore><element name="testsuite">
    <attribute name="package"><data type="token"/></attribute>
    <attribute name="id"><data type="int"/></attribute>
    <attribute name="name"><data type="token"><param name="minLength">1</param></data></attribute>
    <attribute name="timestamp"><data type="dateTime">
      <param name="pattern">[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}</param>
    </data></attribute>
    <attribute name="hostname"><data type="token"><param name="minLength">1</param></data></attribute>
    <attribute name="tests"><data type="int"/></attribute>
    <attribute name="failures"><data type="int"/></attribute>
    <attribute name="errors"><data type="int"/></attribute>
    <attribute name="time"><data type="decimal"/></attribute>
    <element name="properties"><zeroOrMore><element name="property">
      <attribute name="name"/><attribute name="value"/>
    </element></zeroOrMore></element>
    <zeroOrMore><element name="testcase">
      <attribute name="name"><data type="token"/></attribute>
      <attribute name="classname"><data type="token"/></attribute>
      <attribute name="time"><data type="decimal"/></attribute>
      <optional><element><choice><name>failure</name><name>error</name></choice>
        <attribute name="message"/><attribute name="type"/><text/>
      </element></optional>
    </element></zeroOrMore>
    <element name="system-out"><text/></element>
    <element name="system-err"><text/></element>
  </element></zeroOrMore>
</element>""")
)


def lines_of(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "result.jsonl").read_text().splitlines()]


def test_result_jsonl_has_a_line_a_frame_and_the_verdict_last(gates, log, made, tmp_path, capsys):
    blessed(gates, log)
    gate(capsys, gates, log, "--out", tmp_path / "o")
    lines = lines_of(tmp_path / "o")
    assert len(lines) == 51 + 1
    assert all(line.keys() == {"Result", "Stamp", "Frame"} for line in lines)
    assert all(line["Result"].keys() == {"Success", "Summary"} for line in lines)
    assert [line["Stamp"]["ROS"] for line in lines[:3]] == pytest.approx([0.0, 0.1, 0.2])
    assert lines[-1]["Result"]["Success"] is True
    assert lines[-1]["Frame"]["Verdict"] == "passed"
    log = as_before(log, drive(made, lambda t: Longitudinal.STOP if t > 2.0 else Longitudinal.RESUME_SPEED))  # fmt: skip
    gate(capsys, gates, log, "--out", tmp_path / "o")
    lines = lines_of(tmp_path / "o")
    success = [line["Result"]["Success"] for line in lines]
    assert success == [True] * 21 + [False] * 31
    assert lines[40]["Frame"]["Golden"]["Total"] == 20 and lines[40]["Frame"]["Flips"] == 1
    assert lines[40]["Frame"]["Sentence"] == "stops"
    assert "golden" in lines[-1]["Result"]["Summary"]


def test_frames_that_are_missing_or_extra_have_lines_too(gates, log, made, tmp_path, capsys):
    blessed(gates, log)
    other = made.drive(
        EGO,
        duration_s=5.1,
        say=lambda t: None if t == 2.0 else a_trace(t, EGO),
        plan=lambda t: None if t == 2.0 else a_plan(t, EGO),
    )
    gate(capsys, gates, as_before(log, other.path), "--out", tmp_path / "o")
    lines = lines_of(tmp_path / "o")
    golden = {round(x["Stamp"]["ROS"], 1): x["Frame"]["Golden"] for x in lines[:-1]}
    assert len(golden) == 52
    assert golden[2.0] == {"Fields": 0, "Missing": True, "Extra": False, "Total": 1}
    assert golden[5.1] == {"Fields": 0, "Missing": False, "Extra": True, "Total": 2}


def test_json_is_json_alone(gates, log, tmp_path, capsys):
    code, told = gate(capsys, gates, log, "--out", tmp_path / "o", "--json", "--update-refs")
    report = json.loads(told)
    assert (code, report["exit_code"], report["verdict"]) == (0, 0, "passed")
    assert [r["kind"] for r in report["logs"][0]["results"]] == ["golden", "semantic", "semantic", "budget"]  # fmt: skip
    assert report["updated"] and report["remedy"] == ""


def test_junit_has_a_suite_a_log_and_a_case_a_gate(gates, log, made, tmp_path, capsys):
    blessed(gates, log)
    bad = as_before(log, drive(made, flipping))
    gate(capsys, gates, bad, tmp_path / "none.mcap", "--out", tmp_path / "o")
    root = etree.parse(str(tmp_path / "o" / "junit.xml")).getroot()
    assert root.tag == "testsuites" and [s.tag for s in root] == ["testsuite"] * 2
    first, second = root
    assert (first.get("tests"), first.get("failures"), first.get("errors")) == ("4", "3", "0")
    assert (second.get("failures"), second.get("errors")) == ("0", second.get("tests"))
    failure = first.find("testcase[@name='golden']/failure")
    assert "differ" in failure.get("message") and "expected RESUME_SPEED  got STOP" in failure.text
    assert "--update-refs" in failure.text
    assert JUNIT.validate(root), JUNIT.error_log


def test_whatever_a_log_says_junit_and_json_can_be_read(tmp_path):
    nasty = 'a<b>&"]]>\x00\x1b[31m\ud800\ufffe é'
    result = Result("golden", nasty, Outcome.FAILED, nasty, math.nan, -math.inf, math.inf, nasty, nasty)  # fmt: skip
    report = Report(Path("g.yaml"), (LogResult(Path("l"), nasty, (result,), {}),), nasty)
    write_junit(report, tmp_path, now_s=0.0)
    with ResultLines(tmp_path, now_s=0.0) as file:
        file.take(report.logs[0])
        file.end(report)
    root = etree.parse(str(tmp_path / "junit.xml")).getroot()
    assert JUNIT.validate(root), JUNIT.error_log
    assert root[0].get("name").startswith('a<b>&"]]>') and root[0].get("timestamp") == "1970-01-01T00:00:00"  # fmt: skip
    (line,) = lines_of(tmp_path)
    assert line["Frame"]["Gates"][0]["figure"] is None
