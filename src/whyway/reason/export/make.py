"""Build a graph, run it, compare it with the numpy twin, and give it out only if it is still the same model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from whyway.reason.backends import Backend, Model
from whyway.reason.backends.numpy import NumpyBackend
from whyway.reason.backends.onnxruntime import OnnxRuntime
from whyway.reason.export.build import build
from whyway.reason.export.gates import Row, gate
from whyway.reason.export.golden import Answers, Golden, Group, record, replay
from whyway.reason.export.recipe import Recipe
from whyway.reason.parameters import weights_sha256

PLAIN_SCENES = 4
"""So many are compared token by token too: that is a hundred passes each."""
TOGETHER = 4
"""So many are decoded at once, if the graph does not fix it."""


@dataclass(frozen=True, slots=True)
class Exported:
    """A graph and how it fared."""

    graph: bytes
    rows: Mapping[str, Sequence[Row]]
    """The gates' table, by way of decoding."""
    answers: int
    """Questions compared."""

    @property
    def passed(self) -> bool:
        """Whether every gate holds."""
        return all(row.passed for rows in self.rows.values() for row in rows)


def export(model: Model, recipe: Recipe, golden: Sequence[Golden], *, git: str = "") -> Exported:
    """Build a model's graph and compare it with the numpy twin on golden scenes.

    All graphs are run by onnxruntime here, those for TensorRT too: that says that the graph is right, not that TensorRT is; its engines are
    compared again where they are built.

    Args:
      model: spec and weights.
      recipe: which graph.
      golden: scenes; 32 or more make the thresholds meaningful.
      git: commit of this code, for the graph's metadata.

    Raises:
      InputError: onnx is not installed, or onnxruntime does not take the graph.
    """
    ranges = None
    if recipe.runtime == "tensorrt" and recipe.precision == "int8":
        ranges = observed_ranges(model, golden)
    graph = build(model.spec, model.weights, recipe, ranges=ranges, git=git)
    candidate = OnnxRuntime(graph, recipe.file_name, weights_sha256(model.weights))
    rows, answers = {}, 0
    for way, (tape, truth) in reference(model, golden, recipe).items():
        rows[way] = gate(truth, replay(candidate, tape).logits, recipe.precision)
        answers += len(truth.logits)
    return Exported(graph, rows, answers)


def reference(
    model: Model, golden: Sequence[Golden], recipe: Recipe
) -> dict[str, tuple[list[Group], Answers]]:
    """What is asked, by way of decoding, and what the numpy twin answers."""
    twin: Backend = NumpyBackend(model)
    ways = {"by blocks": (golden, 1, False), "token by token": (golden[:PLAIN_SCENES], 1, True)}
    if recipe.batch is None:
        ways[f"{TOGETHER} scenes at once"] = (golden, TOGETHER, False)
    tapes = {
        way: record(twin, some, together=together, plain=plain)
        for way, (some, together, plain) in ways.items()
    }
    return {way: (tape, replay(twin, tape)) for way, tape in tapes.items()}


def observed_ranges(model: Model, golden: Sequence[Golden]) -> dict[str, float]:
    """The largest number that goes into each matrix of the blocks while scenes are decoded, by parameter."""
    recipe = Recipe(dialect="B")
    graph = build(model.spec, model.weights, recipe, observed=True)
    watched = _Watched(graph, "observed graph")
    record(watched, golden)
    return watched.largest


class _Watched(OnnxRuntime):
    """Keeps the largest of every output `largest.<parameter>`."""

    def __init__(self, graph: bytes, where: str) -> None:
        self._outputs: dict[str, np.ndarray[Any, np.dtype[np.float32]]] = {}
        self.largest: dict[str, float] = {}
        super().__init__(graph, where)
        self.largest.clear()  # of the empty scene it warmed up on

    def _bind(self, s: int, t: int, fresh: bool) -> Any:
        bound = super()._bind(s, t, fresh)
        for output in self.session.get_outputs():
            if output.name.startswith("largest."):
                value = self._outputs.setdefault(output.name, np.zeros((), np.float32))
                bound.binding.bind_output(output.name, "cpu", 0, np.float32, (), value.ctypes.data)
        return bound

    def _run(self, *args: Any) -> Any:
        logits = super()._run(*args)
        for output, value in self._outputs.items():
            name = output.removeprefix("largest.")
            self.largest[name] = max(self.largest.get(name, 0.0), float(value))
        return logits
