"""Every trace the expert says can be said in tokens, and comes back: wild scenes, a drive in town, recorded traffic, off the map."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "reason"))  # tests are no package
sys.path.insert(0, str(Path(__file__).parents[1] / "maps"))

from made_scenes import (
    at_a_light,
    at_a_stop_sign,
    before_a_bend,
    ego,
    light,
    one_lane,
    pedestrian,
    route_change,
    scene,
    thing,
    two_lanes,
)
from made_slots import slots_of

from whyway.config import Config
from whyway.driver import Driver
from whyway.maps.manoeuvre import place_of
from whyway.maps.road import Road
from whyway.reason import RuleReasoner
from whyway.trace.grammar import is_valid
from whyway.trace.tokens import decode, encode, quantised
from whyway.types import LightColor, ObjectClass, RoadType, same
from whyway.worlds import make_world

CONFIG = Config()
ROADS = {
    make.__name__: make()
    for make in (one_lane, two_lanes, route_change, at_a_light, at_a_stop_sign, before_a_bend)
}
egos = st.builds(
    ego, st.floats(-5.0, 150.0), st.floats(-2.0, 6.0), st.floats(0.0, 16.0), st.floats(-0.3, 0.3), st.floats(-4.0, 2.0)
)  # fmt: skip
things = st.builds(
    thing, st.integers(1, 99), st.floats(-30.0, 230.0), st.floats(-8.0, 10.0), st.floats(0.0, 15.0),
    st.floats(-3.1, 3.1), st.sampled_from(ObjectClass),
)  # fmt: skip
crowds = st.lists(things, max_size=8, unique_by=lambda o: o.id)
CLOSE = {
    "_mps": (0.13, 0.03),
    "_mps2": (0.2, 0.0),
    "_m": (0.11, 0.035),
    "_s": (0.13, 0.11),
    "_1pm": (0.001, 0.25),
}
"""By unit: half the width of a bin, and by how much it grows."""
SHARE = (0.05, 0.0)


def nearly(name, a, b):
    """Whether a number came back within the width of its bin."""
    if math.isinf(a):
        return a == b
    least, rate = next((CLOSE[u] for u in CLOSE if name.endswith(u)), SHARE)
    return abs(a - b) <= max(least, rate * abs(a)) + 1e-9


def assert_comes_back(t, s, path):
    """There and back: words and copies the same, numbers up to the width of their bins."""
    slots = slots_of(t, s, path)
    sequence = encode(t, slots, s)
    assert is_valid(sequence, slots)
    back = decode(sequence, slots, s, t.integrity)
    assert same(quantised(t.planning), back.planning)
    mine = {c.id: c for c in t.perception.critical_objects}
    theirs = {c.id: c for c in back.perception.critical_objects}
    causes = [{(c.kind, c.id): c for c in x.planning.causes} for x in (t, back)]
    predicted = [{p.id: p for p in x.prediction.objects} for x in (t, back)]
    assert mine.keys() == theirs.keys() and causes[0].keys() == causes[1].keys()
    pairs = [(t.perception, back.perception), (t.planning, back.planning)]
    pairs += [(mine[i], theirs[i]) for i in mine]
    pairs += [(predicted[0][i], predicted[1][i]) for i in mine]
    pairs += [(causes[0][k], causes[1][k]) for k in causes[0]]
    pairs += list(zip(t.planning.rejected, back.planning.rejected, strict=True))
    listed = ("critical_objects", "causes", "rejected")
    for a, b in pairs:
        for name in a.__slots__:
            x, y = getattr(a, name), getattr(b, name)
            if isinstance(x, float):
                assert nearly(name, x, y), (name, x, y)
            elif name not in listed:
                assert np.array_equal(x, y) if isinstance(x, np.ndarray) else x == y, name


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(sorted(ROADS)), egos, crowds, st.sampled_from(LightColor))
def test_what_is_said_of_wild_scenes_comes_back(name, e, objects, color):
    road, s = ROADS[name], scene(e, *objects, lights=light(color))
    place = place_of(road, s.ego)
    path = road.path_from(place.lane_id, place.s_m + 120.0) if place else None
    assert_comes_back(RuleReasoner(CONFIG, road).step(s), s, path)


def test_what_is_said_off_the_map_comes_back():
    road, s = one_lane(), scene(ego(50.0, 90.0), thing(7, 60.0))
    t = RuleReasoner(CONFIG, road).step(s)
    assert t.perception.road_type == RoadType.UNKNOWN and t.integrity.fallback_used
    assert_comes_back(t, s, None)


def test_a_crowd_that_crosses_before_a_red_light_comes_back():
    walkers = [pedestrian(20 + k, 70.0 + 4 * k, -3.0 - 0.2 * k, 1.2) for k in range(12)]
    road, s = ROADS["at_a_light"], scene(ego(), *walkers, lights=light(LightColor.RED))
    t = RuleReasoner(CONFIG, road).step(s)
    assert t.perception.critical_objects and t.perception.traffic_light == LightColor.RED
    place = place_of(road, s.ego)
    assert_comes_back(t, s, road.path_from(place.lane_id, place.s_m + 120.0))


@pytest.mark.parametrize("world", ["town", "USA_US101-26_2"])
def test_what_is_said_on_a_drive_comes_back(world):
    scenes = Path(__file__).resolve().parents[3] / "shared" / "data" / "commonroad_bsd"
    found = [world] if world == "town" else sorted(map(str, scenes.rglob(f"{world}*.xml*")))
    if not found:
        pytest.skip(f"no CommonRoad scenes at {scenes}")
    w = make_world(found[0], 1, CONFIG, 3.0)
    road = Road(w.lane_map, w.route)
    driver, observation, told = Driver("rules", CONFIG, road), w.reset(), 0
    while not w.done:
        cycle = driver.step(observation)
        place = place_of(road, cycle.scene.ego)
        assert_comes_back(
            cycle.trace, cycle.scene, road.path_from(place.lane_id, place.s_m + 120.0)
        )
        observation, told = w.step(cycle.command), told + 1
    assert told >= 20
