"""Which graph is wanted, and what its inputs and outputs are called. Read by the builder and by the runtimes; no onnx here.

One graph computes both kinds of passes. Prefix rows are positions like any other: `PREFIX_TOKEN`, `PREFIX_FIELD` and a slot of their own
(`prefix_slots`) stand behind the real ones in the embeddings, so that reading a scene is a pass over `PREFIX_ROWS` positions.

Legend: B scenes, S positions of a pass, T cache rows, P prefix rows, W width, H heads, D width of a head, V vocabulary.

    input                            output                  shape
    tokens fields slots rows                                 (B, S)    ids; cache row each position is written to, consecutive
    mask                                                     (B, S, T) bool, cache rows each position reads
    features.<kind>  valid                                   (B, rows, features)  (B, P) bool, the scene
    fresh  scene                     next_scene              () bool, (B, P + 1, W): encode the scene anew, or take it as it was
    past.<layer>.{key,value}         present.<layer>.{...}   cache, (B, T, W) or, heads apart, (B, H, T, D)
                                     logits                  (B, S, V) float32

`fresh` and `scene` are there only in graphs that encode conditionally (`Recipe.conditional`); the others encode in every pass.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from whyway.reason.masks import CACHE_ROWS
from whyway.reason.spec import HEAD_WIDTH, PREFIX_ROWS, ROWS, ModelSpec
from whyway.types import InputError

Dialect = Literal["A", "B"]
Precision = Literal["fp32", "fp16", "int8"]
Runtime = Literal["onnxruntime", "tensorrt"]

FORMAT = 1
"""Of the table above; runtimes refuse graphs of another one."""
OPSET = {"A": 24, "B": 17}
"""A: TensorScatter and Attention as operators (onnxruntime >= 1.25, TensorRT >= 10.15). B: what TensorRT 8.6 and older runtimes read."""
MOST = 4096
"""Layers, features, tokens; nothing is made for more."""
PREFIX = "whyway."
"""Of the keys in a graph's metadata."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What the graph is for. The weights decide the rest."""

    runtime: Runtime = "onnxruntime"
    dialect: Dialect = "A"
    precision: Precision = "fp32"
    batch: int | None = None
    """B, if it is to be fixed."""
    positions: int | None = None
    """S, if it is to be fixed."""

    def __post_init__(self) -> None:
        for name, kind in (("runtime", Runtime), ("dialect", Dialect), ("precision", Precision)):
            if getattr(self, name) not in get_args(kind):
                raise InputError(
                    f"{name} {getattr(self, name)!r}: take one of {', '.join(get_args(kind))}"
                )
        for name in ("batch", "positions"):
            size = getattr(self, name)
            if size is not None and not (type(size) is int and 1 <= size <= CACHE_ROWS):
                raise InputError(f"{name} {size!r}: take 1 to {CACHE_ROWS}, or leave it out")

    @property
    def heads_apart(self) -> bool:
        """Whether the cache is (B, H, T, D), as TensorRT's IKVCacheUpdateLayer wants it, or (B, T, W), which needs no transposes."""
        return self.runtime == "tensorrt"

    @property
    def conditional(self) -> bool:
        """Whether the scene is encoded only when it is fresh. CUDA graphs hold no conditions, and a GPU does not notice."""
        return self.runtime == "onnxruntime"

    @property
    def cache_rows(self) -> int | None:
        """T, where it is fixed: (B, T, W) with one scene can be cut short without moving anything."""
        return CACHE_ROWS if self.heads_apart else None

    @property
    def file_name(self) -> str:
        """In a model's folder: the shipped graph has the short name."""
        if self == SHIPPED:
            return "microgpt-8bit.onnx"
        return f"microgpt-{self.runtime}-{self.dialect}-{self.precision}.onnx"


SHIPPED = Recipe("onnxruntime", "A", "int8")
"""The graph that lies in a model's folder."""


def cache_names(depth: int) -> list[tuple[str, str]]:
    """(input, output) of every part of the cache: keys and values, layer by layer."""
    return [
        (f"past.{layer}.{part}", f"present.{layer}.{part}")
        for layer in range(depth)
        for part in ("key", "value")
    ]


def prefix_token(spec: ModelSpec) -> int:
    """The token of prefix rows: its embedding is zero."""
    return spec.vocabulary_size


def prefix_field(spec: ModelSpec) -> int:
    """The field of prefix rows: its embedding is zero."""
    return spec.field_count


def prefix_slots(spec: ModelSpec) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """(P,) the slots of prefix rows."""
    return spec.slot_count + np.arange(PREFIX_ROWS)


def cache_shape(spec: ModelSpec, batch: int, rows: int, heads_apart: bool) -> tuple[int, ...]:
    """Of one part of the cache."""
    if heads_apart:
        return batch, spec.heads, rows, HEAD_WIDTH
    return batch, rows, spec.width


# ------------------------------------------------------------------------------------------------------- metadata


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a graph's metadata says of it; written by the builder, checked by whoever runs it."""

    recipe: Recipe
    spec: ModelSpec
    weights_sha256: str
    """`parameters.weights_sha256` of the weights it was built from."""
    git: str = ""
    """Commit of the code that built it."""


def stamp_to_metadata(stamp: Stamp) -> dict[str, str]:
    """As a graph's metadata: text by key."""
    spec = dataclasses.asdict(stamp.spec) | {"feature_counts": dict(stamp.spec.feature_counts)}
    return {
        f"{PREFIX}format": str(FORMAT),
        f"{PREFIX}git": stamp.git,
        f"{PREFIX}recipe": json.dumps(dataclasses.asdict(stamp.recipe), sort_keys=True),
        f"{PREFIX}spec": json.dumps(spec, sort_keys=True),
        f"{PREFIX}weights_sha256": stamp.weights_sha256,
    }


def stamp_from_metadata(metadata: Mapping[str, str], where: str) -> Stamp:
    """The stamp of a graph.

    Raises:
      InputError: it has none, or one of another format.
    """
    try:
        found = metadata[f"{PREFIX}format"]
        if found != str(FORMAT):
            raise InputError(
                f"{where}: a graph of format {found}, this code reads {FORMAT}; whyway export writes it anew"
            )
        spec = json.loads(metadata[f"{PREFIX}spec"])
        counts = tuple((kind, spec["feature_counts"][kind]) for kind in ROWS)
        sizes = [
            *(n for _, n in counts),
            *(n for name, n in spec.items() if name != "feature_counts"),
        ]
        if not all(type(n) is int and 1 <= n <= MOST for n in sizes):
            raise ValueError(f"sizes {sizes}")
        recipe = Recipe(**json.loads(metadata[f"{PREFIX}recipe"]))
        return Stamp(
            recipe,
            ModelSpec(**{**spec, "feature_counts": counts}),
            metadata[f"{PREFIX}weights_sha256"],
            metadata[f"{PREFIX}git"],
        )
    except (LookupError, TypeError, AttributeError, ValueError, RecursionError) as wrong:
        if isinstance(wrong, InputError):
            raise
        raise InputError(
            f"{where}: not a graph of microgpt ({type(wrong).__name__}: {wrong}); whyway export writes one"
        ) from None
