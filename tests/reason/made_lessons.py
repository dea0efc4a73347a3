"""Small models with random weights, made scenes for them, and valid traces of these scenes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from whyway.reason.masks import HIDDEN, attention_mask
from whyway.reason.parameters import parameter_shapes
from whyway.reason.spec import ROWS, ModelSpec, SceneTokens
from whyway.trace.grammar import Grammar
from whyway.trace.sequence import MASK, TokenSequence
from whyway.trace.slots import MAX_LINES, MAX_MODES, MAX_OBJECTS, Block, Slots
from whyway.trace.vocabulary import SILENT
from whyway.types import CauseKind, LaneRelation

PARITY = 5e-5
"""Two float32 computations of the same logits differ by no more."""
FEATURES = (("ego", 9), ("path", 7), ("side", 6), ("line", 5), ("object", 11))


@dataclass(frozen=True)
class MadeModel:
    spec: ModelSpec
    weights: dict[str, np.ndarray]


def made_model(depth: int = 2, seed: int = 0) -> MadeModel:
    """Not as a model begins but as one might end: every part matters, and the logits spread over about +-3."""
    spec = ModelSpec(depth, FEATURES)
    rng = np.random.default_rng([7, seed])
    weights = {}
    for name, shape in parameter_shapes(spec).items():
        scale = 0.5 if len(shape) == 1 or "embedding" in name else 1.2 / np.sqrt(shape[-1])
        weights[name] = rng.normal(0.0, scale, shape).astype(np.float32)
        if name.endswith("norm.weight"):
            weights[name] += 1.0
    return MadeModel(spec, weights)


def made_scene(rng: np.random.Generator, objects: int | None = None) -> SceneTokens:
    """A scene of random numbers; rows not in use are zero."""
    n = int(rng.integers(0, MAX_OBJECTS + 1)) if objects is None else objects
    lines = int(rng.integers(0, MAX_LINES + 1))
    used = {"line": lines, "object": n}
    features, valid = {}, []
    for (kind, rows), (_, width) in zip(ROWS.items(), FEATURES, strict=True):
        there = np.arange(rows) < used.get(kind, rows)
        features[kind] = (rng.normal(size=(rows, width)) * there[:, None]).astype(np.float32)
        valid.append(there)
    relations = tuple(LaneRelation(int(r)) for r in rng.choice([int(r) for r in LaneRelation], n))
    modes = tuple(int(m) for m in rng.integers(1, MAX_MODES + 1, n))
    kinds = (CauseKind.TRAFFIC_LIGHT, CauseKind.STOP_SIGN)
    slots = Slots(
        tuple(range(1, n + 1)), relations, modes, tuple((kinds[i % 2], 5 + i) for i in range(lines))
    )
    return SceneTokens(features, np.concatenate(valid), slots)


def made_trace(scene: SceneTokens, rng: np.random.Generator) -> TokenSequence:
    """A valid trace of the scene, drawn from random logits."""
    grammar, values = Grammar(scene.slots), {}

    def pick(scores: np.ndarray, allowed: np.ndarray) -> int:
        return int(rng.choice(np.flatnonzero(allowed)))

    for block in Block:
        asked = grammar.positions(block, values)
        scores = rng.normal(size=(len(asked), 512))
        tokens = grammar.settle(asked, scores, pick, values)
        values |= dict(zip(asked.pairs(), tokens.tolist(), strict=True))
    return grammar.sequence(values)


@dataclass(frozen=True)
class Lesson:
    """Traces as training lays them out, numpy: values, then queries, padded."""

    tokens: np.ndarray
    fields: np.ndarray
    slots: np.ndarray
    mask: np.ndarray
    targets: np.ndarray

    @property
    def queries(self) -> int:
        return self.targets.shape[1]


def lesson(scenes: list[SceneTokens], traces: list[TokenSequence], plain: bool = False) -> Lesson:
    """What the forward pass takes: every value is asked, and read unless it is silent or of the last block."""
    blocks = [np.arange(len(t)) if plain else t.blocks.astype(int) for t in traces]
    read = [~SILENT[t.tokens] & (b < b[-1]) for t, b in zip(traces, blocks, strict=True)]
    v, q = max(int(r.sum()) for r in read), max(len(t) for t in traces)
    b = len(traces)
    tokens, fields, slots = (
        np.full((b, v + q), MASK),
        np.zeros((b, v + q), int),
        np.zeros((b, v + q), int),
    )
    at, targets = np.full((b, v + q), HIDDEN), np.full((b, q), -1)
    for i, (t, r) in enumerate(zip(traces, read, strict=True)):
        values, asked = slice(0, int(r.sum())), slice(v, v + len(t))
        tokens[i, values] = t.tokens[r]
        for here, keep in ((values, r), (asked, slice(None))):
            fields[i, here], slots[i, here], at[i, here] = (
                t.fields[keep],
                t.slots[keep],
                blocks[i][keep],
            )
        targets[i, : len(t)] = t.tokens
    valid = np.stack([s.valid for s in scenes])
    return Lesson(tokens, fields, slots, attention_mask(valid, at[:, :v], at[:, v:]), targets)
