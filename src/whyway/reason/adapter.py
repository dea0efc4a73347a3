"""A LoRA checkpoint: which backbone it was trained on (uri and hash), low-rank weights, and merging them into it without torch or peft.

W' = W + (alpha / r) B A for each adapted matrix, in float32 (LoRA, arXiv 2106.09685), as peft's `merge_and_unload` does. The folder is
peft's (`adapter_config.json`, `adapter_model.safetensors`) with `meta.json` and, where it was trained, `head.safetensors` beside it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from whyway.reason.manifest import (
    File,
    Made,
    ModelError,
    Versions,
    check_format,
    read_json,
    read_listed,
)
from whyway.reason.tensors import Float32s, Weights, read_tensors

META = "meta.json"
CONFIG = "adapter_config.json"
TENSORS = "adapter_model.safetensors"

_PREFIX = "base_model.model."
"""What peft puts before the names of the module it wraps."""
_PLAIN = {"use_rslora": False, "use_dora": False, "fan_in_fan_out": False, "lora_bias": False, "bias": "none"}  # fmt: skip
"""The settings of peft under which the formula above holds."""


@dataclass(frozen=True, slots=True)
class AdapterMeta:
    """`meta.json`."""

    format: int
    base_uri: str
    """Name or folder of the backbone's model; a relative one is looked for from the adapter's folder, too."""
    base_sha256: str
    """`parameters.weights_sha256` of the backbone."""
    versions: Versions
    made: Made
    files: Mapping[str, File]

    def __post_init__(self) -> None:
        check_format(self.format)


@dataclass(frozen=True, slots=True, eq=False)
class Adapter:
    """What is added to a backbone."""

    meta: AdapterMeta
    scale: float
    """alpha / r."""
    low_rank: Mapping[str, tuple[Float32s, Float32s]]
    """Name of the adapted matrix (m, n) -> A (r, n), B (m, r)."""
    whole: Weights
    """Parameters trained whole, which take the place of the backbone's."""

    @property
    def trained(self) -> int:
        """Trained numbers."""
        parts = sum(a.size + b.size for a, b in self.low_rank.values())
        return int(parts + sum(w.size for w in self.whole.values()))


def read_adapter(folder: Path) -> Adapter:
    """A LoRA checkpoint's own part.

    Raises:
      ModelError: damaged, or of a kind that is not merged here.
    """
    meta = read_json(folder / META, AdapterMeta, "an adapter's meta.json")
    config = _config(read_listed(folder, CONFIG, meta.files), folder / CONFIG)
    path = folder / TENSORS
    tensors = read_tensors(read_listed(folder, TENSORS, meta.files), path)
    low_rank: dict[str, tuple[Float32s, Float32s]] = {}
    whole: dict[str, Float32s] = {}
    for key, array in tensors.items():
        name = key.removeprefix(_PREFIX)
        if name.endswith(".lora_A.weight"):
            module = name.removesuffix(".lora_A.weight")
            other = tensors.get(f"{_PREFIX}{module}.lora_B.weight")
            rank = config["r"]
            if (
                other is None
                or array.ndim != 2
                or other.ndim != 2
                or not array.shape[0] == other.shape[1] == rank
            ):
                raise ModelError(f"{path}: {module} has no A and B of rank {rank}; save it again")
            low_rank[f"{module}.weight"] = array, other
        elif not name.endswith(".lora_B.weight"):
            whole[name] = array
    unpaired = len(tensors) - 2 * len(low_rank) - len(whole)
    if unpaired:
        raise ModelError(f"{path}: {unpaired} B without an A; save the adapter again")
    return Adapter(meta, config["lora_alpha"] / config["r"], low_rank, whole)


def merged(base: Weights, adapter: Adapter, where: Path) -> dict[str, Float32s]:
    """The backbone's weights with an adapter in them.

    Args:
      base: the backbone the adapter names; its hash has been compared.
      adapter: to merge.
      where: the adapter's folder, for messages.

    Raises:
      ModelError: it adapts what the backbone has not, or with another shape.
    """
    out = dict(base)
    for name, (a, b) in adapter.low_rank.items():
        if name not in base or base[name].shape != (b.shape[0], a.shape[1]):
            raise ModelError(f"{where}: adapts {name}, which the backbone has not in this shape")
        out[name] = base[name] + np.float32(adapter.scale) * (b @ a)
    for name, array in adapter.whole.items():
        if name not in base or base[name].shape != array.shape:
            raise ModelError(f"{where}: replaces {name}, which the backbone has not in this shape")
        out[name] = array
    return out


def _config(data: bytes, where: Path) -> dict[str, float]:
    """Rank and alpha from peft's file; what would change the formula is refused."""
    try:
        config = json.loads(data)
        rank, alpha = config["r"], config["lora_alpha"]
        if config.get("peft_type") != "LORA":
            raise ValueError(f"peft_type {config.get('peft_type')!r} is not LORA")
        for key, plain in _PLAIN.items():
            if config.get(key, plain) != plain:
                raise ValueError(f"{key}={config[key]!r}")
        for key in ("rank_pattern", "alpha_pattern", "layers_pattern", "trainable_token_indices"):
            if config.get(key):
                raise ValueError(f"a {key}")
        if type(rank) is not int or not 1 <= rank <= 4096 or type(alpha) not in (int, float):
            raise ValueError(f"rank {rank!r}, alpha {alpha!r}")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as wrong:
        raise ModelError(
            f"{where}: no plain LoRA, which is all that is merged here: {str(wrong)[:200]}"
        ) from None
    return {"r": rank, "lora_alpha": float(alpha)}
