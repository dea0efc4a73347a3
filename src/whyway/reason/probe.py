"""One made scene and one pass over it: what a model answered when it was saved, so that any later code or graph can be held to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from whyway.reason.backends import Backend
from whyway.reason.backends.numpy import NumpyBackend
from whyway.reason.masks import CACHE_ROWS, HIDDEN, prefix_blocks, step_mask
from whyway.reason.spec import PREFIX_ROWS, ROWS, Float32s, ModelSpec, SceneTokens
from whyway.trace.grammar import Grammar
from whyway.trace.sequence import MASK
from whyway.trace.slots import Block, Slots
from whyway.types import CauseKind, LaneRelation

OBJECTS, LINES = 8, 2
EXACT = 1e-4
"""Largest difference of a logit in float32, relative to the largest logit: other orders of summing."""
ROUNDED = 4e-2
"""Relative error (L2) of weights in 8 bits."""


@dataclass(frozen=True, slots=True)
class Sized:
    """What backends need of a model."""

    spec: ModelSpec
    weights: Mapping[str, Float32s]


def made_scene(spec: ModelSpec) -> SceneTokens:
    """A scene of random features, the same for all models that read as many."""
    rng = np.random.default_rng(20)
    features = {
        kind: rng.uniform(-1.0, 1.0, (ROWS[kind], n)).astype(np.float32)
        for kind, n in spec.feature_counts
    }
    used = {"object": OBJECTS, "line": LINES}
    valid = np.concatenate([np.arange(n) < used.get(kind, n) for kind, n in ROWS.items()])
    for kind, n in used.items():
        features[kind][n:] = 0.0
    lines = ((CauseKind.TRAFFIC_LIGHT, 1), (CauseKind.STOP_SIGN, 2))
    slots = Slots(tuple(range(OBJECTS)), (LaneRelation.EGO,) * OBJECTS, (1,) * OBJECTS, lines)
    return SceneTokens(features, valid, slots)


def answers(backend: Backend) -> Float32s:
    """(questions, V) logits of the first block's questions about the made scene."""
    scene = made_scene(backend.spec)
    asked = Grammar(scene.slots).positions(Block.PERCEPTION, {})
    q, n = len(asked), len(asked)
    if backend.step_sizes:
        n = next(size for size in backend.step_sizes if size >= q)

    def padded(x: np.ndarray, fill: int) -> np.ndarray:
        return np.pad(x.astype(np.int64), (0, n - q), constant_values=fill)[None]

    cache_blocks, cache_asks = np.full(CACHE_ROWS, HIDDEN), np.zeros(CACHE_ROWS, np.bool_)
    cache_blocks[:PREFIX_ROWS] = prefix_blocks(scene.valid)
    here = slice(PREFIX_ROWS, PREFIX_ROWS + q)
    cache_blocks[here], cache_asks[here] = Block.PERCEPTION, True
    blocks = padded(np.full(q, Block.PERCEPTION), HIDDEN)
    mask = step_mask(cache_blocks[None], cache_asks[None], blocks, blocks != HIDDEN)
    rows = PREFIX_ROWS + np.arange(n)[None]
    backend.prefill([scene])
    fields, slots = padded(asked.fields, 0), padded(asked.slots, 0)
    logits: Float32s = backend.step(np.full((1, n), MASK), fields, slots, rows, mask)[0, :q]
    return np.array(logits, dtype=np.float32)


def reference(spec: ModelSpec, weights: Mapping[str, Float32s]) -> Float32s:
    """What a model answers, by numpy."""
    return answers(NumpyBackend(Sized(spec, weights)))


def largest_difference(found: Float32s, wanted: Float32s) -> float:
    """Of any logit, relative to the largest."""
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())


def relative_error(found: Float32s, wanted: Float32s) -> float:
    """L2."""
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))
