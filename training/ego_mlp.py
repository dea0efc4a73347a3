"""Train the ego-only baseline: what can be driven knowing nothing but how one moves and which way to turn.

    python -m training.ego_mlp --data DATA --out models/ego-mlp

It learns from the keyframes microgpt learns from: the expert's speeds, driven along the middle of its lane. Keyframes whose command is to
change lanes are left out: it has no word for that. What the net computes stands in `whyway.plan.ego_mlp`.

    n keyframes   K knots   S samples of the way ahead
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import tyro
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import huber_loss, linear

from training.data import Data, open_data
from training.repeatable import repeatable
from training.tables import read_shard
from whyway.data.schema import COUNTS, FEATURES
from whyway.plan.ego_mlp import FILE, SHAPES, SPEED_MPS, YAW_RAD, status
from whyway.plan.knots import KNOT_S, KNOTS
from whyway.reason.features.path import SAMPLES
from whyway.reason.scene_tokens import FEATURE_NAMES
from whyway.reason.spec import PATH_ROWS, Float32s
from whyway.reason.tensors import tensor_bytes
from whyway.trace.vocabulary import Field, value_of
from whyway.types import InputError, NavCommand

COLUMNS = ("removed", "head_views", "head_speeds", "ego", "path", "fields", "tokens")
CHANGES = (NavCommand.CHANGE_LEFT, NavCommand.CHANGE_RIGHT)


@dataclass(frozen=True)
class Options:
    """Train the ego-only baseline on a data set."""

    data: Path
    """Folder that `whyway data make` wrote."""
    out: Path = Path("models") / Path(FILE).parent
    """The model's folder."""
    steps: int = 4000
    """Batches to learn from."""
    batch_size: int = 512
    """Keyframes a step."""
    lr: float = 3e-3
    """Peak learning rate; it falls with the cosine."""
    seed: int = 0
    """Of initial weights and the order of keyframes."""


@dataclass(frozen=True)
class Lessons:
    """What is read and what is taught."""

    read: Float32s
    taught: Float32s
    """Change of speed / SPEED_MPS and of heading / YAW_RAD at the knots, side by side (n, 2K)."""


def lessons(data: Data, split: str) -> Lessons:
    """All of a split.

    Raises:
      InputError: there are none.
    """
    found = [
        part
        for shard in data.shards
        if shard.split == split
        for part in _of_rows(read_shard(shard.path, shard.sha256, COLUMNS).to_pylist())
    ]
    if not found:
        raise InputError(f"the data set has no keyframes of {split}; make one with more seeds")
    read, taught = zip(*found, strict=True)
    return Lessons(np.stack(read), np.stack(taught))


def _of_rows(rows: list[dict]) -> Iterator[tuple[Float32s, Float32s]]:
    for row in rows:
        said = dict(zip(row["fields"], row["tokens"], strict=True))
        command = value_of(Field.COMMAND, said[Field.COMMAND])
        if row["removed"] or not row["head_views"] or command in CHANGES:
            continue
        ego = dict(zip(FEATURE_NAMES["ego"], _floats(row["ego"], "ego", 1)[0], strict=True))
        distance = float(value_of(Field.COMMAND_DISTANCE, said[Field.COMMAND_DISTANCE]))
        units = (("speed", 15.0), ("acceleration", 3.0), ("yaw_rate", 0.5), ("steer", 0.5))
        columns = (np.array([ego[name] * unit]) for name, unit in units)
        (read,) = status(*columns, np.array([command]), np.array([distance]))
        speeds = np.array(row["head_speeds"][:KNOTS])  # the first view is the one as it was said
        v = 15.0 * float(ego["speed"])
        turned = _turned(v, speeds, _floats(row["path"], "path", PATH_ROWS))
        yield read, np.concatenate([(speeds - v) / SPEED_MPS, turned / YAW_RAD]).astype(np.float32)


def _turned(v_mps: float, speeds_K: NDArray, path: NDArray) -> NDArray:
    """Heading changes (K,) of the lane where these speeds lead."""
    names = FEATURE_NAMES["path"]
    turned_S = 1.5 * path[:, [names.index(f"turned_{k}") for k in range(SAMPLES)]].reshape(-1)
    at_S = 5.0 * path[0, names.index("step")] * np.arange(len(turned_S))
    v = np.append(v_mps, speeds_K)
    return np.interp(np.cumsum(0.5 * KNOT_S * (v[1:] + v[:-1])), at_S, turned_S)


def _floats(data: bytes, kind: str, rows: int) -> NDArray:
    return np.frombuffer(data, FEATURES).reshape(rows, COUNTS[kind]).astype(np.float64)


def forward(w: dict[str, Tensor], read_BF: Tensor) -> Tensor:
    """The net of `whyway.plan.ego_mlp.answer`, in the units it answers in (B, 2K)."""
    x_BD = linear(read_BF, w["hidden_1.weight"], w["hidden_1.bias"]).relu()
    x_BD = linear(x_BD, w["hidden_2.weight"], w["hidden_2.bias"]).relu()
    return linear(x_BD, w["answer.weight"], w["answer.bias"])


def train(lessons: Lessons, options: Options) -> dict[str, Tensor]:
    """Weights that answer what is taught."""
    generator = torch.Generator().manual_seed(options.seed)
    w = {
        name: torch.zeros(shape) if len(shape) == 1
        else torch.randn(shape, generator=generator) * math.sqrt(2.0 / shape[1])
        for name, shape in SHAPES.items()
    }  # fmt: skip
    for value in w.values():
        value.requires_grad_()
    read_NF, taught_NK2 = torch.from_numpy(lessons.read), torch.from_numpy(lessons.taught)
    optimizer = torch.optim.Adam(w.values(), lr=options.lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, options.steps)
    for _ in range(options.steps):
        index = torch.randint(len(read_NF), (options.batch_size,), generator=generator)
        loss = huber_loss(forward(w, read_NF[index]), taught_NK2[index], delta=0.3)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return {name: value.detach() for name, value in w.items()}


@torch.no_grad()
def errors(w: dict[str, Tensor], lessons: Lessons) -> tuple[float, float]:
    """Root mean square errors over all knots: speed [m/s], heading [rad]."""
    off_NK2 = forward(w, torch.from_numpy(lessons.read)) - torch.from_numpy(lessons.taught)
    parts = off_NK2.split(KNOTS, dim=1)
    return tuple(  # type: ignore[return-value]
        unit * float(part.square().mean().sqrt())
        for part, unit in zip(parts, (SPEED_MPS, YAW_RAD), strict=True)
    )


CARD = """# ego-mlp: the ego-only baseline

Speeds and headings for 8 s from the ego's motion and the route's next turn alone (`whyway.plan.ego_mlp`), {count} parameters. It sees nobody:
a number to be better than, not a driver. After NAVSIM's ego status baseline (arXiv 2406.15349).

* made by `python -m training.ego_mlp --data DATA --seed {seed} --steps {steps}` from {rows} keyframes (data {data})
* on the {val} keyframes held back: speed {speed:.2f} m/s, heading {heading:.3f} rad (root mean square over all knots, 0.5 to 8 s)
"""


def main(options: Options) -> None:
    """Train, and write weights and card."""
    repeatable(1)
    data = open_data(options.data)
    taught, held_back = lessons(data, "train"), lessons(data, "val")
    w = train(taught, options)
    speed, heading = errors(w, held_back)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / Path(FILE).name).write_bytes(tensor_bytes({k: v.numpy() for k, v in w.items()}))
    card = CARD.format(
        count=sum(v.numel() for v in w.values()), seed=options.seed, steps=options.steps, rows=len(taught.read),
        data=data.sha256[:12], val=len(held_back.read), speed=speed, heading=heading,
    )  # fmt: skip
    (options.out / "card.md").write_text(card)
    print(card)


if __name__ == "__main__":
    try:
        main(tyro.cli(Options, prog="training.ego_mlp", use_underscores=False))
    except InputError as error:
        sys.exit(f"training.ego_mlp: {error}")
