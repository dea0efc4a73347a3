"""The operators that differ between the dialects: normalisation, writing to the cache, attention.

A is what ONNX has for transformers since opset 24; B says the same in operators of opset 17, which every TensorRT since 8.6 and every
onnxruntime in use reads. Norms and softmax are computed in float32 whatever the rest is in (squares overflow float16), but for the
softmax of TensorRT's fused attention, whose kernels choose.

Legend: B scenes, S positions of a pass, T cache rows, W width, H heads, D width of a head.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np

from whyway.reason.export.nodes import Nodes
from whyway.reason.export.recipe import OPSET, Recipe, cache_shape
from whyway.reason.parameters import NORM_EPS
from whyway.reason.spec import HEAD_WIDTH, Float32s, ModelSpec

SCALE = 1.0 / math.sqrt(HEAD_WIDTH)
"""Of the scores: dot products of heads keep the variance of their parts."""
UNSEEN = -1e9
"""Added to the scores of rows that are not read: their share is exactly zero in float32."""


class Dialect(Protocol):
    """What the builder asks for; values are named by text, (B, S, W) where nothing else is said."""

    def norm(self, x: str, gain: Float32s) -> str:
        """RMSNorm over the last axis."""
        ...

    def place(self, rows: str, mask: str) -> None:
        """Prepare, once for all layers: rows (B, S) int64, mask (B, S, T) bool."""
        ...

    def put(self, past: str, new: str, present: str) -> str:
        """The cache with a pass's keys or values written to their rows."""
        ...

    def attend(self, q: str, keys: str, values: str) -> str:
        """Each position's mixture of the values of the rows it reads; keys and values are whole caches."""
        ...


def dialect(recipe: Recipe, g: Nodes, spec: ModelSpec) -> Dialect:
    """The dialect of a recipe, writing to a graph."""
    return (Fused if recipe.dialect == "A" else Decomposed)(recipe, g, spec)


class _Heads:
    """Heads taken apart and put together."""

    def __init__(self, recipe: Recipe, g: Nodes, spec: ModelSpec) -> None:
        self.g, self.spec, self.apart = g, spec, recipe.heads_apart
        self.half = recipe.precision == "fp16"
        assert g.opset == OPSET[recipe.dialect]

    def split(self, x: str, order: tuple[int, int, int, int] = (0, 2, 1, 3)) -> str:
        """(B, S, W) -> (B, H, S, D), or in another order of the axes (B, S, H, D)."""
        heads = self.g("Reshape", x, self.g.ints(0, 0, self.spec.heads, HEAD_WIDTH))
        return self.g("Transpose", heads, perm=order)

    def join(self, x: str) -> str:
        """(B, H, S, D) -> (B, S, W)."""
        rows_first = self.g("Transpose", x, perm=[0, 2, 1, 3])
        return self.g("Reshape", rows_first, self.g.ints(0, 0, self.spec.width))

    def number(self, value: float) -> str:
        """A float32 constant."""
        return self.g.constant(np.array(value, dtype=np.float32))

    def single(self, x: str) -> str:
        """To float32."""
        return self.g("Cast", x, to=self.g.tensor_type(np.float32)) if self.half else x

    def back(self, x: str) -> str:
        """From float32 to what the graph computes in."""
        return self.g("Cast", x, to=self.g.tensor_type(np.float16)) if self.half else x


class Fused(_Heads):
    """Dialect A."""

    def norm(self, x: str, gain: Float32s) -> str:
        """RMSNormalization; its `stash_type` keeps the squares in float32."""
        gains = self.g.constant(gain.astype(np.float16 if self.half else np.float32))
        return self.g(
            "RMSNormalization", x, gains, axis=-1, epsilon=NORM_EPS, stash_type=self.g.tensor_type(np.float32)
        )  # fmt: skip

    def place(self, rows: str, mask: str) -> None:
        """TensorScatter writes a run that begins at one row: rows are consecutive, the first says all."""
        self._start = self.g("Gather", rows, self.g.constant(np.array(0, np.int64)), axis=1)
        self._mask = self.g("Unsqueeze", mask, self.g.ints(1))

    def put(self, past: str, new: str, present: str) -> str:
        """TensorScatter; in place where input and output are bound to the same memory."""
        if self.apart:
            new = self.split(new)
        axis = 2 if self.apart else 1
        return self.g("TensorScatter", past, new, self._start, axis=axis, name=present)

    def attend(self, q: str, keys: str, values: str) -> str:
        """Attention; with three axes it parts the heads itself. TensorRT's kernels choose the type of the softmax, and its parser refuses
        to be told one.
        """
        if self.apart:
            return self.join(
                self.g("Attention", self.split(q), keys, values, self._mask, scale=SCALE)
            )
        return self.g(
            "Attention", q, keys, values, self._mask, scale=SCALE, softmax_precision=self.g.tensor_type(np.float32),
            q_num_heads=self.spec.heads, kv_num_heads=self.spec.heads,
        )  # fmt: skip


class Decomposed(_Heads):
    """Dialect B."""

    def norm(self, x: str, gain: Float32s) -> str:
        """The formula of `parameters.NORM_EPS`."""
        x = self.single(x)
        mean = self.g("ReduceMean", self.g("Mul", x, x), axes=[-1], keepdims=1)
        root = self.g("Sqrt", self.g("Add", mean, self.number(NORM_EPS)))
        return self.back(self.g("Mul", self.g("Div", x, root), self.g.constant(gain)))

    def place(self, rows: str, mask: str) -> None:
        """ScatterElements wants the row of every number, and scores a bias."""
        g, spec = self.g, self.spec
        # zeros of a row's shape make the rows' numbers as many as what is written
        part = cache_shape(spec, 1, 1, self.apart)
        axes = [1, 3] if self.apart else [2]
        spread = g.constant(np.zeros(part, dtype=np.int64))
        self._rows = g("Add", g("Unsqueeze", rows, g.ints(*axes)), spread)
        bias = g("Where", mask, self.number(0.0), self.number(UNSEEN))
        self._bias = g("Unsqueeze", bias, g.ints(1))

    def put(self, past: str, new: str, present: str) -> str:
        """ScatterElements along the rows."""
        if self.apart:
            new = self.split(new)
        axis = 2 if self.apart else 1
        return self.g("ScatterElements", past, self._rows, new, axis=axis, name=present)

    def attend(self, q: str, keys: str, values: str) -> str:
        """softmax(q k / sqrt(D) + bias) v, head by head."""
        g = self.g
        keys = g("Transpose", keys, perm=[0, 1, 3, 2]) if self.apart else self.split(keys, (0, 2, 3, 1))  # fmt: skip
        values = values if self.apart else self.split(values)
        scores = g("Mul", self.single(g("MatMul", self.split(q), keys)), self.number(SCALE))
        shares = g("Softmax", g("Add", scores, self._bias), axis=-1)
        return self.join(g("MatMul", self.back(shares), values))
