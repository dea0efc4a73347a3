"""Supervised training of microgpt on the expert's keyframes: one process on a CPU or GPU, or several under torchrun.

    python -m training.sft --data DATA --out RUN --stage reasoning --depth 4 --steps 3000
    python -m training.sft --data DATA --out RUN2 --stage reasoning --init-from RUN/model --freeze-backbone --lora-rank 8
    torchrun --nproc-per-node 2 -m training.sft ...

RUN/ then has the model (or adapter/), state.safetensors from which `--resume` goes on exactly, log.jsonl, and TensorBoard's events. SIGTERM
and Ctrl-C save first. Stages: `training.batches`. The weights kept are the moving average with the least validation loss.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Literal

import torch
import tyro
from torch import Tensor, nn

from training.batches import Batch, Data, Keyframes, Stage, batch_of, loss_rules, plain_rows
from training.distributed import Rank, this_rank
from training.progress import Watch
from training.provenance import git_commit
from training.repeatable import repeatable
from training.state import Average, learnt, load_state, read_facts, save_state
from training.validate import validate
from whyway.cli.common import cores
from whyway.reason.checkpoint import Model, load_model, save_model
from whyway.reason.manifest import Made, Versions
from whyway.reason.microgpt import (
    LossRules,
    MicroGPT,
    learning_rate,
    load_weights,
    loss,
    optimiser,
    update,
    weights_of,
)
from whyway.reason.spec import ModelSpec
from whyway.types import InputError

DEFAULT_DEPTH = 4
STATE, MODEL, ADAPTER = "state.safetensors", "model", "adapter"
PACE_STEPS = 20
"""How many steps are timed before `--minutes` becomes a number of steps."""
STOPPED = 143
"""Exit code after SIGTERM, as shells have it."""
NOT_OF_THE_RUN = ("data", "out", "init_from", "resume", "threads", "device", "log_every", "save_every", "minutes")  # fmt: skip
"""Options that change nothing about what is learnt, or whose contents are compared instead: a run may be resumed with others."""


@dataclass(frozen=True)
class Options:
    """Supervised training of microgpt on keyframes."""

    data: tuple[Path, ...]
    """Folders that `whyway data make` wrote."""
    out: Path
    """Folder of the run."""
    stage: Stage = "reasoning"
    """pretrain: the decision from the scene alone; reasoning: whole traces."""
    depth: int | None = None
    """Size of a fresh model; 4 if nothing is said. One that is begun from keeps its own."""
    init_from: str = ""
    """A model to begin from: a folder, or a name under models/."""
    steps: int = 3000
    """Batches to learn from, by each process."""
    minutes: float | None = None
    """Instead of --steps: so many as fit; the number is timed once, told, and kept on --resume."""
    batch_size: int = 64
    """Keyframes a step, in each process."""
    lr: float = 2e-3
    """Peak learning rate."""
    warmup: int = 100
    """Steps until the peak."""
    weight_decay: float = 0.05
    """Of matrices."""
    smoothing_bins: float = 0.7
    """How far a number's neighbouring bins count as nearly right."""
    average: float = 0.998
    """Decay of the moving average that is kept; 0: the last weights."""
    plain_share: float = 0.15
    """Examples trained token by token (reasoning)."""
    seed: int = 0
    """Of initial weights, the order of keyframes, and which are trained token by token."""
    freeze_backbone: bool = False
    """Train the last layer (lm_head, final_norm) alone; with --lora-rank, adapters alone."""
    lora_rank: int = 0
    """Adapters of this rank on the blocks of a frozen backbone."""
    lora_alpha: int = 32
    """Adapters count alpha / rank times."""
    lora_whole: tuple[str, ...] = ()
    """Modules trained whole beside the adapters, e.g. lm_head."""
    lora_matrices: tuple[str, ...] = ("qkv", "proj", "up", "down")
    """Of each block, those that are adapted."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Of matrix products; auto: bf16 on GPUs and on CPUs with matrix units for it."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto: a GPU where there is one."""
    threads: int = 0
    """CPU threads; 0: as many as there are cores."""
    val_every: int = 250
    """Steps between validations."""
    val_batches: int = 16
    """Batches of a validation, in each process."""
    log_every: int = 25
    """Steps between lines of the log."""
    save_every: int = 250
    """Steps between states saved."""
    resume: bool = False
    """Go on with the run in --out, if there is one."""

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "val_every", "val_batches", "log_every", "save_every"):
            if getattr(self, name) < 1:
                raise InputError(f"--{name.replace('_', '-')}: must be at least 1")
        if self.depth is not None and (self.init_from or not 1 <= self.depth <= 32):
            raise InputError("--depth: from 1 to 32, and not with --init-from, which has its own")
        if self.lora_rank and not self.init_from:
            raise InputError("--lora-rank: adapts a trained model; name it with --init-from")
        if not 0.0 <= self.plain_share <= 1.0 or not 0.0 <= self.average < 1.0:
            raise InputError("--plain-share and --average: shares, from 0 to 1")

    def identity(self) -> dict[str, Any]:
        """What decides what is learnt, as JSON has it."""
        plain = json.loads(json.dumps(dataclasses.asdict(self), default=str))
        return {k: v for k, v in plain.items() if k not in NOT_OF_THE_RUN}


def main(options: Options) -> int:
    """Train; the exit code."""
    from training.data import open_data

    repeatable(options.threads or cores())
    with this_rank(options.device) as rank, stop_signals() as stop:
        run = Run(options, open_data(*options.data), rank)
        finished = run.train(stop)
        if finished and rank.first:
            print(run.save())
    return 0 if finished else STOPPED


class Run:
    """One run: model, optimiser, average, best so far, and how many steps are done.

    Args:
      options: of the run.
      data: keyframes.
      rank: this process.
      versions: what the model is made for; those of this code if None.
    """

    def __init__(
        self, options: Options, data: Data, rank: Rank, versions: Versions | None = None
    ) -> None:
        self.options, self.data, self.rank, self._versions = options, data, rank, versions
        self._rules = loss_rules(rank.device, options.smoothing_bins)
        draw = torch.Generator().manual_seed(options.seed)
        self.parent = load_model(options.init_from, versions) if options.init_from else None
        self.backbone = _backbone(options, data, self.parent, draw)
        self.model = _what_is_trained(self.backbone, options, draw).to(rank.device)
        self._optimizer = optimiser(self.model, options.weight_decay)  # after wrapping: peft copies
        self._average = Average(self.model, options.average)
        self._best: dict[str, Tensor] = {}
        self._facts: dict[str, Any] = {
            "step": 0, "steps": None if options.minutes else options.steps, "best_loss": None, "scores": {},
            "options": options.identity(), "data": data.sha256, "parent": self._parent_sha256,
        }  # fmt: skip
        self._begin()

    @property
    def _parent_sha256(self) -> str:
        return self.parent.weights_sha256 if self.parent else ""

    @property
    def step(self) -> int:
        """Steps done."""
        return int(self._facts["step"])

    @property
    def scores(self) -> Mapping[str, float]:
        """Of the best validation so far."""
        return dict(self._facts["scores"])

    def train(self, stop: Stop | None = None) -> bool:
        """Learn until all steps are done or somebody wants it to stop; whether they are done. Either way the state is saved."""
        options, rank, facts = self.options, self.rank, self._facts
        wrapped = rank.wrap(self.model)
        shown = options.out if rank.first else None
        pace = _Pace(options, self.step)
        began, done_then = time.monotonic(), self.step
        with Watch(shown, options.stage, facts["steps"] or options.steps, self.step) as watch:
            for keyframes in self._keyframes():
                if facts["steps"] is not None and self.step >= facts["steps"]:
                    break
                batch = self._batch(keyframes)
                told = self._learn(wrapped, batch)
                facts["step"] += 1
                self._average.update(self.model, self.step)
                if facts["steps"] is None and pace.known(self.step):
                    facts["steps"] = steps = pace.steps(rank)
                    watch.steps(steps)
                    watch.say(f"{options.minutes:g} min are {steps} steps")
                speed = (self.step - done_then) / (time.monotonic() - began)
                loud = self.step % options.log_every == 0
                watch.step(self.step, {**told, "steps/s": speed} if loud else None)
                if self.step % options.val_every == 0 or self.step == facts["steps"]:
                    self._validate(watch)
                if stop is not None and rank.any(stop.wanted):
                    self._save_state()
                    watch.say(f"stopped after step {self.step}; go on with --resume")
                    return False
                if self.step % options.save_every == 0:
                    self._save_state()
        self._save_state()
        return True

    def save(self) -> Path:
        """Write what was learnt: the model, or the adapter; its folder."""
        with torch.no_grad():
            for name, p in self.model.named_parameters():
                if name in self._best:
                    p.copy_(self._best[name])
        options, parent = self.options, self.parent
        made = Made(
            options.stage,
            self.data.sha256,
            git_commit(),
            self._parent_sha256,
            (options.seed,),
            self._facts["options"] | {"steps": self._facts["steps"], "processes": self.rank.world},
            {"val": self.scores},
        )
        if options.lora_rank:
            from peft import PeftModel

            from training.lora import save_adapter

            assert parent is not None and isinstance(self.model, PeftModel)
            folder = options.out / ADAPTER
            uri = os.path.relpath(parent.folder, folder)  # they may move together
            return save_adapter(
                folder, self.model, made, base_uri=uri, base_sha256=self._parent_sha256, versions=self._versions,
            )  # fmt: skip
        weights, head = weights_of(self.backbone), parent.head if parent else {}
        return save_model(
            options.out / MODEL, self.backbone.spec, weights, head, made, versions=self._versions
        )

    # ------------------------------------------------------------------------------------------------------ parts

    def _keyframes(self) -> Iterator[Keyframes]:
        """Batches for ever, from where the run stands."""
        o, r = self.options, self.rank
        return self.data.batches(
            "train", o.batch_size, seed=o.seed, start=self.step, rank=r.index, world=r.world
        )

    def _batch(self, keyframes: Keyframes) -> Batch:
        o, r = self.options, self.rank
        count = len(keyframes.valid)
        plain = plain_rows(count, o.plain_share, o.seed, self.step, r.index, r.world)
        return batch_of(keyframes, o.stage, r.device, plain)

    def _learn(self, wrapped: nn.Module, batch: Batch) -> dict[str, float]:
        """One step; what it was like."""
        o, facts = self.options, self._facts
        steps = facts["steps"] or max(o.warmup, PACE_STEPS) + 1
        lr = learning_rate(self.step, steps, peak=o.lr, warmup=min(o.warmup, steps))
        mean = backward(wrapped, batch, self._rules, self.rank, o.precision)
        norm = update(learnt(self.model).values(), self._optimizer, lr=lr)
        return {"loss": mean, "norm": norm, "lr": lr}

    def _validate(self, watch: Watch) -> None:
        """Judge the average, and keep it if it is the best so far."""
        o, r, facts = self.options, self.rank, self._facts
        keyframes = self.data.sweep(
            "val", o.batch_size, most=o.val_batches, rank=r.index, world=r.world
        )
        batches = (batch_of(k, o.stage, r.device) for k in keyframes)
        self._average.swap(self.model)
        self.model.eval()
        table = validate(self.model, batches, self._rules, r)
        self.model.train()
        if facts["best_loss"] is None or table["loss"] < facts["best_loss"]:
            facts |= {"best_loss": table["loss"], "best_step": self.step, "scores": table}
            self._best = {name: p.detach().clone() for name, p in learnt(self.model).items()}
        self._average.swap(self.model)
        watch.validation(self.step, table, _line(table))

    def _begin(self) -> None:
        """Take up the run that lies in the folder, if that is wanted and there is one."""
        path, options = self.options.out / STATE, self.options
        if not path.exists():
            options.out.mkdir(parents=True, exist_ok=True)
            return
        if not options.resume:
            raise InputError(f"{options.out}: holds a run; go on with --resume, or another --out")
        facts = read_facts(path)
        for key in ("options", "data", "parent"):
            _same(facts.get(key), self._facts[key], key, path)
        self._best, self._facts = load_state(path, self.model, self._optimizer, self._average)

    def _save_state(self) -> None:
        if self.rank.first:
            path = self.options.out / STATE
            save_state(path, self.model, self._optimizer, self._average, self._best, self._facts)


# ---------------------------------------------------------------------------------------------------------- helpers


def _backbone(
    options: Options, data: Data, parent: Model | None, draw: torch.Generator
) -> MicroGPT:
    """A fresh model, or the parent's weights."""
    if parent is None:
        return MicroGPT(ModelSpec(options.depth or DEFAULT_DEPTH, data.feature_counts), draw)
    if parent.spec.feature_counts != data.feature_counts:
        raise InputError(f"{options.init_from}: reads other features than the data holds")
    model = MicroGPT(parent.spec, draw)
    load_weights(model, parent.weights)
    return model


def _what_is_trained(model: MicroGPT, options: Options, draw: torch.Generator) -> nn.Module:
    """The model with what is not to be trained frozen, or with adapters."""
    if options.lora_rank:
        from training.lora import adapt

        o = options
        return adapt(model, o.lora_rank, o.lora_alpha, draw, o.lora_whole, o.lora_matrices)
    if options.freeze_backbone:
        for name, p in model.named_parameters():
            p.requires_grad_(name.startswith(("lm_head", "final_norm")))
    return model


def backward(
    model: nn.Module, batch: Batch, rules: LossRules, rank: Rank, precision: str = "fp32"
) -> float:
    """Leave the gradient of all processes' batches together on the parameters; this process's loss.

    Args:
      model: wrapped by `rank.wrap`.
      batch: of this process.
      rules: of the loss.
      rank: this process.
      precision: see `Options`.
    """
    with autocast(precision, rank.device):
        logits = batch.logits(model)
    mean = loss(logits, batch.asked, batch.targets, rules).mean
    rank.share(mean, batch.weight(rules)).backward()  # type: ignore[no-untyped-call]
    return float(mean.detach())


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """Matrix products in bf16 where that is wanted, or faster."""
    fast = device.type == "cuda" or torch.cpu._is_amx_tile_supported()
    wanted = precision == "bf16" or (precision == "auto" and fast)
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=wanted)


@dataclass(slots=True)
class Stop:
    """Whether somebody wants the run to stop."""

    wanted: bool = False


@contextmanager
def stop_signals() -> Iterator[Stop]:
    """SIGTERM and Ctrl-C ask to stop after the step under way."""
    stop = Stop()

    def ask(_: int, __: FrameType | None) -> None:
        stop.wanted = True

    before = {s: signal.signal(s, ask) for s in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for s, handler in before.items():
            signal.signal(s, handler)


class _Pace:
    """Turns minutes into steps once some have been timed."""

    def __init__(self, options: Options, start: int) -> None:
        self._minutes, self._start, self._began = options.minutes, start, time.monotonic()

    def known(self, step: int) -> bool:
        return step - self._start >= PACE_STEPS

    def steps(self, rank: Rank) -> int:
        """As many as fit in what is left; the first process decides. A tenth is left for validations."""
        took = time.monotonic() - self._began
        left = 60.0 * (self._minutes or 0.0) * 0.9 - took
        mine = self._start + PACE_STEPS + max(int(left / took * PACE_STEPS), 0)
        return int(rank.total(torch.tensor(mine if rank.first else 0, device=rank.device)))


def _same(then: Any, now: Any, what: str, path: Path) -> None:
    """Refuse to go on with other options than the run was begun with."""
    if then == now:
        return
    differ = what
    if isinstance(then, dict) and isinstance(now, dict):
        differ = next(k for k in now if then.get(k) != now[k])
        then, now = then.get(differ), now[differ]
        differ = f"--{differ.replace('_', '-')}"
    raise InputError(f"{path}: was begun with {differ} {then}, not {now}; take another --out")


def _line(table: Mapping[str, float]) -> str:
    """What of a validation is told on one line."""
    names = {
        "loss": "loss", "accuracy/longitudinal": "longitudinal", "accuracy/lateral": "lateral", "cited/precision": "cited p",
        "cited/recall": "cited r", "causes/recall": "coverage", "error/stop_distance_m": "stop m",
    }  # fmt: skip
    return "  ".join(f"{short} {table[name]:.3f}" for name, short in names.items() if name in table)


if __name__ == "__main__":
    try:
        sys.exit(main(tyro.cli(Options, prog="training.sft", use_underscores=False)))
    except InputError as error:
        sys.exit(f"training.sft: {error}")
