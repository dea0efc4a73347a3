"""The simulator on torch: the same code as numpy's, run as it is or compiled, on a processor or a GPU.

The only file of the simulator that imports torch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from whyway.types import InputError
from whyway.worlds.sim.blocks import Blocks, whole_step
from whyway.worlds.sim.sim import Sim
from whyway.worlds.sim.state import State

try:
    import array_api_compat.torch as xp
    import torch
except ImportError as error:  # pragma: no cover
    raise ImportError("whyway.worlds.sim.device needs: pip install 'whyway[train]'") from error

_GPU_BLOCK = 1 << 20
"""Worlds in a block on a GPU: all of them."""


def torch_blocks(
    sim: Sim, state: State, compiled: bool = False, device: str = "cpu", block: int | None = None
) -> tuple[Blocks, Callable[[Any], Any]]:
    """Worlds in float32, and what makes tensors of arrays for it.

    Args:
      sim: in numpy.
      state: in numpy, from `begin`.
      compiled: by `torch.compile`: it takes a minute or two once, and is faster after that.
      device: torch's name of it.
      block: worlds in a block.

    Raises:
      InputError: no such device.
    """
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"device {device!r} is not available: give cpu or cuda") from error
    if device == "cpu":
        torch.set_num_threads(1)  # of the process: small tensors, and figures are given per core
    elif block is None:
        block = _GPU_BLOCK
    step = torch.no_grad()(whole_step)
    if compiled:
        step = torch.compile(step, fullgraph=True, dynamic=False)
    real = torch.float32
    blocks = Blocks(sim.to(xp, real, device), state.to(xp, real, device), block, step)
    return blocks, lambda a: torch.as_tensor(a, device=device)
