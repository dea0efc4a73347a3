"""The camera: every pixel is what a ray through it meets; intrinsics, mounting, occlusion and clipping are exact."""

from __future__ import annotations

import math
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))  # tests are no package

from ray_caster import first_hit, last_cover

from whyway.maps.town import make_town
from whyway.types import EgoState, LaneMap, LightColor, LightState, ObjectClass, Truth
from whyway.worlds.sim.sensing import jit
from whyway.worlds.sim.sensing.labels import OF_CLASS, Label
from whyway.worlds.sim.sensing.mounting import Mount
from whyway.worlds.sim.sensing.rig import CameraSpec
from whyway.worlds.sim.sensing.scenery import make_scenery
from whyway.worlds.sim.sensing.things import make_things

pytest.importorskip("numba", reason="the camera needs numba: pip install 'whyway[sim]'")
from whyway.worlds.sim.sensing.camera import SUN, Camera, place, scaled

EMPTY = LaneMap(0, "nothing")
SMALL = CameraSpec(
    width_px=160, height_px=90, fx_px=80.0, fy_px=80.0, cx_px=79.5, cy_px=44.5,
    mount=Mount(x_m=1.7, z_m=1.4),
)  # fmt: skip


@pytest.fixture(scope="module")
def town():
    return make_scenery(make_town(3).lane_map)


def things(*rows):
    """Road users from (class, x, y, yaw, length, width); ids count from 1."""
    kind, *columns = zip(*rows, strict=True) if rows else ((),) * 6
    return make_things(
        np.array([int(k) for k in kind], dtype=np.int64),
        *(np.array(c, float) for c in columns),
        np.arange(1, len(rows) + 1),
    )


def crowd(rng, x, y, reach):
    """One of each class and more around a place, some very near."""
    sizes = {
        ObjectClass.TRUCK: (9, 2.5),
        ObjectClass.BUS: (12, 2.5),
        ObjectClass.PEDESTRIAN: (0.5, 0.5),
    }
    rows = []
    for k in [*ObjectClass, *ObjectClass]:
        angle, away = rng.uniform(0, 2 * math.pi), rng.uniform(3.0, reach)
        rows.append(
            (k, x + away * math.cos(angle), y + away * math.sin(angle), rng.uniform(-3, 3), *sizes.get(k, (4.0, 1.7)))
        )  # fmt: skip
    return things(*rows)


# ------------------------------------------------------------------------------------------------------ every pixel

MOUNTS = [
    Mount(x_m=1.7, z_m=1.4),
    Mount(x_m=1.0, y_m=0.7, z_m=2.2, roll_rad=0.2, pitch_rad=0.25, yaw_rad=1.9),
    Mount(x_m=-1.0, z_m=12.0, roll_rad=-0.4, pitch_rad=0.9, yaw_rad=-2.5),
    Mount(x_m=0.5, z_m=0.6, roll_rad=math.pi - 0.1, pitch_rad=-0.3),
]


@pytest.mark.parametrize("mount", MOUNTS)
@pytest.mark.parametrize("seed", [0, 1])
def test_each_pixel_is_what_a_ray_through_it_meets_first(town, mount, seed):
    rng = np.random.default_rng([seed, 5])
    spec = replace(
        SMALL, mount=mount, fx_px=70.0 + 60 * seed, cx_px=70.3, cy_px=50.1, range_m=400.0
    )
    camera = Camera(spec, town)
    face = town.corners_m[rng.integers(len(town.label))].mean(axis=0)
    x, y, yaw = float(face[0]), float(face[1]), float(rng.uniform(-3, 3))
    scene = crowd(rng, x, y, 40.0) + town.roadside.things
    frame = camera.look(x, y, yaw, scene)
    view = camera.view(x, y, yaw)
    rotation, eye = view[:9].reshape(3, 3), view[9:12]
    solids = place(scene, view)
    seen = set()
    for u, v in zip(rng.integers(0, 160, 250), rng.integers(0, 90, 250), strict=True):
        ray = rotation @ [(u - spec.cx_px) / spec.fx_px, (v - spec.cy_px) / spec.fy_px, 1.0]
        depth, k = first_hit(eye, ray, solids.corners_m, from_t=spec.near_m)
        if k >= 0:
            label, thing = solids.label[k], solids.thing[k]
        else:
            thing, depth = 0, (-eye[2] / ray[2] if ray[2] < 0.0 else np.inf)
            flat = (
                last_cover(*(eye + depth * ray)[:2], town.corners_m) if np.isfinite(depth) else -2
            )
            label = {-1: Label.TERRAIN, -2: Label.SKY}.get(flat) or town.label[flat]
        if np.isfinite(depth) and depth > 300.0:
            continue  # beyond the range, or at the horizon, where the sky begins
        assert (frame.label[v, u], frame.thing[v, u]) == (label, thing), (u, v, depth)
        if np.isfinite(depth):
            assert frame.depth_m[v, u] == pytest.approx(depth, abs=1e-3)
        else:
            assert np.isinf(frame.depth_m[v, u])
        seen.add(Label(int(label)))
    assert len(seen) >= 3, seen


def test_triangles_that_share_a_border_share_no_pixel_and_leave_none_out(town):
    # a jittered net over the whole picture: painted in any order, every pixel belongs to the same triangle
    from whyway.worlds.sim.sensing import raster

    rng = np.random.default_rng(2)
    x, y = np.meshgrid(np.arange(-72.0, 73.0, 6.0), np.arange(-72.0, 73.0, 6.0), indexing="ij")
    net = np.stack([x, y], axis=-1) + rng.choice([-1.0, -0.5, 0.0, 0.5, 1.0], (*x.shape, 2))
    a, b, c, d = (
        q.reshape(-1, 2) for q in (net[:-1, :-1], net[1:, :-1], net[1:, 1:], net[:-1, 1:])
    )
    triangles = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    for pitch, roll in ((math.pi / 2, 0.0), (1.2, 0.3), (1.1, -2.0)):
        spec = replace(
            SMALL, mount=Mount(z_m=12.0, pitch_rad=pitch, roll_rad=roll), cx_px=80.0, cy_px=45.0
        )
        view = Camera(spec, town).view(0.0, 0.0, 0.0)
        pictures = []
        for order in (np.arange(len(triangles)), rng.permutation(len(triangles))):
            face = np.zeros((90, 160), dtype=np.int32)
            first = np.array([0, len(triangles)])
            raster.paint(view, triangles[order], first, np.zeros(1, np.int64), 1, 1, 1, face)
            assert (face > 0).all()
            pictures.append(order[face - 1])
        assert (pictures[0] == pictures[1]).all()


def test_lanes_beside_each_other_leave_no_crack():
    scenery = make_scenery(make_town(5).lane_map)
    camera = Camera(replace(SMALL, mount=Mount(z_m=15.0, pitch_rad=math.pi / 2)), scenery)
    lane_map = make_town(5).lane_map
    for lane in [lane for lane in lane_map.lanes if lane.left_id and not lane.in_junction]:
        # over the middle of the border between two lanes
        k = len(lane.left_x_m) // 2
        frame = camera.look(float(lane.left_x_m[k]), float(lane.left_y_m[k]), 0.0, things())
        assert Label.TERRAIN not in frame.label[39:52, 74:87]


# ---------------------------------------------------------------------------------------------- geometry by hand


def test_a_box_is_where_the_pinhole_formula_puts_it():
    # rear face at x = 19, so 17.3 m ahead of the eye at (1.7, 0, 1.4); 2 m wide, 1.5 m high, its middle 3 m to the left
    camera = Camera(CameraSpec(), make_scenery(EMPTY))
    frame = camera.look(0.0, 0.0, 0.0, things((ObjectClass.UNKNOWN, 20.0, 3.0, 0.0, 2.0, 2.0)))
    v, u = np.nonzero((frame.thing == 1) & (np.abs(frame.depth_m - 17.3) < 1e-3))
    left, right = 319.5 - 320 * 4.0 / 17.3, 319.5 - 320 * 2.0 / 17.3
    top, bottom = 179.5 - 320 * 0.1 / 17.3, 179.5 + 320 * 1.4 / 17.3
    assert (u.min(), u.max()) == (math.ceil(left), math.ceil(right) - 1)
    assert (v.min(), v.max()) == (math.ceil(top), math.ceil(bottom) - 1)
    assert len(u) == (u.max() - u.min() + 1) * (v.max() - v.min() + 1)


def test_the_ground_is_as_deep_as_its_row_says_and_the_sky_endless():
    frame = Camera(CameraSpec(), make_scenery(EMPTY)).look(7.0, -3.0, 2.0, things())
    rows = np.arange(200, 360)
    np.testing.assert_allclose(
        frame.depth_m[200:],
        np.broadcast_to((1.4 * 320 / (rows - 179.5))[:, None], (160, 640)),
        rtol=1e-5,
    )
    assert (frame.label[200:] == Label.TERRAIN).all() and (frame.label[:179] == Label.SKY).all()
    assert np.isinf(frame.depth_m[:179]).all()


def test_three_times_the_pixels_hold_the_same_picture(town):
    scene = crowd(np.random.default_rng(3), 0.0, 0.0, 30.0)
    few, many = (Camera(scaled(SMALL, k), town).look(0.0, 0.0, 0.4, scene) for k in (1, 3))
    assert many.label.shape == (270, 480)
    same = few.label == many.label[1::3, 1::3]
    assert same.mean() > 0.9999  # the same rays; on a border the last bit may decide
    np.testing.assert_allclose(few.depth_m[same], many.depth_m[1::3, 1::3][same], rtol=1e-4)


def test_turning_the_camera_is_turning_the_car(town):
    scene = crowd(np.random.default_rng(4), 5.0, 0.0, 30.0)
    turned = replace(SMALL, mount=Mount(z_m=1.4, yaw_rad=0.7))
    a = Camera(turned, town).look(5.0, 1.0, 0.0, scene)
    b = Camera(replace(SMALL, mount=Mount(z_m=1.4)), town).look(5.0, 1.0, 0.7, scene)
    assert (a.rgb == b.rgb).mean() > 0.999
    assert (a.label == b.label).mean() > 0.999


def test_a_camera_on_its_head_sees_the_same_upside_down(town):
    scene = crowd(np.random.default_rng(5), 0.0, 0.0, 30.0)
    upright = Camera(SMALL, town).look(0.0, 0.0, 0.0, scene)
    rolled = replace(SMALL, mount=replace(SMALL.mount, roll_rad=math.pi))
    turned = Camera(rolled, town).look(0.0, 0.0, 0.0, scene)
    assert (upright.label == turned.label[::-1, ::-1]).mean() > 0.999


def test_positive_pitch_looks_down_and_positive_yaw_to_the_left():
    box = things((ObjectClass.UNKNOWN, 30.0, 0.0, 0.0, 2.0, 2.0))
    scenery = make_scenery(EMPTY)

    def middle(**mount):
        spec = replace(SMALL, mount=Mount(z_m=1.4, **mount))
        v, u = np.nonzero(Camera(spec, scenery).look(0.0, 0.0, 0.0, box).thing == 1)
        return u.mean(), v.mean()

    u, v = middle()
    assert middle(yaw_rad=0.3)[0] > u + 15  # what was ahead is now to the right
    assert middle(pitch_rad=0.3)[1] < v - 15  # and above


# ------------------------------------------------------------------------------------------ occlusion and clipping


def test_the_nearer_hides_the_farther_in_whatever_order_they_come():
    scenery = make_scenery(EMPTY)
    rows = [
        (ObjectClass.BUS, 15.0, 0.0, 1.57, 10.0, 2.5),
        (ObjectClass.CAR, 30.0, 0.5, 0.0, 4.5, 1.8),
    ]
    for scene, bus in ((things(*rows), 1), (things(*rows[::-1]), 2)):
        seen = Camera(SMALL, scenery).look(0.0, 0.0, 0.0, scene).thing
        assert set(np.unique(seen)) == {0, bus}
    beside = [rows[0], (ObjectClass.CAR, 30.0, 12.0, 0.0, 4.5, 1.8)]
    assert set(np.unique(Camera(SMALL, scenery).look(0.0, 0.0, 0.0, things(*beside)).thing)) == {
        0,
        1,
        2,
    }


@pytest.mark.parametrize("offset", [-3.0, 0.0, 2.5, 6.0])
def test_what_reaches_behind_the_eye_is_cut_off_and_not_mirrored(town, offset):
    # a long wall of a bus along the car's left side, from behind the camera to ahead of it
    frame = Camera(SMALL, town).look(
        0.0, 0.0, 0.0, things((ObjectClass.BUS, offset, 2.5, 0.0, 12.0, 2.5))
    )
    _, u = np.nonzero(frame.thing == 1)
    assert len(u) > 100 and u.max() < 80 and u.min() == 0
    assert (frame.depth_m[frame.thing == 1] >= SMALL.near_m).all()


def test_nothing_behind_the_car_is_seen():
    frame = Camera(SMALL, make_scenery(EMPTY)).look(
        0.0, 0.0, 0.0, things((ObjectClass.CAR, -10.0, 0.0, 0.0, 4.5, 1.8))
    )
    assert not frame.thing.any()


def test_each_class_has_its_label_and_reaches_over_its_box():
    scenery = make_scenery(EMPTY)
    wanted = {
        ObjectClass.CAR: Label.CAR, ObjectClass.TRUCK: Label.TRUCK, ObjectClass.BUS: Label.BUS, ObjectClass.PEDESTRIAN: Label.PEDESTRIAN,
        ObjectClass.BICYCLE: Label.BICYCLE, ObjectClass.MOTORCYCLE: Label.MOTORCYCLE, ObjectClass.HAZARD: Label.STATIC,
    }  # fmt: skip
    for kind, label in wanted.items():
        frame = Camera(CameraSpec(), scenery).look(
            0.0, 0.0, 0.0, things((kind, 12.0, 0.0, 1.57, 3.0, 2.0))
        )
        _, u = np.nonzero(frame.thing == 1)
        assert label in frame.label[frame.thing == 1]
        assert 0.5 < (u.max() - u.min()) / (320 * 3.0 / 9.3) < 1.02, kind
    rider = Camera(CameraSpec(), scenery).look(
        0.0, 0.0, 0.0, things((ObjectClass.BICYCLE, 8.0, 0.0, 1.57, 1.8, 0.7))
    )
    assert {Label.RIDER, Label.BICYCLE} <= set(rider.label[rider.thing == 1])


def test_a_traffic_light_shows_its_colour_to_those_it_is_meant_for():
    lane_map = make_town(1).lane_map
    scenery, light = make_scenery(lane_map), lane_map.lights[0]
    at = next(i for i, k in enumerate(scenery.roadside.light_id) if k == light.id)
    towards = float(scenery.roadside.things.yaw_rad[at])
    x, y = light.x_m + 14 * math.cos(towards), light.y_m + 14 * math.sin(towards)
    lit = {}
    for color in (LightColor.RED, LightColor.AMBER, LightColor.GREEN, LightColor.UNKNOWN):
        truth = Truth(
            0, EgoState(x, y, 0, 0, 0, 0, 0), 4.5, 1.8, 1.3, (), (LightState(light.id, color, 1.0),)
        )
        front = Camera(CameraSpec(), scenery).look(
            x, y, towards + math.pi, scenery.roadside.showing(truth)
        )
        bright = (front.label == Label.TRAFFIC_LIGHT) & (front.rgb.max(axis=-1) > 120)
        lit[color] = front.rgb[bright].mean(axis=0) if bright.any() else None
    assert lit[LightColor.UNKNOWN] is None
    red, amber, green = (lit[c] for c in (LightColor.RED, LightColor.AMBER, LightColor.GREEN))
    assert (
        red[0] > 2 * red[1] and green[1] > 2 * green[0] and min(amber[0], amber[1]) > 2 * amber[2]
    )


@given(
    st.tuples(*[st.floats(-60, 60)] * 2, st.floats(-7, 7)),
    st.tuples(st.floats(0.05, 80), *[st.floats(-3.1, 3.1)] * 3),
    st.floats(5, 2000),
    st.integers(0, 99),
)
def test_whatever_is_looked_at_from_wherever_the_picture_is_sound(town, pose, mount, focal, seed):
    z, roll, pitch, yaw = mount
    spec = replace(
        SMALL, fx_px=focal, fy_px=focal * 1.1, mount=Mount(0.3, -0.2, z, roll, pitch, yaw)
    )
    scene = crowd(np.random.default_rng(seed), pose[0], pose[1], 25.0) + town.roadside.things
    frame = Camera(spec, town).look(*pose, scene)
    sky = frame.label == Label.SKY
    assert (np.isinf(frame.depth_m) == sky).all()
    assert (frame.depth_m > 0.0).all()
    assert set(np.unique(frame.thing)) <= {0, *scene.id.tolist()}
    assert not frame.thing[sky].any()
    of_users = {*OF_CLASS.values(), Label.RIDER}
    assert set(np.unique(frame.label[frame.thing > 0])) <= of_users
    assert not set(np.unique(frame.label[frame.thing == 0])) & of_users - {
        Label.STATIC,
        Label.DYNAMIC,
    }


def test_far_from_the_origin_the_picture_is_the_same(town):
    far = (450_000.0, 5_400_000.0)  # a map in UTM coordinates
    lane_map = make_town(3).lane_map

    def moved(value):
        columns = {
            f.name: getattr(value, f.name) + far["_y_" in f"_{f.name}"]
            for f in fields(value)
            if f.name.endswith(("x_m", "y_m"))
        }
        return replace(value, **columns)

    parts = {
        name: tuple(moved(value) for value in getattr(lane_map, name))
        for name in ("lanes", "stop_lines", "lights", "crossings")
    }
    there = make_scenery(replace(lane_map, **parts))
    scene = crowd(np.random.default_rng(7), 0.0, 0.0, 30.0)
    scene_there = replace(scene, x_m=scene.x_m + far[0], y_m=scene.y_m + far[1])
    here = Camera(SMALL, town).look(3.0, 1.0, 0.4, scene)
    same = Camera(SMALL, there).look(3.0 + far[0], 1.0 + far[1], 0.4, scene_there)
    assert (here.label == same.label).mean() > 0.999 and (here.thing == same.thing).mean() > 0.999
    near = np.isfinite(here.depth_m) & (here.label == same.label)
    np.testing.assert_allclose(here.depth_m[near], same.depth_m[near], rtol=1e-4)


# ------------------------------------------------------------------------------------------------------ what it costs


def test_the_same_look_gives_the_same_bytes_whatever_was_looked_at_before(town):
    scene = crowd(np.random.default_rng(6), 0.0, 0.0, 30.0)
    camera = Camera(SMALL, town)
    first = camera.look(1.0, 2.0, 0.3, scene)
    camera.look(9.0, -5.0, 2.3, things())
    again, fresh = camera.look(1.0, 2.0, 0.3, scene), Camera(SMALL, town).look(1.0, 2.0, 0.3, scene)
    for frame in (again, fresh):
        for name in ("rgb", "depth_m", "label", "thing"):
            assert getattr(first, name).tobytes() == getattr(frame, name).tobytes()


def test_a_map_nine_times_as_large_is_drawn_from_as_many_tiles():
    lanes = make_town(2).lane_map
    shifted = []
    for i in range(9):
        dx, dy = 1500.0 * (i % 3), 1500.0 * (i // 3)
        for lane in lanes.lanes:
            columns = {
                f"{side}_{axis}_m": getattr(lane, f"{side}_{axis}_m") + d
                for side in ("center", "left", "right")
                for axis, d in (("x", dx), ("y", dy))
            }
            shifted.append(replace(lane, id=lane.id + 100_000 * i, opposite_id=0, **columns))
    one = make_scenery(
        replace(
            lanes, lanes=tuple(shifted[: len(lanes.lanes)]), lights=(), stop_lines=(), crossings=()
        )
    )
    nine = make_scenery(
        replace(lanes, lanes=tuple(shifted), lights=(), stop_lines=(), crossings=())
    )
    assert len(nine.label) == 9 * len(one.label)
    a, b = Camera(SMALL, one), Camera(SMALL, nine)
    assert (
        a.look(0.0, 0.0, 0.0, things()).rgb == b.look(0.0, 0.0, 0.0, things()).rgb
    ).mean() > 0.999
    drawn = [len(camera._tiles(camera.view(0.0, 0.0, 0.0))) for camera in (a, b)]
    assert drawn[1] <= drawn[0] + 4


# ------------------------------------------------------------------------------------------------------ wrong input


def test_without_numba_one_line_names_the_remedy(town, monkeypatch):
    monkeypatch.setattr(jit, "available", lambda: False)
    with pytest.raises(ValueError, match=r"pip install 'whyway\[sim\]'") as caught:
        Camera(SMALL, town)
    assert "\n" not in str(caught.value)


def test_a_pose_that_is_no_number_and_a_camera_in_the_ground_are_refused(town):
    with pytest.raises(ValueError, match="not finite"):
        Camera(SMALL, town).look(math.nan, 0.0, 0.0, things())
    with pytest.raises(ValueError, match="above the ground"):
        Camera(replace(SMALL, mount=Mount(z_m=0.0)), town)


def test_the_sun_stands_above_the_horizon():
    assert SUN[2] > 0.0 and np.linalg.norm(SUN) == pytest.approx(1.0)
