"""`whyway model`: look at a model, merge an adapter into its backbone, check that all of it is what it says."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from rich.table import Table

from whyway.cli.common import NO, OK, no_dials, out_console

if TYPE_CHECKING:
    from whyway.reason.checkpoint import Model as Loaded

Check = tuple[str, bool, str]
"""What was checked, whether it holds, and what was found."""


@dataclass(frozen=True)
class Show:
    """Tell what a model is: size, versions, how it was made, its scores and files."""

    model: Annotated[str, tyro.conf.Positional] = ""
    """A folder, or a name under models/; the shipped one otherwise."""
    json: bool = False
    """Print JSON."""

    def run(self, overrides: Sequence[str]) -> int:
        """Load and tell."""
        from whyway.reason.checkpoint import load_model

        no_dials(overrides)
        facts = _facts(load_model(self.model))
        if self.json:
            print(json.dumps(facts, indent=1))
            return OK
        table = Table("what", "value", box=None, title=f"model {facts['name']}")
        for key, value in _flat(facts):
            table.add_row(key, f"{value:,}" if type(value) is int else str(value))
        out_console.print(table)
        return OK


@dataclass(frozen=True)
class Merge:
    """Add an adapter to its backbone, in float32: a model that needs neither, ready for `whyway export`."""

    adapter: Annotated[Path, tyro.conf.Positional]
    """Folder of the LoRA checkpoint."""
    out: Path
    """Folder of the new model."""

    def run(self, overrides: Sequence[str]) -> int:
        """Load both, add, save."""
        from whyway.reason.adapter import META
        from whyway.reason.checkpoint import load_model, save_model
        from whyway.reason.manifest import ModelError

        no_dials(overrides)
        if not (self.adapter / META).is_file():
            raise ModelError(
                f"{self.adapter}: no adapter's folder (it has no {META}); give one that training.sft"
                " --lora-rank wrote"
            )
        model = load_model(self.adapter)
        made = dataclasses.replace(model.made, stage=f"{model.made.stage}, merged")
        save_model(self.out, model.spec, model.weights, model.head, made)
        out_console.print(f"{self.out}: {model.weights_sha256[:12]}", soft_wrap=True)
        return OK


@dataclass(frozen=True)
class Verify:
    """Check a model: every file's hash, every version and shape, the answer it gave when it was saved, its graph, its head.

    Exit code 1: a check fails; 2: it cannot be loaded at all, one line says why.
    """

    model: Annotated[str, tyro.conf.Positional] = ""
    """A folder, or a name under models/; the shipped one otherwise."""
    json: bool = False
    """Print JSON."""

    def run(self, overrides: Sequence[str]) -> int:
        """Load, then ask it."""
        from whyway.reason.checkpoint import load_model

        no_dials(overrides)
        model = load_model(self.model)
        checks = [("files, versions, shapes", True, f"{len(model.files)} files"), *_asked(model)]
        fine = all(ok for _, ok, _ in checks)
        if self.json:
            print(json.dumps({"model": model.name, "fine": fine, "checks": checks}, indent=1))
            return OK if fine else NO
        table = Table("check", "", "found", box=None, title=f"model {model.name}")
        for what, ok, found in checks:
            table.add_row(what, "[green]ok" if ok else "[red]no", found)
        out_console.print(table)
        return OK if fine else NO


def _asked(model: Loaded) -> Iterator[Check]:
    """What can be asked of a model that loads."""
    from whyway.plan.waypoint_head import WaypointHead
    from whyway.reason import probe
    from whyway.reason.backends import make_backend
    from whyway.reason.checkpoint import golden_of
    from whyway.types import InputError

    wanted = probe.reference(model.spec, model.weights)
    golden = golden_of(model)
    if golden is not None and golden.shape == wanted.shape:
        off = probe.largest_difference(wanted, golden)
        yield "answers as when it was saved", off <= probe.EXACT, f"off by {off:.1e} of the largest"
    elif golden is not None:
        yield "answers as when it was saved", False, "the made scene is another one: train it anew"
    graphs = [name for name in model.files if name.endswith(".onnx")]
    if graphs:
        try:
            backend = make_backend("onnxruntime", model)
            off = probe.relative_error(probe.answers(backend), wanted)
            found = f"{backend.info.precision}, relative error {off:.1e}"
            yield f"graph {', '.join(graphs)}", off <= probe.ROUNDED, found
        except InputError as wrong:
            yield f"graph {', '.join(graphs)}", False, str(wrong)
    if model.head:
        try:
            head = WaypointHead(model.head)
            yield "waypoint head", True, "with a residual head" if head.has_delta else "as trained"
        except InputError as wrong:
            yield "waypoint head", False, str(wrong)


def _facts(model: Loaded) -> dict[str, Any]:
    """What there is to tell, as plain values."""
    spec = model.spec
    return {
        "name": model.name, "folder": str(model.folder), "depth": spec.depth, "width": spec.width,
        "parameters": sum(w.size for w in model.weights.values()),
        "head_parameters": sum(w.size for w in model.head.values()),
        "weights_sha256": model.weights_sha256,
        "made": dataclasses.asdict(model.made),
        "files": {name: file.bytes for name, file in sorted(model.files.items())},
    }  # fmt: skip


def _flat(facts: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted names and values."""
    for key, value in facts.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", round(value, 4) if isinstance(value, float) else value


@dataclass(frozen=True)
class Model:
    """Look at models, merge adapters, check what is there."""

    what: Annotated[
        Annotated[Show, tyro.conf.subcommand("show")]
        | Annotated[Merge, tyro.conf.subcommand("merge")]
        | Annotated[Verify, tyro.conf.subcommand("verify")],
        tyro.conf.arg(name=""),
    ]

    def run(self, overrides: Sequence[str]) -> int:
        """Run what was asked for."""
        return self.what.run(overrides)
