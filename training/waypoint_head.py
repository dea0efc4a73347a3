"""Teach the waypoint head the rule planner's speeds.

    python -m training.waypoint_head --data DATA --out models/NAME     put a head into a model
    python -m training.waypoint_head --data DATA --out RUN             RUN/head.safetensors, log.jsonl, TensorBoard's events

The net is the twin of `whyway.plan.waypoint_head` (there: what it computes), parameter by parameter. It reads lessons of what was said,
and of what might have been said instead (`whyway.plan.head_teacher`), and is judged by the speeds and places of the teacher's plans.

    B examples   R rows of hypotheses (only those that are there)   F, O features   K knots   D widths
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import tyro
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import huber_loss, linear, silu

from training.progress import Watch
from training.repeatable import repeatable
from training.state import Average
from whyway.plan.head_features import MAX_ROWS, SPEED_AT, SPEED_SCALE, Float32s, HeadInput
from whyway.plan.knots import KNOT_S, KNOT_TIMES_S
from whyway.plan.waypoint_head import HEAD_SHAPES, VERSION, zero_delta
from whyway.reason.checkpoint import CONFIG, GOLDEN, HEAD, WEIGHTS, load_model, save_model
from whyway.reason.manifest import MANIFEST
from whyway.reason.tensors import Weights, tensor_bytes
from whyway.types import InputError


@dataclass(frozen=True)
class Options:
    """Teach the waypoint head on the lessons of a data set."""

    data: Path
    """Folder that `whyway data make` wrote."""
    out: Path
    """A model's folder, or one for the run."""
    steps: int = 20_000
    """Batches to learn from."""
    batch_size: int = 512
    """Lessons a step."""
    lessons: int = 400_000
    """Most that are held in memory, 3 kB each."""
    lr: float = 2e-3
    """Peak learning rate; from there it falls with the cosine to a hundredth."""
    warmup: int = 300
    """Steps until the peak."""
    weight_decay: float = 1e-4
    """Of everything."""
    average: float = 0.999
    """Decay of the moving average that is kept."""
    seed: int = 0
    """Of initial weights and the order of lessons."""
    threads: int = 1
    """CPU threads."""
    val_every: int = 2000
    """Steps between validations."""


SOON_S, SOON_WEIGHT = 3.0, 3.0
"""What is planned for the next seconds is driven: the rest is planned anew ten times a second."""
SPEED_M, PLACE_M = 0.3, 0.3
"""Errors beyond these (m/s; m, and as much more a second later) count linearly only: a stop instead of a start is one mistake."""


class Head(nn.Module):
    """The net in torch, with the names and shapes of `HEAD_SHAPES`; with a residual head, which does nothing yet, those of `DELTA_SHAPES`, too.

    Args:
      generator: draws the weights, after He et al., "Delving deep into rectifiers", ICCV 2015.
      delta: whether there is a residual head.
    """

    def __init__(self, generator: torch.Generator, *, delta: bool = False) -> None:
        super().__init__()
        self.w = nn.ParameterDict()
        for name, shape in HEAD_SHAPES.items():
            value = torch.zeros(shape)
            if name.endswith("weight"):
                value.normal_(0.0, math.sqrt(2.0 / shape[1]), generator=generator)
            # the last layer begins at "goes on as it does"
            self.w[_key(name)] = nn.Parameter(value * (0.01 if name == "speeds.weight" else 1.0))
        for name, value in zero_delta({}).items() if delta else ():
            self.w[_key(name)] = nn.Parameter(torch.from_numpy(value))

    def load(self, weights: Mapping[str, Float32s]) -> None:
        """Take weights over, by name."""
        with torch.no_grad():
            for key, parameter in self.w.items():
                parameter.copy_(torch.from_numpy(np.array(weights[_name(key)])))

    def weights(self) -> dict[str, Float32s]:
        """As `WaypointHead` takes them."""
        learnt = {_name(key): p.detach().numpy().copy() for key, p in self.w.items()}
        return {**learnt, **VERSION}

    def forward(self, x: HeadTensors) -> Tensor:
        """Speeds (B, K)."""
        z_BD, _ = self.trunk(x)
        changes_BK = self._layer("speeds", z_BD)
        v_now_B1 = SPEED_SCALE * x.whole[:, SPEED_AT, None]
        v_BK = v_now_B1 + changes_BK.cumsum(1)
        return v_BK - v_BK.cummin(1).values.clamp(max=0.0)

    def trunk(self, x: HeadTensors) -> tuple[Tensor, Tensor]:
        """The state that all answers are read from (B, D), and the rows (R, D)."""
        context_BD = silu(self._layer("context", x.whole))
        about_BD = linear(context_BD, self.w[_key("row_context.weight")])
        rows_RD = silu(self._layer("row", x.rows) + about_BD[x.example])
        rows_RD = self._layer("row_2", rows_RD).relu()
        # all are at least 0, so the largest of none is 0, as for the rows of zeros in numpy
        none_BD = torch.zeros_like(about_BD)
        index_RD = x.example[:, None].expand_as(rows_RD)
        largest_BD = none_BD.scatter_reduce(0, index_RD, rows_RD, "amax")
        sum_BD = none_BD.index_add(0, x.example, rows_RD)
        z_BD = silu(
            self._layer("trunk_1", torch.cat([context_BD, largest_BD, sum_BD / MAX_ROWS], 1))
        )
        z_BD = z_BD + silu(self._layer("trunk_2", z_BD))
        return z_BD + silu(self._layer("trunk_3", z_BD)), rows_RD

    def delta(self, x: HeadTensors) -> tuple[Tensor, Tensor]:
        """The residual: along and aside (B, K), not yet bounded."""
        z_BD, rows_RD = self.trunk(x)
        gate_BO = self._layer("delta.gate", z_BD)
        open_R1 = linear(rows_RD, self.w[_key("delta.row_gate.weight")])
        seen_BO = torch.zeros(len(z_BD), x.rows_odd.shape[1])
        seen_BO = seen_BO.index_add(0, x.example, open_R1 * x.rows_odd)
        odd_BO = torch.cat([x.odd, seen_BO], 1)
        along_BK = linear(z_BD, self.w[_key("delta.along.weight")])
        return along_BK, linear(gate_BO * odd_BO, self.w[_key("delta.aside.weight")])

    def _layer(self, name: str, x: Tensor) -> Tensor:
        return linear(x, self.w[_key(f"{name}.weight")], self.w[_key(f"{name}.bias")])


def _key(name: str) -> str:
    return name.replace(".", "/")  # torch wants no dot in a parameter's name


def _name(key: str) -> str:
    return key.replace("/", ".")


@dataclass(frozen=True)
class HeadTensors:
    """A batch of inputs: `HeadInput`, with only those rows that are there."""

    whole: Tensor
    """(B, features)"""
    odd: Tensor
    """(B, features)"""
    rows: Tensor
    """(R, features)"""
    rows_odd: Tensor
    """(R, features)"""
    example: Tensor
    """(R,) the example each row belongs to."""

    @staticmethod
    def of(x: HeadInput) -> HeadTensors:
        """A batch (B, ...) of inputs in torch."""
        example, row = np.nonzero(x.rows[..., 0])
        return HeadTensors(
            torch.from_numpy(x.whole), torch.from_numpy(x.odd), torch.from_numpy(x.rows[example, row]),
            torch.from_numpy(x.rows_odd[example, row]), torch.from_numpy(example),
        )  # fmt: skip


def loss(v_BK: Tensor, v_taught_BK: Tensor, x: HeadTensors) -> Tensor:
    """How far speeds, and the places they lead to, are from the teacher's."""
    times_K = torch.from_numpy(KNOT_TIMES_S.astype(np.float32))
    weight_K = torch.where(times_K <= SOON_S, SOON_WEIGHT, 1.0)
    now_B1 = SPEED_SCALE * x.whole[:, SPEED_AT, None]
    place_BK, taught_BK = places(v_BK, now_B1), places(v_taught_BK, now_B1)
    tolerance_K = PLACE_M * (1.0 + times_K)
    zero = torch.zeros_like(v_BK)
    speed_BK = huber_loss((v_BK - v_taught_BK) / SPEED_M, zero, reduction="none")
    place_BK = huber_loss((place_BK - taught_BK) / tolerance_K, zero, reduction="none")
    return ((speed_BK + place_BK) * weight_K).mean() / weight_K.mean()


def places(v_BK: Tensor, now_B1: Tensor) -> Tensor:
    """Distances ahead (B, K) of speeds at the knots, which change evenly between them."""
    v = torch.cat([now_B1, v_BK], 1)
    return (KNOT_S * 0.5 * (v[:, 1:] + v[:, :-1])).cumsum(1)


# --------------------------------------------------------------------------------------------------------- training


@dataclass(frozen=True)
class Lessons:
    """N inputs and what the teacher drives, in memory; inputs in half precision, as they are stored."""

    inputs: NDArray[np.float16]
    """(N, HEAD_INPUT_SIZE)"""
    speeds: Float32s
    """(N, KNOTS) [m/s]"""

    def __len__(self) -> int:
        return len(self.inputs)

    def batch(self, index: NDArray[np.int64]) -> tuple[HeadTensors, Tensor]:
        """Some of them as tensors."""
        x = HeadTensors.of(HeadInput.of_flat(self.inputs[index]))
        return x, torch.from_numpy(self.speeds[index])


def train(head: Head, lessons: Lessons, options: Options) -> Iterator[tuple[int, float]]:
    """Train, and tell how many steps are done and the last one's loss; at the end the head holds the average of its weights."""
    rng = np.random.default_rng(options.seed)
    optimizer = torch.optim.AdamW(
        head.parameters(), lr=options.lr, weight_decay=options.weight_decay
    )
    average = Average(head, options.average)
    for step in range(options.steps):
        for group in optimizer.param_groups:
            group["lr"] = options.lr * _share(step, options)
        x, v_taught_BK = lessons.batch(rng.integers(len(lessons), size=options.batch_size))
        value = loss(head(x), v_taught_BK, x)
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        nn.utils.clip_grad_norm_(head.parameters(), 1.0)
        optimizer.step()
        average.update(head, step)
        if step + 1 == options.steps:
            average.swap(head)
        yield step + 1, value.item()


def _share(step: int, options: Options) -> float:
    """Of the peak learning rate."""
    done = 0.5 * (1.0 + math.cos(math.pi * step / options.steps))
    return min((step + 1) / options.warmup, 0.01 + 0.99 * done)


@torch.no_grad()
def errors(head: Head, lessons: Lessons, batch_size: int = 4096) -> dict[str, float]:
    """Root mean square errors 1, 3 and 8 s ahead: of speeds [m/s] and of places [m]."""
    squares: dict[str, Tensor] = {}
    for at in range(0, len(lessons), batch_size):
        index = np.arange(at, min(at + batch_size, len(lessons)))
        x, v_taught_BK = lessons.batch(index)
        v_BK = head(x)
        now_B1 = SPEED_SCALE * x.whole[:, SPEED_AT, None]
        off_BK = places(v_BK, now_B1) - places(v_taught_BK, now_B1)
        for name, e_BK in (("speed", v_BK - v_taught_BK), ("place", off_BK)):
            squares[name] = squares.get(name, torch.zeros(())) + e_BK.double().square().sum(0)
    return {
        f"{name}_{t}s": float((total_K[round(t / KNOT_S) - 1] / len(lessons)).sqrt())
        for name, total_K in squares.items()
        for t in (1, 3, 8)
    }


def main(options: Options) -> None:
    """Train, and put the head where it is wanted."""
    from training.data import open_data

    repeatable(options.threads)
    data = open_data(options.data)
    train_set = Lessons(*data.lessons("train", options.lessons, options.seed))
    val_set = Lessons(*data.lessons("val", options.lessons // 10, options.seed))
    head = Head(torch.Generator().manual_seed(options.seed))
    is_model = (options.out / MANIFEST).is_file()
    if not is_model:
        options.out.mkdir(parents=True, exist_ok=True)
    with Watch(None if is_model else options.out, "waypoint head", options.steps) as watch:
        for step, value in train(head, train_set, options):
            watch.step(step, {"loss": value} if step % 100 == 0 else None)
            if step % options.val_every == 0 or step == options.steps:
                table = errors(head, val_set)
                shown = "  ".join(f"{name} {off:.3f}" for name, off in table.items())
                watch.validation(step, table, shown)
    print(put_head(options.out, head.weights()))


def put_head(folder: Path, head: Weights) -> Path:
    """Put a head into a model, all else of which stays; or beside nothing else into a folder. Returns its file."""
    if not (folder / MANIFEST).is_file():
        beside = folder / f".{HEAD}.{os.getpid()}"
        beside.write_bytes(tensor_bytes(head))
        return beside.replace(folder / HEAD)
    model = load_model(folder)
    made_by_save = (CONFIG, WEIGHTS, HEAD, GOLDEN)
    others = {name: model.file(name) for name in model.files if name not in made_by_save}
    return save_model(folder, model.spec, model.weights, head, model.made, files=others) / HEAD


if __name__ == "__main__":
    try:
        main(tyro.cli(Options, prog="training.waypoint_head", use_underscores=False))
    except InputError as error:
        sys.exit(f"training.waypoint_head: {error}")
