"""Gymnasium's views of the simulator: its own checker passes, and what they promise is so."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

gymnasium = pytest.importorskip("gymnasium", reason="needs: pip install 'whyway[gym]'")

from gymnasium.utils.env_checker import check_env  # noqa: E402

from whyway.types import InputError  # noqa: E402
from whyway.worlds.gym import ENV_ID, DriveVectorEnv  # noqa: E402

FEW = {"agents": 8, "pedestrians": 1, "duration_s": 2.0}


def made(**options):
    return gymnasium.make(ENV_ID, **(FEW | options))


def many(count, **options):
    return gymnasium.make_vec(
        ENV_ID, num_envs=count, vectorization_mode="vector_entry_point", **(FEW | options)
    )


def test_gymnasiums_own_checker_has_nothing_to_say():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(made().unwrapped, skip_render_check=True)


def test_the_same_seed_gives_the_same_episode():
    def episode(seed):
        env = made()
        first, _ = env.reset(seed=seed)
        env.action_space.seed(5)
        steps = [env.step(env.action_space.sample())[:2] for _ in range(10)]
        return first, np.array([seen for seen, _ in steps]), [worth for _, worth in steps]

    one, again, other = episode(3), episode(3), episode(4)
    assert np.array_equal(one[0], again[0])
    assert np.array_equal(one[1], again[1]) and one[2] == again[2]
    assert not np.array_equal(one[0], other[0])


def test_an_episode_is_cut_off_when_its_time_is_over():
    env = made(duration_s=1.0)
    env.reset(seed=1)
    for k in range(10):
        *_, terminated, truncated, _ = env.step(np.array([-1.0, 0.0], dtype=np.float32))
        assert not terminated
        assert truncated == (k == 9)


def test_worlds_together_do_what_each_does_alone():
    envs = many(3)
    seen, _ = envs.reset(seed=[11, 12, 13])
    action = np.array([[0.3, 0.1], [-0.2, 0.0], [1.0, -0.1]], dtype=np.float32)
    for w, seed in enumerate((11, 12, 13)):
        alone = many(1)
        first, _ = alone.reset(seed=[seed])
        assert np.array_equal(first[0], seen[w])
        for _ in range(5):
            after, worth, *_ = alone.step(action[w : w + 1])
        if w == 0:
            for _ in range(5):
                together, worths, *_ = envs.step(action)
        assert np.array_equal(after[0], together[w])
        assert worth[0] == worths[w]


def test_a_world_that_ends_begins_anew_and_its_last_observation_is_kept():
    envs = many(4, duration_s=0.5)
    assert envs.metadata["autoreset_mode"] is gymnasium.vector.AutoresetMode.SAME_STEP
    first, _ = envs.reset(seed=2)
    rest = np.zeros((4, 2), dtype=np.float32)
    for _ in range(4):
        _, _, terminated, truncated, info = envs.step(rest)
        assert not truncated.any() and "final_obs" not in info
    seen, _, terminated, truncated, info = envs.step(rest)
    over = terminated | truncated
    assert over.all() and info["_final_obs"].all()
    for w in range(4):
        assert info["final_obs"][w] in envs.single_observation_space
        assert not np.array_equal(info["final_obs"][w], seen[w])
    assert seen in envs.observation_space
    *_, truncated, _ = envs.step(rest)
    assert not truncated.any()


def test_driving_off_the_road_ends_an_episode():
    env = made(duration_s=20.0)
    env.reset(seed=1)
    ended = []
    while not any(ended) and len(ended) < 190:
        *_, terminated, truncated, _ = env.step(np.array([0.6, 1.0], dtype=np.float32))
        ended.append(terminated)
    assert ended[-1] and not truncated and len(ended) > 3


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"agents": 1, "pedestrians": 1}, "give at least one"),
        ({"duration_s": 0.0}, "at least one step"),
        ({"place": "nowhere.xodr"}, "nowhere.xodr"),
        ({"render_mode": "human"}, "there is none"),
    ],
)
def test_wrong_options_are_refused_with_the_remedy(options, says):
    with pytest.raises((InputError, ValueError), match=says):
        env = DriveVectorEnv(num_envs=2, **(FEW | options))
        env.reset(seed=1)


def test_a_step_before_the_first_reset_is_refused():
    envs = DriveVectorEnv(num_envs=2, **FEW)
    with pytest.raises(InputError, match="reset"):
        envs.step(np.zeros((2, 2), dtype=np.float32))
