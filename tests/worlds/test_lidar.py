"""The lidar: every point is what a ray meets; rings, times, turning, distortion, noise and losses are as described."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import ConvexHull

sys.path.insert(0, str(Path(__file__).parent))  # tests are no package

from ray_caster import first_hit

from whyway.types import EgoState, ObjectClass
from whyway.worlds.sim.sensing.labels import Label
from whyway.worlds.sim.sensing.lidar import sweep
from whyway.worlds.sim.sensing.mounting import Mount, turn
from whyway.worlds.sim.sensing.rig import LidarSpec
from whyway.worlds.sim.sensing.shapes import shapes
from whyway.worlds.sim.sensing.things import make_things

EXACT = LidarSpec(
    channels=8, columns=180, range_sigma_m=0.0, dropout_probability=0.0, range_min_m=0.1, mount=Mount(x_m=1.2, z_m=1.9)
)  # fmt: skip
STILL = EgoState(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
DT_S = 0.1


def at(x, y, yaw):
    return EgoState(x, y, yaw, 0.0, 0.0, 0.0, 0.0)


def things(*rows):
    kind, *columns = zip(*rows, strict=True) if rows else ((),) * 6
    return make_things(
        np.array([int(k) for k in kind], dtype=np.int64),
        *(np.array(c, float) for c in columns),
        np.arange(1, len(rows) + 1),
    )


def seen(spec, scene, ego=STILL, before=None, stamp_s=0.1, seed=0):
    return sweep(spec, before, (ego, scene), stamp_s, DT_S, np.random.default_rng(seed))


def hulls(scene):
    """Triangles, outwards counter-clockwise, of all solids of some things, by a convex hull of their corners; and whose they are."""
    triangles, owner = [], []
    for i in range(len(scene)):
        size = np.array([scene.length_m[i], scene.width_m[i], scene.height_m[i]])
        for corners in shapes()[int(scene.shape[i])].solids:
            points = (corners * size) @ turn(float(scene.yaw_rad[i])).T
            points = points + [scene.x_m[i], scene.y_m[i], 0.0]
            hull = ConvexHull(points, qhull_options="QJ Pp")
            for simplex, plane in zip(hull.simplices, hull.equations, strict=True):
                a, b, c = points[simplex]
                out = np.dot(np.cross(b - a, c - a), plane[:3]) > 0.0
                triangles.append((a, b, c) if out else (a, c, b))
                owner.append(int(scene.id[i]))
    return np.array(triangles), np.array(owner)


@pytest.mark.parametrize(
    "mount",
    [EXACT.mount, Mount(x_m=-0.5, y_m=0.6, z_m=1.2, roll_rad=0.3, pitch_rad=-0.2, yaw_rad=2.0)],
)
def test_each_ray_gives_back_what_it_meets_first(mount):
    rng = np.random.default_rng(1)
    rows = []
    for k in [*ObjectClass, *ObjectClass]:
        angle, away = rng.uniform(-math.pi, math.pi), rng.uniform(5.0, 30.0)
        rows.append(
            (k, 3 + away * math.cos(angle), away * math.sin(angle), rng.uniform(-3, 3), 4.0, 1.8)
        )
    scene, spec, ego = things(*rows), replace(EXACT, mount=mount), at(3.0, 0.0, 0.4)
    points = seen(spec, scene, ego)
    triangles, owner = hulls(scene)
    rotation, origin = mount.in_map(ego.x_m, ego.y_m, ego.yaw_rad)
    azimuth = -math.pi + 2 * math.pi * np.arange(180) / 180
    found = {}
    for k in range(len(points.ring)):
        column = round((float(points.time_s[k]) / DT_S + 1.0) * 180) - 1
        found[column, int(points.ring[k])] = k
    checked = 0
    for column in range(0, 180, 2):
        for ring, elevation in enumerate(spec.elevations_rad):
            local = np.array(
                [
                    math.cos(azimuth[column]) * math.cos(elevation),
                    math.sin(azimuth[column]) * math.cos(elevation),
                    math.sin(elevation),
                ]
            )
            ray = rotation @ local
            t, which = first_hit(origin, ray, triangles)
            ground = -origin[2] / ray[2] if ray[2] < 0.0 else np.inf
            whose, t = (int(owner[which]), t) if t < ground else (0, ground)
            k = found.get((column, ring))
            if t > spec.range_m:
                assert k is None
                continue
            assert k is not None and points.thing[k] == whose
            np.testing.assert_allclose(points.xyz_m[k], t * local, atol=2e-3)
            checked += whose > 0
    assert checked > 40


def test_points_lie_on_surfaces_when_each_is_put_where_the_car_was_at_its_time():
    # at 20 m/s and turning, past a wall that stands and beside a bus that moves
    before, now = at(0.0, 0.0, 0.0), at(2.0, 0.3, 0.1)
    wall = (ObjectClass.UNKNOWN, 12.0, 6.0, 0.0, 20.0, 1.0)
    scenes = [things(wall, (ObjectClass.UNKNOWN, x, -5.0, 0.0, 6.0, 2.0)) for x in (6.0, 7.5)]
    points = seen(EXACT, scenes[1], now, (before, scenes[0]))
    share = points.time_s / DT_S + 1.0
    assert points.time_s.max() == 0.0 and points.time_s.min() > -DT_S
    assert (np.diff(points.time_s) >= 0.0).all()

    def in_map(share):
        placed = []
        for xyz, s in zip(points.xyz_m, share, strict=True):
            rotation, origin = EXACT.mount.in_map(2.0 * s, 0.3 * s, 0.1 * s)
            placed.append(rotation @ xyz + origin)
        return np.array(placed)

    placed = in_map(share)
    np.testing.assert_allclose(placed[points.thing == 0, 2], 0.0, atol=1e-4)
    near_wall = placed[points.thing == 1]
    assert len(near_wall) > 20
    np.testing.assert_allclose(near_wall[np.abs(near_wall[:, 2] - 1.5) > 1e-3, 1], 5.5, atol=1e-3)
    side = placed[(points.thing == 2) & (np.abs(placed[:, 1] + 4.0) < 1e-3)]
    assert len(side) > 20
    # taken all as of the stamp they do not: that is the distortion
    crooked = in_map(np.ones(len(share)))[points.thing == 1]
    assert np.abs(crooked[:, 1] - 5.5).max() > 0.1
    # the same wall without distortion
    straight = seen(replace(EXACT, motion_distortion=False), scenes[1], now, (before, scenes[0]))
    assert not straight.time_s.any()
    rotation, origin = EXACT.mount.in_map(2.0, 0.3, 0.1)
    wall_points = (straight.xyz_m @ rotation.T + origin)[straight.thing == 1]
    np.testing.assert_allclose(
        wall_points[np.abs(wall_points[:, 2] - 1.5) > 1e-3, 1], 5.5, atol=1e-3
    )


def test_a_moving_road_user_is_hit_where_it_was_and_a_new_one_where_it_is():
    old = things((ObjectClass.UNKNOWN, 10.0, 0.0, 0.0, 2.0, 2.0))
    new = things(
        (ObjectClass.UNKNOWN, 12.0, 0.0, 0.0, 2.0, 2.0),
        (ObjectClass.UNKNOWN, 0.0, 9.0, 0.0, 2.0, 2.0),
    )
    points = seen(replace(EXACT, columns=720), new, STILL, (STILL, old))
    # straight ahead is passed half way through the turn: the rear face was at 10.0 then
    ahead = points.xyz_m[
        (points.thing == 1) & (np.abs(points.xyz_m[:, 1]) < 0.2) & (points.xyz_m[:, 2] < -0.45)
    ]
    np.testing.assert_allclose(ahead[:, 0] + 1.2, 10.0, atol=0.01)
    aside = points.xyz_m[(points.thing == 2) & (np.abs(points.xyz_m[:, 0] + 1.2) < 0.5)]
    assert aside[:, 1].min() == pytest.approx(8.0, abs=0.01)


@pytest.mark.parametrize(("rate_hz", "columns"), [(5.0, 90), (10.0, 180), (20.0, 360)])
def test_it_turns_as_fast_as_it_should_and_goes_on_where_it_was(rate_hz, columns):
    spec = replace(EXACT, rate_hz=rate_hz, elevation_low_rad=-0.4, elevation_high_rad=-0.1)
    angles = []
    for cycle in (1, 2):
        points = seen(spec, things(), stamp_s=cycle * DT_S)
        assert len(points.ring) == columns * 8
        angles.append(
            np.arctan2(points.xyz_m[points.ring == 0, 1], points.xyz_m[points.ring == 0, 0])
        )
    both = np.unwrap(np.concatenate(angles))
    np.testing.assert_allclose(np.diff(both), 2 * math.pi / 180, atol=1e-5)


def test_ring_zero_is_the_lowest_and_rings_keep_their_elevation():
    points = seen(replace(EXACT, elevation_high_rad=-0.05), things())
    elevation = np.arcsin(points.xyz_m[:, 2] / np.linalg.norm(points.xyz_m, axis=1))
    want = replace(EXACT, elevation_high_rad=-0.05).elevations_rad
    np.testing.assert_allclose(elevation, want[points.ring], atol=1e-5)
    assert (np.diff(want) > 0.0).all()


def test_noise_and_losses_are_as_large_and_as_often_as_configured():
    low = replace(EXACT, channels=16, columns=1800, elevation_high_rad=-0.1)
    noisy = replace(low, range_sigma_m=0.03, dropout_probability=0.2)
    exact, points = seen(low, things()), seen(noisy, things())
    assert len(points.ring) / len(exact.ring) == pytest.approx(0.8, abs=0.01)
    want = 1.9 / -np.sin(low.elevations_rad)[points.ring]
    error = np.linalg.norm(points.xyz_m, axis=1) - want
    assert error.std() == pytest.approx(0.03, rel=0.03) and abs(error.mean()) < 1e-3


def test_luck_does_not_depend_on_what_is_hit_and_a_seed_gives_the_same_points():
    noisy = replace(EXACT, range_sigma_m=0.03, dropout_probability=0.1)
    scene = things((ObjectClass.CAR, 10.0, 0.0, 0.0, 4.5, 1.8))
    a, b = seen(noisy, scene, seed=4), seen(noisy, scene, seed=4)
    assert a.xyz_m.tobytes() == b.xyz_m.tobytes() and a.intensity.tobytes() == b.intensity.tobytes()
    empty = seen(noisy, things(), seed=4)
    behind = (a.xyz_m[:, 0] < 0.0, empty.xyz_m[:, 0] < 0.0)
    assert a.xyz_m[behind[0]].tobytes() == empty.xyz_m[behind[1]].tobytes()


def test_range_bounds_what_comes_back_at_both_ends():
    scene = things((ObjectClass.UNKNOWN, 40.0, 0.0, 0.0, 2.0, 2.0))
    level = replace(EXACT, elevation_low_rad=-0.02, elevation_high_rad=-0.01)
    assert seen(replace(level, range_m=50.0), scene).thing.any()
    assert not seen(replace(level, range_m=30.0), scene).thing.any()
    assert not seen(replace(level, range_min_m=45.0), scene).thing.any()


def test_intensity_falls_with_class_slant_and_distance():
    level = replace(EXACT, columns=720, elevation_low_rad=-0.04, elevation_high_rad=-0.03)
    near, far = (
        seen(level, things((ObjectClass.TRUCK, x, 0.0, 0.0, 8.0, 2.5))) for x in (15.0, 45.0)
    )
    middle = [
        p.intensity[(p.thing == 1) & (np.abs(p.xyz_m[:, 1]) < 0.3)].mean() for p in (near, far)
    ]
    assert middle[0] / middle[1] == pytest.approx(math.exp(0.004 * 30.0), rel=0.02)
    turned = seen(level, things((ObjectClass.TRUCK, 15.0, 0.0, 0.8, 8.0, 2.5)))
    assert turned.intensity[turned.thing == 1].mean() < 0.8 * middle[0]
    person = seen(level, things((ObjectClass.PEDESTRIAN, 11.0, 0.0, 0.0, 0.6, 2.0)))
    assert person.intensity[person.label == Label.PEDESTRIAN].max() < middle[0]
    assert (near.intensity >= 0.0).all() and (near.intensity <= 1.0).all()


def test_camera_and_lidar_agree_on_how_far_everything_is():
    pytest.importorskip("numba", reason="the camera needs numba: pip install 'whyway[sim]'")
    from whyway.types import LaneMap
    from whyway.worlds.sim.sensing.camera import Camera
    from whyway.worlds.sim.sensing.rig import CameraSpec
    from whyway.worlds.sim.sensing.scenery import make_scenery

    mount = Mount(x_m=1.5, z_m=1.7)
    rng = np.random.default_rng(8)
    kinds = (ObjectClass.CAR, ObjectClass.TRUCK, ObjectClass.BICYCLE, ObjectClass.PEDESTRIAN)
    scene = things(
        *(
            (k, rng.uniform(8, 30), rng.uniform(-8, 8), rng.uniform(-3, 3), 4.0, 1.8)
            for k in kinds * 2
        )
    )
    frame = Camera(CameraSpec(mount=mount), make_scenery(LaneMap(0, "nothing"))).look(
        0.0, 0.0, 0.0, scene
    )
    points = seen(
        replace(EXACT, mount=mount, channels=24, columns=900, motion_distortion=False), scene
    )
    x, y, z = points.xyz_m.T
    ahead = (x > 1.0) & (np.abs(y) < 0.95 * x) & (np.abs(z) < 0.5 * x)
    x, y, z, thing = x[ahead], y[ahead], z[ahead], points.thing[ahead]
    u, v = np.rint(319.5 - 320 * y / x).astype(int), np.rint(179.5 - 320 * z / x).astype(int)
    around = np.stack([frame.depth_m[v + i, u + j] for i in (-1, 0, 1) for j in (-1, 0, 1)])
    # a pixel is a little aside of the point: its depth lies within what the pixels around span
    between = (x >= around.min(axis=0) - 0.02) & (x <= around.max(axis=0) + 0.02)
    assert between[thing > 0].mean() > 0.99 and (thing > 0).sum() > 300
    assert between.mean() > 0.995
