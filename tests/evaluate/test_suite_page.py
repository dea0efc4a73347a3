"""A suite's page: who failed stands first, reasons are grouped, intervals and differences are told, and nothing odd gets into a link."""

import hashlib
import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

import whyway.evaluate.report.assets
from whyway.evaluate.report.suite_page import (
    has_passed,
    reason_of,
    render_suite,
)

ASSETS = Path(whyway.evaluate.report.assets.__file__).parent


def scene(name, verdict="passed", **more):
    return {"name": name, "verdict": verdict, "metrics": {"pdms": 0.9}} | more


def page_of(*scenes, **more):
    whole = {"driver": "rules", "provenance": {}, "summary": {}, "scenes": list(scenes)}
    return render_suite(whole | more)


def test_a_scene_has_passed_if_its_verdict_and_its_family_say_so():
    assert has_passed(scene("a"))
    assert has_passed(scene("a", family_passed=True))
    assert not has_passed(scene("a", family_passed=False))
    assert not has_passed(scene("a", "failed: left the road at 1.0 s"))
    assert not has_passed({"name": "a", "verdict": "error", "error": "KeyError: 3"})


def test_reasons_are_in_words():
    assert reason_of(scene("a")) == "passed"
    assert reason_of(scene("a", "failed: left the road at 1.0 s")) == "left the road at 1.0 s"
    told = scene("a", "failed: ran into actor 3 at 2.0 s", family_passed=False, family_reason="ran into lead at 2.0 s")  # fmt: skip
    assert reason_of(told) == "ran into lead at 2.0 s"
    assert reason_of({"name": "a", "verdict": "error", "error": "KeyError: 3"}) == "did not run: KeyError: 3"  # fmt: skip


def test_failures_of_one_kind_are_counted_together():
    page = page_of(
        scene("a", "failed: ran into actor 3 at 2.0 s"),
        scene("b", "failed: ran into actor 17 at 12.5 s; left the road at 13.0 s"),
        scene("c", "failed: left the road at 3.0 s"),
        {"name": "d", "verdict": "error", "error": "KeyError: 3"},
    )
    chips = re.findall(r'class="chip"[^>]*>([^<]+)<', page)
    assert chips == ["ran into × 2", "did not run × 1", "left the road × 1"]


def test_numbers_come_with_their_intervals_and_an_unknown_end_is_said():
    page = page_of(
        scene("a"),
        summary={"pdms": 0.9, "contradiction": 0.05, "intervals": {"pdms": [0.8, None], "contradiction": [None, None]}},
    )  # fmt: skip
    tiles = re.findall(
        r'class="tile"><b>([^<]*)</b><span>([^<]*)</span>(?:<small[^>]*>([^<]*)<)?', page
    )
    assert tiles == [("0.900", "mean PDMS", "0.800 – ?"), ("5.00%", "contradictions", "")]


def test_differences_from_the_baseline_that_were_shown_stand_first():
    values = {"mean": -0.1, "low": None, "high": 0.1, "pairs": 9, "ours": 0.8, "theirs": 0.9}
    page = page_of(
        scene("a"),
        baseline={"driver": "idm", "source": "out/older", "scenes": []},
        differences={
            "comfort": {**values, "verdict": "no difference shown"},
            "pdms": {**values, "verdict": "worse"},
        },
    )
    assert page.index("<td>pdms</td>") < page.index("<td>comfort</td>")
    assert '<td class="worse">worse</td>' in page
    assert "? to +0.1" in page
    assert "<h1>rules against idm on 1 scenes</h1>" in page


def test_what_the_suite_asks_for_and_did_not_get_stands_on_top():
    ask = {"metric": "pdms", "min": 0.9, "max": None, "value": 0.8, "met": False}
    unmet = page_of(scene("a"), asks=[ask])
    assert "asked: pdms at least 0.9, found 0.8<" in unmet
    assert "asks for: 0 of 1 met" in unmet
    met = page_of(scene("a"), asks=[ask | {"value": 0.95, "met": True}])
    assert "asked:" not in met
    assert "asks for: 1 of 1 met" in met


def test_a_scene_with_a_report_can_be_opened_and_one_without_cannot():
    page = page_of(scene("a", report="scenes/a/report.html"), scene("b"))
    assert page.count('data-view="scenes/a/view.js"') == 1
    assert page.count("data-view=") == 1


@given(st.text(min_size=1))
def test_no_path_leads_out_of_its_attribute_or_to_a_script(path):
    found = re.findall(r'<a href="([^"]*)"', page_of(scene("a", report=path)))
    for link in found:
        assert re.fullmatch(r"[\w/.~+%-]*", link, re.ASCII), link


def test_the_vendored_library_is_what_its_readme_says():
    sums = dict(re.findall(r"^([0-9a-f]{64})  (\S+)$", (ASSETS / "README.md").read_text(), re.M)[::-1])  # fmt: skip
    assert len(sums) == 3
    for digest, name in sums.items():
        assert hashlib.sha256((ASSETS / name).read_bytes()).hexdigest() == digest
    assert "v1.6.32" in (ASSETS / "uPlot.iife.min.js").read_text()[:200]
