"""How far it is to the road's edge."""

import dataclasses

import numpy as np
import pytest
from made_drives import road

from whyway.evaluate.traffic.road_edge import RoadEdge
from whyway.maps.road import Road
from whyway.types import InputError, LaneKind


def test_on_the_road_it_is_negative_off_it_positive_and_borders_between_lanes_are_no_edge():
    edge = RoadEdge(Road(*road()))  # three lanes, 3.5 m each: from y = -1.75 to 8.75
    y = np.array([-3.0, -1.0, 0.0, 1.75, 3.5, 8.0, 10.0, np.nan])
    found = edge.distance(np.full_like(y, 250.0), y)
    wanted = [1.25, -0.75, -1.75, -3.5, -5.25, -0.75, 1.25, np.nan]
    np.testing.assert_allclose(found, wanted, atol=0.02)


def test_where_the_road_ends_with_the_map_there_is_no_edge():
    edge = RoadEdge(Road(*road()))
    assert edge.distance(np.array([510.0]), np.array([0.0])).item() < 0.0


def test_a_map_without_a_lane_for_cars_has_none():
    lane_map, route = road()
    lanes = tuple(dataclasses.replace(lane, kind=LaneKind.SIDEWALK) for lane in lane_map.lanes)
    with pytest.raises(InputError, match="no lane for vehicles"):
        RoadEdge(Road(dataclasses.replace(lane_map, lanes=lanes), route))
