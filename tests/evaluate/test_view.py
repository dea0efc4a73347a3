"""`whyway view`: pages of logs and suites, and what Rerun is shown."""

import json

import numpy as np
import pytest
from made_drives import Other, a_citation, a_plan, a_scene, a_trace, a_verdict, straight

from whyway.cli import OK, WRONG_INPUT, main
from whyway.evaluate.report import rerun_view
from whyway.evaluate.report.rerun_view import Words, color, save, shown
from whyway.types import Fault, InputError, Longitudinal, SafetyState

EGO, LEAD = straight(20.0, 8.0), Other(straight(42.0, 8.0))


@pytest.fixture
def log(made):
    return made.drive(
        EGO, LEAD, duration_s=3.0,
        scene=lambda t: a_scene(t, EGO, LEAD), plan=lambda t: a_plan(t, EGO),
        say=lambda t: a_trace(t, EGO, Longitudinal.KEEP_DISTANCE, cited=(a_citation(LEAD, t),) if t >= 1.0 else ()),
        verdict=lambda t: a_verdict(t, SafetyState.MINIMAL_RISK if t == 2.0 else SafetyState.NOMINAL, Fault.PLAN_STALE, "late"),
    )  # fmt: skip


def test_a_logs_page_is_written_beside_it(log, capsys):
    assert main(["view", str(log.path)]) == OK
    page = log.path.with_suffix(".html")
    assert page.read_text().startswith("<!doctype html>")
    assert capsys.readouterr().out.strip() == str(page)


def test_two_logs_share_a_page(log, tmp_path):
    page = tmp_path / "deeper" / "two.html"
    assert main(["view", str(log.path), str(log.path), "--out", str(page)]) == OK
    assert page.read_text().count('class="drive-data"') == 2


def test_a_suites_page_is_made_anew_beside_its_summary(tmp_path, capsys):
    scenes = [{"name": "a", "verdict": "passed", "metrics": {}}]
    summary = {"driver": "rules", "provenance": {}, "summary": {}, "scenes": scenes}
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    assert main(["view", str(tmp_path)]) == OK
    assert "1 of 1 passed" in (tmp_path / "report.html").read_text()
    (tmp_path / "summary.json").write_text("[]")
    assert main(["view", str(tmp_path)]) == WRONG_INPUT
    assert "give the folder that whyway evaluate wrote" in capsys.readouterr().err


def test_what_other_code_wrote_beside_a_suites_page_is_made_anew(log, tmp_path):
    folder = tmp_path / "scenes" / "a"
    folder.mkdir(parents=True)
    (folder / "view.js").write_text('Whyway.loaded({"format":0});')
    scene = {
        "name": "a",
        "verdict": "passed",
        "metrics": {},
        "report": "scenes/a/report.html",
        "log": log.path.name,
    }
    lost = {**scene, "report": "scenes/b/report.html", "log": "lost.mcap"}
    summary = {"driver": "rules", "provenance": {}, "summary": {}, "scenes": [scene, lost]}
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    assert main(["view", str(tmp_path)]) == OK
    written = folder / "view.js"
    assert written.stat().st_size > 10_000
    before = written.stat().st_mtime_ns
    assert main(["view", str(tmp_path)]) == OK
    assert written.stat().st_mtime_ns == before, "what can be shown is left as it is"


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (["--save", "x.rrd"], "give --rerun"),
        (["--rerun", "--out", "x.html"], "leave out the second"),
    ],
)
def test_what_does_not_go_together_is_said(log, words, remedy, capsys):
    assert main(["view", str(log.path), *words]) == WRONG_INPUT
    assert remedy in capsys.readouterr().err


def test_without_the_sdk_the_remedy_is_said(log, monkeypatch, capsys):
    def absent(name):
        raise ImportError(name)

    monkeypatch.setattr(rerun_view.importlib, "import_module", absent)
    assert main(["view", str(log.path), "--rerun", "--save", "x.rrd"]) == WRONG_INPUT
    assert "needs: pip install 'whyway[view]'" in capsys.readouterr().err


def test_rerun_is_shown_objects_coloured_by_cause_and_every_new_sentence_once(log):
    items = list(shown(log))
    boxes = {round(i.at_s, 1): i.what for i in items if i.entity == "objects"}
    assert len(boxes) == 31
    before, after = boxes[0.5][0], boxes[1.5][0]
    assert (before.color, before.label) == (color("other"), "")
    assert (after.color, after.label) == (color("cause"), "car 50 ahead")
    assert after.x_m == pytest.approx(42.0 + 1.5 * 8.0)
    words = [(i.at_s, i.what.text) for i in items if i.entity == "words/said"]
    assert [t for t, _ in words] == pytest.approx([0.0, 1.0])
    assert [i.what for i in items if i.entity == "words/safety"] == [
        Words("minimal risk: late", True)
    ]
    times = [i.at_s for i in items if i.at_s is not None]
    assert times == sorted(times)
    (plan,) = (i.what for i in items if i.entity == "plan" and i.at_s == 0.0)
    assert plan.lines[0].shape == (81, 3)
    speeds = [i.what for i in items if i.entity == "speed/driven_kmh"]
    assert np.allclose(speeds, 28.8)


def test_rerun_needs_a_scene(made):
    with pytest.raises(InputError, match="holds no Scene"):
        next(shown(made.drive(EGO, duration_s=2.0)))


def test_a_recording_is_written_and_read_back(log, tmp_path):
    pytest.importorskip("rerun", reason="needs the extra view: pip install 'whyway[view]'")
    path = tmp_path / "drive.rrd"
    save(log, path)
    assert path.read_bytes()[:3] == b"RRF"
    assert path.stat().st_size > 10_000
