"""What scenes and words leave behind, against what the rule expert remembers of its own driving."""

from __future__ import annotations

import copy
import dataclasses

import numpy as np
import pytest
from made_scenes import SIGN, at_a_stop_sign, ego, one_lane, route_change, scene, thing, two_lanes

from whyway.config import Config
from whyway.maps.manoeuvre import place_of
from whyway.reason import RuleReasoner
from whyway.reason.memory import SceneMemory
from whyway.types import Direction, Lateral, Rejected, Risk

CONFIG = Config()


def remembered(road, *scenes):
    """Memory after scenes that nobody said anything about."""
    memory = SceneMemory(CONFIG, road)
    for s in scenes:
        memory = memory.after(s, place_of(road, s.ego))
    return memory


def planning(road, s):
    return RuleReasoner(CONFIG, road).step(s).planning


def test_an_object_stands_from_when_it_is_seen_to_until_it_moves():
    road = one_lane()
    standing = [scene(ego(), thing(7, 100.0), stamp_ns=k * 10**8) for k in range(11)]
    assert remembered(road, *standing[:1]).standing_s == {7: 0.0}
    assert remembered(road, *standing).standing_s == {7: pytest.approx(1.0)}
    moving = scene(ego(), thing(7, 100.0, v=2.0), stamp_ns=11 * 10**8)
    assert remembered(road, *standing, moving).standing_s == {}


def test_the_ego_waits_while_it_stands_and_no_longer_once_it_drives():
    road = one_lane()
    waits = [scene(ego(v=0.0), stamp_ns=k * 10**8) for k in range(21)]
    assert remembered(road, *waits).waited_s == pytest.approx(2.0)
    creeps = scene(ego(v=1.0), stamp_ns=21 * 10**8)
    assert remembered(road, *waits, creeps).waited_s == pytest.approx(2.0)
    assert remembered(road, *waits, scene(ego(v=3.0), stamp_ns=21 * 10**8)).waited_s == 0.0


def test_a_gap_in_the_data_is_no_time():
    road = one_lane()
    later = remembered(road, scene(ego(v=0.0)), scene(ego(v=0.0), stamp_ns=60 * 10**9))
    assert later.waited_s == 0.0


def test_a_stop_sign_is_served_by_standing_at_its_line_only():
    road = at_a_stop_sign()
    front = CONFIG.vehicle.front_m
    assert remembered(road, scene(ego(x=149.0 - front, v=0.0))).served_stops == {SIGN}
    assert remembered(road, scene(ego(x=149.0 - front, v=1.0))).served_stops == frozenset()
    assert remembered(road, scene(ego(x=140.0 - front, v=0.0))).served_stops == frozenset()


def test_a_lane_change_is_under_way_from_its_being_said_to_the_new_lanes_middle():
    road = route_change()
    start = scene(ego(x=250.0, v=10.0))
    place = place_of(road, start.ego)
    said = planning(road, start)
    assert (said.lateral, said.direction) == (Lateral.LANE_CHANGE, Direction.LEFT)
    memory = SceneMemory(CONFIG, road).after(start, place).told(said, place)
    assert memory.changing == Direction.LEFT and not memory.crossed
    for y, changing, crossed in (
        (1.2, Direction.LEFT, False),
        (2.2, Direction.LEFT, True),
        (3.4, Direction.NONE, False),
    ):
        s = scene(ego(x=270.0, y=y, v=10.0), stamp_ns=10**8)
        memory = memory.after(s, place_of(road, s.ego))
        assert (memory.changing, memory.crossed) == (changing, crossed)


def test_a_change_is_given_up_by_being_rejected_and_not_by_being_held():
    road = two_lanes()
    place = place_of(road, ego())
    under_way = dataclasses.replace(SceneMemory(CONFIG, road), changing=Direction.LEFT)
    keeps = planning(road, scene(ego()))
    assert under_way.told(keeps, place).changing == Direction.LEFT
    no = Rejected(keeps.longitudinal, Lateral.LANE_CHANGE, Direction.LEFT, Risk.COLLISION, 1.0)
    gives_up = dataclasses.replace(keeps, rejected=(*keeps.rejected, no))
    assert under_way.told(gives_up, place).changing == Direction.NONE
    over_the_border = dataclasses.replace(under_way, crossed=True)
    assert over_the_border.told(gives_up, place).changing == Direction.LEFT


def test_a_memory_is_a_value_that_later_scenes_do_not_touch():
    road = one_lane()
    first = remembered(road, scene(ego(v=0.0), thing(7, 100.0)))
    kept = dict(first.standing_s)
    s = scene(ego(v=0.0), thing(7, 100.0), stamp_ns=10**8)
    assert first.after(s, place_of(road, s.ego)) is not first
    assert first.standing_s == kept and first.waited_s == 0.0


def test_after_a_drive_it_remembers_what_the_rules_do(town_moments):
    memory, differs, n = SceneMemory(CONFIG, town_moments[0].road), [], 0
    for m in town_moments:
        place = place_of(m.road, m.cycle.scene.ego)
        memory = dataclasses.replace(
            memory, served_stops=m.before._served, standing_s=m.before._standing_s,
            waited_s=m.before._waited_s, stamp_ns=m.before._stamp_ns, changing=m.before._changing,
            crossed=m.before._crossed, nudging=m.before._nudging,
        )  # fmt: skip
        again = memory.after(m.cycle.scene, place).told(m.cycle.trace.planning, place)
        expert = copy.copy(m.before)
        expert.step(m.cycle.scene)
        n += 1
        for ours, theirs in (
            (again.changing, expert._changing), (again.crossed, expert._crossed),
            (again.nudging, expert._nudging), (again.served_stops, expert._served),
            (again.standing_s, expert._standing_s), (again.waited_s, expert._waited_s),
        ):  # fmt: skip
            differs += [] if ours == theirs else [(m.cycle.scene.stamp_ns, ours, theirs)]
    assert n > 50 and not differs


@pytest.mark.parametrize("offset", [0.0, 0.6, -0.4])
def test_who_is_said_to_drive_aside_is_driving_round_somebody(offset):
    road = one_lane()
    said = dataclasses.replace(planning(road, scene(ego())), offset_m=offset)
    memory = SceneMemory(CONFIG, road).told(said, place_of(road, ego()))
    assert memory.nudging == (offset != 0.0)
    assert np.isfinite(memory.said.target_speed_mps)
