"""A log's driver again: it stands where it stood. And what the tests of its words find, in drivers of which it is known beforehand."""

import copy
import dataclasses
import sys
from pathlib import Path
from types import MappingProxyType

import pytest
from made_drives import a_trace, straight

sys.path.insert(0, str(Path(__file__).parents[1]))

from made_models import made_model

import whyway.driver as driver_module
from whyway.config import Config, override
from whyway.driver import DRIVERS, Driver
from whyway.drives import drive
from whyway.evaluate.faithfulness.job import examined
from whyway.evaluate.faithfulness.probe import Dials
from whyway.evaluate.faithfulness.tally import Tally
from whyway.evaluate.traces.rerun import again, logged_driver
from whyway.log import LogWriter, read_log
from whyway.maps.road import Road
from whyway.plan import planner_view
from whyway.plan.learned import LearnedPlanner
from whyway.reason.memory import SceneMemory
from whyway.reason.shuffled import as_text, other_words
from whyway.topics import LANE_MAP, PLAN, ROUTE, SCENE, TRACE
from whyway.types import InputError, LaneMap, Route, Trace, same
from whyway.worlds import make_world

SECONDS = 2.0
DIALS = Dials(every=4, removals=3, samples=3)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model with random weights."""
    return made_model(tmp_path_factory.mktemp("models") / "made", seed=1)


@pytest.fixture
def unchecked(monkeypatch):
    """What drivers say is driven, whatever it is."""
    kinds = {n: dataclasses.replace(k, checked=False) for n, k in DRIVERS.items()}
    monkeypatch.setattr(driver_module, "DRIVERS", MappingProxyType(kinds))


def config_of(model):
    return override(
        Config(),
        {"reason.model": str(model), "reason.backend": "numpy", "safety.enabled": False},
    )


def road_of(log):
    return Road(log.of(LaneMap)[-1], log.of(Route)[-1])


def driven(path, name, config=None, seconds=SECONDS):
    """The log of some seconds in town."""
    drive("town", name, 1, config or Config(), path, seconds)
    return read_log(path)


# --------------------------------------------------------------------------------------------- it stands where it stood


def remembered(memory: SceneMemory):
    """All that differs from one memory to another."""
    return {f.name: getattr(memory, f.name) for f in dataclasses.fields(memory) if f.name not in ("config", "road")}  # fmt: skip


@pytest.mark.parametrize("heard", ["its own words", "another's words"])
def test_the_learnt_driver_stands_where_it_stood_whoever_was_heard(heard, model, tmp_path, request):
    """With checks on, what a model of random weights says first is not driven: another answers, and the log has his words."""
    config = config_of(model)
    if heard == "its own words":
        request.getfixturevalue("unchecked")
    else:
        config = override(config, {"reason.second_thoughts": False})
    world = make_world("town", 1, config, SECONDS)
    road = Road(world.lane_map, world.route)
    driver, stood = Driver("microgpt", config, road), []
    observation = world.reset()
    path = tmp_path / "drive.mcap"
    with LogWriter(path, {"driver": "microgpt", "config": dataclasses.asdict(config)}) as log:
        log.write(LANE_MAP.name, world.lane_map)
        log.write(ROUTE.name, world.route)
        while not world.done:
            stood.append(copy.copy(driver._reasoner))
            cycle = driver.step(observation)
            for topic, value in ((SCENE, cycle.scene), (TRACE, cycle.trace), (PLAN, cycle.plan)):
                log.write(topic.name, value)
            observation = world.step(cycle.command)
    log = read_log(path)
    fallbacks = sum(t.integrity.fallback_used for t in log.of(Trace))
    assert fallbacks == 0 if heard == "its own words" else fallbacks > 0
    rerun, _ = logged_driver(log, road_of(log))
    seen = 0
    for here, then in zip(again(log, rerun), stood, strict=True):
        assert same(remembered(rerun._reasoner._memory), remembered(then._memory))
        if not here.trace.integrity.fallback_used:
            (said,) = rerun.decide([here.scene])
            assert same(said.planning, here.trace.planning)
            assert same(said.perception, here.trace.perception)
        seen += 1
    assert seen == len(stood) >= 18


@pytest.mark.parametrize("name", ["rules", "idm", "shuffled_rules", "constant_velocity"])
def test_other_drivers_stand_where_they_stood(name, tmp_path):
    log = driven(tmp_path / "drive.mcap", name)
    rerun, _ = logged_driver(log, road_of(log))
    for k, here in enumerate(again(log, rerun)):
        if k % 5 == 0:
            first, second = rerun.decide([here.scene, here.scene])  # nothing of it is remembered
            assert same(first.planning, here.trace.planning) and same(first, second)


def test_another_model_than_the_one_that_drove_is_refused(model, unchecked, tmp_path):
    log = driven(tmp_path / "drive.mcap", "microgpt", config_of(model), 1.0)
    other = made_model(tmp_path / "other", seed=2)
    info = dict(log.info) | {"config": dataclasses.asdict(config_of(other))}
    with pytest.raises(InputError, match="drive it again"):
        logged_driver(dataclasses.replace(log, info=info), road_of(log))


# ------------------------------------------------------------------------------------------------- what is found out


def test_what_the_expert_says_causes_what_it_does(tmp_path):
    found = examined(driven(tmp_path / "drive.mcap", "rules", seconds=8.0), Dials(8, 3, 3))
    assert found.ratio("own_words") == found.ratio("reproduced") == found.ratio("stability") == 1.0
    assert found.ratio("coverage") == 1.0
    assert found.sums["uncited_unchanged"][1] >= 10 and found.ratio("uncited_unchanged") >= 0.95
    assert found.ratio("intervention_direction") >= 0.95
    for name in ("bypass_blank", "bypass_moment", "bypass_other"):
        assert found.ratio(name) < 1.0


def test_a_planner_that_does_not_listen_is_found_out(tmp_path):
    found = examined(driven(tmp_path / "drive.mcap", "constant_velocity"), DIALS)
    assert found.sums["intervention_direction"][1] >= 3
    assert found.ratio("intervention_direction") == 0.0
    # with any words it does the same, or there is nothing that it does beside going on
    for name in ("bypass_blank", "bypass_other"):
        assert found.ratio(name) in (None, pytest.approx(1.0))


def test_a_model_that_babbles_is_neither_stable_nor_covering(model, unchecked, tmp_path):
    """Random weights: nearly every word is as likely as any other, so what it says is one thing, what it might say another."""
    found = examined(driven(tmp_path / "drive.mcap", "microgpt", config_of(model)), DIALS)
    assert found.ratio("own_words") == found.ratio("reproduced") == 1.0
    assert found.sums["stability"][1] == 3 * found.sums["reproduced"][1]
    assert found.ratio("stability") < 0.9
    assert found.ratio("coverage") < 0.9


def test_the_same_log_is_tested_alike_every_time(tmp_path):
    log = driven(tmp_path / "drive.mcap", "rules")
    assert examined(log, DIALS).to_json() == examined(log, DIALS).to_json()


def test_a_log_without_a_map_is_refused(made):
    motion = straight(20.0, 8.0)
    log = made.drive(motion, duration_s=2.0, say=lambda t: a_trace(t, motion), driver="rules")
    cut = {k: v for k, v in log.topics.items() if "map" not in k}
    with pytest.raises(InputError, match="map, route and traces"):
        examined(dataclasses.replace(log, topics=cut), DIALS)


def test_a_tally_comes_back_from_json():
    tally = Tally()
    tally.add("hit", True)
    tally.add("hit", False)
    tally.add("metres", 2.5, 2.0)
    again_ = Tally.of_json(tally.to_json())
    assert again_.sums == tally.sums
    assert again_.ratio("hit") == 0.5 and again_.ratio("metres") == 1.25
    assert again_.ratio("nothing") is None


@pytest.mark.parametrize("wrong", [{"every": 0}, {"removals": -1}, {"samples": 10**6}])
def test_senseless_dials_are_refused(wrong):
    with pytest.raises(InputError, match="--"):
        Dials(**wrong)


# ------------------------------------------------------------------------------------------------- without its words


@pytest.mark.parametrize("name", ["no_trace", "shuffled_trace"])
def test_the_head_drives_whatever_words_it_is_given_and_nothing_is_kept_back(name, model):
    config = config_of(model)
    world = make_world("town", 1, config, SECONDS)
    road = Road(world.lane_map, world.route)
    driver, observation = Driver(name, config, road), world.reset()
    said = {as_text(w, ()) for w, _ in other_words()}
    while not world.done:
        cycle = driver.step(observation)
        observation = world.step(cycle.command)
        assert not cycle.plan.withheld and not cycle.trace.integrity.fallback_used
        view = planner_view(cycle.scene, cycle.trace)
        assert same(driver._planning._planner.step(view).waypoints, cycle.plan.waypoints)
        if name == "no_trace":
            assert not view.objects and cycle.trace.planning.decision == (6, 0, 0)
        else:
            assert as_text(cycle.trace.planning, ()) in said
    assert isinstance(driver._planning._planner, LearnedPlanner)
