"""What computes microgpt: one interface, a file for each runtime. A backend is buffers and graphs; the engine keeps all the books.

    numpy        the oracle; needs nothing
    onnxruntime  the default in the car
    torch        the reference for training and for ratios
    tensorrt     on NVIDIA devices

Legend: B scenes, S positions of a pass, T = `masks.CACHE_ROWS` rows of the static cache, V tokens of the vocabulary.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from whyway.reason.spec import ROWS, Float32s, ModelSpec, SceneTokens
from whyway.types import InputError

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

NAMES = ("numpy", "onnxruntime", "torch", "tensorrt")


class BackendError(RuntimeError):
    """It cannot compute any more: its device is gone, out of memory, or refuses. The text is one line."""


@dataclass(frozen=True, slots=True)
class BackendInfo:
    """What really computes, for logs and diagnostics."""

    name: str
    version: str
    device: str
    """cpu, cuda:0, ..."""
    precision: str
    """fp32, fp16, bf16 or int8 (weights)."""
    weights_sha256: str
    """`parameters.weights_sha256` of the model, before any rounding."""
    graph_sha256: str = ""
    """Of the file that is executed, where there is one."""


class Backend(Protocol):
    """Scenes in, logits out. Not thread-safe: the cache is state between calls, and it belongs to the last `prefill`.

    Its calls raise `BackendError` when they cannot compute; what is in the cache then is nobody's.
    """

    @property
    def info(self) -> BackendInfo:
        """What really computes."""
        ...

    @property
    def spec(self) -> ModelSpec:
        """The size of the model."""
        ...

    @property
    def step_sizes(self) -> tuple[int, ...]:
        """The numbers of positions S that `step` takes, rising; empty: any. The engine fills passes up to one of them, so
        the last must be at least `engine.LARGEST_PASS`.
        """
        ...

    def prefill(self, batch: Sequence[SceneTokens]) -> None:
        """Forget everything and read scenes: fills the first `PREFIX_ROWS` rows of the cache."""
        ...

    def step(self, tokens: Ints, fields: Ints, slots: Ints, rows: Ints, mask: Bools) -> Float32s:
        """One pass over some positions of every scene.

        Keys and values of all positions are written to the cache first, then each attends to the rows its mask names.

        Args:
          tokens: (B, S) values, or `MASK` for queries and padding; B as in the last `prefill`.
          fields: (B, S)
          slots: (B, S) a position also carries the scene row behind its slot (`spec.ROW_OF_SLOT`).
          rows: (B, S) cache row each position is written to: consecutive, rows[b, s] = rows[b, 0] + s.
          mask: (B, S, T) rows each position attends to; at least one each.

        Returns:
          (B, S, V) logits of all positions, before the grammar's mask; those of values mean nothing.
        """
        ...

    def close(self) -> None:
        """Give back what it holds; `prefill` and `step` are not called any more."""
        ...


class Model(Protocol):
    """What backends need of a checkpoint (`reason.checkpoint.Model`)."""

    @property
    def spec(self) -> ModelSpec:
        """The size of the model."""
        ...

    @property
    def weights(self) -> Mapping[str, NDArray[np.float32]]:
        """By the names of `parameters.parameter_shapes`, adapters merged."""
        ...


def stacked(batch: Sequence[SceneTokens]) -> tuple[dict[str, Float32s], Bools]:
    """Scenes as arrays: kind -> (B, rows, features), and (B, P) rows in use.

    Raises:
      InputError: there is no scene, or one without the ego's row, so that nobody would have anything to read.
    """
    if not batch:
        raise InputError("no scene to read; give at least one")
    valid = np.stack([scene.valid for scene in batch])
    if not valid[:, 0].all():
        raise InputError("a scene without the ego's row; every scene has it")
    features = {
        k: np.stack([s.features[k] for s in batch]).astype(np.float32, copy=False) for k in ROWS
    }
    return features, valid


class _Module(Protocol):
    def make(self, model: Model) -> Backend:
        """Every backend's file has this function; it raises ImportError where its runtime is not installed."""
        ...


def make_backend(name: str, model: Model) -> Backend:
    """A backend by name, ready for `prefill`.

    Args:
      name: one of `NAMES`, or "auto": the first that can be had of tensorrt (only with an engine already built for this device),
        onnxruntime and numpy.
      model: spec and weights.

    Raises:
      InputError: no such backend, or it cannot run here.
    """
    if name == "auto":
        for candidate in ("tensorrt", "onnxruntime"):
            try:
                return _make(candidate, model)
            except InputError:  # not here: the next one; `info.name` says what really runs
                continue
        return _make("numpy", model)
    if name not in NAMES:
        raise InputError(f"there is no backend {name!r}; take auto or one of {', '.join(NAMES)}")
    return _make(name, model)


def _make(name: str, model: Model) -> Backend:
    try:
        module = cast(_Module, importlib.import_module(f"whyway.reason.backends.{name}"))
        return module.make(model)
    except ImportError as missing:
        extra = {"torch": "train", "tensorrt": "tensorrt"}.get(name)
        remedy = f"pip install 'whyway[{extra}]'" if extra else f"pip install {name}"
        raise InputError(f"the backend {name} needs: {remedy} ({missing})") from None
