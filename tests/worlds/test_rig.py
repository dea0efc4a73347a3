"""The rig is read strictly, its transforms follow REP-103, and its sensors do not disturb each other."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from whyway.config import as_dict
from whyway.maps.town import make_town
from whyway.types import Actor, EgoState, InputError, ObjectClass, Truth
from whyway.worlds.sim.sensing.mounting import Mount, quaternion
from whyway.worlds.sim.sensing.rig import DEFAULT, CameraSpec, Rig, make_rig, read_rig
from whyway.worlds.sim.sensing.suite import Suite

angles = st.floats(-math.pi, math.pi)


def test_without_a_file_and_from_its_own_yaml_it_is_the_default(tmp_path):
    path = tmp_path / "rig.yaml"
    path.write_text(yaml.safe_dump(as_dict(DEFAULT)))
    assert read_rig(None) == DEFAULT == read_rig(path)


def test_what_is_left_out_is_default_and_what_is_given_counts():
    rig = make_rig({"cameras": {"front": {"mount": {"y_m": -0.5}, "fx_px": 500}, "rear": None}})
    assert rig.cameras["front"] == replace(
        CameraSpec(), fx_px=500.0, mount=replace(CameraSpec().mount, y_m=-0.5)
    )
    assert rig.cameras["rear"] == CameraSpec() and not rig.lidars


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"camera": {}}, "unknown key 'camera'"),
        ({"cameras": {"front": {"fx_p": 3}}}, "did you mean 'fx_px'"),
        ({"cameras": {"front": {"width_px": 0}}}, "out of range"),
        ({"cameras": {"front": {"width_px": 9000, "height_px": 9000}}}, "more than 16 million"),
        ({"cameras": {"front": {"mount": {"z_m": -1}}}}, "not above the ground"),
        ({"cameras": {"Front Left": {}}}, "is no name"),
        ({"cameras": ["front"]}, "expected names"),
        ({"cameras": {"front": 3}}, "expected keys"),
        ({"lidars": {"top": {"range_min_m": 200}}}, "not below range_m"),
        ({"lidars": {"top": {"elevation_low_rad": 0.5}}}, "above elevation_high_rad"),
        ({"gnss": {"roof": {"origin_latitude_deg": 91}}}, "out of range"),
        ({"imus": {"main": {"rate_hz": float("nan")}}}, "not a finite number"),
        ([1], "found a list"),
    ],
)
def test_what_does_not_belong_is_refused_in_one_line(data, words):
    with pytest.raises(InputError, match=words) as caught:
        make_rig(data, "rig.yaml")
    assert "\n" not in str(caught.value) and str(caught.value).startswith("rig.yaml")


def test_a_file_that_is_no_yaml_is_refused_in_one_line(tmp_path):
    path = tmp_path / "rig.yaml"
    path.write_text("cameras: [")
    with pytest.raises(InputError, match="not readable as YAML"):
        read_rig(path)
    with pytest.raises(InputError, match="missing.yaml"):
        read_rig(tmp_path / "missing.yaml")


@given(angles, angles, angles)
def test_a_quaternion_turns_as_its_rotation_does(roll, pitch, yaw):
    rotation = Mount(0, 0, 0, roll, pitch, yaw).rotation
    x, y, z, w = quaternion(rotation)
    assert math.hypot(x, y, z, w) == pytest.approx(1.0) and w >= 0.0
    point = np.array([0.3, -1.2, 2.0])
    axis = np.array([x, y, z])
    turned = point + 2 * w * np.cross(axis, point) + 2 * np.cross(axis, np.cross(axis, point))
    np.testing.assert_allclose(turned, rotation @ point, atol=1e-9)


def test_every_sensor_has_a_frame_and_a_camera_an_optical_one():
    frames = {child: (parent, move, turn) for parent, child, move, turn in DEFAULT.transforms()}
    assert set(frames) == {
        "camera_front",
        "camera_front_optical",
        "lidar_top",
        "imu_main",
        "gnss_roof",
    }
    parent, move, turn = frames["camera_front_optical"]
    assert parent == "camera_front" and not move.any()
    # x right, y down, z forward seen from x forward, y left, z up (REP-103)
    assert turn == pytest.approx((-0.5, 0.5, -0.5, 0.5))
    assert frames["lidar_top"][0] == "base_link" and frames["lidar_top"][1].tolist() == [
        1.2,
        0.0,
        1.9,
    ]


# ------------------------------------------------------------------------------------------------------------ a drive

LANE_MAP = make_town(1).lane_map
BLIND = replace(DEFAULT, cameras={})


def truth(cycle):
    car = Actor(7, ObjectClass.CAR, 30.0 + cycle, 3.0, 0.0, 10.0, 4.5, 1.8, False)
    return Truth(
        cycle * 100_000_000,
        EgoState(cycle * 1.0, 0.0, 0.0, 10.0, 0.0, 0.0, 0.0),
        4.5,
        1.6,
        1.3,
        (car,),
    )


def drive(rig, seed=1, asking=False):
    suite = Suite(rig, LANE_MAP, seed)
    said = []
    for k in range(12):
        readings = suite.step(truth(k))
        if asking:
            suite.sweep("top")
        said.append(readings)
    return suite, said


def flat(readings):
    """Everything the cheap sensors said, as numbers."""
    rows = []
    for r in readings:
        rows += [s.acceleration_mps2.ravel() for s in r.imus.values()]
        rows += [np.array([f.latitude_deg, f.longitude_deg, f.altitude_m]) for f in r.gnss.values()]
        rows += [np.array([w.x_m, w.y_m, w.yaw_rad, w.v_mps]) for w in r.wheels.values()]
    return np.concatenate(rows)


def test_a_seed_gives_the_same_data_and_another_seed_other_data():
    (a, said_a), (b, said_b), (_, said_c) = drive(BLIND), drive(BLIND), drive(BLIND, seed=2)
    np.testing.assert_array_equal(flat(said_a), flat(said_b))
    assert a.sweep("top").xyz_m.tobytes() == b.sweep("top").xyz_m.tobytes()
    assert not np.array_equal(flat(said_a), flat(said_c))


def test_asking_for_a_sweep_and_carrying_other_sensors_disturbs_nobody():
    _, quiet = drive(BLIND)
    asked, loud = drive(BLIND, asking=True)
    np.testing.assert_array_equal(flat(quiet), flat(loud))
    fewer = Rig(imus=BLIND.imus)
    _, alone = drive(fewer)
    for a, b in zip(quiet, alone, strict=True):
        np.testing.assert_array_equal(a.imus["main"].rate_rps, b.imus["main"].rate_rps)
    unasked, _ = drive(BLIND)
    assert asked.sweep("top").xyz_m.tobytes() == unasked.sweep("top").xyz_m.tobytes()


def test_a_world_that_begins_again_makes_the_sensors_begin_again():
    suite, first = drive(BLIND)
    again = [suite.step(truth(k)) for k in range(12)]
    np.testing.assert_array_equal(flat(first), flat(again))


def test_the_wheels_follow_the_car_and_the_fix_is_near_it():
    _, said = drive(BLIND)
    state, fix = said[-1].wheels["rear"], said[-1].gnss["roof"]
    assert state.x_m == pytest.approx(11.0, abs=0.6) and state.v_mps == pytest.approx(10.0, abs=0.5)
    assert fix.longitude_deg * 111_319.49 == pytest.approx(11.5, abs=6.0)


def test_before_the_first_step_there_is_nothing_to_see():
    with pytest.raises(ValueError, match="step"):
        Suite(BLIND, LANE_MAP, 0).sweep("top")


def test_a_picture_of_the_drive_shows_the_car_ahead():
    pytest.importorskip("numba", reason="the camera needs numba: pip install 'whyway[sim]'")
    suite, _ = drive(DEFAULT)
    assert 7 in suite.picture("front").thing
    assert 7 in suite.sweep("top").thing
