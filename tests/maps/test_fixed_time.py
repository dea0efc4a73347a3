"""Programs for lights: everyone's turn comes, and never two that exclude each other."""

from __future__ import annotations

import dataclasses
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from whyway.maps.fixed_time import fixed_time
from whyway.maps.lanelet2 import read_lanelet2
from whyway.types import LaneMap, LightColor, TrafficLight

_spec = importlib.util.spec_from_file_location("roads", Path(__file__).with_name("roads.py"))
assert _spec is not None and _spec.loader is not None
roads: Any = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(roads)

DATA = Path(__file__).parents[3] / "shared/data"
LEFT_HAND = DATA / "autoware_maps_apache/common/autoware_lanelet2_utils/sample_map/vm_03/left_hand/lanelet2_map.osm.gz"  # fmt: skip
KARLSRUHE = DATA / "lanelet2_bsd/lanelet2_maps/res/mapping_example.osm"


def _light(light_id: int, *lane_ids: int) -> TrafficLight:
    return TrafficLight(light_id, 0.0, 0.0, roads.ids(*lane_ids))


def _crossroads() -> LaneMap:
    """East (1 on to 2, or left on 3), west (4 on to 5), north (6 on to 7)."""
    east = [roads.straight(1, -60, -10, successor_ids=roads.ids(2, 3)),
            roads.straight(2, -10, 10, in_junction=True, predecessor_ids=roads.ids(1)),
            roads.arc(3, 12.0, 1.5, -10.0, 0.0, in_junction=True, predecessor_ids=roads.ids(1))]  # fmt: skip
    west = [roads.straight(4, 60, 10, 4.0, successor_ids=roads.ids(5)),
            roads.straight(5, 10, -10, 4.0, in_junction=True, predecessor_ids=roads.ids(4))]  # fmt: skip
    y = np.linspace(-60.0, -10.0, 11)
    north = [roads.lane(6, np.full(11, 5.0), y, successor_ids=roads.ids(7)),
             roads.lane(7, np.full(11, 5.0), np.linspace(-10.0, 12.0, 11), in_junction=True, predecessor_ids=roads.ids(6))]  # fmt: skip
    return LaneMap(0, "crossroads", (*east, *west, *north))


def _never_together(lane_map: LaneMap, one: int, other: int) -> bool:
    plan = fixed_time(lane_map)
    open_ = [LightColor.GREEN, LightColor.AMBER]
    return not any(
        plan.cycles[one].at(t)[0] in open_ and plan.cycles[other].at(t)[0] in open_
        for t in np.arange(0.0, plan.cycles[one].period_s, 0.5).tolist()
    )


def test_what_crosses_takes_turns_and_what_does_not_goes_together() -> None:
    whole = dataclasses.replace(_crossroads(), lights=(_light(1, 1), _light(2, 4), _light(3, 6)))
    assert _never_together(whole, 1, 3) and _never_together(whole, 2, 3)
    assert _never_together(whole, 1, 2)  # its left turn crosses what comes towards it
    arrows = dataclasses.replace(
        _crossroads(), lights=(_light(1, 2), _light(4, 3), _light(2, 4), _light(3, 6))
    )
    plan = fixed_time(arrows)
    assert plan.cycles[1] == plan.cycles[2]  # straight on from both sides
    assert _never_together(arrows, 4, 2) and not _never_together(arrows, 1, 2)


def test_every_light_has_its_green_even_alone() -> None:
    lane_map = dataclasses.replace(_crossroads(), lights=(_light(9, 6),))
    cycle = fixed_time(lane_map).cycles[9]
    assert set(cycle.colors) == {LightColor.GREEN, LightColor.AMBER, LightColor.RED}
    assert fixed_time(_crossroads()).cycles == {}


@pytest.mark.parametrize("path", [LEFT_HAND, KARLSRUHE], ids=lambda p: p.parent.name)
def test_real_junctions_get_a_cycle_of_few_turns(path: Path) -> None:
    if not path.is_file():
        pytest.skip(f"no {path}")
    lane_map = read_lanelet2(path)
    plan = fixed_time(lane_map)
    assert plan.cycles.keys() == {light.id for light in lane_map.lights}
    assert len({c.period_s for c in plan.cycles.values()}) <= 2
    assert max(c.period_s for c in plan.cycles.values()) <= 6 * 15.0
    for t in np.arange(0.0, 90.0, 1.0).tolist():
        assert any(s.color != LightColor.RED for s in plan.states(t)) or t % 15.0 > 12.0
