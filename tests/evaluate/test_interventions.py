"""Are the words the causes? Tested on a real drive, and on planners that shirk."""

import dataclasses
from pathlib import Path

import pytest
from made_drives import a_trace, road, straight

from whyway.config import Config
from whyway.driver import make_planner
from whyway.drives import drive
from whyway.evaluate.black_box.explain import ExplainError
from whyway.evaluate.traces.interventions import (
    DECLARED,
    REPRODUCED,
    SAY_LEFT,
    SAY_RIGHT,
    SAY_SLOWER,
    SAY_STOP,
    TESTS,
    UNCITED,
    UNSAID,
    edits,
    intervene,
)
from whyway.log import read_log
from whyway.maps.road import Road
from whyway.types import EgoState, InputError, Scene

SCENE = "USA_US101-26_2"
SCENES = Path(__file__).resolve().parents[3] / "shared" / "data" / "commonroad_bsd"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """Four seconds of a recorded motorway, driven by the expert."""
    files = sorted(SCENES.rglob(f"{SCENE}*.xml*"))
    if not files:
        pytest.skip(f"no CommonRoad scenes at {SCENES}")
    path = tmp_path_factory.mktemp("drive") / "drive.mcap"
    drive(str(files[0]), "rules", 1, Config(), path, 4.0)
    return read_log(path)


def test_the_experts_words_are_causes(recorded):
    found = intervene(recorded)
    tried = {row.what: row.tried for row in found.rows()}
    assert list(tried) == list(TESTS)
    assert found.share(REPRODUCED) == 1.0 and tried[REPRODUCED] == 8
    assert tried[DECLARED] >= 4 and found.share(DECLARED) >= 0.9
    assert tried[UNCITED] >= 50 and found.share(UNCITED) >= 0.98
    for what in (SAY_STOP, SAY_SLOWER, SAY_LEFT, UNSAID):
        assert tried[what] and found.share(what) == 1.0, what


def test_words_that_were_not_the_reasoners_own_are_not_tested_as_such(recorded):
    """Another reasoner's log under the expert's name: what it said is not reproduced, so nothing is declared in its name."""
    topics = dict(recorded.topics)
    (name,) = [k for k, v in topics.items() if k.endswith("trace")]
    topics[name] = tuple(
        dataclasses.replace(t, planning=dataclasses.replace(t.planning, confidence=0.123))
        for t in topics[name]
    )
    found = intervene(dataclasses.replace(recorded, topics=topics))
    assert found.share(REPRODUCED) == 0.0
    assert found.share(DECLARED) is found.share(UNCITED) is None
    assert found.share(SAY_STOP) == 1.0


def here(y=0.0):
    """A car on the right one of two lanes (y = 0) or the left one (y = 3.5), alone."""
    lane_map, route = road()
    motion = straight(20.0, 8.0, y=y)
    trace = a_trace(0.0, motion)
    none = trace.action.delta_x_m
    ego = EgoState(20.0, y, 0.0, 8.0, 0.0, 0.0, 0.0)
    return Scene(0, 0, ego, none, none, none, none), trace, Road(lane_map, route)


@pytest.mark.parametrize(("y", "side"), [(0.0, SAY_LEFT), (3.5, SAY_RIGHT)])
def test_a_planner_that_listens_follows_every_edit(y, side):
    scene, trace, on = here(y)
    found = dict(edits(scene, trace, make_planner("rules", Config(), on), on))
    assert found == {SAY_STOP: True, SAY_SLOWER: True, side: True}


def test_a_planner_that_does_not_listen_is_found_out():
    scene, trace, on = here()
    found = dict(edits(scene, trace, make_planner("constant_velocity", Config(), on), on))
    assert found and not any(found.values())


def test_a_log_without_a_map_or_of_an_unknown_driver_is_refused(made):
    motion = straight(20.0, 8.0)
    log = made.drive(motion, duration_s=2.0, say=lambda t: a_trace(t, motion), driver="nobody")
    with pytest.raises(ExplainError, match="map, route and traces"):
        intervene(
            dataclasses.replace(log, topics={k: v for k, v in log.topics.items() if "map" not in k})
        )
    with pytest.raises(InputError, match="nobody"):
        intervene(log)
