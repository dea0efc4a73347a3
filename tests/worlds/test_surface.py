"""The drivable area on a grid is the union of the lanes, whatever the map."""

from __future__ import annotations

import numpy as np
import pytest

from whyway.geometry import points_in_polygon
from whyway.maps.lanes import RoadLane
from whyway.maps.road import DRIVABLE
from whyway.maps.town import make_town
from whyway.types import InputError
from whyway.worlds.sim.surface import build_surface, lane_surface


@pytest.fixture(scope="module")
def lanes():
    return make_town(5).lane_map.lanes


def test_a_point_is_drivable_where_a_lane_is(lanes):
    surface = lane_surface(lanes)
    rng = np.random.default_rng(0)
    x, y = rng.uniform(-250.0, 250.0, (2, 1200))
    on = np.zeros(len(x), dtype=bool)
    edge = np.zeros(len(x), dtype=bool)
    for lane in lanes:
        if lane.kind not in DRIVABLE:
            continue
        px, py = RoadLane(lane).polygon
        on |= points_in_polygon(x, y, px, py)
        border = np.stack([px, py], axis=-1)
        away = np.hypot(x[:, None] - border[:, 0], y[:, None] - border[:, 1]).min(axis=1)
        edge |= away < 1.0  # a cell's diagonal, and half a metre between the border's points
    found = surface.drivable(x, y)
    assert on[~edge].sum() > 20
    assert (found == on)[~edge].all()


def test_lanes_and_their_outlines_give_the_same_area(lanes):
    some = lanes[:4]
    by_lane = lane_surface(some)
    by_outline = build_surface(RoadLane(v).polygon for v in some)
    x, y = (v.ravel() for v in np.meshgrid(np.arange(-250, 250, 3.1), np.arange(-250, 250, 3.1)))
    assert (by_lane.drivable(x, y) == by_outline.drivable(x, y)).mean() > 0.995


def test_far_from_everything_nothing_is_drivable(lanes):
    surface = lane_surface(lanes)
    assert not surface.drivable(np.array([1e5, -1e5, 0.0]), np.array([0.0, 1e5, -1e5])).any()


def test_a_map_too_large_or_without_lanes_is_refused(lanes):
    with pytest.raises(InputError, match="at least one lane"):
        lane_surface(())
    with pytest.raises(InputError, match="too large"):
        lane_surface(lanes, cell_m=0.01)
