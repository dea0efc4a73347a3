"""The shipped model, from nothing: `make model`, or `python -m training.recipes.microgpt_s`. At most an hour on two cores.

    data       the expert drives, its keyframes are written
    pretrain   the decision from the scene alone (also the no-trace baseline)
    reasoning  whole traces
    drafts     a waypoint head on top: this one can drive
    dagger     it drives, the expert labels what it comes to see (Ross et al. 2011, arXiv 1011.0686)
    finish     on with both data sets
    model      waypoint head, 8-bit graph
    judged     it and the expert drive the same suite
    ship       checked, card written from what was measured, copied under models/

Interrupted, it goes on; a step whose arguments and predecessors are the same is not done again. With the same seeds, data are the same
bytes on every machine, weights on the same kind of CPU with the same number of threads; on GPUs sums come in another order.
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import MISSING, dataclass, field, fields
from functools import partial
from pathlib import Path

import tyro

from training import sft, waypoint_head
from training.recipes.card import write_card
from training.recipes.steps import Step, StepError, console, do, program
from whyway.cli.common import cores
from whyway.evaluate.suites.drives_of import READY
from whyway.evaluate.suites.schema import read_suite
from whyway.reason.checkpoint import DEFAULT_MODEL, MODELS, add_file
from whyway.types import InputError

CARD = "card.md"
FAMILIES = tuple(name for row in read_suite(READY / "held_out.yaml").rows for name in row.family)
"""What is learnt from is what drivers are judged with, with other seeds; docs/training.md says what came of the other four."""


@dataclass(frozen=True)
class Recipe:
    """Make the shipped model."""

    name: str = DEFAULT_MODEL
    """Of the model."""
    models: Path = MODELS
    """Where it goes in the end."""
    work: Path = Path("out/model")
    """Folder of the steps."""
    seed: int = 0
    """Of training; data have their own."""
    data: Path | None = None
    """A data set that is there already, instead of the step that makes one: to train with other seeds, on other machines."""
    worlds: tuple[str, ...] = (
        *(f"family:{name}=1000..1009" for name in FAMILIES),
        "town=1000..1079",
    )
    """For the expert."""
    disturb: float = 0.06
    """Share of the time in which the expert's commands are disturbed: how to come back is learnt from it."""
    removed: float = 0.6
    """Share of the keyframes that are there again without something they cite: what a cause is, is learnt from it."""
    depth: int = 4
    """Size of the model."""
    batch_size: int = 64
    """Of all training."""
    pretrain_steps: int = 300
    """Batches."""
    steps: int = 2600
    """Batches of whole traces."""
    draft_steps: int = 2500
    """Batches of the waypoint head with which the model drives for its teacher."""
    head_steps: int = 8000
    """Batches of the waypoint head in the end."""
    dagger: bool = True
    """Whether there is a round in which the model drives."""
    dagger_data: Path | None = None
    """Data of such a round that are there already, instead of one more."""
    dagger_worlds: tuple[str, ...] = (
        *(f"family:{name}=2000..2004" for name in FAMILIES),
        "town=2000..2019",
    )
    """For the model."""
    dagger_mix: float = 0.3
    """Share of that time in which the expert drives, so that more is seen than where the model ends up."""
    finish_steps: int = 1200
    """Batches with both data sets."""
    judge: str = "held_out"
    """Suite that it and the expert drive for the card; empty: none."""
    jobs: int = field(default_factory=cores)
    """Processes that drive."""
    threads: int = field(default_factory=cores)
    """Of training; other numbers give other last digits."""


def steps_of(r: Recipe) -> list[Step]:
    """All steps, in order."""
    at = r.work
    data = r.data or at / "data"
    steps = [] if r.data else [
        Step("data", partial(_drive, r, r.worlds, ("--disturb", r.disturb)), [r.worlds, r.disturb, r.removed])
    ]  # fmt: skip
    first = [] if r.data else ["data"]
    common = [str(r.data), r.seed, r.batch_size, r.threads, _defaults()]
    steps += [
        Step("pretrain", partial(_sft, r, (data,), "pretrain", r.pretrain_steps, ("--depth", r.depth)), [common, r.depth, r.pretrain_steps], first),
        Step("reasoning", partial(_sft, r, (data,), "reasoning", r.steps, ("--init-from", at / "pretrain/model")), [common, r.steps], [*first, "pretrain"]),
    ]  # fmt: skip
    last = "reasoning"
    sets = [data]
    if r.dagger:
        last, sets = "finish", [data, r.dagger_data or at / "dagger"]
        more = (
            "--driver",
            "microgpt",
            "--mix",
            r.dagger_mix,
            f"--reason.model={at / 'drafts/draft'}",
            "--reason.second_thoughts=false",  # what it says first is to be put right
        )
        init = ("--init-from", at / "reasoning/model", "--lr", 1e-3)
        drives = [] if r.dagger_data else [
            Step("drafts", partial(_head, r, data, at / "reasoning/model", "draft", r.draft_steps), [common, r.draft_steps], [*first, "reasoning"]),
            Step("dagger", partial(_drive, r, r.dagger_worlds, more), [r.dagger_worlds, r.dagger_mix, r.removed], ["drafts"]),
        ]  # fmt: skip
        steps += [
            *drives,
            Step("finish", partial(_sft, r, sets, "reasoning", r.finish_steps, init), [common, r.finish_steps, str(r.dagger_data)], [*first, "reasoning", *(step.name for step in drives)]),
        ]  # fmt: skip
    steps.append(Step("model", partial(_export, r, data, at / last / "model"), [common, r.head_steps], [last]))  # fmt: skip
    if r.judge:
        steps.append(Step("judged", partial(_judge, r), [r.judge], ["model"]))
    ship = partial(_ship, r, sets, [s.name for s in steps])
    steps.append(Step("ship", ship, [r.name, str(r.models)], [steps[-1].name]))
    return steps


def _defaults() -> dict[str, str]:
    """Of the training programs: a step whose program has other ones now is done again."""
    found = {}
    for program_options in (sft.Options, waypoint_head.Options):
        for f in fields(program_options):
            if f.default is MISSING:
                continue
            found[f"{program_options.__module__}.{f.name}"] = str(f.default)
    return found


# ------------------------------------------------------------------------------------------------------------- steps


def _drive(r: Recipe, worlds: tuple[str, ...], more: tuple[object, ...], out: Path) -> None:
    program(
        "whyway",
        "data",
        "make",
        "--out",
        out,
        "--worlds",
        *worlds,
        "--removed",
        r.removed,
        "--jobs",
        r.jobs,
        *more,
    )


def _sft(
    r: Recipe, data: tuple[Path, ...], stage: str, steps: int, more: tuple[object, ...], out: Path
) -> None:
    program(
        "training.sft", "--data", *data, "--out", out, "--stage", stage, "--steps", steps, "--batch-size", r.batch_size,
        "--seed", r.seed, "--threads", r.threads, "--resume", *more,
    )  # fmt: skip


def _head(r: Recipe, data: Path, model: Path, name: str, steps: int, out: Path) -> None:
    """A copy of a model, with a waypoint head."""
    shutil.rmtree(out / name, ignore_errors=True)
    shutil.copytree(model, out / name)
    program(
        "training.waypoint_head", "--data", data, "--out", out / name, "--steps", steps, "--seed", r.seed,
        "--threads", r.threads,
    )  # fmt: skip


def _export(r: Recipe, data: Path, model: Path, out: Path) -> None:
    """The whole model, and its graphs for the car."""
    _head(r, data, model, r.name, r.head_steps, out)
    for dialect in ("A", "B"):  # B for onnxruntime before 1.25, the newest for Python 3.10
        program(
            "whyway", "export", "--model", out / r.name, "--precision", "int8", "--dialect", dialect
        )


def _judge(r: Recipe, out: Path) -> None:
    """It and the expert drive the same; exit code 1 says that a drive is not as the suite asks: that is a result, too."""
    program(
        "whyway", "evaluate", "--suite", r.judge, "--driver", "microgpt", "--baseline", "rules", "--jobs", r.jobs,
        "--out", out, f"--reason.model={r.work / 'model' / r.name}", fine=(0, 1),
    )  # fmt: skip


def _ship(r: Recipe, sets: list[Path], names: list[str], out: Path) -> None:
    """Check, write the card, copy."""
    made = r.work / "model" / r.name
    program("whyway", "model", "verify", made)
    ledger = json.loads((r.work / "steps.json").read_text())
    seconds = {name: ledger[name]["s"] for name in names if name in ledger}
    judged = r.work / "judged" / "summary.json" if r.judge else None
    card = write_card(made, sets, seconds, judged, r.work)
    add_file(made, CARD, card.encode())
    fresh = r.models / f".{r.name}-new"
    shutil.rmtree(fresh, ignore_errors=True)
    r.models.mkdir(parents=True, exist_ok=True)
    shutil.copytree(made, fresh)
    shutil.rmtree(r.models / r.name, ignore_errors=True)
    fresh.rename(r.models / r.name)
    program("whyway", "model", "verify", r.models / r.name)
    (out / "shipped").write_text(f"{r.models / r.name}\n")


def main(recipe: Recipe) -> int:
    """Do what is not done."""
    ledger = do(steps_of(recipe), recipe.work)
    minutes = sum(step["s"] for step in ledger.values()) / 60
    console.print(f"{recipe.models / recipe.name}: made in {minutes:.1f} min")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(tyro.cli(Recipe, prog="training.recipes.microgpt_s", use_underscores=False)))
    except StepError as error:
        sys.exit(f"microgpt_s: {error}")
    except InputError as error:
        sys.exit(f"microgpt_s: {error}")
