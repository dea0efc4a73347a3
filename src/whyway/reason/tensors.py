"""Named float arrays <-> safetensors. No pickle, numpy only; nothing in a file is trusted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from whyway.reason.manifest import ModelError

Float32s = NDArray[np.float32]
Weights = Mapping[str, Float32s]

MOST_HEADER_BYTES = 1 << 20
"""Names and shapes of some thousand arrays; safetensors itself would read 100 MB."""
_LENGTH_BYTES = 8
_KINDS = ("F32", "F16")


def read_tensors(data: bytes, where: Path) -> dict[str, Float32s]:
    """The arrays in a file, as float32 that cannot be written to.

    Args:
      data: the file's bytes.
      where: its path, for messages.

    Raises:
      ModelError: no safetensors, of another kind of number, or one of them is not finite.
    """
    try:
        length = int.from_bytes(data[:_LENGTH_BYTES], "little")
        if not 2 <= length <= min(MOST_HEADER_BYTES, len(data) - _LENGTH_BYTES):
            raise ValueError(f"a header of {length} bytes")
        header = json.loads(data[_LENGTH_BYTES : _LENGTH_BYTES + length])
        header.pop("__metadata__", None)
        kinds = {str(entry["dtype"]) for entry in header.values()}
        if not kinds <= set(_KINDS):
            raise ValueError(f"numbers of the kind {sorted(kinds - set(_KINDS))[0]}")
        arrays = load(data)
    except (
        SafetensorError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        RecursionError,
    ) as e:
        why = " ".join(str(e).split())[:200]
        raise ModelError(
            f"{where}: not readable as safetensors of {' or '.join(_KINDS)}: {why}; fetch the model again"
        ) from None
    return {name: _checked(name, arrays[name], where) for name in sorted(arrays)}


def _checked(name: str, array: NDArray[np.floating], where: Path) -> Float32s:
    single = array.astype(np.float32, copy=False)
    if not np.isfinite(single).all():
        raise ModelError(
            f"{where}: {name} holds numbers that are not finite: its training failed; make it anew"
        )
    single.flags.writeable = False
    return single


def tensor_bytes(weights: Weights, half: bool = False) -> bytes:
    """The arrays as a file, the same bytes for the same arrays.

    Args:
      weights: by name.
      half: store them as float16, half the size; `rounded` says what that leaves of them.
    """
    kind = np.float16 if half else np.float32
    arrays = {name: np.ascontiguousarray(weights[name], dtype=kind) for name in sorted(weights)}
    return save(arrays)


def rounded(weights: Weights) -> dict[str, Float32s]:
    """What is left of the arrays after a file of float16."""
    return {name: w.astype(np.float16).astype(np.float32) for name, w in weights.items()}
