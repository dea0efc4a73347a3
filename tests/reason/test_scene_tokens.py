"""What the model reads of a scene: the same wherever the road lies, each road user for itself, and nobody missing who matters."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_scenes import (
    LIGHT,
    SIGN,
    at_a_light,
    at_a_stop_sign,
    before_a_bend,
    ego,
    light,
    one_lane,
    pedestrian,
    scene,
    thing,
    two_lanes,
)

from whyway.config import Config
from whyway.maps.manoeuvre import place_of
from whyway.maps.road import Road
from whyway.reason.memory import SceneMemory
from whyway.reason.scene_tokens import FEATURE_COUNTS, FEATURE_NAMES, SceneEncoder, describe
from whyway.reason.spec import PREFIX_ROWS, ROWS
from whyway.trace.integrity import lane_relation
from whyway.trace.slots import MAX_OBJECTS
from whyway.types import CauseKind, LightColor, PredictedPath, Scene, same

CONFIG = Config()
WALKER = pedestrian(8, 80.07, -6.13, 1.37, yaw=1.5)
"""Gets in the way between two steps of the clock, and not quite square to it, so that rounding decides nothing."""


def encoded(road, s, memory=None):
    """The tokens of a scene that is seen for the first time."""
    memory = (memory or SceneMemory(CONFIG, road)).after(s, place_of(road, s.ego))
    tokens = SceneEncoder(CONFIG, road).tokens(s, memory)
    assert tokens is not None
    return tokens


def rows(tokens, kind):
    """Rows of a kind as dicts by feature's name."""
    return [dict(zip(FEATURE_NAMES[kind], row, strict=True)) for row in tokens.features[kind]]


def row_of(tokens, i):
    return tokens.features["object"][tokens.slots.object_ids.index(i)]


def assert_close(a, b, atol=2e-3):
    for kind in ROWS:
        for i, (x, y) in enumerate(zip(a.features[kind], b.features[kind], strict=True)):
            far = np.flatnonzero(~np.isclose(x, y, atol=atol))
            assert not len(far), [(kind, i, FEATURE_NAMES[kind][k], x[k], y[k]) for k in far]


# ------------------------------------------------------------------------------------------------------------ shape


def test_rows_and_columns_are_what_the_model_is_made_for():
    tokens = encoded(
        at_a_light(), scene(ego(x=110.0), thing(7, 130.0), lights=light(LightColor.RED))
    )
    assert tuple(tokens.features) == tuple(ROWS)
    for kind, count in FEATURE_COUNTS:
        assert tokens.features[kind].shape == (ROWS[kind], count)
        assert tokens.features[kind].dtype == np.float32
    assert tokens.valid.shape == (PREFIX_ROWS,) and tokens.valid.sum() == 1 + 4 + 2 + 1 + 1
    unused = np.concatenate([np.abs(t).max(axis=1) for t in tokens.features.values()])[
        ~tokens.valid
    ]
    assert not unused.any()


@pytest.mark.parametrize("kind", FEATURE_NAMES)
def test_every_feature_has_one_name(kind):
    assert len(set(FEATURE_NAMES[kind])) == len(FEATURE_NAMES[kind])


def test_off_the_map_there_is_nothing_to_read():
    road = one_lane()
    assert SceneEncoder(CONFIG, road).tokens(scene(ego(y=500.0)), SceneMemory(CONFIG, road)) is None


def test_a_person_can_read_it():
    text = describe(encoded(one_lane(), scene(ego(), thing(7, 90.0))))
    assert "object 0 (track 7, EGO)" in text and "car=1" in text and "ego 0: speed=0.667" in text


# ------------------------------------------------------------------------------------------------------ real drives


def test_drives_are_read_whole_and_finite_and_survive_being_stored_in_half_precision(town_moments):
    for m in town_moments[::4]:
        s = m.cycle.scene
        memory = SceneMemory(CONFIG, m.road).after(s, place_of(m.road, s.ego))
        tokens = SceneEncoder(CONFIG, m.road).tokens(s, memory)
        for table in tokens.features.values():
            assert np.isfinite(table).all() and np.abs(table).max(initial=0.0) <= 3.0
            assert np.abs(table.astype(np.float16) - table).max(initial=0.0) < 2e-3


def test_whom_the_rules_cite_has_a_slot_and_so_has_every_line(town_moments):
    cited = 0
    for m in town_moments[::2]:
        s, trace = m.cycle.scene, m.cycle.trace
        tokens = encoded(m.road, s)
        for c in trace.perception.critical_objects:
            cited += 1
            k = tokens.slots.object_ids.index(c.id)
            assert tokens.slots.relations[k] == c.lane_relation
        for cause in trace.planning.causes:
            if cause.kind in (CauseKind.TRAFFIC_LIGHT, CauseKind.STOP_SIGN):
                assert (cause.kind, cause.id) in tokens.slots.lines
    assert cited > 20


def test_the_same_scene_reads_the_same_again(town_moments):
    m = town_moments[len(town_moments) // 2]
    a, b = encoded(m.road, m.cycle.scene), encoded(m.road, m.cycle.scene)
    assert a.slots == b.slots and same(a.features["object"], b.features["object"])


def test_without_somebody_the_others_rows_stay_what_they_are(town_moments):
    seen = 0
    for m in town_moments[::10]:
        s = m.cycle.scene
        whole = encoded(m.road, s)
        for gone in s.objects[:3]:
            less = encoded(m.road, dataclasses.replace(s, objects=_but(s.objects, gone.id)))
            assert set(less.slots.object_ids) == set(whole.slots.object_ids) - {gone.id}
            for i in less.slots.object_ids:
                seen += 1
                assert np.array_equal(row_of(less, i), row_of(whole, i))
            for kind in ("ego", "path", "line"):
                assert np.array_equal(less.features[kind], whole.features[kind])
    assert seen > 20


def _but(objects, i):
    return tuple(o for o in objects if o.id != i)


# ---------------------------------------------------------------------------------------------------- moved, turned


@settings(max_examples=25)
@given(
    x=st.floats(-1e4, 1e4), y=st.floats(-1e4, 1e4), turn=st.floats(-3.0, 3.0),
    v=st.floats(0.0, 14.0), d=st.floats(-0.8, 0.8), ahead=st.floats(8.3, 60.0), aside=st.floats(-7.0, 7.0),
    speed=st.floats(0.0, 10.0),
)  # fmt: skip
def test_where_the_world_lies_and_which_way_it_faces_changes_nothing(
    x, y, turn, v, d, ahead, aside, speed
):
    here = before_a_bend(junction=True)
    s = scene(ego(y=d, v=v), thing(7, 50.0 + ahead, aside, speed), WALKER)
    there = _moved_road(here, x, y, turn)
    assert_close(encoded(here, s), encoded(there, _moved_scene(s, x, y, turn)))


def _moved(x_m, y_m, dx, dy, turn):
    c, sn = math.cos(turn), math.sin(turn)
    return dx + c * x_m - sn * y_m, dy + sn * x_m + c * y_m


def _moved_road(road, dx, dy, turn):
    def lane(one):
        changes = {}
        for name in ("center", "left", "right"):
            x, y = _moved(getattr(one, f"{name}_x_m"), getattr(one, f"{name}_y_m"), dx, dy, turn)
            changes |= {f"{name}_x_m": x, f"{name}_y_m": y}
        return dataclasses.replace(one, **changes)

    gx, gy = _moved(road.route.goal_x_m, road.route.goal_y_m, dx, dy, turn)
    lane_map = dataclasses.replace(road.lane_map, lanes=tuple(map(lane, road.lane_map.lanes)))
    return Road(lane_map, dataclasses.replace(road.route, goal_x_m=gx, goal_y_m=gy))


def _moved_scene(s, dx, dy, turn) -> Scene:
    def posed(one, x, y, yaw):
        px, py = _moved(x, y, dx, dy, turn)
        return dataclasses.replace(one, x_m=px, y_m=py, yaw_rad=yaw + turn)

    def path(p: PredictedPath):
        return posed(p, p.x_m, p.y_m, p.yaw_rad)

    def thing_(o):
        vx, vy = _moved(o.vx_mps, o.vy_mps, 0.0, 0.0, turn)
        there = posed(o, o.x_m, o.y_m, o.yaw_rad)
        return dataclasses.replace(
            there, vx_mps=vx, vy_mps=vy, predictions=tuple(map(path, o.predictions))
        )

    e = posed(s.ego, s.ego.x_m, s.ego.y_m, s.ego.yaw_rad)
    return dataclasses.replace(s, ego=e, objects=tuple(map(thing_, s.objects)))


# --------------------------------------------------------------------------------------------------------- mirrored

FLIPS = {
    "ego": {"steer", "yaw_rate", "offset", "offset_share", "heading", "free_turn", "held_turn", "turn_side", "curvature", "said_side",
            "said_offset", *(n for n in FEATURE_NAMES["ego"] if n.startswith("moved_left"))},
    "path": {n for n in FEATURE_NAMES["path"] if n.startswith(("curvature", "turned"))},
    "side": {"side"},
    "line": set(),
    "object": {"d", "d_far", "d_ego", "across", "sin", *(n for n in FEATURE_NAMES["object"] if n.startswith("aside_"))},
}  # fmt: skip
"""Features that change their sign in a mirror."""
SWAPS = {"left_edge": "right_edge", "change_left": "change_right", "changing_left": "changing_right",
         "on_left": "on_right", "left": "right"}  # fmt: skip
SWAPS |= {
    f"left_{n}": f"right_{n}"
    for n in ("lane", "gap", "behind", "spare", "offset", "over", "way", "loses")
}
NEGATED = {"left_edge", "right_edge"}
"""Features that stand for the other side there, and those of them that are measured leftward."""


def mirrored(kind, row):
    """The row that the mirrored scene should have."""
    found = {n: (-x if n in FLIPS[kind] else x) for n, x in row.items()}
    for a, b in SWAPS.items():
        if a in row and b in row and kind != "side":
            sign = -1.0 if a in NEGATED else 1.0
            found[a], found[b] = sign * row[b], sign * row[a]
    for a, b in (("turn_left", "turn_right"), ("cut_in_left", "cut_in_right")):
        for k in range(3):
            if f"{a}_{k}" in row:
                found[f"{a}_{k}"], found[f"{b}_{k}"] = row[f"{b}_{k}"], row[f"{a}_{k}"]
    return found


@settings(max_examples=25)
@given(
    v=st.floats(0.0, 14.0), d=st.floats(-0.8, 0.8), yaw=st.floats(-0.1, 0.1),
    ahead=st.floats(-20.0, 60.0), aside=st.floats(0.4, 7.0), speed=st.floats(0.0, 10.0),
)  # fmt: skip
def test_in_a_mirror_left_is_right(v, d, yaw, ahead, aside, speed):
    left = two_lanes()
    flip = {"left_id": 0, "right_id": 0}
    one, two = left.lane_map.lanes
    right = Road(
        dataclasses.replace(
            left.lane_map,
            lanes=(
                _flipped(dataclasses.replace(one, **{**flip, "right_id": 2}), one),
                _flipped(dataclasses.replace(two, **{**flip, "left_id": 1}), two),
            ),
        ),
        left.route,
    )
    s = scene(
        ego(y=d, v=v, yaw=yaw), thing(7, 50.0 + ahead, aside, speed), pedestrian(8, 80.0, -6.0, 1.4)
    )
    a, b = encoded(left, s), encoded(right, _mirror_scene(s))
    assert a.slots.object_ids == b.slots.object_ids
    for kind in ROWS:
        order = [1, 0] if kind == "side" else range(ROWS[kind])
        for i, k in enumerate(order):
            want = mirrored(kind, rows(a, kind)[i])
            have = rows(b, kind)[k]
            assert want == pytest.approx(have, abs=2e-3), (kind, i)


def _flipped(lane, old):
    """The lane on the other side of the x axis: its borders change places."""
    return dataclasses.replace(
        lane,
        center_y_m=-old.center_y_m, left_x_m=old.right_x_m, left_y_m=-old.right_y_m,
        right_x_m=old.left_x_m, right_y_m=-old.left_y_m,
        left_marking=old.right_marking, right_marking=old.left_marking,
    )  # fmt: skip


def _mirror_scene(s):
    def path(p):
        return dataclasses.replace(p, y_m=-p.y_m, yaw_rad=-p.yaw_rad)

    def thing_(o):
        return dataclasses.replace(
            o,
            y_m=-o.y_m,
            yaw_rad=-o.yaw_rad,
            vy_mps=-o.vy_mps,
            predictions=tuple(map(path, o.predictions)),
        )

    e = dataclasses.replace(s.ego, y_m=-s.ego.y_m, yaw_rad=-s.ego.yaw_rad)
    return dataclasses.replace(s, ego=e, objects=tuple(map(thing_, s.objects)))


# ------------------------------------------------------------------------------------------------------------ slots


def test_only_so_many_have_slots_and_they_are_the_nearest():
    crowd = [pedestrian(i, 40.0 + 2.0 * i, 8.0, 0.0) for i in range(1, 40)]
    road = one_lane()
    tokens = encoded(road, scene(ego(x=40.0), *crowd))
    assert set(tokens.slots.object_ids) == set(range(1, MAX_OBJECTS + 1))
    gone = crowd[36]
    less = encoded(road, scene(ego(x=40.0), *_but(crowd, gone.id)))
    assert less.slots == tokens.slots and same(less.features["object"], tokens.features["object"])


def test_slots_do_not_depend_on_the_order_in_which_objects_come():
    road = one_lane()
    objects = [thing(i, 60.0 + 10.0 * i, v=5.0) for i in range(5)]
    a, b = encoded(road, scene(ego(), *objects)), encoded(road, scene(ego(), *objects[::-1]))
    assert a.slots == b.slots and same(a.features["object"], b.features["object"])


def test_relations_are_those_the_judge_finds():
    road = two_lanes()
    objects = [thing(i, 90.0, 0.1 + 1.3 * i - 8.0, v=3.0) for i in range(14)]
    tokens = encoded(road, scene(ego(), *objects))
    home = road.path_from(1, 50.0 + 120.0)
    for i, relation in zip(tokens.slots.object_ids, tokens.slots.relations, strict=True):
        assert relation == lane_relation(home, objects[i].x_m, objects[i].y_m)


# ------------------------------------------------------------------------------------------------------ what it says


@pytest.mark.parametrize("color", LightColor)
def test_a_light_ahead_has_a_line_with_its_colour(color):
    tokens = encoded(at_a_light(), scene(ego(x=110.0), lights=light(color)))
    assert tokens.slots.lines == ((CauseKind.TRAFFIC_LIGHT, LIGHT),)
    (row, *_) = rows(tokens, "line")
    assert row[color.name.lower()] == 1.0 and row["light"] == 1.0
    assert row["distance"] == pytest.approx((40.0 - CONFIG.vehicle.front_m) / 50, abs=1e-3)
    assert bool(row["holds"]) == (color in (LightColor.RED, LightColor.AMBER))


def test_a_stop_sign_holds_until_it_is_served():
    road = at_a_stop_sign()
    s = scene(ego(x=145.0, v=0.0))
    memory = SceneMemory(CONFIG, road)
    fresh = rows(SceneEncoder(CONFIG, road).tokens(s, memory), "line")[0]
    served = dataclasses.replace(memory, served_stops=frozenset({SIGN}))
    after = rows(SceneEncoder(CONFIG, road).tokens(s, served), "line")[0]
    assert (fresh["holds"], fresh["served"]) == (1.0, 0.0)
    assert (after["holds"], after["served"]) == (0.0, 1.0)


def test_who_stands_in_the_lane_holds_the_ego_and_who_stands_beside_it_does_not():
    tokens = encoded(one_lane(), scene(ego(), thing(7, 80.0), thing(8, 80.0, 6.0)))
    blocker, parked = (rows(tokens, "object")[tokens.slots.object_ids.index(i)] for i in (7, 8))
    assert blocker["blocks_0"] == 1.0 and blocker["holds_0"] == 1.0
    assert parked["blocks_0"] == 0.0 and parked["pressure_0"] == 0.0


def test_a_pedestrian_who_crosses_is_met_where_it_crosses():
    tokens = encoded(one_lane(), scene(ego(v=10.0), pedestrian(8, 80.0, -4.0, 1.4)))
    row = rows(tokens, "object")[0]
    assert row["across_0"] == 1.0 and row["pedestrian"] == 1.0
    assert 0.0 < row["enters_0"] < row["clears_0"]
    assert row["near_0"] == pytest.approx((80.0 - 50.0 - CONFIG.vehicle.front_m) / 30, abs=0.02)
