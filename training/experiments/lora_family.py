"""How much of what full fine-tuning gains on a scenario family it has never seen does LoRA gain, and with how many parameters?

    python -m training.experiments.lora_family --data DATA --family construction --out out/lora

A base model learns from all drives but those of one family. Then it learns from that family's drives, twice: all its weights, and adapters
on a frozen backbone. Both are judged on drives of the family that neither learnt from nor chose by; the base is the zero. Whole drives
are on one side each. Writes result.json; prints a table.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from rich.console import Console
from rich.table import Table

from training.batches import batch_of, loss_rules
from training.data import Data, Shard, open_data
from training.distributed import Rank
from training.lora import MATRICES, trainable_share
from training.repeatable import repeatable
from training.sft import MODEL, Options, Run
from training.validate import validate
from whyway.files import write_atomically
from whyway.reason.checkpoint import load_model
from whyway.reason.microgpt import MicroGPT, load_weights
from whyway.types import InputError

PARTS = 5
"""Of a family's drives: one to choose by, one to judge by, the others to learn from."""
TOLD = ("loss", "accuracy/longitudinal", "accuracy/lateral", "cited/recall", "causes/recall")


@dataclass(frozen=True)
class Experiment:
    """LoRA against full fine-tuning on a family held out of the base."""

    data: tuple[Path, ...]
    """Folders that `whyway data make` wrote, with the families."""
    family: str = "construction"
    """The one held out."""
    out: Path = Path("out/lora_family")
    """Folder of the runs and of result.json."""
    base: str = ""
    """A model that has not seen the family, instead of one trained here."""
    depth: int = 4
    """Size of the base."""
    base_steps: int = 1500
    """Batches without the family."""
    steps: int = 300
    """Batches of the family, for both."""
    batch_size: int = 64
    """Keyframes a batch."""
    lr: float = 5e-4
    """Peak learning rate of full fine-tuning."""
    lora_lr: float = 5e-3
    """Peak learning rate of adapters: ten times as much (LoRA Without Regret)."""
    rank: int = 8
    """Of the adapters."""
    matrices: tuple[str, ...] = MATRICES
    """Of each block, those that are adapted."""
    alpha: int = 32
    """They count alpha / rank times."""
    seeds: int = 3
    """Both are trained with seeds 0 to this less one."""
    threads: int = 0
    """CPU threads; 0: torch's choice."""


def main(e: Experiment) -> int:
    """Train all, judge all, tell."""
    repeatable(e.threads or torch.get_num_threads())
    data = open_data(*e.data)
    others, family, judged = parts(data, e.family)
    common = {"data": e.data, "batch_size": e.batch_size, "resume": True}
    base = e.base or str(e.out / "base" / MODEL)
    if not e.base:
        _run(Options(out=e.out / "base", depth=e.depth, steps=e.base_steps, **common), others)  # type: ignore[arg-type]
    zero = judge(base, judged)
    rows: list[dict[str, Any]] = []
    for seed in range(e.seeds):
        for kind, more in (
            ("full", {"lr": e.lr}),
            ("lora", {"lr": e.lora_lr, "freeze_backbone": True, "lora_rank": e.rank, "lora_alpha": e.alpha, "lora_matrices": e.matrices}),
        ):  # fmt: skip
            options = Options(
                out=e.out / f"{kind}-{seed}", init_from=base, steps=e.steps, seed=seed, val_every=50, warmup=20, **common, **more
            )  # type: ignore[arg-type]  # fmt: skip
            folder, share = _run(options, family)
            rows.append({"kind": kind, "seed": seed, "share": share, **judge(str(folder), judged)})
    result = summary(rows, zero) | {"family": e.family, "base": zero, "runs": rows}
    result["judged_keyframes"] = judged.rows("val")
    write_atomically(e.out / "result.json", json.dumps(result, indent=1) + "\n")
    _tell(result, e)
    return 0


def parts(data: Data, family: str) -> tuple[Data, Data, Data]:
    """Drives of everybody else; the family's to learn from and to choose by; the family's to judge by (as its "val").

    Raises:
      InputError: there are too few drives of the family.
    """
    own = sorted(
        (s for s in data.shards if f"family-{family}-" in s.path.name), key=lambda s: s.path.name
    )
    if len(own) < PARTS:
        raise InputError(
            f"{len(own)} drives of the family {family!r}: make at least {PARTS}, e.g. whyway data make --worlds families"
        )
    others = [s for s in data.shards if s not in own]

    def split(shard: Shard, name: str) -> Shard:
        return dataclasses.replace(shard, split=name)

    learn = [split(s, "train") for i, s in enumerate(own) if i % PARTS > 1]
    choose = [split(s, "val") for i, s in enumerate(own) if i % PARTS == 0]
    judge_by = [split(s, "val") for i, s in enumerate(own) if i % PARTS == 1]
    return _of(data, others), _of(data, learn + choose), _of(data, judge_by)


def _of(data: Data, shards: list[Shard]) -> Data:
    told = "\n".join(f"{s.sha256} {s.split}" for s in shards)
    sha256 = hashlib.sha256(told.encode()).hexdigest()
    return dataclasses.replace(data, shards=tuple(shards), sha256=sha256)


def _run(options: Options, data: Data) -> tuple[Path, float]:
    """Train; the model's or adapter's folder, and the share of the backbone's numbers that were trained."""
    run = Run(options, data, Rank(0, 1, torch.device("cpu")))
    run.train()
    return run.save(), trainable_share(run.model)


def judge(folder: str, data: Data) -> dict[str, float]:
    """What a model says of all of "val"."""
    loaded = load_model(folder)
    model, cpu = MicroGPT(loaded.spec), torch.device("cpu")
    load_weights(model, loaded.weights)
    batches = (batch_of(k, "reasoning", cpu) for k in data.sweep("val", 64))
    table = validate(model.eval(), batches, loss_rules(cpu, 0.0), Rank(0, 1, cpu))
    return {name: table[name] for name in TOLD if name in table}


def summary(rows: list[dict[str, Any]], zero: dict[str, float]) -> dict[str, Any]:
    """Gains in loss over the base, seed by seed; LoRA's as a share of full fine-tuning's; parameters likewise."""
    by = {k: [r for r in rows if r["kind"] == k] for k in ("full", "lora")}
    gains = {k: np.array([zero["loss"] - r["loss"] for r in v]) for k, v in by.items()}
    ratios = gains["lora"] / gains["full"]
    return {
        "gain_full": gains["full"].tolist(),
        "gain_lora": gains["lora"].tolist(),
        "gain_ratio": float(gains["lora"].mean() / gains["full"].mean()),
        "gain_ratio_by_seed": ratios.tolist(),
        "trainable_share": by["lora"][0]["share"] / by["full"][0]["share"],
    }


def _tell(result: dict[str, Any], e: Experiment) -> None:
    console = Console(highlight=False)
    table = Table("", *TOLD, box=None, title=f"{e.family}, {result['judged_keyframes']} keyframes")
    rows = [("base", result["base"])] + [(f"{r['kind']} {r['seed']}", r) for r in result["runs"]]
    for name, row in rows:
        table.add_row(name, *(f"{row[k]:.4f}" if k in row else "" for k in TOLD))
    console.print(table)
    console.print(
        f"LoRA rank {e.rank}: {result['gain_ratio']:.1%} of full fine-tuning's gain in loss"
        f" (seeds: {', '.join(f'{x:.1%}' for x in result['gain_ratio_by_seed'])}),"
        f" {result['trainable_share']:.2%} of its parameters; {e.out / 'result.json'}"
    )


if __name__ == "__main__":
    try:
        sys.exit(
            main(
                tyro.cli(Experiment, prog="training.experiments.lora_family", use_underscores=False)
            )
        )
    except InputError as error:
        sys.exit(f"lora_family: {error}")
