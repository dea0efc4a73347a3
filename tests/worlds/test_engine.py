"""The batched step: motion, collisions, traffic that never collides, state in and state out."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from whyway.config import Config, VehicleConfig
from whyway.maps.signals import SignalPlan
from whyway.motion import single_track
from whyway.worlds.sim.engine_old import Sim, begin, light_colors, step
from whyway.worlds.sim.logs import build_signals
from whyway.worlds.sim.state import Mode, State, empty_state
from whyway.worlds.sim.surface import build_surface


def same_states(a: State, b: State) -> list[str]:
    return [
        f.name
        for f in dataclasses.fields(State)
        if not _equal(getattr(a, f.name), getattr(b, f.name))
    ]


def _equal(a, b) -> bool:
    return np.array_equal(a, b, equal_nan=a.dtype.kind == "f")


@pytest.mark.parametrize("steer", [0.0, 1e-4, 0.2, -0.9])
@pytest.mark.parametrize("a", [0.0, 2.0, -3.0])
def test_the_single_track_is_the_solution_of_its_differential_equation(steer, a):
    wheelbase, dt, start = VehicleConfig().wheelbase_m, 0.1, (3.0, -2.0, 0.7, 9.0)

    def rhs(_t, q):
        return [q[3] * math.cos(q[2]), q[3] * math.sin(q[2]), q[3] * math.tan(steer) / wheelbase, a]

    exact = solve_ivp(rhs, (0.0, 1.0), start, rtol=1e-11, atol=1e-11).y[:, -1]
    q = tuple(np.array(v) for v in start)
    for _ in range(10):
        q = single_track(*q, np.array(a), np.array(steer), wheelbase, dt)
    # the chord of a clothoid-like arc (speed changes along it) is exact only for constant speed
    np.testing.assert_allclose(q, exact, atol=1e-9 if a == 0.0 else 2e-3)


def alone(config: Config, **kinds) -> tuple[Sim, State]:
    """A world of agents under command on no map."""
    n = len(kinds["x_m"])
    state = empty_state(1, n)
    fields = {k: np.array([v], dtype=getattr(state, k).dtype) for k, v in kinds.items()}
    state = dataclasses.replace(
        state, mode=np.full((1, n), int(Mode.COMMAND)), active=np.full((1, n), True), **fields
    )
    sim = Sim(0.1, config.vehicle, config.sim.traffic, build_signals((), SignalPlan()))
    return sim, begin(sim, state)


def test_boxes_collide_if_and_only_if_points_of_one_lie_in_the_other():
    rng = np.random.default_rng(3)
    u, v = np.meshgrid(np.linspace(-0.5, 0.5, 60), np.linspace(-0.5, 0.5, 40))
    agree = touching = 0
    for _ in range(300):
        x, y, yaw = rng.uniform(0, 6, 2), rng.uniform(0, 6, 2), rng.uniform(-4, 4, 2)
        length, width = rng.uniform(1, 6, 2), rng.uniform(0.5, 3, 2)
        _, state = alone(Config(), x_m=x, y_m=y, yaw_rad=yaw, length_m=length, width_m=width)
        inside = False
        for i, j in ((0, 1), (1, 0)):  # points of box i in the frame of box j
            lx, ly = u * length[i], v * width[i]
            px = x[i] + lx * math.cos(yaw[i]) - ly * math.sin(yaw[i]) - x[j]
            py = y[i] + lx * math.sin(yaw[i]) + ly * math.cos(yaw[i]) - y[j]
            qx, qy = (
                px * math.cos(yaw[j]) + py * math.sin(yaw[j]),
                -px * math.sin(yaw[j]) + py * math.cos(yaw[j]),
            )
            inside |= bool(np.any((np.abs(qx) <= length[j] / 2) & (np.abs(qy) <= width[j] / 2)))
        found = bool(state.collided[0, 0])
        assert found == bool(state.collided[0, 1])
        assert found or not inside
        agree, touching = agree + (found == inside), touching + inside
    assert 30 < touching < 270
    assert agree >= 297  # a grid of points misses the slightest touches


def test_the_box_lies_ahead_of_the_rear_axle():
    offset = Config().vehicle.center_offset_m
    _, state = alone(
        Config(),
        x_m=[0.0, 5.0],
        y_m=[0.0, 0.0],
        yaw_rad=[0.0, 0.0],
        length_m=[4.0, 4.0],
        width_m=[2.0, 2.0],
        offset_m=[offset, 0.0],
    )
    assert state.collided.all()  # the axle stands 1 m clear, the box does not


@pytest.mark.parametrize("signalled", [False, True])
def test_traffic_never_collides_and_keeps_flowing(street_grid, signalled):
    sim, state = street_grid(4, 24, seed=5, signalled=signalled)
    none = np.zeros_like(state.x_m)
    travelled = np.zeros(4)
    for _ in range(1200):
        before = state
        state = step(sim, state, none, none)
        assert not state.collided.any()
        same = state.active & (state.generation == before.generation)
        assert (np.abs(state.v_mps - before.v_mps)[same] <= 0.9 + 1e-9).all()
        travelled += (state.v_mps * state.active).sum(axis=-1) * 0.1
    assert (travelled / 24 > 400.0).all()  # in 120 s: no gridlock


def test_traffic_never_enters_on_red(street_grid):
    sim, state = street_grid(4, 24, seed=6, signalled=True)
    assert sim.rails is not None
    none = np.zeros_like(state.x_m)
    entered = 0
    for _ in range(900):
        colors = light_colors(sim, state)
        new = step(sim, state, none, none)
        lines, light = sim.rails.stop_s_m[state.path], sim.rails.stop_light[state.path]
        front, moved = state.s_m + state.length_m / 2, new.s_m + new.length_m / 2
        same = (new.generation == state.generation) & new.active & state.active
        crosses = (front[..., None] < lines) & (moved[..., None] >= lines) & same[..., None]
        color = colors[np.arange(4)[:, None, None], np.maximum(light, 0)]
        assert not (crosses & (color == 1)).any()
        entered += int(crosses.sum())
        state = new
    assert entered > 100


def test_traffic_stops_for_whoever_stands_in_its_way(street_grid):
    sim, state = street_grid(2, 20, seed=7, commanded=1)
    none = np.zeros_like(state.x_m)
    brake = none.copy()
    brake[:, 0] = -8.0
    for _ in range(600):
        state = step(sim, state, brake, none)
        assert not state.collided.any()
    assert (state.v_mps[:, 0] == 0.0).all()


def test_a_world_in_a_batch_goes_as_it_goes_alone(street_grid):
    sim, batch = street_grid(3, 16, seed=9, commanded=1)
    one = State(**{f.name: getattr(batch, f.name)[1:2] for f in dataclasses.fields(State)})
    a, steer = np.full((3, 16), 0.5), np.full((3, 16), 0.01)
    for _ in range(150):
        batch = step(sim, batch, a, steer)
        one = step(sim, one, a[:1], steer[:1])
    again = State(**{f.name: getattr(batch, f.name)[1:2] for f in dataclasses.fields(State)})
    assert same_states(one, again) == []


def test_a_step_leaves_the_state_it_was_given_alone(street_grid):
    sim, state = street_grid(2, 16, commanded=1)
    for _ in range(80):
        copy = State(**{f.name: getattr(state, f.name).copy() for f in dataclasses.fields(State)})
        new = step(sim, state, np.ones_like(state.x_m), np.zeros_like(state.x_m))
        assert same_states(state, copy) == []
        state = new


def test_a_corner_off_the_drivable_area_is_noticed():
    config = Config()
    sim, state = alone(config, x_m=[10.0, 10.0], y_m=[5.0, 0.5], yaw_rad=[0.0, 0.0])
    road = build_surface([(np.array([0.0, 30.0, 30.0, 0.0]), np.array([0.0, 0.0, 10.0, 10.0]))])
    state = begin(dataclasses.replace(sim, surface=road), state)
    assert state.off_road.tolist() == [[False, True]]
