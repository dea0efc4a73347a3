"""The exported town says what the map says, by a reader of ten lines written from the standard."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from whyway.geometry import Polyline
from whyway.maps.opendrive_write import write_opendrive
from whyway.maps.town import make_town
from whyway.types import Floats

seeds = st.integers(min_value=0, max_value=2**32 - 1)
few = settings(max_examples=5)


def _number(element: etree._Element, name: str) -> float:
    return float(element.get(name) or "nan")


def _plan(road: etree._Element) -> tuple[Floats, Floats, Floats]:
    """x, y, heading along the reference line."""
    xs, ys, yaws = [], [], []
    for geometry in road.findall("planView/geometry"):
        x, y, yaw, size = (_number(geometry, n) for n in ("x", "y", "hdg", "length"))
        shape = geometry[0]
        p = np.linspace(0.0, 1.0, 60)
        if shape.tag == "paramPoly3":
            u, v, du, dv = (
                sum(w * _number(shape, f"{c}{a}") for c, w in zip("abcd", powers, strict=True))
                for powers in ((1, p, p**2, p**3), (0 * p, 1, 2 * p, 3 * p**2))
                for a in "UV"
            )
            local = np.arctan2(dv, du)
        else:
            k = _number(shape, "curvature") if shape.tag == "arc" else 1e-12
            local = p * size * k
            u, v = np.sin(local) / k, (1 - np.cos(local)) / k
        xs.append(x + math.cos(yaw) * u - math.sin(yaw) * v)
        ys.append(y + math.sin(yaw) * u + math.cos(yaw) * v)
        yaws.append(yaw + local)
    return np.concatenate(xs), np.concatenate(ys), np.concatenate(yaws)


@few
@given(seeds)
def test_every_lane_reads_back_within_two_centimetres(seed: int) -> None:
    town = make_town(seed)
    root = etree.fromstring(write_opendrive(town).encode())
    names = {(str(k.id), -1): k.lane_id for k in town.layout.links}
    names |= {
        (str(e.id), n): e.lane_id(n)
        for e in town.layout.edges
        for n in (*range(-e.lanes, 0), *range(1, e.lanes + 1))
    }
    lanes = {lane.id: lane for lane in town.lane_map.lanes}
    seen = set()
    for road in root.findall("road"):
        x, y, yaw = _plan(road)
        offset = road.find("lanes/laneOffset")
        shift = 0.0 if offset is None else _number(offset, "a")
        for lane in road.findall("lanes/laneSection/*/lane[@type='driving']"):
            number = int(lane.get("id") or 0)
            width = _number(lane.find("width"), "a")  # type: ignore[arg-type]
            d = shift + math.copysign(width * (abs(number) - 0.5), number)
            ours = lanes[names[road.get("id") or "", number]]
            line = Polyline.through(ours.center_x_m, ours.center_y_m)
            s, away = line.project(x - d * np.sin(yaw), y + d * np.cos(yaw))
            assert np.abs(away).max() < 0.02
            assert (np.diff(s) > -1e-6).all() if number < 0 else (np.diff(s) < 1e-6).all()
            assert float(np.ptp(s)) == pytest.approx(line.length_m, abs=0.02)
            assert _number(lane.find("speed"), "max") == ours.speed_limit_mps  # type: ignore[arg-type]
            seen.add(ours.id)
    assert seen == lanes.keys()


@few
@given(seeds)
def test_links_through_junctions_are_those_of_the_map(seed: int) -> None:
    town = make_town(seed)
    root = etree.fromstring(write_opendrive(town).encode())
    roads = {r.get("id"): r for r in root.findall("road")}
    junctions = {j.get("id") for j in root.findall("junction")}
    assert not junctions & roads.keys()  # CARLA needs them different
    connections = root.findall("junction/connection")
    assert len(connections) == len(town.layout.links)
    for connection in connections:
        link = next(k for k in town.layout.links if str(k.id) == connection.get("connectingRoad"))
        road = roads[str(link.id)]
        before, after = road.find("link/predecessor"), road.find("link/successor")
        assert before is not None and after is not None
        assert before.get("elementId") == connection.get("incomingRoad") == str(link.start.edge.id)
        assert after.get("elementId") == str(link.end.edge.id)
        lane = road.find("lanes/laneSection/right/lane/link")
        assert lane is not None
        ends = [int(lane.find(t).get("id")) for t in ("predecessor", "successor")]  # type: ignore[union-attr, arg-type]
        assert link.start.edge.lane_id(ends[0]) == link.from_lane
        assert link.end.edge.lane_id(ends[1]) == link.to_lane
    for road in roads.values():
        if road.get("junction") == "-1":
            assert {e.get("elementId") for e in road.find("link")} <= junctions  # type: ignore[union-attr]


def test_signals_name_the_lanes_that_come_and_every_light_has_a_controller() -> None:
    town = make_town(1)
    root = etree.fromstring(write_opendrive(town).encode())
    signals = {int(s.get("id") or 0): s for s in root.iter("signal")}
    assert signals.keys() == {line.id for line in town.lane_map.stop_lines}
    for line in town.lane_map.stop_lines:
        signal = signals[line.id]
        edge = next(
            e for e in town.layout.edges if str(e.id) == signal.getparent().getparent().get("id")
        )  # type: ignore[union-attr]
        validity = signal.find("validity")
        assert validity is not None
        low, high = int(validity.get("fromLane") or 0), int(validity.get("toLane") or 0)
        assert {edge.lane_id(n) for n in range(low, high + 1)} == set(line.lane_ids.tolist())
        assert signal.get("orientation") == ("+" if low < 0 else "-")
    controlled = [int(c.get("signalId") or 0) for c in root.iter("control")]
    assert sorted(controlled) == sorted(town.signals.cycles)
    assert {c.get("id") for c in root.findall("controller")} == {
        c.get("id") for c in root.findall("junction/controller")
    }


def test_the_same_town_gives_the_same_file() -> None:
    assert write_opendrive(make_town(4)) == write_opendrive(make_town(4))
