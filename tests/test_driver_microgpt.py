"""The learnt driver in closed loop, with weights drawn at random: no plan is driven that contradicts its words, whatever is wrong."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from made_models import configured, made_model

from whyway import driver as drivers
from whyway.config import Config
from whyway.driver import Cycle, Driver, make_planner
from whyway.drives import drive
from whyway.evaluate.report.page import write_report
from whyway.log import read_log
from whyway.maps.road import Road
from whyway.plan import WaypointPlanner
from whyway.plan.learned import LearnedPlanner
from whyway.trace.integrity import objection
from whyway.types import Event, Fault, Longitudinal, Plan, SafetyState, Trace, Verdict, differences
from whyway.worlds import make_world

Watch = Callable[[Driver, Cycle], None]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # a seed whose random words can be driven: those of some have plans that safety refuses for themselves
    return made_model(tmp_path_factory.mktemp("models") / "tiny", seed=1)


def cycles(
    name: str, config: Config, seconds: float = 4.0, before: Callable[[Driver], None] | None = None
) -> list[Cycle]:
    """A short drive through the town."""
    world = make_world("town", 3, config, seconds)
    driver = Driver(name, config, Road(world.lane_map, world.route))
    if before is not None:
        before(driver)
    observation, found = world.reset(), []
    while not world.done:
        found.append(driver.step(observation))
        observation = world.step(found[-1].command)
    return found


def as_driven(cycle: Cycle) -> tuple[object, ...]:
    """What moves the car."""
    return cycle.trace.planning, cycle.plan.waypoints, cycle.command


# ------------------------------------------------------------------------------------------------------- as it should


@pytest.mark.parametrize("seed", range(2))
def test_whatever_the_weights_no_plan_is_driven_that_contradicts_its_trace(
    seed: int, tmp_path: Path
) -> None:
    config = configured(made_model(tmp_path / "m", seed=seed), temperature=1.0)
    found = cycles("microgpt", config)
    assert all(cycle.plan.withheld or objection(cycle.trace) == "" for cycle in found)
    assert any(not cycle.trace.integrity.fallback_used for cycle in found)


def test_it_drives_under_the_supervisor_and_just_as_configured(folder: Path) -> None:
    config = configured(folder)
    assert drivers.driver_config("microgpt", config) == config and config.safety.enabled


def test_its_waypoints_are_its_head_s_and_without_one_the_rules_(folder: Path, tmp_path: Path) -> None:  # fmt: skip
    world = make_world("town", 3, Config(), 1.0)
    road = Road(world.lane_map, world.route)
    assert isinstance(make_planner("microgpt", configured(folder), road), LearnedPlanner)
    headless = configured(made_model(tmp_path / "headless", head=False))
    assert isinstance(make_planner("microgpt", headless, road), WaypointPlanner)


# ------------------------------------------------------------------------------------------------ when it cannot answer


@pytest.fixture(scope="module")
def by_rules() -> list[Cycle]:
    return cycles("rules", Config())


def test_with_a_budget_of_a_millisecond_the_car_moves_as_with_the_rules(
    folder: Path, by_rules: list[Cycle]
) -> None:
    found = cycles("microgpt", configured(folder, budget_ms=1.0))
    assert all(cycle.trace.integrity.fallback_used for cycle in found)
    for mine, theirs in zip(found, by_rules, strict=True):
        assert not any(map(differences, as_driven(mine), as_driven(theirs)))
    told = [event for cycle in found for event in cycle.events]
    assert [(e.fault, e.detail) for e in told] == [
        (Fault.FALLBACK, "rules: no whole trace within 1 ms")
    ]


def test_without_its_model_the_car_moves_as_with_the_rules_if_that_is_allowed(
    by_rules: list[Cycle], tmp_path: Path
) -> None:
    config = configured(tmp_path / "nothing", rules_if_bad_model=True)
    for mine, theirs in zip(cycles("microgpt", config), by_rules, strict=True):
        assert not any(map(differences, as_driven(mine), as_driven(theirs)))
        assert "nothing" in mine.trace.integrity.validator
    with pytest.raises(ValueError, match="rules_if_bad_model"):
        cycles("microgpt", configured(tmp_path / "nothing"))


def test_a_head_that_does_not_fit_is_a_bad_model(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.setattr("whyway.plan.waypoint_head.HEAD_VERSION", "99")
    with pytest.raises(ValueError, match="rules_if_bad_model"):
        drivers.load_mind("microgpt", configured(folder), thinks=False)


# ----------------------------------------------------------------------------------------- when action and words part


class Liar:
    """Plans like another planner, and then brakes where driving on was said and speeds up where anything else was."""

    def __init__(self, planner: object) -> None:
        self._planner = planner

    def step(self, view: object) -> Plan:
        plan = self._planner.step(view)  # type: ignore[attr-defined]
        w, said = plan.waypoints, view.decision.longitudinal  # type: ignore[attr-defined]
        goes_on = said in (Longitudinal.RESUME_SPEED, Longitudinal.PASS, Longitudinal.GAP_SEARCH)
        v = np.maximum(w.v_mps[0] + (-3.0 if goes_on else 2.5) * w.t_s, 0.0)
        return dataclasses.replace(plan, waypoints=dataclasses.replace(w, v_mps=v))


def lies(driver: Driver) -> None:
    driver._planning._planner = Liar(driver._planning._planner)


def everybody_lies(driver: Driver) -> None:
    lies(driver)
    driver._planning._stand_in_planner = Liar(driver._planning._stand_in_planner)


def test_what_contradicts_is_not_driven_and_the_rules_answer(folder: Path) -> None:
    found = cycles("microgpt", configured(folder), before=lies)
    replaced = [c for c in found if c.trace.integrity.validator.startswith("rules: says ")]
    assert len(replaced) > 5
    for cycle in found:
        assert not cycle.plan.withheld and objection(cycle.trace) == ""
    told = [e for cycle in found for e in cycle.events]
    assert told[0].fault is Fault.TRACE_CONTRADICTED and "the rules answer" in told[0].detail
    assert len(told) < 5
    assert {c.verdict.fault for c in found} == {Fault.NONE}


@pytest.mark.parametrize("name", ["microgpt", "rules"])
def test_where_nobody_does_as_said_the_car_stops(name: str, folder: Path) -> None:
    found = cycles(name, configured(folder), 7.0, everybody_lies)
    withheld = [k for k, c in enumerate(found) if c.plan.withheld]
    assert len(withheld) > 20
    assert all(objection(found[k].trace) for k in withheld)
    assert Fault.TRACE_CONTRADICTED in {c.verdict.fault for c in found}
    assert found[-1].observation.ego.v_mps < 0.2
    first = next(c for c in found if c.verdict.state is SafetyState.MINIMAL_RISK)
    assert first.verdict.fault is Fault.TRACE_CONTRADICTED


def test_baselines_are_not_checked() -> None:
    found = cycles("constant_velocity", Config(), before=everybody_lies)
    assert not any(c.plan.withheld for c in found)
    assert any(objection(c.trace) for c in found)


def test_a_log_of_it_can_be_read_and_judged_and_the_black_box_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = drivers.make_planning

    def lying(*arguments: object) -> object:
        planning = make(*arguments)  # type: ignore[arg-type]
        planning._planner = planning._stand_in_planner = Liar(planning._planner)
        return planning

    monkeypatch.setattr(drivers, "make_planning", lying)
    drive("town", "rules", 3, Config(), tmp_path / "drive.mcap", 6.0, black_box=tmp_path / "box")
    log = read_log(tmp_path / "drive.mcap")
    assert any(plan.withheld for plan in log.of(Plan))
    assert Fault.TRACE_CONTRADICTED in {e.fault for e in log.of(Event)}
    assert write_report(log, tmp_path / "report").to_json()
    box = read_log(next((tmp_path / "box").glob("*.mcap")))
    assert box.info["black_box"]["why"] == "trace_contradicted"
    assert box.of(Trace) and box.of(Verdict) and not box.truncated


# ------------------------------------------------------------------------------------------------- a person's word


def asks(*texts: str, duration_s: float = 20.0) -> Callable[[Driver], None]:
    def ask(driver: Driver) -> None:
        driver.override(texts, duration_s)

    return ask


def test_told_to_stop_it_stops_there_and_the_traces_say_who_said_so(by_rules: list[Cycle]) -> None:
    word = asks("planning.longitudinal=STOP", "planning.stop_distance_m=12")
    found = cycles("rules", Config(), 7.0, word)
    start, end = found[0].observation.ego, found[-1].observation.ego
    gone = np.hypot(end.x_m - start.x_m, end.y_m - start.y_m)
    assert end.v_mps < 0.1 and 6.0 < gone < 12.5
    by_itself, told = (c[25].observation.ego.v_mps for c in (by_rules, found))
    assert told < by_itself - 1.0
    assert found[5].trace.integrity.validator == "override: longitudinal=STOP, stop_distance_m=12"
    assert [e.fault for c in found for e in c.events] == [Fault.OVERRIDDEN]


def test_when_the_word_is_over_it_drives_on(by_rules: list[Cycle]) -> None:
    found = cycles("rules", Config(), before=asks("planning.target_speed_mps=1", duration_s=1.0))
    assert found[9].trace.planning.target_speed_mps == 1.0
    assert found[10].trace.planning.target_speed_mps > 1.0
    assert found[9].observation.ego.v_mps < by_rules[9].observation.ego.v_mps


def test_told_to_be_slower_the_learnt_driver_is(folder: Path) -> None:
    config = configured(folder)
    slow = cycles("microgpt", config, before=asks("planning.target_speed_mps=2", "longitudinal=ADAPT_SPEED"))  # fmt: skip
    assert slow[-1].observation.ego.v_mps < slow[0].observation.ego.v_mps


def test_words_that_cannot_be_understood_change_nothing(by_rules: list[Cycle]) -> None:
    def ask(driver: Driver) -> None:
        with pytest.raises(ValueError, match="did you mean"):
            driver.override(["planning.longitudnal=STOP"], 5.0)

    for mine, theirs in zip(cycles("rules", Config(), before=ask), by_rules, strict=True):
        assert not any(map(differences, as_driven(mine), as_driven(theirs)))
