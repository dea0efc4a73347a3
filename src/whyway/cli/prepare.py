"""`whyway prepare`: a model's engine for TensorRT, built on the device it is for and tried before it is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rich.table import Table

from whyway.cli.common import OK, no_dials, out_console, progress_bar


@dataclass(frozen=True)
class Prepare:
    """Build a model's TensorRT engine on this device, compare it with the model, and keep it; afterwards --reason.backend=auto takes it."""

    model: str = ""
    """A model's folder, or a name under models/; the shipped one otherwise."""
    precision: Literal["fp32", "fp16", "int8"] = "fp16"
    """Of weights and products."""
    dialect: Literal["A", "B"] = "B"
    """B: any TensorRT from 8.6 on. A: fused attention and a cache written in place; TensorRT 10.15 and newer, fp16 only."""
    anew: bool = False
    """Build even if there is an engine already."""

    def run(self, overrides: Sequence[str]) -> int:
        """Build if need be, and tell."""
        from whyway.reason.backends.tensorrt import graph_of, prepare, runtime_here
        from whyway.reason.checkpoint import load_model
        from whyway.reason.export.recipe import Recipe

        no_dials(overrides)
        here, model = runtime_here(), load_model(self.model)
        recipe = Recipe("tensorrt", self.dialect, self.precision)
        with progress_bar() as bar:
            task = bar.add_task("", total=None, doing="graph")
            graph = graph_of(model, recipe)
            bar.update(task, doing="engine: building takes minutes on a small device")
            done = prepare(model, graph, recipe, here, anew=self.anew)
        header, on = done.header, done.header.key.machine
        title = f"{'built' if done.built else 'there already'}: {here.cache.folder / header.digest}.engine"
        table = Table("what", "value", box=None, title=title)
        table.add_row("model", f"{model.name} {header.key.weights_sha256[:12]}")
        table.add_row("graph", f"dialect {self.dialect}, {self.precision}, {header.key.graph_sha256[:12]}")  # fmt: skip
        table.add_row("TensorRT", f"{on.tensorrt}, CUDA {on.gpu.cuda}")
        table.add_row("GPU", f"{on.gpu.name}, {on.gpu.compute_capability}, {on.gpu.memory_gib} GiB")
        table.add_row("size", f"{header.plan_bytes / 1e6:.1f} MB")
        for what, measured in header.drift.items():
            table.add_row(f"{what}, when built", f"{measured:.3g}")
        out_console.print(table, soft_wrap=True)
        return OK
