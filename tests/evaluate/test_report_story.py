"""A drive's story: what went wrong, who knew of it, what was said and what safety did, for someone who has never seen the project."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_drives import (
    Other,
    a_citation,
    a_plan,
    a_scene,
    a_trace,
    a_verdict,
    stopping,
    straight,
)

from whyway.evaluate.drive import read_drive
from whyway.evaluate.instants import Instants
from whyway.evaluate.report.story import story
from whyway.evaluate.report.trace_data import whole
from whyway.evaluate.report.view_data import compact, side_file, view_data
from whyway.evaluate.score import score_drive
from whyway.types import Fault, LightColor, Longitudinal, SafetyState

EGO = straight(20.0, 8.0)
WALL = Other(straight(62.0, 0.0))
HIT_S = 4.7
"""When the front of the ego reaches the wall's box: (62 - 20 - 4.5) / 8."""


def told(log):
    drive = read_drive(log)
    return drive, story(drive, score_drive(log, drive), Instants(log))


def test_a_collision_with_someone_unseen(made):
    drive, found = told(made.drive(EGO, WALL, say=lambda t: a_trace(t, EGO)))
    assert found.headline == "Ran into a car (actor 50) at 4.7 s, which stood still"
    assert found.lines[:4] == (
        "It drove 29 km/h when it touched the car, which stood still.",
        "Perception had no track of it in the seconds before.",
        "A second before it said: “drives on towards 36 km/h”.",
        "Safety let every command of the 5 s before through.",
    )
    assert drive.t_s[found.opens_at(drive.dt_s)] == pytest.approx(HIT_S - 1.0)


def test_a_collision_with_someone_seen_but_not_cited_and_with_someone_cited(made):
    def drive(cites_from):
        return made.drive(
            EGO, WALL, scene=lambda t: a_scene(t, EGO, WALL, ids_from=100),
            say=lambda t: a_trace(t, EGO, cited=(a_citation(WALL, t, 100),) if t >= cites_from else ()),
            verdict=lambda t: a_verdict(t, SafetyState.EMERGENCY_BRAKE, Fault.COLLISION_IMMINENT, "too near")
            if t >= 4.0 else None,
        )  # fmt: skip

    _, unsaid = told(drive(np.inf))
    assert "Perception tracked it (as object 150), but no decision of the last 5 s cited it." in unsaid.lines  # fmt: skip
    _, said = told(drive(2.7))
    assert "Perception tracked it (as object 150), and the trace cited it as a cause, first 2.0 s before." in said.lines  # fmt: skip
    assert "Safety: emergency brake, 0.7 s before (too near)." in said.lines


def test_a_red_light_that_was_run(made):
    log = made.drive(
        straight(70.0, 8.0), say=lambda t: a_trace(t, straight(70.0, 8.0)),
        light=lambda t: LightColor.RED if t >= 1.0 else LightColor.GREEN,
    )  # fmt: skip
    _, found = told(log)
    at_s = (100.0 - 70.0 - 4.5 / 2) / 8.0
    assert found.headline.startswith("Ran the red light 9 at ")
    (line,) = (line for line in found.lines if line.startswith("It had been red for"))
    assert float(line.split()[5]) == pytest.approx(at_s - 1.0, abs=0.25)
    assert "The trace took it for unknown." in found.lines


def test_the_road_that_was_left_and_what_came_first(made):
    ego = straight(20.0, 8.0, yaw=-0.2)
    _, found = told(made.drive(ego))
    assert found.headline.startswith("Left the road at ")
    assert "A second before it said: nothing: there is no trace." in found.lines
    log = made.drive(ego)
    drive = read_drive(log)
    data = view_data(log, drive, score_drive(log, drive))
    ((text, x, y),) = data["places"]
    assert data["texts"][text] == "left the road"
    assert y < 0 < x, "to the right of where it began"


def test_a_drive_that_ends_in_a_standstill_tells_what_it_waited_for(made):
    ego = stopping(20.0, 8.0, 4.0)
    log = made.drive(ego, say=lambda t: a_trace(t, ego, Longitudinal.STOP), duration_s=10.0)
    _, found = told(log)
    assert found.lines[0].startswith("It stood from 2.0 s to the end, saying: “stops")
    assert found.index == 20


def test_a_drive_in_which_nothing_happened_opens_at_its_start(made):
    drive, found = told(made.drive(EGO, plan=lambda t: a_plan(t, EGO)))
    assert (found.headline, found.lines, found.opens_at(drive.dt_s)) == ("Passed", (), 0)


def test_of_a_replayed_drive_the_driver_is_not_blamed(made):
    _, found = told(made.drive(EGO, WALL, notes={"open_loop": "yes"}))
    assert "Ran into" not in " ".join((found.headline, *found.lines))


def test_numbers_of_the_view_are_whole_and_its_series_are_the_drives(made):
    def latency(t):
        return a_verdict(t, SafetyState.NOMINAL)

    log = made.drive(EGO, WALL, say=lambda t: a_trace(t, EGO), verdict=latency)
    drive = read_drive(log)
    data = view_data(log, drive, score_drive(log, drive))
    series = data["series"]
    assert series["v"] == [800] * 81
    assert series["limit"] == [1000] * 81
    assert set(series["latency"]) == {"decision", "perception", "reasoner", "planner", "control"}
    assert series["latency"]["decision"][7] == 750, "1 + 4 + 2 + 0.5 ms"
    hit = [f["hit"][0] for f in data["frames"] if "hit" in f]
    assert data["texts"][hit[0][0]] == "car, actor 50"
    x0 = 20.0 - 1.3  # where base_link began
    assert hit[0][1:3] == [round((62.0 - x0) * 100), 0]
    assert data["frames"][0]["trace"]["aims"] == [1000, 0, None, 100]


def test_a_long_drive_keeps_its_slowest_decision(made, monkeypatch):
    from whyway.evaluate.report import player

    monkeypatch.setattr(player, "MOST_FRAMES", 30)
    log = made.drive(
        EGO, say=lambda t: a_trace(t, EGO), verdict=lambda t: a_verdict(t, SafetyState.NOMINAL)
    )
    drive = read_drive(log)
    data = view_data(log, drive, score_drive(log, drive))
    assert len(data["series"]["latency"]["decision"]) == len(data["frames"]) == 27
    assert max(at for at, _, _ in data["moments"]) < 27


_TEXTS = st.text(st.sampled_from("</scriptSCRIPT!-> \u2028\u2029&\"'")) | st.text()


@given(st.lists(_TEXTS) | st.dictionaries(_TEXTS, _TEXTS | st.none() | st.integers(-9, 9)))
def test_no_text_ends_the_element_it_stands_in(value):
    text = compact(value)
    assert json.loads(text) == value
    assert not any(part in text for part in ("<", "\u2028", "\u2029"))


def test_what_is_no_number_is_left_out_and_the_rest_is_shown(made):
    def broken(t):
        scene, plan = a_scene(t, EGO, WALL, Other(straight(40.0, 3.0), id=51)), a_plan(t, EGO)
        first, second = scene.objects
        lost = replace(first, yaw_rad=np.nan), replace(first, id=52, x_m=np.nan)
        bad = replace(plan, waypoints=replace(plan.waypoints, y_m=np.full(81, np.nan)))
        return replace(scene, objects=(*lost, second)), bad

    log = made.drive(
        EGO, WALL, scene=lambda t: broken(t)[0], plan=lambda t: broken(t)[1], duration_s=2.0,
        say=lambda t: replace(
            a_trace(t, EGO), planning=replace(a_trace(t, EGO).planning, target_speed_mps=np.nan)
        ),
    )  # fmt: skip
    drive = read_drive(log)
    frame = json.loads(compact(view_data(log, drive, score_drive(log, drive))))["frames"][5]
    assert [o[0] for o in frame["objects"] if o[6] != 3] == [51]
    assert "plan" not in frame
    assert frame["trace"]["aims"][0] is None


def test_a_side_file_is_a_call_with_the_data():
    text = side_file({"name": "</script>"})
    assert text.startswith("Whyway.loaded(")
    assert json.loads(text.removeprefix("Whyway.loaded(").removesuffix(");\n")) == {"name": "</script>"}  # fmt: skip


def test_infinity_and_nothing_are_null():
    assert [whole(v) for v in (1.234, -0.001, np.inf, np.nan)] == [123, 0, None, None]
