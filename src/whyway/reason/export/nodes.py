"""One ONNX graph under construction: operators are called like functions on names of values. The one place that imports onnx."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whyway.types import InputError

MICROSOFT = "com.microsoft"
"""Domain of onnxruntime's own operators."""


def import_onnx() -> ModuleType:
    """The package that writes ONNX files; only exporting needs it.

    Raises:
      InputError: it is not installed.
    """
    try:
        import onnx
        import onnx.checker
        import onnx.helper
        import onnx.numpy_helper
    except ImportError as missing:
        raise InputError(f"exporting needs onnx: pip install 'whyway[train]' ({missing})") from None
    return onnx


class Nodes:
    """A graph's nodes and constants. Names are numbered in the order of the calls, so the same calls give the same bytes."""

    def __init__(self, opset: int, outer: Nodes | None = None) -> None:
        """An empty graph.

        Args:
          opset: of the standard operators.
          outer: the graph this one is a branch of; constants go there, and names stay unique.
        """
        self.onnx = import_onnx()
        self.opset = opset
        self._outer = outer
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._known: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._count = 0

    def __call__(
        self, op: str, *inputs: str, name: str = "", domain: str = "", **attributes: Any
    ) -> str:
        """Add an operator with one output; gives the output's name."""
        return self.many(op, *inputs, names=[name or self._fresh(op)], domain=domain, **attributes)[
            0
        ]

    def many(
        self, op: str, *inputs: str, names: Sequence[str], domain: str = "", **attributes: Any
    ) -> list[str]:
        """Add an operator with several outputs, by their names."""
        node = self.onnx.helper.make_node(op, inputs, names, domain=domain, **attributes)
        self._nodes.append(node)
        return list(names)

    def names(self, op: str, count: int) -> list[str]:
        """Names for outputs."""
        return [self._fresh(op) for _ in range(count)]

    def constant(self, value: NDArray[Any], name: str = "") -> str:
        """Add a constant; equal ones without a name are stored once."""
        if self._outer is not None:
            return self._outer.constant(value, name)
        value = np.array(value, order="C")
        key = (value.dtype.str, value.shape, value.tobytes())
        if not name and key in self._known:
            return self._known[key]
        name = name or self._fresh("c")
        self._constants.append(self.onnx.numpy_helper.from_array(value, name))
        self._known.setdefault(key, name)
        return name

    def ints(self, *values: int) -> str:
        """A constant list of int64: axes and shapes."""
        return self.constant(np.array(values, dtype=np.int64))

    def value(self, name: str, dtype: Any, shape: Sequence[int | str]) -> Any:
        """The declaration of an input or output."""
        kind = self.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return self.onnx.helper.make_tensor_value_info(name, kind, list(shape))

    def graph(self, inputs: Sequence[Any], outputs: Sequence[Any], name: str) -> Any:
        """What has been called until now, as a graph."""
        return self.onnx.helper.make_graph(self._nodes, name, inputs, outputs, self._constants)

    def tensor_type(self, dtype: Any) -> int:
        """ONNX's number for a numpy type."""
        return int(self.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def _fresh(self, stem: str) -> str:
        if self._outer is not None:
            return self._outer._fresh(stem)
        self._count += 1
        return f"{stem}.{self._count}"
