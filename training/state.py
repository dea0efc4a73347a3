"""The state of a run on disk: one safetensors file, whole or not there, from which a run goes on as if it had never stopped.

    p/<parameter>   e/<parameter> its moving average   m/, v/<parameter> AdamW's moments   b/<parameter> the best average so far

What is no tensor (step, scores, arguments) is JSON in the file's header. No pickle. There is no state of a random generator: batches and
masks are drawn by (seed, step) alone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from whyway.types import InputError

Tensors = dict[str, Tensor]


def learnt(model: nn.Module) -> dict[str, nn.Parameter]:
    """What is trained, by name."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


class Average:
    """Exponential moving average of what is trained: small runs end in noise that it takes out (Polyak and Juditsky 1992)."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.values = {name: p.detach().clone() for name, p in learnt(model).items()}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Take in the parameters after step `step`; young averages forget faster, as the first steps are far off."""
        decay = min(self.decay, (1.0 + step) / (10.0 + step))
        for name, p in learnt(model).items():
            self.values[name].lerp_(p, 1.0 - decay)

    @torch.no_grad()
    def swap(self, model: nn.Module) -> None:
        """Exchange the model's parameters with their averages; twice is not at all."""
        for name, p in learnt(model).items():
            mean = self.values[name]
            now = p.detach().clone()
            p.copy_(mean)
            mean.copy_(now)


def save_state(
    path: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    average: Average,
    best: Mapping[str, Tensor],
    facts: Mapping[str, Any],
) -> None:
    """Write a run's state so that whoever reads it sees the old one or the new one.

    Args:
      path: the file.
      model: its trained parameters are kept.
      optimizer: AdamW over them.
      average: of them.
      best: the averages of the best validation; may be empty.
      facts: what else there is to know, for JSON.
    """
    tensors: Tensors = {}
    steps = 0.0
    for name, p in learnt(model).items():
        tensors[f"p/{name}"] = p.detach()
        tensors[f"e/{name}"] = average.values[name]
        moments = optimizer.state.get(p)
        if moments:
            tensors[f"m/{name}"], tensors[f"v/{name}"] = moments["exp_avg"], moments["exp_avg_sq"]
            steps = float(moments["step"])
    tensors |= {f"b/{name}": t for name, t in best.items()}
    here = {name: t.detach().contiguous().cpu() for name, t in tensors.items()}
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    text = json.dumps({**facts, "optimizer_steps": steps}, sort_keys=True)
    save_file(here, beside, {"facts": text})
    beside.replace(path)


def load_state(
    path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, average: Average
) -> tuple[Tensors, dict[str, Any]]:
    """Put a run's state back.

    Args:
      path: as `save_state` wrote it.
      model: takes the parameters.
      optimizer: AdamW over them; takes the moments.
      average: takes the averages.

    Returns:
      the best averages, and the facts.

    Raises:
      InputError: damaged, or of another model.
    """
    facts, tensors = _read(path)
    parameters = learnt(model)
    shapes = {name: tensors[f"p/{name}"].shape for name in parameters if f"p/{name}" in tensors}
    if shapes != {name: p.shape for name, p in parameters.items()}:
        raise InputError(f"{path}: the state of another model; take another --out")
    best: Tensors = {}
    with torch.no_grad():
        for name, p in parameters.items():
            p.copy_(tensors[f"p/{name}"])
            average.values[name].copy_(tensors[f"e/{name}"])
            if f"m/{name}" in tensors:
                optimizer.state[p] = {
                    "step": torch.tensor(facts["optimizer_steps"], device=p.device),
                    "exp_avg": tensors[f"m/{name}"].to(p.device),
                    "exp_avg_sq": tensors[f"v/{name}"].to(p.device),
                }
            if f"b/{name}" in tensors:
                best[name] = tensors[f"b/{name}"].to(p.device)
    return best, facts


def read_facts(path: Path) -> dict[str, Any]:
    """What a state knows beside its tensors.

    Raises:
      InputError: it is damaged.
    """
    return _read(path, tensors=False)[0]


def _read(path: Path, tensors: bool = True) -> tuple[dict[str, Any], Tensors]:
    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads((file.metadata() or {})["facts"])
            return facts, {name: file.get_tensor(name) for name in file.keys() if tensors}  # noqa: SIM118
    except (SafetensorError, OSError, KeyError, ValueError) as wrong:
        raise InputError(
            f"{path}: not the state of a run: {wrong}; delete it, or take another --out"
        ) from None
