"""The step as machine code does what the reference does: every field of the state, the observation and the reward."""

from __future__ import annotations

import dataclasses
import importlib.util
import subprocess
import sys
from pathlib import Path

import array_api_compat.numpy as xp
import numpy as np
import pytest

from whyway.maps.pieces_junctions import junction, roundabout
from whyway.maps.pieces_roads import merge_ramp, road, zipper
from whyway.types import InputError
from whyway.worlds.sim.batch import make_batch
from whyway.worlds.sim.blocks import Blocks, whole_step
from whyway.worlds.sim.state import Mode, State, When

if importlib.util.find_spec("numba") is None:
    pytest.skip("numba is not installed: pip install 'whyway[sim]'", allow_module_level=True)

from whyway.worlds.sim.compiled.step import compiled_step
from whyway.worlds.sim.compiled.trig import directions

# the first call compiles: half a minute of one core, more on a busy machine, nothing where it was kept on disk
pytestmark = pytest.mark.timeout(600)
TOWN04 = Path(__file__).resolve().parents[3] / "shared/data/carla_xodr_mit/Town04.xodr.gz"
CLOSE = {"rtol": 1e-9, "atol": 1e-9, "equal_nan": True}


def differences(a: tuple, b: tuple, **close) -> list[str]:
    """What differs between two (state, observation, reward): names, with the first place and both values."""
    found = []
    pairs = [
        (f.name, getattr(a[0], f.name), getattr(b[0], f.name)) for f in dataclasses.fields(State)
    ]
    for name, x, y in [*pairs, ("observation", a[1], b[1]), ("reward", a[2], b[2])]:
        assert (x.dtype, x.shape) == (y.dtype, y.shape), name
        same = np.isclose(x, y, **(close or CLOSE)) if x.dtype.kind == "f" else x == y
        if not same.all():
            at = tuple(np.argwhere(~same)[0].tolist())
            found.append(f"{name}{at}: {x[at]} != {y[at]}, {int((~same).sum())} in all")
    return found


def commands(rng, state):
    shape = state.x_m.shape
    return rng.uniform(-2.0, 3.0, shape), rng.uniform(-0.1, 0.1, shape)


def same_along(sim, state, steps, seed=0):
    """Step the reference on, and every state by both; the last state."""
    rng = np.random.default_rng(seed)
    for k in range(steps):
        command = commands(rng, state)
        reference = whole_step(sim, state, *command)
        found = differences(reference, compiled_step(sim, state, *command))
        assert not found, f"step {k}: " + "; ".join(found)
        state = reference[0]
    return state


def test_every_step_in_a_town_with_walkers_and_lights_is_the_reference_s():
    batch = make_batch("town", agents=24, pedestrians=6, commanded=3)
    first = batch.begin(range(3))
    last = same_along(batch.sim, first, 150)
    # something happened that could have differed
    assert (last.window[..., 0] != first.window[..., 0]).mean() > 0.3
    assert (last.held >= 0).any()


@pytest.mark.parametrize("decided", [0, 12], ids=["at random", "none"])
def test_every_step_on_a_map_with_bridges_and_motorways_is_the_reference_s(decided):
    if not TOWN04.exists():
        pytest.skip(f"no map at {TOWN04}")
    batch = make_batch(str(TOWN04), agents=32, commanded=1 + decided)
    assert batch.sim.table.has_bridges
    same_along(batch.sim, batch.begin([3, 4]), 100)


@pytest.mark.parametrize("agents", [1, 2])
def test_every_step_of_one_or_two_alone_is_the_reference_s(agents):
    batch = make_batch("town", agents=agents, commanded=1)
    same_along(batch.sim, batch.begin(range(2)), 30)


PIECES = {
    "signals": lambda: junction(control="signals", crossings=True, lanes=2),
    "all-way stop": lambda: junction(control="all_way_stop"),
    "give way": lambda: junction(control="give_way", lanes=2),
    "no control": lambda: junction(control="none", arms=3),
    "roundabout": roundabout,
    "zipper": zipper,
    "ramp": merge_ramp,
}


@pytest.mark.parametrize("name", PIECES)
def test_every_step_at_a_junction_is_the_reference_s(name):
    piece = PIECES[name]()
    batch = make_batch((piece.lane_map, piece.signals), agents=10, commanded=1)
    state = batch.begin(range(4))
    state.mode[1:, 0] = int(Mode.RAIL)
    state.offset_m[1:, 0] = 0.0
    same_along(batch.sim, state, 200)


def test_who_stands_for_long_leaves_and_enters_again_as_the_reference_has_it():
    batch = make_batch("town", agents=16, commanded=1)
    state = batch.begin(range(4))
    state.standing_s[:, 3:9] = 89.9
    state.standing_s[:, 6:9] = 119.9
    state.v_mps[:, 3:9] = 0.0
    state.a_max_mps2[:, 3:9] = 1e-3
    state.active[:, 12:14] = False
    entries = np.flatnonzero(np.asarray(batch.sim.table.kind) == batch.sim.table.kind[0])[:40]
    sim = dataclasses.replace(
        batch.sim, table=dataclasses.replace(batch.sim.table, entries=entries)
    )
    last = same_along(sim, state, 100)
    assert (last.generation > state.generation).any()


NAN = float("nan")


def cast_of_cues(cast):
    """One world in which every kind of cue fires, on a road with two lanes and routes that change between them."""
    piece = road(lanes=2, oncoming=1, length_m=600.0)
    left, right = piece.lane_map.lanes[0].id, piece.lane_map.lanes[1].id
    whens = (
        (When.AT_TIME, 2.0), (When.EGO_WITHIN, 60.0), (When.EGO_ARRIVES, 3.0), (When.EGO_PASSED, 60.0), (When.OWN_S, 260.0),
    )  # fmt: skip
    agents = [{"lane": right, "mode": int(Mode.COMMAND), "s_m": 20.0, "v_mps": 12.0, "route": 0}]
    for k, (when, value) in enumerate(whens):
        agents.append(
            {
                "lane": left if k % 2 else right, "s_m": 80.0 + 40.0 * k, "v_mps": 8.0, "cap_mps": 8.0,
                "cue_when": [int(when), int(When.AFTER), int(When.AFTER)], "cue_value": [value, 1.5, 2.0],
                "cue_at_m": [100.0, 0.0, 0.0], "cue_speed_mps": [0.0, -1.0, NAN], "cue_rate_mps2": [4.0, 2.0, 3.0],
                "cue_offset_m": [1.0, NAN, -0.5], "cue_lateral_mps": [0.8, NAN, 1.0], "cue_reckless": [False, True, False],
            }
        )  # fmt: skip
    agents.append({"lane": right, "s_m": 2.0, "v_mps": 14.0, "route": 0})
    agents.append({"lane": left, "s_m": 10.0, "v_mps": 14.0})
    agents.append({"x_m": 50.0, "y_m": 40.0})  # on no lane
    return cast(piece, agents, routes=[[right, left]], returns=True)


def test_every_cue_and_route_is_the_reference_s(cast):
    sim, state = cast_of_cues(cast)
    last = same_along(sim, state, 150, seed=3)
    assert (last.cue_next[0, 1:6] >= 1).sum() >= 4


def test_ten_seconds_on_their_own_stay_together():
    batch = make_batch("town", agents=20, pedestrians=4, commanded=1)
    a = b = (batch.begin(range(2)), None, None)
    rng = np.random.default_rng(5)
    for _ in range(100):
        acceleration, steer = commands(rng, a[0])
        a = whole_step(batch.sim, a[0], acceleration, 0.2 * steer)
        b = compiled_step(batch.sim, b[0], acceleration, 0.2 * steer)
    assert not differences(a, b, rtol=1e-6, atol=1e-6, equal_nan=True)


def test_blocks_of_compiled_worlds_are_pure_and_the_same_for_every_size():
    batch = make_batch("town", agents=12, commanded=2)
    state = batch.begin(range(6))
    kept = {f.name: getattr(state, f.name).copy() for f in dataclasses.fields(State)}
    some, one = (Blocks(batch.sim, state, block, compiled_step) for block in (2, 6))
    rng = np.random.default_rng(1)
    for _ in range(30):
        command = commands(rng, state)
        for x, y in zip(some.step(*command), one.step(*command), strict=True):
            np.testing.assert_array_equal(x, y)
    for f in dataclasses.fields(State):
        np.testing.assert_array_equal(getattr(some.state, f.name), getattr(one.state, f.name))
        np.testing.assert_array_equal(getattr(state, f.name), kept[f.name])


@pytest.mark.slow
def test_in_single_precision_it_is_the_reference_but_for_rounding():
    batch = make_batch("town", agents=16, commanded=2)
    single = batch.sim.to(xp, np.float32), batch.begin(range(4)).to(xp, np.float32)
    rng = np.random.default_rng(2)
    command = [c.astype(np.float32) for c in commands(rng, single[1])]
    after, seen, worth = compiled_step(*single, *command)
    exact = whole_step(batch.sim, single[1].to(xp, np.float64), *command)
    assert seen.dtype == worth.dtype == after.x_m.dtype == np.float32
    for name in ("x_m", "y_m", "yaw_rad", "v_mps", "s_m"):
        np.testing.assert_allclose(getattr(after, name), getattr(exact[0], name), atol=1e-3)
    np.testing.assert_allclose(seen, exact[1], atol=1e-3)
    np.testing.assert_allclose(worth, exact[2], atol=1e-3)


def test_commands_of_a_wrong_shape_are_refused_in_a_line():
    batch = make_batch("town", agents=4)
    state = batch.begin([1])
    with pytest.raises(InputError, match=r"commands of shape \(2, 4\) for 1 worlds of 4 agents"):
        compiled_step(batch.sim, state, np.zeros((2, 4)), np.zeros((1, 4)))


def test_where_nothing_can_be_kept_on_disk_it_is_compiled_all_the_same(tmp_path):
    # numba cannot write into a directory that is a file: the import must live with that
    (tmp_path / "file").write_text("")
    code = "import whyway.worlds.sim.compiled.step"
    environment = {
        "NUMBA_CACHE_DIR": str(tmp_path / "file"),
        "PATH": "/usr/bin",
        "HOME": "/nonexistent",
    }
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr


def test_its_own_cosines_and_sines_are_the_library_s():
    rng = np.random.default_rng(0)
    eighths = np.arange(-64, 65) * (np.pi / 4)
    angles = [
        *eighths,
        *(eighths + 1e-9),
        *rng.uniform(-10, 10, 5000),
        *rng.uniform(-1e6, 1e6, 5000),
    ]
    rows = np.array([angles, angles, angles])
    directions(rows, 0, 1, 2, len(angles))
    np.testing.assert_allclose(rows[1], np.cos(angles), rtol=0.0, atol=3e-16)
    np.testing.assert_allclose(rows[2], np.sin(angles), rtol=0.0, atol=3e-16)
