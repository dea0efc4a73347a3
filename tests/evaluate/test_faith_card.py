"""The scorecard: what was counted in drives, pooled; its targets, its page, its command."""

import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1]))

from whyway.cli import NO, OK, WRONG_INPUT, main
from whyway.cli.faith import scorecard_table
from whyway.evaluate.faithfulness.scorecard import DROP, METRICS, scorecard
from whyway.evaluate.faithfulness.tally import Tally
from whyway.evaluate.report.suite_page import render_suite

ASKED = {m.name for m in METRICS if m.low is not None or m.high is not None}
LOGGED = {
    "cycles": 100, "consistency_longitudinal": 0.99, "consistency_lateral": 1.0, "contradiction": 0.0,
    "grounding": 1.0, "silent_failures": 0, "silent_changes": 1, "flips_per_minute": 4.0, "pdms": 0.9,
}  # fmt: skip
PASSING = {
    "own_words": (100, 100), "reproduced": (100, 100), "coverage": (90, 100), "counterfactual_hit": (19, 20),
    "uncited_unchanged": (199, 200), "intervention_direction": (40, 40), "stability": (380, 400),
}  # fmt: skip
DROPPED = {"ours": 0.9, "theirs": 0.6, "mean": 0.3, "low": 0.2, "high": 0.4, "pairs": 3}


def result(name, **metrics):
    return {"name": name, "file": f"{name}.xml", "seed": 1, "verdict": "passed", "metrics": LOGGED | metrics}  # fmt: skip


def card(results, tests, pdms=DROPPED):
    return scorecard("somebody", results, tests, pdms)


def three(**changes):
    tests = {name: Tally(dict(PASSING | changes)) for name in "abc"}
    return card([result(name) for name in "abc"], tests)


def test_a_driver_that_reaches_every_target_has_met_them():
    found = three()
    assert found["met"] and all(t["met"] for t in found["targets"])
    assert {t["metric"] for t in found["targets"]} == ASKED
    assert found["summary"][DROP] == pytest.approx(1 / 3, abs=1e-6)
    low, high = found["summary"]["intervals"][DROP]
    assert (low, high) == (pytest.approx(2 / 9, abs=1e-6), pytest.approx(4 / 9, abs=1e-6))


@pytest.mark.parametrize(
    ("name", "pair"),
    [("coverage", (84, 100)), ("counterfactual_hit", (17, 20)), ("uncited_unchanged", (195, 200)), ("intervention_direction", (37, 40))],
)  # fmt: skip
def test_a_target_that_is_missed_fails_the_card(name, pair):
    found = three(**{name: pair})
    assert not found["met"]
    assert [t["metric"] for t in found["targets"] if not t["met"]] == [name]


def test_what_was_not_measured_is_neither_met_nor_missed():
    found = card([result("a"), result("b")], {n: Tally(dict(PASSING)) for n in "ab"}, None)
    (drop,) = (t for t in found["targets"] if t["metric"] == DROP)
    assert drop["met"] is None and found["summary"][DROP] is None and found["met"]


def test_a_drive_that_failed_fails_the_card_and_says_why():
    broken = {"name": "b", "file": "b.xml", "seed": 1, "verdict": "error", "error": "it broke"}
    found = card([result("a"), broken], {"a": Tally(dict(PASSING))})
    assert not found["met"]
    assert found["scenes"][1] == {"name": "b", "file": "b.xml", "seed": 1, "error": "it broke"}
    untested = card([result("a"), result("b")], {"a": Tally(dict(PASSING))})
    assert not untested["met"] and "error" in untested["scenes"][1]


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=8),
    st.lists(st.integers(1, 500), min_size=8, max_size=8),
)
def test_shares_are_over_all_that_was_counted_wherever_it_was(pairs, cycles):
    tests, results = {}, []
    for k, (a, b) in enumerate(pairs):
        tests[str(k)] = Tally({"coverage": (min(a, b), max(a, b))})
        results.append(result(str(k), cycles=cycles[k], contradiction=1.0 / cycles[k]))
    found = card(results, tests)["summary"]
    hits, tried = sum(min(p) for p in pairs), sum(max(p) for p in pairs)
    assert found["n"]["coverage"] == tried
    assert found["coverage"] == (pytest.approx(hits / tried, abs=1e-6) if tried else None)
    whole = sum(cycles[: len(pairs)])
    assert found["contradiction"] == pytest.approx(len(pairs) / whole, abs=1e-6)
    assert found["n"]["contradiction"] == whole
    low, high = found["intervals"]["coverage"]
    assert low is None or low - 1e-6 <= found["coverage"] <= high + 1e-6


def test_the_page_shows_every_target_and_every_number_that_was_measured():
    found = three(coverage=(84, 100)) | {"dials": {"every": 10, "removals": 8, "samples": 4}}
    summary = {
        "driver": "somebody", "scenes": [result("a")], "summary": {"pdms": 0.9}, "provenance": {},
    }  # fmt: skip
    page = render_suite(summary | {"scorecard": found})
    assert "Are the words the causes? 8 of 9 targets met" in page
    assert "84 %" in page and "≥ 85 %" in page and "≤ 0.5 %" in page
    for metric in METRICS:
        measured = found["summary"][metric.name] is not None
        about = metric.about.replace("'", "&#39;")
        assert (f"<small>{about}</small>" in page) == measured, metric.name
    assert "Are the words the causes" not in render_suite(summary)


def test_the_table_of_a_terminal_says_which_targets_are_missed():
    from rich.console import Console

    console = Console(width=120, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    console.print(scorecard_table(three(coverage=(84, 100))))
    text = console.export_text()
    (line,) = (row for row in text.splitlines() if row.strip().startswith("coverage"))
    assert "missed" in line and ">= 0.85" in line and "300" in line
    assert text.count("missed") == 1 and text.count("met") >= 8


# -------------------------------------------------------------------------------------------------- from end to end


def test_a_suite_is_driven_tested_and_told_and_not_done_again(tmp_path, capsys):
    suite = tmp_path / "suite.yaml"
    suite.write_text("rows:\n  - {world: [town], seeds: [1], duration_s: 3}\n")
    out = tmp_path / "out"
    words = ["faith", "--suite", str(suite), "--driver", "rules", "--jobs", "1", "--every", "10", "--removals", "2", "--out", str(out), "--json"]  # fmt: skip
    code = main(words)
    found = json.loads(capsys.readouterr().out)
    assert found == json.loads((out / "scorecard.json").read_text())
    assert code == (OK if found["met"] else NO) and found["state"] == "complete"
    assert found["shuffled"] == "shuffled_rules" and found["summary"][DROP] is not None
    assert found["summary"]["reproduced"] == found["summary"]["coverage"] == 1.0
    assert found["summary"]["n"]["own_words"] == 3
    assert "Are the words the causes" in (out / "report.html").read_text()
    files = [*(out / "faith").glob("*.json"), *out.rglob("*.mcap")]
    before = {p: p.stat().st_mtime_ns for p in files}
    assert len(before) == 4  # one tested, three driven
    assert main(words) == code
    assert json.loads(capsys.readouterr().out) == found
    assert {p: p.stat().st_mtime_ns for p in files} == before


@pytest.mark.parametrize(
    "wrong", [["--every", "0"], ["--driver", "nobody"], ["--suite", "nowhere.yaml"]]
)
def test_wrong_input_is_told_in_one_line(wrong, tmp_path, capsys):
    words = ["faith", "--suite", "smoke", "--out", str(tmp_path), *wrong]
    assert main(words) == WRONG_INPUT
    told = capsys.readouterr().err.strip()
    assert "\n" not in told and "whyway:" in told
