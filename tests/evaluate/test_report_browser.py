"""Reports in a browser: the slider moves, the filter filters, a scene opens when asked for, nothing is fetched, nothing goes wrong."""

import dataclasses
import json
import time

import pytest
from browser import Browser, needs_chromium
from made_drives import Made, Other, a_citation, a_plan, a_scene, a_trace, a_verdict, straight

from whyway.evaluate.report.page import judged, render, write_report
from whyway.evaluate.report.suite_page import render_suite
from whyway.types import Fault, Longitudinal, SafetyState

pytestmark = needs_chromium

EGO = straight(20.0, 8.0)
SLIDE = "document.querySelector('.controls input').value"
HOSTILE = '</script><script>hacked=1</script><img src=x onerror="hacked=2">\'"&'


def drive(made, other, said=Longitudinal.KEEP_DISTANCE, **info):
    def say(t):
        if t < 3.0:
            return a_trace(t, EGO)
        return a_trace(t, EGO, said, cited=(a_citation(other, t),))

    def verdict(t):
        state = SafetyState.EMERGENCY_BRAKE if 4.5 <= t < 5.0 else SafetyState.NOMINAL
        return a_verdict(t, state, Fault.COLLISION_IMMINENT, "<b>too close</b>")

    return made.drive(
        EGO, other, say=say, verdict=verdict, scene=lambda t: a_scene(t, EGO, other),
        plan=lambda t: a_plan(t, EGO, -0.5), **info,
    )  # fmt: skip


@pytest.fixture(scope="module")
def browser():
    browser = Browser()
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A suite of four: a crash, two that are fine, one that did not run; and a baseline that did not crash."""
    folder = tmp_path_factory.mktemp("suite")
    made = Made(tmp_path_factory.mktemp("logs"))
    crash, fine = drive(made, Other(straight(62.0, 0.0))), drive(made, Other(straight(42.0, 8.0)))
    scenes = []
    for name, log, family in (
        ("crash-seed1", crash, "lead"), ("fine-seed1", fine, "follow"), (HOSTILE, fine, "follow"),
    ):  # fmt: skip
        where = "scenes/hostile" if name == HOSTILE else f"scenes/{name}"
        score = write_report(log, folder / where, with_side_file=True)
        scenes.append(
            score.to_json() | {"name": name, "report": f"{where}/report.html", "family": family}
        )
    scenes[2]["metrics"] = scenes[2]["metrics"] | {"pdms": 0.123}
    error = {
        "name": "lost-seed1",
        "file": "x.xml",
        "seed": 1,
        "verdict": "error",
        "error": f"OSError: {HOSTILE}",
    }
    scenes.append({**scenes[1], "name": "gone-seed1", "report": "scenes/gone/report.html"})
    write_report(fine, folder / "other", with_side_file=True)
    baseline = {
        "driver": "idm", "source": "this run", "summary": {},
        "scenes": [{"name": "crash-seed1", "verdict": "passed", "report": "other/report.html"}],
    }  # fmt: skip
    summary = {
        "driver": "rules", "provenance": {"git": HOSTILE}, "scenes": [*scenes, error], "baseline": baseline,
        "summary": {"errors": 1, "pdms": 0.5, "intervals": {"pdms": [0.25, None]}},
        "differences": {"pdms": {"mean": -0.5, "low": -0.7, "high": -0.2, "pairs": 1, "verdict": "worse", "ours": 0.0, "theirs": 0.5}},
    }  # fmt: skip
    (folder / "report.html").write_text(render_suite(summary))
    return folder


@pytest.fixture
def page(browser, folder):
    page = browser.open(folder / "report.html")
    yield page
    assert page.errors == []
    page.close()


def shown(page):
    return page.get(
        "[...document.querySelectorAll('.scenes tbody tr')].filter((r) => !r.hidden).map((r) => r.cells[0].textContent)"
    )


def picture(page, of=0):
    return page.get(f"document.querySelectorAll('canvas')[{of}].toDataURL()")


def test_who_answered_is_told_and_only_a_fallback_is_a_fault(browser, tmp_path):
    def say(t):
        trace, late = a_trace(t, EGO), t >= 4.0
        by = "rules: no whole trace within 50 ms" if late else "microgpt-s on onnxruntime"
        mark = dataclasses.replace(trace.integrity, validator=by, fallback_used=late)
        return dataclasses.replace(trace, integrity=mark)

    made = Made(tmp_path).drive(
        EGO, say=say, scene=lambda t: a_scene(t, EGO), plan=lambda t: a_plan(t, EGO)
    )
    write_report(made, tmp_path / "r")
    page = browser.open(tmp_path / "r" / "report.html")
    page.get(f"{SLIDE} = 2; {SLIDE.partition('.value')[0]}.dispatchEvent(new Event('input'))")
    assert page.text(".panel .by") == "said by microgpt-s on onnxruntime"
    assert not page.get("document.querySelectorAll('.panel .checks .bad').length")
    page.get(f"{SLIDE} = 6; {SLIDE.partition('.value')[0]}.dispatchEvent(new Event('input'))")
    assert page.text(".panel .checks .bad") == "a fallback answered: rules: no whole trace within 50 ms"  # fmt: skip
    page.close()


def test_the_slider_keys_plots_and_moments_move_the_time(browser, tmp_path):
    write_report(drive(Made(tmp_path), Other(straight(62.0, 0.0)), name=HOSTILE), tmp_path / "r")
    page = browser.open(tmp_path / "r" / "report.html")
    # contact is at 4.8 s or so: the page opens a second before
    hit = (
        page.get("Whyway.shown.parts[0].data.moments.find(([, , kind]) => kind === 'bad')[0]") / 10
    )
    at = page.get("Whyway.shown.t")
    assert at == pytest.approx(hit - 1.0, abs=0.11)
    assert page.text(".story .verdict").startswith("rules: Ran into a car (actor 50)")
    assert "safety: emergency brake" in page.text(".story ul").lower()
    first = picture(page)
    page.get(
        "{ const s = document.querySelector('.controls input'); s.value = 7; s.dispatchEvent(new Event('input')); }"
    )
    assert page.text(".clock").startswith("7.0 s · 29 km/h")
    assert picture(page) != first
    assert "because of car 50 ahead" in page.text(".why")
    assert "car 50 ahead" in page.text(".panel .causes")
    assert "without it, drives on" in page.text(".panel .causes")
    page.press("ArrowLeft")
    assert page.get("Whyway.shown.t") == pytest.approx(6.9)
    page.click(".moment.bad")
    assert page.get("Whyway.shown.t") == pytest.approx(hit)
    page.click(".plot[data-plot=speed] .u-over", x_share=0.25)
    assert page.get("Whyway.shown.t") == pytest.approx(2.0, abs=0.05)
    assert page.text(".why") == "drives on towards 36 km/h"
    assert page.text("[data-plot=decisions] output") == "speed: resume speed · path: keep lane"
    marks = page.get(
        "[...document.querySelectorAll('.now')].map((m) => m.getBoundingClientRect().left)"
    )
    assert len(marks) == 4, "speed, decisions, acceleration, latency"
    assert max(marks) - min(marks) < 1.0, "one cursor through all plots"
    page.press(" ")
    page.until("Whyway.shown.t > 2.3")
    page.press(" ")
    stopped = page.get("Whyway.shown.t")
    time.sleep(0.1)
    assert page.get("Whyway.shown.t") == stopped
    assert page.text("h1").startswith("</script>")
    assert page.get("typeof hacked") == "undefined"
    assert (page.errors, page.requests) == ([], [(tmp_path / "r" / "report.html").as_uri()])
    page.close()


def test_the_filter_filters(page):
    everything = ["crash-seed1", "lost-seed1", HOSTILE, "fine-seed1", "gone-seed1"]
    assert sorted(shown(page)) == sorted(everything)
    assert set(shown(page)[:2]) == {"crash-seed1", "lost-seed1"}, "failures first"
    page.get(
        "{ const t = document.getElementById('text'); t.value = 'SEED1 follow'; t.dispatchEvent(new Event('input')); }"
    )
    assert sorted(shown(page)) == ["fine-seed1", "gone-seed1"]
    page.get(
        "{ const t = document.getElementById('text'); t.value = ''; t.dispatchEvent(new Event('input')); }"
    )
    page.click("#failed")
    assert sorted(shown(page)) == ["crash-seed1", "lost-seed1"]
    assert page.text("#shown") == "2 of 5"
    page.click(".chip[data-kind='ran into']")
    assert shown(page) == ["crash-seed1"]


def test_sorting_sorts_up_and_down_and_keeps_what_has_no_value_last(page):
    page.click("th[title=pdms] button")
    assert (shown(page)[:2], shown(page)[-1]) == (["crash-seed1", HOSTILE], "lost-seed1")
    page.click("th[title=pdms] button")
    assert page.get("document.querySelector('th[title=pdms]').ariaSort") == "descending"
    assert (shown(page)[-2:], shown(page)[2]) == (["crash-seed1", "lost-seed1"], HOSTILE)
    page.get(
        "{ const m = document.getElementById('more'); m.value = 'distance_m'; m.dispatchEvent(new Event('change')); }"
    )
    assert page.text(".scenes thead th:last-child") == "distance m"
    assert page.get(
        "+document.querySelector('.scenes tr.passed td:last-child').dataset.v"
    ) == pytest.approx(64.0, abs=1.0)


def test_a_scene_is_loaded_when_it_is_opened_and_shown_at_the_moment_of_failure(page, folder):
    assert page.requests == [(folder / "report.html").as_uri()]
    page.click("tr.failed[data-view] .reason")
    page.until("Whyway.suite.view")
    assert page.requests[1:] == [(folder / "scenes/crash-seed1/view.js").as_uri()]
    assert page.text(".story .verdict").startswith("rules: Ran into")
    assert page.get("document.getElementById('list').hidden")
    first = picture(page)
    page.press("ArrowRight")
    assert picture(page) != first
    page.click("#beside")
    page.until(
        "document.querySelectorAll('canvas').length > 1 && Whyway.suite.view?.parts.length === 2"
    )
    page.get("Whyway.suite.view.go(6)")
    clocks = page.get("[...document.querySelectorAll('.clock')].map((c) => c.textContent)")
    assert [c[:5] for c in clocks] == ["6.0 s", "6.0 s"]
    assert picture(page, 0) != picture(page, 1)
    page.click("#close")
    page.until("!document.getElementById('list').hidden")
    assert page.get("Whyway.suite.view") is None


def test_hostile_names_are_only_text(page):
    page.get(
        f"Whyway.suite.open(Whyway.suite.data.rows.findIndex(([n]) => n === {json.dumps(HOSTILE)}))"
    )
    page.until("Whyway.suite.view")
    assert page.text("#one-name") == HOSTILE
    assert "<b>too close</b>" in page.text(".moments")
    assert page.get("document.querySelectorAll('img, b.hacked, .moments b').length") == 0
    assert page.get("typeof hacked") == "undefined"


def test_what_is_not_beside_the_page_is_told(browser, folder):
    page = browser.open(folder / "report.html", anchor="#gone-seed1")
    page.until("!document.getElementById('trouble').hidden")
    assert "scenes/gone/view.js is not beside this page" in page.text("#trouble")
    page.close()


def test_what_another_version_wrote_is_told(browser, folder):
    (folder / "scenes" / "gone").mkdir()
    (folder / "scenes" / "gone" / "view.js").write_text('Whyway.loaded({"format":0});')
    page = browser.open(folder / "report.html", anchor="#gone-seed1")
    page.until("!document.getElementById('trouble').hidden")
    assert "was written by another version" in page.text("#trouble")
    assert page.errors == []
    page.close()


@pytest.mark.parametrize("width", [390, 1400])
def test_it_fits_its_window_in_light_and_dark(browser, folder, width):
    page = browser.open(folder / "report.html", width, 800, "#crash-seed1")
    page.until("Whyway.suite.view")
    assert page.get("document.documentElement.scrollWidth") <= width
    light = picture(page)
    page.prefer("dark")
    page.until("matchMedia('(prefers-color-scheme: dark)').matches")
    page.until(f"document.querySelector('canvas').toDataURL() !== {json.dumps(light)}")
    page.click("#close")
    page.until("!document.getElementById('list').hidden")
    assert page.get("document.documentElement.scrollWidth") <= width
    assert page.errors == []
    page.close()


def test_a_replayed_bag_says_so_and_blames_nobody(browser, tmp_path):
    log = drive(Made(tmp_path), Other(straight(62.0, 0.0)), notes={"open_loop": "yes"})
    (tmp_path / "r.html").write_text(render([judged(log)]))
    page = browser.open(tmp_path / "r.html")
    assert "the recorded driver drove" in page.text(".replayed")
    assert "Ran into" not in page.text(".story")
    assert page.errors == []
    page.close()


def test_two_logs_on_one_page_share_a_clock_and_scales(browser, tmp_path):
    made = Made(tmp_path)
    logs = [drive(made, Other(straight(62.0, 0.0))), drive(made, Other(straight(42.0, 8.0)))]
    (tmp_path / "r.html").write_text(render([judged(log) for log in logs]))
    page = browser.open(tmp_path / "r.html")
    page.get("Whyway.shown.go(2.5)")
    assert page.get("Whyway.shown.parts.map((p) => p.at)") == [25, 25]
    lows = page.get("Whyway.shown.parts.map((p) => p.plots.plots[2].plot.scales.y.min)")
    assert lows[0] == lows[1]
    assert page.errors == []
    page.close()


def test_five_hundred_scenes_open(browser, folder, tmp_path):
    """How long that takes is measured elsewhere; here: how large it is, and that it works."""
    page = (folder / "report.html").read_text()
    one = json.loads(
        page.split('<script id="suite" type="application/json">')[1].split("</script>")[0]
    )
    assert len(one["rows"]) == 5
    scene = {
        "name": "", "verdict": "passed", "report": "scenes/fine-seed1/report.html",
        "metrics": {f"metric_{i}": i / 7 for i in range(80)} | {"pdms": 0.5},
    }  # fmt: skip
    scenes = [{**scene, "name": f"scene-{i}"} for i in range(500)]
    path = folder / "many.html"
    path.write_text(
        render_suite({"driver": "rules", "provenance": {}, "scenes": scenes, "summary": {}})
    )
    assert path.stat().st_size < 30e6
    many = browser.open(path, anchor="#scene-321")
    many.until("Whyway.suite.view")
    assert many.get("document.querySelectorAll('.scenes tbody tr').length") == 500
    assert many.errors == []
    many.close()
