"""IMU, GNSS and wheels: true where they have no error, and wrong the way they are said to be."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from whyway.maps.projection import TransverseMercator
from whyway.types import EgoState
from whyway.worlds.sim.sensing import gnss, inertial, wheels
from whyway.worlds.sim.sensing.geodesy import to_geodetic
from whyway.worlds.sim.sensing.mounting import Mount
from whyway.worlds.sim.sensing.rig import GnssSpec, ImuSpec, WheelSpec

G = inertial.GRAVITY_MPS2
SECOND_NS = 1_000_000_000
PERFECT_IMU = ImuSpec(
    acceleration_density=0.0, acceleration_bias_sigma_mps2=0.0, acceleration_bias_walk=0.0,
    rate_density=0.0, rate_bias_sigma_rps=0.0, rate_bias_walk=0.0,
)  # fmt: skip
PERFECT_WHEELS = WheelSpec(0.0, 0.0, 0.0, 0.0)


def moving(v=0.0, a=0.0, rate=0.0, x=0.0, y=0.0, yaw=0.0):
    return EgoState(x, y, yaw, v, a, rate, 0.0)


def imu(spec, before, now, dt_ns=100_000_000, seed=0):
    rng = np.random.default_rng(seed)
    return inertial.measure(
        spec, inertial.start(spec, rng), before, now, 5 * SECOND_NS, dt_ns, rng
    )[0]


# -------------------------------------------------------------------------------------------------------------- IMU


@pytest.mark.parametrize(
    ("ego", "force"),
    [
        (moving(), (0.0, 0.0, G)),
        (moving(v=10.0, a=-3.0), (-3.0, 0.0, G)),
        (moving(v=10.0, rate=0.2), (0.0, 2.0, G)),  # a left turn pushes the car to the left
    ],
)
def test_at_rest_it_feels_gravity_upwards_and_in_motion_what_the_car_does(ego, force):
    samples = imu(replace(PERFECT_IMU, mount=Mount()), ego, ego)
    np.testing.assert_allclose(samples.acceleration_mps2, np.tile(force, (10, 1)), atol=1e-12)
    np.testing.assert_allclose(samples.rate_rps, np.tile((0.0, 0.0, ego.yaw_rate_rps), (10, 1)))


def test_a_turned_unit_shows_the_same_in_its_own_axes():
    ego = moving(v=10.0, a=1.0, rate=0.2)
    upside_down = imu(replace(PERFECT_IMU, mount=Mount(roll_rad=math.pi)), ego, ego)
    np.testing.assert_allclose(upside_down.acceleration_mps2[0], (1.0, -2.0, -G), atol=1e-12)
    np.testing.assert_allclose(upside_down.rate_rps[0], (0.0, 0.0, -0.2), atol=1e-12)
    to_the_left = imu(replace(PERFECT_IMU, mount=Mount(yaw_rad=math.pi / 2)), ego, ego)
    np.testing.assert_allclose(to_the_left.acceleration_mps2[0], (2.0, -1.0, G), atol=1e-12)


def test_a_unit_away_from_the_axle_feels_what_its_own_path_gives():
    # the second derivative of where the unit is, in the car's axes, while the car speeds up on a tightening curve
    mount, v0, a, w0, swing, h = Mount(x_m=1.3, y_m=-0.6), 6.0, 1.5, 0.1, 0.4, 1e-3
    t = np.arange(-2, 3) * h + 0.05
    fine = np.linspace(0.0, 0.06, 60001)
    yaw = w0 * fine + swing * fine**2 / 2
    x = np.concatenate([[0.0], np.cumsum((v0 + a * fine) * np.cos(yaw))[:-1]]) * (fine[1] - fine[0])
    y = np.concatenate([[0.0], np.cumsum((v0 + a * fine) * np.sin(yaw))[:-1]]) * (fine[1] - fine[0])
    at_x, at_y, at_yaw = (np.interp(t, fine, c) for c in (x, y, yaw))
    px = at_x + np.cos(at_yaw) * mount.x_m - np.sin(at_yaw) * mount.y_m
    py = at_y + np.sin(at_yaw) * mount.x_m + np.cos(at_yaw) * mount.y_m
    ax, ay = (np.polyfit(t - 0.05, p, 2)[0] * 2 for p in (px, py))
    c, s = math.cos(at_yaw[2]), math.sin(at_yaw[2])
    want = (c * ax + s * ay, c * ay - s * ax, G)
    before, now = moving(v0, a, w0), moving(v0 + 0.1 * a, a, w0 + 0.1 * swing)
    samples = imu(replace(PERFECT_IMU, mount=mount), before, now)
    np.testing.assert_allclose(samples.acceleration_mps2[4], want, atol=0.02)  # 0.05 s in


def test_samples_fill_the_cycle_up_to_its_stamp():
    samples = imu(replace(PERFECT_IMU, rate_hz=200.0), moving(), moving())
    assert samples.stamp_ns.tolist() == [
        5 * SECOND_NS - 100_000_000 + 5_000_000 * k for k in range(1, 21)
    ]


def allan(rates, per_sample_s, taus):
    """Allan deviation of a rate signal (n,) at averaging times, non-overlapping."""
    found = []
    for tau in taus:
        size = round(tau / per_sample_s)
        means = rates[: len(rates) // size * size].reshape(-1, size).mean(axis=1)
        found.append(math.sqrt(np.mean(np.diff(means) ** 2) / 2))
    return np.array(found)


def test_white_noise_has_its_density_and_averages_out_with_the_root_of_time():
    spec = replace(PERFECT_IMU, acceleration_density=2e-3, rate_density=1e-4)
    samples = imu(spec, moving(), moving(), dt_ns=1000 * SECOND_NS)
    for values, density in ((samples.acceleration_mps2, 2e-3), (samples.rate_rps, 1e-4)):
        assert values[:, 1].std() == pytest.approx(density * 10.0, rel=0.02)  # at 100 Hz
        taus = np.array([0.1, 1.0, 10.0])
        deviation = np.mean([allan(axis, 0.01, taus) for axis in values.T], axis=0)
        np.testing.assert_allclose(deviation, density / np.sqrt(taus), rtol=0.15)
    assert abs(np.corrcoef(samples.acceleration_mps2[:, :2].T)[0, 1]) < 0.02


def test_a_walking_bias_spreads_with_the_root_of_time_and_goes_on_from_cycle_to_cycle():
    spec, rng = replace(PERFECT_IMU, rate_bias_walk=1e-3), np.random.default_rng(3)
    state, ends = inertial.start(spec, rng), []
    for k in range(2000):
        samples, state = inertial.measure(spec, state, moving(), moving(), k, 100_000_000, rng)
        ends.append(samples.rate_rps[-1])
    np.testing.assert_array_equal(samples.rate_rps[-1], state.rate_rps)
    steps = np.diff(np.array(ends), axis=0)
    assert steps.std() == pytest.approx(1e-3 * math.sqrt(0.1), rel=0.05)
    taus = np.array([2.0, 8.0])
    deviation = np.mean([allan(column, 0.1, taus) for column in np.array(ends).T], axis=0)
    assert math.log(deviation[1] / deviation[0]) / math.log(4.0) == pytest.approx(0.5, abs=0.2)


def test_biases_at_the_start_differ_from_drive_to_drive_as_configured():
    spec = replace(PERFECT_IMU, acceleration_bias_sigma_mps2=0.05)
    starts = [inertial.start(spec, np.random.default_rng(k)).acceleration_mps2 for k in range(400)]
    assert np.std(starts) == pytest.approx(0.05, rel=0.06)


# ------------------------------------------------------------------------------------------------------------- GNSS

PERFECT_GNSS = GnssSpec(
    mount=Mount(), horizontal_sigma_m=0.0, vertical_sigma_m=0.0, bias_sigma_m=0.0, origin_latitude_deg=48.1,
    origin_longitude_deg=11.6, origin_altitude_m=520.0,
)  # fmt: skip


@pytest.mark.parametrize("place", [(0.0, 0.0), (1000.0, -2500.0), (-80_000.0, 30_000.0)])
@pytest.mark.parametrize("origin", [(0.0, 0.0), (48.1, 11.6), (-33.9, 151.2), (70.0, -179.9)])
def test_latitude_and_longitude_are_those_that_the_map_is_projected_from(place, origin):
    plane = TransverseMercator(*origin)
    latitude, longitude = to_geodetic(plane, *place)
    assert -180.0 <= longitude < 180.0
    x, y = plane.forward(latitude, longitude + (360.0 if longitude - origin[1] < -180.0 else 0.0))
    assert (float(x), float(y)) == pytest.approx(place, abs=1e-5)


def test_a_known_place_is_found_from_its_utm_coordinates():
    # CN Tower, Toronto, as listed: 43 38 33.24 N, 79 23 13.7 W; UTM zone 17 (81 W, scale 0.9996): 630084 E, 4833438 N
    latitude, longitude = to_geodetic(
        TransverseMercator(0.0, -81.0), (630084 - 500000) / 0.9996, 4833438 / 0.9996
    )
    assert latitude == pytest.approx(43 + 38 / 60 + 33.24 / 3600, abs=1e-5)
    assert longitude == pytest.approx(-(79 + 23 / 60 + 13.7 / 3600), abs=1e-5)


def test_a_perfect_fix_is_the_antennas_place():
    spec = replace(PERFECT_GNSS, mount=Mount(x_m=2.0, z_m=1.5))
    ego = moving(x=100.0, y=50.0, yaw=math.pi / 2)
    fix, _ = gnss.measure(spec, np.zeros(3), ego, 0.1, np.random.default_rng(0))
    x, y = TransverseMercator(48.1, 11.6).forward(fix.latitude_deg, fix.longitude_deg)
    assert (float(x), float(y)) == pytest.approx((100.0, 52.0), abs=1e-4)
    assert fix.altitude_m == pytest.approx(521.5)


def test_noise_is_white_and_the_bias_wanders_but_not_away():
    spec = replace(
        PERFECT_GNSS,
        origin_latitude_deg=0.0,
        origin_longitude_deg=0.0,
        bias_sigma_m=0.8,
        bias_time_s=5.0,
    )
    biases = []
    for seed in range(
        300
    ):  # 20 s each: the spread of the bias has long settled, and stays what it was at the start
        rng = np.random.default_rng(seed)
        first = bias = gnss.start(spec, rng)
        for _ in range(4):
            _, bias = gnss.measure(spec, bias, moving(), 5.0, rng)
        biases.append((first, bias))
    spread = np.array(biases).std(axis=0)
    np.testing.assert_allclose(spread, np.tile([0.8, 0.8, 1.6], (2, 1)), rtol=0.12)

    rng, bias, places = np.random.default_rng(1), np.zeros(3), []
    noisy = replace(
        PERFECT_GNSS, origin_latitude_deg=0.0, origin_longitude_deg=0.0, horizontal_sigma_m=0.3
    )
    for _ in range(400):
        fix, bias = gnss.measure(noisy, bias, moving(), 0.1, rng)
        places.append((fix.longitude_deg * 111_319.49, fix.latitude_deg * 110_574.0))
    east, north = np.array(places).T
    assert east.std() == pytest.approx(0.3, rel=0.12) and north.std() == pytest.approx(
        0.3, rel=0.12
    )
    assert abs(np.corrcoef(east[1:], east[:-1])[0, 1]) < 0.15


def test_a_receiver_knows_how_good_it_is():
    fix, _ = gnss.measure(GnssSpec(), np.zeros(3), moving(), 0.1, np.random.default_rng(0))
    assert fix.variance_m2 == pytest.approx((0.3**2 + 0.8**2, 0.3**2 + 0.8**2, 0.6**2 + 1.6**2))


# ----------------------------------------------------------------------------------------------------------- wheels


def reckoned(spec, seconds, v=10.0, rate=0.0, seed=0):
    rng = np.random.default_rng(seed)
    state = wheels.start(spec, moving(v, rate=rate, x=3.0, y=-2.0, yaw=0.3), rng)
    for _ in range(round(seconds * 10)):
        state = wheels.measure(spec, state, moving(v, rate=rate), 0.1, rng)
    return state


def test_perfect_wheels_come_back_to_where_a_circle_began():
    rate = 2 * math.pi / 20.0
    state = reckoned(PERFECT_WHEELS, 20.0, rate=rate)
    assert (state.x_m, state.y_m) == pytest.approx((3.0, -2.0), abs=1e-6)
    half = reckoned(PERFECT_WHEELS, 10.0, rate=rate)
    radius = 10.0 / rate
    assert math.hypot(half.x_m - 3.0, half.y_m + 2.0) == pytest.approx(2 * radius, rel=1e-3)


def test_a_wrong_radius_stretches_the_way_and_a_wrong_rate_bends_it():
    ways, bends = [], []
    for seed in range(200):
        state = reckoned(
            WheelSpec(
                scale_sigma=0.02,
                yaw_rate_bias_sigma_rps=0.0,
                speed_sigma_mps=0.0,
                yaw_rate_sigma_rps=0.0,
            ),
            5.0,
            seed=seed,
        )
        ways.append(math.hypot(state.x_m - 3.0, state.y_m + 2.0) / 50.0 - 1.0)
        bent = reckoned(
            WheelSpec(
                scale_sigma=0.0,
                yaw_rate_bias_sigma_rps=0.01,
                speed_sigma_mps=0.0,
                yaw_rate_sigma_rps=0.0,
            ),
            5.0,
            seed=seed,
        )
        bends.append(bent.yaw_rad - 0.3)
    assert np.std(ways) == pytest.approx(0.02, rel=0.12)
    assert np.std(bends) == pytest.approx(0.05, rel=0.12)


def test_wheels_that_stand_do_not_drift():
    rng, spec = np.random.default_rng(0), WheelSpec()
    state = wheels.start(spec, moving(), rng)
    for _ in range(50):
        state = wheels.measure(spec, state, moving(), 0.1, rng)
    assert (state.x_m, state.y_m, state.yaw_rad, state.v_mps) == (0.0, 0.0, 0.0, 0.0)


def test_the_variance_covers_how_far_off_the_pose_is():
    spec, misses = WheelSpec(), []
    for seed in range(100):
        state = reckoned(spec, 10.0, seed=seed)
        place, yaw = wheels.variances(spec, state)
        end = (3.0 + 100 * math.cos(0.3), -2.0 + 100 * math.sin(0.3))
        misses.append(
            [(state.x_m - end[0]) / math.sqrt(place), (state.y_m - end[1]) / math.sqrt(place), (state.yaw_rad - 0.3) / math.sqrt(yaw)]
        )  # fmt: skip
    assert (np.std(misses, axis=0) > 0.3).all() and (np.std(misses, axis=0) < 1.5).all()
