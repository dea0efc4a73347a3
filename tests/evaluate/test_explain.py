"""The black box: at an instant, over a drive, and why not something else."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_drives import (
    Other,
    a_citation,
    a_plan,
    a_scene,
    a_trace,
    a_verdict,
    ns,
    road,
    stopping,
    straight,
)  # fmt: skip

from whyway.cli import OK, WRONG_INPUT, main
from whyway.cli.explain_sketch import AHEAD_M, BEHIND_M, sketch
from whyway.config import Config
from whyway.drives import drive
from whyway.evaluate.black_box.explain import ExplainError, account, span
from whyway.evaluate.black_box.story import story
from whyway.evaluate.black_box.why_not import (
    DONE,
    LEFT,
    NOT_WEIGHED,
    alternative,
    alternatives,
    why_not,
)
from whyway.log import read_log
from whyway.types import (
    Conflict,
    Direction,
    Event,
    Fault,
    Intent,
    LaneMap,
    LaneRelation,
    Lateral,
    Longitudinal,
    ObjectPrediction,
    PredictionTrace,
    Rejected,
    Risk,
    Role,
    Route,
    SafetyState,
)

EGO = stopping(20.0, 8.0, 2.0)
LEAD = Other(straight(60.0, 0.0), id=50)
IDS = 1000
STOP_AT_S = 4.0


def rejected(t):
    """From 2 s on a change to the left is weighed: it would collide, ever sooner; afterwards it would gain nothing."""
    if t < 2.0:
        return ()
    if t < 4.0:
        return (
            Rejected(
                Longitudinal.RESUME_SPEED,
                Lateral.LANE_CHANGE,
                Direction.LEFT,
                Risk.COLLISION,
                5.0 - t,
            ),
            Rejected(
                Longitudinal.RESUME_SPEED, Lateral.KEEP_LANE, Direction.NONE, Risk.COLLISION, 3.0
            ),
        )
    return (
        Rejected(
            Longitudinal.RESUME_SPEED, Lateral.LANE_CHANGE, Direction.LEFT, Risk.PROGRESS, math.inf
        ),
    )


def say(t):
    cited = (
        replace(a_citation(LEAD, t, IDS), role=Role.BLOCKER),
        replace(
            a_citation(LEAD, t, IDS + 1), lane_relation=LaneRelation.LEFT, role=Role.ADJACENT_LEFT
        ),
    )
    said = Longitudinal.KEEP_DISTANCE if t < 1.0 else Longitudinal.STOP
    trace = a_trace(t, EGO, said, cited=cited[:1])
    perception = replace(trace.perception, critical_objects=cited)
    none = np.zeros(0)
    forecast = ObjectPrediction(
        IDS + 50, Intent.STOP, 0.8, 0.5, none, none, none, Conflict.REAR_END, 2.5, 1.0, 0.0
    )
    planning = replace(trace.planning, rejected=rejected(t), stop_distance_m=12.0)
    return replace(
        trace, perception=perception, planning=planning, prediction=PredictionTrace((forecast,))
    )


@pytest.fixture
def log(made):
    """A car that stops behind another, with an intervention and a fault on the way."""

    def verdict(t):
        if 2.0 <= t < 2.5:
            return a_verdict(
                t, SafetyState.EMERGENCY_BRAKE, Fault.COLLISION_IMMINENT, "car 1050 in the way"
            )
        return a_verdict(t, SafetyState.NOMINAL)

    return made.drive(
        EGO, LEAD, duration_s=8.0, say=say, verdict=verdict,
        scene=lambda t: a_scene(t, EGO, LEAD, ids_from=IDS), plan=lambda t: a_plan(t, EGO, -2.0),
        events=(Event(ns(3.0), "supervisor", Fault.NODE_DIED, "planner: killed by signal 9"),),
    )  # fmt: skip


# -------------------------------------------------------------------------------------------------------- an instant


def test_an_instant_tells_all_that_the_trace_holds(log):
    told = account(log, 2.2).to_json()
    assert told["decided_s"] == pytest.approx(2.2)
    assert told["sentence"] == "stops in 12 m because of car 1050 blocking the lane"
    assert told["perception"]["speed_limit_mps"] == 10.0
    assert told["cited"][0]["what"] == "car 1050 blocking the lane"
    assert told["cited"][0]["prediction"]["intent"] == "STOP"
    (cause,) = told["causes"]
    assert (cause["what"], cause["without_it"]) == ("car 1050 blocking the lane", "drives on")
    assert [(r["what"], r["why"], r["at_s"]) for r in told["rejected"]] == [
        ("drives on, changes to the left lane", "would collide", pytest.approx(2.8)),
        ("drives on", "would collide", pytest.approx(3.0)),
    ]
    assert told["integrity"]["grounding_ok"] is True
    assert told["safety"]["state"] == "EMERGENCY_BRAKE"
    assert [i["reason"] for i in told["interventions"]] == ["car 1050 in the way"]
    assert [e["detail"] for e in told["events"]] == ["planner: killed by signal 9"]
    json.dumps(told, allow_nan=False)


def test_between_two_decisions_the_earlier_one_is_in_force(log):
    assert account(log, 2.29).decided_s == pytest.approx(2.2)
    assert account(log, 2.29).old_s == 0.0


def test_an_old_decision_is_called_old(made):
    log = made.drive(EGO, duration_s=4.0, say=lambda t: a_trace(t, EGO) if t <= 1.0 else None)
    assert account(log, 3.0).old_s == pytest.approx(2.0)


def test_times_outside_and_logs_without_a_decision_are_refused_with_the_remedy(log, made):
    for at in (-1.0, 8.2, 1e9, math.nan):
        with pytest.raises(ExplainError, match="from 0 to 8.0 s"):
            account(log, at)
    with pytest.raises(ExplainError, match="holds no Trace"):
        span(made.drive(EGO))


def test_before_the_first_decision_nothing_is_explained(made):
    log = made.drive(EGO, duration_s=4.0, say=lambda t: a_trace(t, EGO) if t >= 1.0 else None)
    with pytest.raises(ExplainError, match="first decision was taken at 1.0 s"):
        account(log, 0.5)


def test_the_sketch_shows_who_is_cited_where_they_were_and_where_the_road_is_not(log):
    rows = [row.plain for row in sketch(account(log, 0.0), log)]
    width = BEHIND_M + AHEAD_M
    assert all(len(row) == width for row in rows) and len(rows) == 9
    (middle,) = [row for row in rows if "A" in row]  # 1050 is cited first; 1051 is not in the scene
    ego, lead = middle.index("█"), middle.index("A")
    assert middle.count("█") in (4, 5) and middle.count("A") in (4, 5)
    assert lead - ego == pytest.approx(40, abs=1)  # both are as long, one stands 40 m ahead
    assert set(rows[0]) == set(rows[1]) == {" "}  # two more lanes on the left
    assert set(rows[-1]) == {"░"}  # none on the right


def test_without_a_scene_or_a_map_there_is_less_to_draw(log):
    bare = replace(log, topics={k: v for k, v in log.topics.items() if "map" not in k})
    assert not any("░" in row.plain for row in sketch(account(bare, 0.0), bare))
    blind = replace(log, topics={k: v for k, v in log.topics.items() if "scene" not in k})
    assert sketch(account(blind, 0.0), blind) == []


# --------------------------------------------------------------------------------------------------------- a drive


def test_the_story_tells_of_the_intervention_the_fault_and_the_stand(log):
    told = {(m.kind, round(m.at_s, 1)): m for m in story(log).moments}
    assert told["safety", 2.0].what == "emergency brake, car 1050 in the way"
    assert told["fault", 3.0].what == "supervisor: planner: killed by signal 9 (node died)"
    assert told["stand", STOP_AT_S].what == "stands to the end"
    assert told["decision", 1.0].said == "stops in 12 m because of car 1050 blocking the lane"
    assert [m.at_s for m in story(log).moments] == sorted(m.at_s for m in story(log).moments)


def test_what_went_wrong_is_never_left_out_for_changes_of_mind(log):
    few = story(log, most=2)
    assert [m.kind for m in few.moments] == ["safety", "fault"]
    assert few.left_out == len(story(log).moments) - 2


def test_a_collision_is_the_first_thing_told(made):
    into = straight(20.0, 8.0)
    log = made.drive(into, LEAD, duration_s=6.0, say=lambda t: a_trace(t, into))
    (crash,) = story(log, most=1).moments
    assert (crash.kind, crash.what) == ("collision", "ran into a car (actor 50), which stood still")
    assert crash.known == "Perception had no track of it in the seconds before."


def test_a_recorded_humans_collision_is_not_told_as_the_drivers(made):
    into = straight(20.0, 8.0)
    log = made.drive(
        into, LEAD, duration_s=6.0, say=lambda t: a_trace(t, into), notes={"open_loop": "yes"}
    )
    assert [m.kind for m in story(log).moments] == ["start"]
    assert "recording" in story(log).unjudged


def test_a_car_without_truth_has_a_story_too_and_says_what_is_missing(log, tmp_path):
    bare = replace(log, topics={k: v for k, v in log.topics.items() if "truth" not in k})
    told = story(bare)
    assert "holds no Truth" in told.unjudged
    assert {"safety", "fault", "stand"} <= {m.kind for m in told.moments}


def test_decisions_that_are_missing_are_told(made):
    log = made.drive(
        EGO, duration_s=6.0, say=lambda t: a_trace(t, EGO) if not 2.0 < t < 4.0 else None
    )
    (gap,) = [m for m in story(log).moments if m.kind == "silence"]
    assert (gap.at_s, gap.what) == (pytest.approx(2.0), "no decision for 2.0 s")


def test_a_log_on_another_clock_tells_the_same(log):
    """A recording's stamps count from 1970, and its map is older."""
    hours = 1_700_000_000 * 1_000_000_000
    moved = replace(
        log,
        topics={
            name: tuple(
                v if isinstance(v, LaneMap | Route) else replace(v, stamp_ns=v.stamp_ns + hours)
                for v in values
            )
            for name, values in log.topics.items()
        },
    )
    assert story(moved) == story(log)
    assert why_not(moved, alternative("STOP")) == why_not(log, alternative("STOP"))
    for key in ("decided_s", "sentence", "interventions", "events"):
        assert account(moved, 2.2).to_json()[key] == account(log, 2.2).to_json()[key]


def test_of_a_log_that_breaks_off_the_part_that_is_there_is_told(log, tmp_path, capsys):
    data = log.path.read_bytes()
    (tmp_path / "drive.mcap").write_bytes(data[: len(data) * 2 // 3])
    code, out, _ = told(capsys, str(tmp_path), "--at", "2.0")
    assert code == OK and "breaks off" in out and "stops in 12 m" in out


# ---------------------------------------------------------------------------------------------------------- why not


def test_every_stretch_says_done_left_or_not_weighed_and_nothing_is_guessed(log):
    told = why_not(log, alternative("LANE_CHANGE_LEFT"))
    assert (told.cycles, told.done, told.left, told.not_weighed) == (
        81, 0, {"COLLISION": 20, "PROGRESS": 41}, 20,
    )  # fmt: skip
    first, second, third = told.stretches
    assert (first.answer, second.answer, third.answer) == (NOT_WEIGHED, LEFT, LEFT)
    assert (second.from_s, second.to_s) == (pytest.approx(2.0), pytest.approx(3.9))
    assert second.after_s == (pytest.approx(1.1), pytest.approx(3.0))
    assert second.beside == ("car 1051 on the left",)
    assert (third.risk, third.after_s) == ("PROGRESS", None)


def test_the_map_says_where_there_is_no_lane(log):
    (whole,) = why_not(log, alternative("lane-change right")).stretches
    assert (whole.answer, whole.why) == (NOT_WEIGHED, "the map has no lane there")


def test_what_was_done_is_done(log):
    told = why_not(log, alternative("stop"))
    assert (told.done, told.not_weighed) == (71, 10)
    assert told.stretches[-1].answer == DONE


def test_going_on_is_weighed_in_the_own_lane_not_beside_it(log):
    assert why_not(log, alternative("RESUME_SPEED")).left == {"COLLISION": 20}


def test_at_one_instant_it_is_that_instants_answer(log):
    (now,) = why_not(log, alternative("LANE_CHANGE_LEFT"), 2.5).stretches
    assert (now.cycles, now.risk, now.after_s) == (
        1,
        "COLLISION",
        (pytest.approx(2.5), pytest.approx(2.5)),
    )


@given(
    st.sampled_from(alternatives()),
    st.sampled_from((str.lower, str.upper, lambda s: s.replace("_", "-"))),
)
def test_every_name_is_understood(name, spelt):
    assert alternative(spelt(name)).text == name


@settings(max_examples=25)
@given(
    st.text(max_size=12).filter(
        lambda s: s.strip().upper().replace("-", "_").replace(" ", "_") not in alternatives()
    )
)
def test_other_names_are_refused_with_those_there_are(text):
    with pytest.raises(ExplainError, match="LANE_CHANGE_LEFT"):
        alternative(text)


# ---------------------------------------------------------------------------------------------------- on the command line


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    """A real drive of some seconds."""
    folder = tmp_path_factory.mktemp("town")
    drive("town", "rules", 1, Config(), folder / "drive.mcap", 5.0)
    return folder


def told(capsys, *words):
    code = main(["explain", *words])
    out, err = capsys.readouterr()
    return code, out, err


def test_a_real_drive_is_told_in_lines_of_a_hundred_columns(town, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "140")
    for words in (
        (),
        ("--at", "2.0"),
        ("--why-not", "RESUME_SPEED"),
        ("--why-not", "stop", "--at", "2"),
    ):
        code, out, err = told(capsys, str(town / "drive.mcap"), *words)
        assert (code, err) == (OK, "")
        lines = out.splitlines()
        assert len(lines) > 4 and all(len(line) <= 100 for line in lines if "More:" not in line), (
            words
        )


def test_the_sentence_of_the_instant_is_what_the_terminal_says_first(town, capsys):
    wanted = account(read_log(town / "drive.mcap"), 2.0).sentence
    _, out, _ = told(capsys, str(town), "--at", "2.0")
    assert f"The car {wanted}." in " ".join(out.split())


def test_json_is_exactly_json_and_tells_the_same(town, capsys):
    for words, key in (
        (("--at", "2.0"), "sentence"), ((), "moments"), (("--why-not", "STOP"), "stretches"), (("--interventions",), "tests"),
    ):  # fmt: skip
        code, out, _ = told(capsys, str(town), "--json", *words)
        assert code == OK and key in json.loads(out)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--at", "99"), "from 0 to 5.0 s"),
        (("--at", "nan"), "from 0 to 5.0 s"),
        (("--why-not", "FLY"), "LANE_CHANGE_LEFT"),
        (("--why-not", "STOP", "--at", "-3"), "from 0 to 5.0 s"),
    ],
)
def test_wrong_input_is_one_line_and_two(town, capsys, words, says):
    code, out, err = told(capsys, str(town), *words)
    assert code == WRONG_INPUT and out == ""
    assert says in err and len(err.strip().splitlines()) == 1


def test_a_log_that_is_not_there_is_one_line_and_two(tmp_path, capsys):
    code, _, err = told(capsys, str(tmp_path / "no.mcap"))
    assert code == WRONG_INPUT and "cannot be read" in err


def test_the_made_road_has_a_lane_on_the_left_only():
    lanes = {lane.id: lane for lane in road()[0].lanes}
    assert lanes[1].left_id and not lanes[1].right_id  # what the answers above rest on
