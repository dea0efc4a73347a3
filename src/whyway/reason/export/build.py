"""Weights and a recipe -> the bytes of an ONNX file. One function for all dialects, precisions and runtimes.

The graph is that of `reason.backends.numpy`, line by line; its inputs and outputs stand in `recipe`. The same input gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from whyway.reason.export.dialects import dialect
from whyway.reason.export.matrices import Float, Matrix, Observed, Stored, matrix, table
from whyway.reason.export.nodes import MICROSOFT, Nodes, import_onnx
from whyway.reason.export.recipe import (
    OPSET,
    Recipe,
    Stamp,
    cache_names,
    cache_shape,
    stamp_to_metadata,
)
from whyway.reason.masks import CACHE_ROWS
from whyway.reason.parameters import check_parameters, weights_sha256
from whyway.reason.spec import NO_ROW, PREFIX_ROWS, ROW_OF_SLOT, ROWS, Float32s, ModelSpec

Weights = Mapping[str, Float32s]

MOST_BYTES = 1 << 31
"""A protobuf message holds no more; 100 M parameters have 400 MB."""


def build(
    spec: ModelSpec,
    weights: Weights,
    recipe: Recipe,
    *,
    ranges: Mapping[str, float] | None = None,
    git: str = "",
    observed: bool = False,
) -> bytes:
    """The graph of a model.

    Args:
      spec: its size.
      weights: its parameters, by the names of `reason.parameters`.
      recipe: what the graph is for.
      ranges: largest input of every matrix in the blocks, for 8 bits in TensorRT (`make.observed_ranges`).
      git: commit of this code, for the metadata.
      observed: add an output `largest.<parameter>` for every matrix in the blocks; only in float32.

    Returns:
      A file that `onnx.checker` has passed.

    Raises:
      InputError: onnx is not installed, or the weights are not those of the spec.
    """
    onnx = import_onnx()
    check_parameters(spec, weights)
    g = Nodes(OPSET[recipe.dialect])
    inputs = _Inputs(g, spec, recipe)
    multiply: Matrix = Observed(g) if observed else matrix(recipe, g, ranges)
    scene = _scene(g, spec, weights, recipe, inputs)
    x = _embed(g, spec, weights, recipe, scene)
    d = dialect(recipe, g, spec)
    d.place("rows", "mask")
    caches = iter(cache_names(spec.depth))
    for n in range(spec.depth):
        w = {part: weights[f"blocks.{n}.{part}.weight"] for part in _PARTS}
        qkv = multiply(d.norm(x, w["attention_norm"]), w["qkv"], f"blocks.{n}.qkv.weight")
        q, k, v = _thirds(g, qkv)
        keys, values = d.put(*_past(caches, k)), d.put(*_past(caches, v))
        mixed = multiply(d.attend(q, keys, values), w["proj"], f"blocks.{n}.proj.weight")
        x = g("Add", x, mixed)
        up = g("Relu", multiply(d.norm(x, w["mlp_norm"]), w["up"], f"blocks.{n}.up.weight"))
        x = g("Add", x, multiply(g("Mul", up, up), w["down"], f"blocks.{n}.down.weight"))
    logits = multiply(
        d.norm(x, weights["final_norm.weight"]), weights["lm_head.weight"], "lm_head.weight"
    )
    g("Cast", logits, to=g.tensor_type(np.float32), name="logits")

    outputs = inputs.outputs()
    if isinstance(multiply, Observed):
        outputs += [g.value(name, np.float32, []) for name in multiply.outputs.values()]
    model = onnx.helper.make_model(
        g.graph(inputs.declared, outputs, "microgpt"),
        opset_imports=_opsets(onnx, recipe),
        ir_version=onnx.helper.find_min_ir_version_for(_opsets(onnx, recipe)[:1]),
        producer_name="whyway",
    )
    stamp = Stamp(recipe, spec, weights_sha256(weights), git)
    onnx.helper.set_model_props(model, stamp_to_metadata(stamp))
    onnx.checker.check_model(model, full_check=True)
    data: bytes = model.SerializeToString(deterministic=True)
    assert len(data) < MOST_BYTES
    return data


_PARTS = ("attention_norm", "qkv", "proj", "mlp_norm", "up", "down")


def _opsets(onnx: Any, recipe: Recipe) -> list[Any]:
    own = [onnx.helper.make_opsetid(MICROSOFT, 1)] if recipe.runtime == "onnxruntime" else []
    return [onnx.helper.make_opsetid("", OPSET[recipe.dialect]), *own]


class _Inputs:
    """Inputs and outputs as `recipe` names them."""

    def __init__(self, g: Nodes, spec: ModelSpec, recipe: Recipe) -> None:
        self._g, self._spec, self._recipe = g, spec, recipe
        self.batch: int | str = recipe.batch or "B"
        self.positions: int | str = recipe.positions or "S"
        self.rows: int | str = recipe.cache_rows or "T"
        self.half = np.dtype(np.float16 if recipe.precision == "fp16" else np.float32)
        of_pass = (self.batch, self.positions)
        self.declared = [
            g.value(n, np.int64, of_pass) for n in ("tokens", "fields", "slots", "rows")
        ]
        self.declared.append(g.value("mask", np.bool_, (*of_pass, self.rows)))
        for kind, count in spec.feature_counts:
            shape = (self.batch, ROWS[kind], count)
            self.declared.append(g.value(f"features.{kind}", np.float32, shape))
        self.declared.append(g.value("valid", np.bool_, (self.batch, PREFIX_ROWS)))
        if recipe.conditional:
            self.declared += [g.value("fresh", np.bool_, ()), self.scene("scene")]
        self.declared += [self._cache(past) for past, _ in cache_names(spec.depth)]

    def outputs(self) -> list[Any]:
        """Logits, cache, scene."""
        g, spec = self._g, self._spec
        logits = g.value("logits", np.float32, (self.batch, self.positions, spec.vocabulary_size))
        caches = [self._cache(present) for _, present in cache_names(spec.depth)]
        return [logits, *caches, *([self.scene("next_scene")] if self._recipe.conditional else [])]

    def scene(self, name: str) -> Any:
        """Declaration of the scene's rows and the row of zeros."""
        return self._g.value(name, self.half, (self.batch, PREFIX_ROWS + 1, self._spec.width))

    def _cache(self, name: str) -> Any:
        shape: list[int | str] = list(
            cache_shape(self._spec, 1, CACHE_ROWS, self._recipe.heads_apart)
        )
        shape[0], shape[shape.index(CACHE_ROWS)] = self.batch, self.rows
        return self._g.value(name, self.half, shape)


def _past(caches: Any, new: str) -> tuple[str, str, str]:
    past, present = next(caches)
    return past, new, present


def _thirds(g: Nodes, x: str) -> list[str]:
    """(B, S, 3 W) -> three of (B, S, W); opset 18 has the number for an attribute."""
    more: dict[str, Any] = {"num_outputs": 3} if g.opset >= 18 else {}
    return g.many("Split", x, names=g.names("Split", 3), axis=-1, **more)


def _scene(g: Nodes, spec: ModelSpec, weights: Weights, recipe: Recipe, inputs: _Inputs) -> str:
    """(B, P + 1, W) what positions carry of the rows behind their slots; the last row is zero."""
    if not recipe.conditional:
        return _encode(g, spec, weights, recipe)
    fresh, kept = Nodes(g.opset, g), Nodes(g.opset, g)
    encoded = _encode(fresh, spec, weights, recipe)
    same = kept("Identity", "scene")
    then = fresh.graph([], [inputs.scene(encoded)], "encode")
    otherwise = kept.graph([], [inputs.scene(same)], "keep")
    return g("If", "fresh", then_branch=then, else_branch=otherwise, name="next_scene")


def _encode(g: Nodes, spec: ModelSpec, weights: Weights, recipe: Recipe) -> str:
    """Each row through its kind's two layers; rows not in use are zero."""
    kind_of = np.dtype(np.float16 if recipe.precision == "fp16" else np.float32)
    small = recipe.precision == "int8" and recipe.runtime == "onnxruntime"
    multiply: Matrix = Stored(g) if small else Float(g, kind_of)
    encoded = []
    for kind in ROWS:
        x = f"features.{kind}"
        if recipe.precision == "fp16":
            x = g("Cast", x, to=g.tensor_type(np.float16))
        for part in ("up", "down"):
            name = f"encoders.{kind}.{part}"
            bias = g.constant(weights[f"{name}.bias"].astype(kind_of))
            x = g("Add", multiply(x, weights[f"{name}.weight"], name), bias)
            x = g("Relu", x) if part == "up" else x
        encoded.append(x)
    used = g("Unsqueeze", g("Cast", "valid", to=g.tensor_type(kind_of)), g.ints(2))
    rows = g("Mul", g("Concat", *encoded, axis=1), used)
    pads = g.ints(0, 0, 0, 0, 1, 0)  # one row behind the last
    return g("Pad", rows, pads)


def _embed(g: Nodes, spec: ModelSpec, weights: Weights, recipe: Recipe, scene: str) -> str:
    """(B, S, W) token, field, slot, and the scene row behind the slot. Behind the real entries of each table stand those of prefix rows."""
    nothing = np.zeros((1, spec.width), dtype=np.float32)
    slot_of_row = np.full(PREFIX_ROWS, -1)
    with_row = np.flatnonzero(ROW_OF_SLOT != NO_ROW)
    slot_of_row[ROW_OF_SLOT[with_row]] = with_row
    slots = weights["slot_embedding.weight"]
    of_rows = np.where(slot_of_row[:, None] >= 0, slots[slot_of_row], np.float32(0.0))
    tables = {
        "tokens": np.concatenate([weights["token_embedding.weight"], nothing]),
        "fields": np.concatenate([weights["field_embedding.weight"], nothing]),
        "slots": np.concatenate([slots, of_rows]),
    }
    parts = [g("Gather", table(g, tables[ids], recipe), ids) for ids in tables]
    # one row of the scene by a product with ones and zeros: exact, and every runtime has it
    picks = np.eye(PREFIX_ROWS + 1)[np.concatenate([ROW_OF_SLOT, np.arange(PREFIX_ROWS)])]
    picks = picks.astype(np.float16 if recipe.precision == "fp16" else np.float32)
    x = g("MatMul", g("Gather", g.constant(picks), "slots"), scene)
    for part in parts:
        x = g("Add", x, part)
    return x
