"""How a weight matrix is stored in a graph, and how rows are multiplied by it: float32, float16, or 8 bits.

    Float          a MatMul in float32 or float16
    RowsInt8       onnxruntime: weights 8 bit per output; each row of the input is rounded to 8 bit by its own largest number when it comes
    Quantised      TensorRT: QuantizeLinear and DequantizeLinear around weights (per output) and inputs (a fixed range each, measured before)
    Observed       Float that also says how large its inputs get: what `Quantised` has to know

Rounding each row by itself keeps rows independent: what a position says does not depend on what else is in the pass or in the batch.
onnxruntime's own DynamicQuantizeMatMul takes one range for all rows; it is 20 to 40 % faster, and not that. MatMulNBits rounds weights in blocks
and is exact in the inputs' blocks, but loses to float32 from 16 rows on (1.31, AVX-512): passes here have 8 to 60.

Symmetric rounding, 127 steps to either side: w = scale * q.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from whyway.reason.export.nodes import MICROSOFT, Nodes
from whyway.reason.export.recipe import Recipe
from whyway.reason.spec import Float32s

STEPS = 127
"""On either side of zero."""
ZERO = 128
"""What zero is as uint8: onnxruntime multiplies uint8 by int8 on every CPU."""
TINY = 1e-12
"""A range of inputs that were all zero."""


class Matrix(Protocol):
    """x (B, S, in) times a weight (out, in), as `torch.nn.Linear` stores it -> (B, S, out)."""

    def __call__(self, x: str, weight: Float32s, name: str) -> str:
        """Add the product to the graph; `name` is the parameter's."""
        ...


def rounded(weight: Float32s) -> tuple[NDArray[np.int8], Float32s]:
    """8 bits per number, one scale per output: weight (out, in) -> (q (out, in), scale (out,))."""
    scale = np.abs(weight).max(axis=1) / STEPS
    scale = np.where(scale > 0.0, scale, 1.0).astype(np.float32)
    q = np.clip(np.rint(weight / scale[:, None]), -STEPS, STEPS)
    return q.astype(np.int8), scale


def table(g: Nodes, values: Float32s, recipe: Recipe) -> str:
    """An embedding as a constant: its rows are gathered, not multiplied, and rounding them would round every later layer's input."""
    if recipe.precision == "fp32":
        return g.constant(values)
    half = g.constant(values.astype(np.float16))
    return half if recipe.precision == "fp16" else g("Cast", half, to=g.tensor_type(np.float32))


def matrix(recipe: Recipe, g: Nodes, ranges: Mapping[str, float] | None) -> Matrix:
    """What a recipe's blocks multiply with.

    Args:
      recipe: precision and runtime.
      g: the graph.
      ranges: largest input by parameter, for 8 bits in TensorRT (`Observed`).
    """
    if recipe.precision != "int8":
        return Float(g, np.dtype(np.float16 if recipe.precision == "fp16" else np.float32))
    if recipe.runtime == "onnxruntime":
        return RowsInt8(g)
    assert ranges is not None, "8 bits for TensorRT need the ranges of the inputs"
    return Quantised(g, ranges)


class Float:
    """Nothing is rounded but to the type."""

    def __init__(self, g: Nodes, dtype: np.dtype[Any]) -> None:
        self._g, self._dtype = g, dtype

    def __call__(self, x: str, weight: Float32s, name: str) -> str:
        """One MatMul."""
        return self._g("MatMul", x, self._g.constant(weight.T.astype(self._dtype)))


class Observed(Float):
    """float32, and one more output for every matrix: the largest absolute number that went in."""

    def __init__(self, g: Nodes) -> None:
        super().__init__(g, np.dtype(np.float32))
        self.outputs: dict[str, str] = {}

    def __call__(self, x: str, weight: Float32s, name: str) -> str:
        """Multiply and observe."""
        largest = self._g(
            "ReduceMax", self._g("Abs", x), axes=[0, 1, 2], keepdims=0, name=f"largest.{name}"
        )
        self.outputs[name] = largest
        return super().__call__(x, weight, name)


class Stored:
    """Weights of 8 bits, float32 arithmetic: the runtime unpacks them once, when it loads the graph.

    For the scene's encoders: features of metres and metres per second must not be rounded to 127 steps of the row's largest.
    """

    def __init__(self, g: Nodes) -> None:
        self._g = g

    def __call__(self, x: str, weight: Float32s, name: str) -> str:
        """Cast, scale (both folded by the runtime), multiply."""
        q, scale = rounded(weight)
        single = self._g("Cast", self._g.constant(q.T), to=self._g.tensor_type(np.float32))
        return self._g("MatMul", x, self._g("Mul", single, self._g.constant(scale)))


class RowsInt8:
    """onnxruntime: integer products of 8 bits, rows rounded by themselves."""

    def __init__(self, g: Nodes) -> None:
        self._g = g

    def __call__(self, x: str, weight: Float32s, name: str) -> str:
        """Scale each row to its largest number, round, multiply, scale back.

        A row of zeros is divided by zero: what that rounds to is some whole number, which is scaled back by zero.
        """
        g, (q, scale) = self._g, rounded(weight)
        step = g.constant(np.array(1.0 / STEPS, dtype=np.float32))
        zero = g.constant(np.array(ZERO, dtype=np.uint8))
        squares = name.endswith(".down.weight")
        largest = self._largest(x if squares else g("Abs", x))
        whole = g("QuantizeLinear", g("Div", x, largest), step, zero)
        y = g(
            "MatMulIntegerToFloat", whole, g.constant(q.T), step, g.constant(scale), zero, domain=MICROSOFT
        )  # fmt: skip
        return g("Mul", y, largest)

    def _largest(self, x: str) -> str:
        """Of each row, (B, S, 1); axes are an attribute until opset 18, then an input."""
        if self._g.opset < 18:
            return self._g("ReduceMax", x, axes=[-1], keepdims=1)
        return self._g("ReduceMax", x, self._g.ints(-1), keepdims=1)


class Quantised:
    """TensorRT: explicit quantisation, which it turns into integer products of 8 bits."""

    def __init__(self, g: Nodes, ranges: Mapping[str, float]) -> None:
        self._g, self._ranges = g, ranges

    def __call__(self, x: str, weight: Float32s, name: str) -> str:
        """Q and DQ on the input, DQ on the weight."""
        g, (q, scale) = self._g, rounded(weight)
        step = g.constant(np.array(max(self._ranges[name], TINY) / STEPS, dtype=np.float32))
        zero = g.constant(np.array(0, dtype=np.int8))
        x = g("DequantizeLinear", g("QuantizeLinear", x, step, zero), step, zero)
        zeros = g.constant(np.zeros(len(scale), dtype=np.int8))
        w = g("DequantizeLinear", g.constant(q.T), g.constant(scale), zeros, axis=1)
        return g("MatMul", x, w)
