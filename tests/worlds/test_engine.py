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
from whyway.types import LightColor
from whyway.worlds.sim.batch import make_batch
from whyway.worlds.sim.blocks import Blocks, whole_step
from whyway.worlds.sim.engine import begin, light_colors, put, step, subset
from whyway.worlds.sim.logs import build_signals
from whyway.worlds.sim.sim import Sim, make_sim
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


@pytest.mark.parametrize("agents", [1, 2, 12])
def test_a_step_leaves_the_state_it_starts_from_as_it_was(agents):
    batch = make_batch("town", agents=agents)
    state = batch.begin([3, 4])
    state = whole_step(batch.sim, state, 0.0 * state.x_m, 0.0 * state.x_m)[0]
    kept = State(**{f.name: getattr(state, f.name).copy() for f in dataclasses.fields(State)})
    whole_step(batch.sim, state, 0.0 * state.x_m + 1.0, 0.0 * state.x_m)
    assert not same_states(kept, state)


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
    sim = make_sim(0.1, config.vehicle, config.sim.traffic, build_signals((), SignalPlan()))
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


def test_all_traffic_drives_on_for_two_minutes_and_touches_nobody(town_traffic):
    sim, state = town_traffic(3, 28, pedestrians=4, seed=5)
    none = np.zeros_like(state.x_m)
    travelled = np.zeros(3)
    for _ in range(1200):
        before = state
        state = step(sim, state, none, none)
        assert not state.collided.any()
        same = state.active & (state.generation == before.generation)
        assert (np.abs(state.v_mps - before.v_mps)[same] <= 0.9 + 1e-9).all()
        travelled += (state.v_mps * state.active).sum(axis=-1) * 0.1
    assert (travelled / 28 > 250.0).all()  # no gridlock


def test_traffic_never_passes_a_line_at_red(town_traffic):
    sim, state = town_traffic(4, 28, seed=6)
    none = np.zeros_like(state.x_m)
    table = sim.table
    passed = 0
    for _ in range(900):
        colors = light_colors(sim, state)
        new = step(sim, state, none, none)
        line = state.window[..., 0]
        gate, light = table.gate_s_m[line], table.gate_light[line]
        same = (new.window[..., 0] == line) & new.active & (new.generation == state.generation)
        half = state.length_m / 2
        crosses = (state.s_m + half < gate) & (new.s_m + half >= gate) & same & (light >= 0)
        color = np.take_along_axis(colors, np.maximum(light, 0), axis=1)
        assert not (crosses & (color == int(LightColor.RED))).any()
        assert not new.ran_red.any()
        passed += int(crosses.sum())
        state = new
    assert passed > 30


def test_traffic_stops_for_an_ego_that_stands_in_its_way(town_traffic):
    sim, state = town_traffic(2, 24, seed=7, commanded=1)
    none = np.zeros_like(state.x_m)
    for k in range(700):
        state = step(sim, state, none + (0.5 if k < 60 else -8.0), none)
        assert not state.collided[:, 1:].any() or k < 60
    assert (state.v_mps[:, 0] == 0.0).all()


@pytest.mark.parametrize("commanded", [0, 3])
def test_a_world_among_others_and_a_copied_world_go_as_they_go_alone(town_traffic, commanded):
    sim, batch = town_traffic(3, 18, pedestrians=2, commanded=commanded, seed=9)
    one = subset(batch, slice(1, 2))
    a, steer = np.full((3, 18), 0.5), np.full((3, 18), 0.01)
    for k in range(150):
        if k == 70:  # branched: the first world becomes a copy of the second
            batch = put(batch, [0], subset(batch, [1]))
        batch = step(sim, batch, a, steer)
        one = step(sim, one, a[:1], steer[:1])
    assert same_states(one, subset(batch, [1])) == []
    assert same_states(one, subset(batch, [0])) == []


def test_the_size_of_a_block_changes_nothing(town_traffic):
    sim, state = town_traffic(5, 16, commanded=2, seed=4)
    results = []
    for block in (1, 2, 5):
        blocks = Blocks(sim, state, block)
        for _ in range(40):
            seen, worth = blocks.step(np.full((5, 16), 0.4), np.zeros((5, 16)))
        results.append((blocks.state, seen, worth))
    for other, seen, worth in results[1:]:
        assert same_states(other, results[0][0]) == []
        assert np.array_equal(seen, results[0][1])
        assert np.array_equal(worth, results[0][2])


def test_a_step_leaves_the_state_it_was_given_alone(town_traffic):
    sim, state = town_traffic(2, 20, pedestrians=2, commanded=1)
    for _ in range(60):
        copy = State(**{f.name: getattr(state, f.name).copy() for f in dataclasses.fields(State)})
        new = step(sim, state, np.ones_like(state.x_m), np.zeros_like(state.x_m))
        assert same_states(state, copy) == []
        state = new


def test_torch_agrees_with_numpy_to_a_tenth_of_a_millimetre_after_ten_seconds(town_traffic):
    torch = pytest.importorskip("torch")
    xp = pytest.importorskip("array_api_compat.torch")
    sim, state = town_traffic(2, 24, pedestrians=4, commanded=1, seed=2)
    there, other = sim.to(xp, torch.float64), state.to(xp, torch.float64)
    a = np.full_like(state.x_m, 0.3)
    for _ in range(100):
        state = step(sim, state, a, 0.0 * a)
        other = step(there, other, torch.as_tensor(a), torch.as_tensor(0.0 * a))
    gap = np.hypot(state.x_m - other.x_m.numpy(), state.y_m - other.y_m.numpy())
    assert gap[state.active].max() < 1e-4
    assert (state.active == other.active.numpy()).all()
    assert (state.window == other.window.numpy()).all()


def test_a_corner_off_the_drivable_area_is_noticed():
    config = Config()
    sim, state = alone(config, x_m=[10.0, 10.0], y_m=[5.0, 0.5], yaw_rad=[0.0, 0.0])
    road = build_surface([(np.array([0.0, 30.0, 30.0, 0.0]), np.array([0.0, 0.0, 10.0, 10.0]))])
    state = begin(dataclasses.replace(sim, surface=road), state)
    assert state.off_road.tolist() == [[False, True]]
