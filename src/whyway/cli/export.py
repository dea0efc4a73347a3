"""`whyway export`: a model as an ONNX graph, compared with the numpy twin before it is written."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rich.table import Table

from whyway.cli.common import NO, OK, err_console, out_console, progress_bar, writable
from whyway.config import Config, load
from whyway.types import InputError

if TYPE_CHECKING:
    from whyway.reason.checkpoint import Model
    from whyway.reason.export.golden import Golden
    from whyway.reason.export.make import Exported
    from whyway.reason.export.recipe import Recipe

SCENES = 32


@dataclass(frozen=True)
class Export:
    """Write a model as an ONNX graph for onnxruntime or TensorRT, if it answers as the model does."""

    model: str = ""
    """A model's folder, or a name under models/; the shipped one otherwise."""
    backend: Literal["onnxruntime", "tensorrt"] = "onnxruntime"
    """Who is to run it. Engines for TensorRT are built on the device, from this graph."""
    precision: Literal["fp32", "fp16", "int8"] = "int8"
    """fp32, fp16, or weights and products of 8 bits."""
    dialect: Literal["A", "B"] | None = None
    """A: opset 24 (onnxruntime >= 1.25, TensorRT >= 10.15); B: opset 17, for everything older. By default A for onnxruntime, B for tensorrt."""
    out: Path | None = None
    """The file; in the model's folder otherwise, listed in its manifest, together with the scenes it was compared on."""
    scenes: int = SCENES
    """Of drives through the town, to compare on if the model's folder has no scenes."""

    def run(self, overrides: Sequence[str]) -> int:
        """Build, compare, write; exit code 1 and no file if it does not answer as the model does."""
        from whyway.drives import provenance
        from whyway.reason.checkpoint import add_file, load_model
        from whyway.reason.export.golden import RECORDED, golden_to_bytes
        from whyway.reason.export.make import export
        from whyway.reason.export.recipe import Recipe
        from whyway.reason.manifest import MANIFEST

        dialect = self.dialect or ("A" if self.backend == "onnxruntime" else "B")
        recipe = Recipe(self.backend, dialect, self.precision)
        config, model = load(None, overrides), load_model(self.model)
        if self.out is None and not (model.folder / MANIFEST).is_file():
            raise InputError(
                f"{model.folder} is an adapter: whyway model merge {model.folder} --out ..., or give a file with --out"
            )
        with progress_bar() as bar:
            task = bar.add_task("", total=None, doing="golden scenes")
            golden = self._golden(model, config)
            bar.update(task, doing="building and comparing")
            made = export(model, recipe, golden, git=str(provenance()["git"]))
        out_console.print(_table(recipe, made))
        if not made.passed:
            err_console.print("[red]not written:[/] this graph does not answer as the model does")
            return NO
        out = self.out or model.folder / recipe.file_name
        if self.out is None:
            add_file(model.folder, recipe.file_name, made.graph)
            if (
                RECORDED not in model.files
            ):  # what else is exported, and engines, are compared on the same
                add_file(model.folder, RECORDED, golden_to_bytes(golden))
        else:
            writable(out.parent)
            beside = out.with_name(f".{out.name}.{os.getpid()}")
            beside.write_bytes(made.graph)
            beside.replace(out)
        out_console.print(f"\n{out}  {len(made.graph) / 1e6:.2f} MB", soft_wrap=True)
        return OK

    def _golden(self, model: Model, config: Config) -> Sequence[Golden]:
        """Recorded scenes of the model's folder, or new ones."""
        from whyway.bench import scenes_of_drives
        from whyway.reason.export.golden import RECORDED, golden_from_bytes

        if RECORDED in model.files:
            return golden_from_bytes(model.file(RECORDED), f"{model.folder / RECORDED}")
        if self.scenes < 1:
            raise InputError(f"--scenes {self.scenes}: at least one is needed to compare on")
        return scenes_of_drives(config, self.scenes)


def _table(recipe: Recipe, made: Exported) -> Table:
    title = f"{recipe.file_name}, {made.answers:,} answers compared with numpy"
    table = Table("decoded", "what", "measured", "limit", "", box=None, title=title)
    for way, rows in made.rows.items():
        for row in rows:
            limit = f"{'<=' if row.at_most else '>='} {row.limit:g}"
            mark = "[green]ok" if row.passed else "[red]fails"
            table.add_row(way, row.what, f"{row.measured:.3g}", limit, mark)
    return table
