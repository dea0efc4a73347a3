"""Worlds on torch: blocks of them go as numpy's do, and what is not there is said in a line."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from whyway.types import InputError
from whyway.worlds.sim.batch import make_batch
from whyway.worlds.sim.blocks import Blocks


@pytest.fixture(scope="module")
def batch():
    return make_batch("town", agents=12, commanded=2)


def test_blocks_on_torch_go_as_numpy_s_do_but_for_rounding(batch):
    pytest.importorskip("torch")
    from whyway.worlds.sim.device import torch_blocks

    state = batch.begin(range(3))
    reference = Blocks(batch.sim, state)
    blocks, tensor = torch_blocks(batch.sim, state, block=2)
    rng = np.random.default_rng(4)
    for _ in range(20):
        command = rng.uniform(-2.0, 2.0, state.x_m.shape), rng.uniform(-0.1, 0.1, state.x_m.shape)
        seen, worth = reference.step(*command)
        there = blocks.step(*(tensor(c.astype(np.float32)) for c in command))
    for ours, theirs in ((seen, there[0]), (worth, there[1])):
        np.testing.assert_allclose(np.asarray(theirs), ours, atol=5e-3)
    np.testing.assert_allclose(np.asarray(blocks.state.x_m), reference.state.x_m, atol=1e-2)


def test_a_device_that_is_not_there_is_refused_in_a_line(batch):
    pytest.importorskip("torch")
    from whyway.worlds.sim.device import torch_blocks

    with pytest.raises(InputError, match="device 'cuda:7' is not available: give cpu or cuda"):
        torch_blocks(batch.sim, batch.begin([1]), device="cuda:7")


def test_without_torch_it_says_what_to_install():
    code = "import sys; sys.modules['torch'] = None; import whyway.worlds.sim.device"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "needs: pip install 'whyway[train]'" in done.stderr.splitlines()[-1]
