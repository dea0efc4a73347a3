"""How much of a score is the luck of a training seed: the shipped recipe with other seeds, and every driver on the same held-out suites.

    python -m training.experiments.seeds --data out/model/data --dagger-data out/model/dagger --models models/microgpt-s --seeds 1 2

Models that are there already count as seeds, too. Interrupted, it goes on.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from rich.console import Console
from rich.table import Table
from scipy import stats

from training.recipes.microgpt_s import Recipe, steps_of
from training.recipes.steps import Step, do, program
from whyway.cli.common import cores
from whyway.files import write_atomically
from whyway.types import InputError

TOLD = (
    "pdms", "at_fault_collisions", "pass_rate", "consistency_longitudinal", "consistency_lateral", "contradiction", "grounding",
)  # fmt: skip
WITH_MODEL = ("no_trace", "shuffled_trace")
"""Baselines that drive with the first model's head."""


@dataclass(frozen=True)
class Experiment:
    """Train with several seeds, judge them and the baselines, tell how far apart they are."""

    data: Path
    """Data set that all seeds learn from."""
    dagger_data: Path | None = None
    """And one of a model's drives; each seed drives for its own otherwise."""
    models: tuple[Path, ...] = ()
    """Models of this recipe that are there already."""
    seeds: tuple[int, ...] = (1, 2)
    """To train with."""
    suites: tuple[str, ...] = ("held_out",)
    """To judge on."""
    baselines: tuple[str, ...] = ("rules", "constant_velocity", "ego_mlp", "idm", *WITH_MODEL)
    """Beside them."""
    out: Path = Path("out/seeds")
    """Folder of everything."""
    jobs: int = field(default_factory=cores)
    """Processes that drive."""


def main(e: Experiment) -> int:
    """Do what is not done; tell."""
    models = list(e.models)
    for seed in e.seeds:
        work = e.out / f"seed-{seed}"
        recipe = Recipe(data=e.data, dagger_data=e.dagger_data, seed=seed, work=work, models=work / "shipped", judge="", jobs=e.jobs)  # fmt: skip
        do(steps_of(recipe), work)
        models.append(recipe.models / recipe.name)
    if not models:
        raise InputError("nothing to judge: give --models, or --seeds to train with")
    runs: list[tuple[str, Path | None]] = [("microgpt", model) for model in models]
    runs += [(name, models[0] if name in WITH_MODEL else None) for name in e.baselines]
    steps: list[Step] = []
    folders: dict[tuple[str, str], list[Path]] = {}
    for suite in e.suites:
        for driver, model in runs:
            name = "-".join(
                [Path(suite).stem, driver, *([str(models.index(model))] if model else [])]
            )
            asks = [suite, driver, model and (model / "manifest.json").read_text()]
            steps.append(Step(name, partial(_drive, suite, driver, model, e.jobs), asks))
            folders.setdefault((suite, driver), []).append(e.out / name / "summary.json")
    do(steps, e.out)
    found = {
        f"{Path(suite).stem} {driver}": spread(
            [json.loads(p.read_text())["summary"] for p in paths]
        )
        for (suite, driver), paths in folders.items()
    }
    write_atomically(e.out / "result.json", json.dumps(found, indent=1) + "\n")
    _tell(found)
    return 0


def _drive(suite: str, driver: str, model: Path | None, jobs: int, out: Path) -> None:
    """Exit code 1 says that a drive is not as the suite asks: that is a result, too."""
    own = [f"--reason.model={model}"] if model else []
    words = ("--suite", suite, "--driver", driver, "--out", out, "--jobs", jobs, *own)
    program("whyway", "evaluate", *words, fine=(0, 1))


def spread(summaries: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Metric -> mean over seeds, half the width of its 95 % interval (Student's t; None of one seed), and all values."""
    found: dict[str, dict[str, Any]] = {}
    for name in TOLD:
        values = np.array([s[name] for s in summaries if s.get(name) is not None], dtype=np.float64)
        if not len(values):
            continue
        half = None
        if len(values) > 1:
            t = stats.t.ppf(0.975, len(values) - 1)
            half = float(t * values.std(ddof=1) / np.sqrt(len(values)))
        found[name] = {"mean": float(values.mean()), "half": half, "values": values.tolist()}
    return found


def _tell(found: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
    table = Table("", *TOLD, box=None)
    for name, metrics in found.items():
        cells = []
        for told in TOLD:
            m = metrics.get(told)
            text = "" if m is None else f"{m['mean']:.4g}"
            cells.append(text if m is None or m["half"] is None else f"{text} ± {m['half']:.2g}")
        table.add_row(name, *cells)
    Console(highlight=False, width=200).print(table)


if __name__ == "__main__":
    try:
        sys.exit(
            main(tyro.cli(Experiment, prog="training.experiments.seeds", use_underscores=False))
        )
    except InputError as error:
        sys.exit(f"seeds: {error}")
