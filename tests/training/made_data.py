"""Keyframes made on the spot, from which something can be learnt: what is said follows from the features."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from whyway.reason.spec import PREFIX_ROWS, ROWS
from whyway.trace.grammar import BLOCK_OF, DECIDED, NUMBERS, PREDICTED, SEEN
from whyway.trace.slots import KIND_0, OBJECT_0, SCENE_SLOT
from whyway.trace.vocabulary import NO_CAUSE, NOT_CITED, Field, tokens_of

FEATURES = 4
OBJECTS = 3
SIZE = {"train": 160, "val": 48}


@dataclass(frozen=True)
class Made:
    features: dict[str, np.ndarray]
    valid: np.ndarray
    fields: np.ndarray
    slots: np.ndarray
    tokens: np.ndarray
    blocks: np.ndarray


def keyframe(rng: np.random.Generator) -> tuple[dict[str, np.ndarray], list[tuple[int, int, int]]]:
    """Features, and (field, slot, token): an object whose first feature is positive is cited, and so on."""
    features = {
        kind: rng.uniform(-1, 1, (rows, FEATURES)).astype(np.float16) for kind, rows in ROWS.items()
    }
    ego, objects = features["ego"][0], features["object"]

    def word(field: Field, x: float) -> int:
        tokens = tokens_of(field)
        return tokens[min(int((x + 1) / 2 * len(tokens)), len(tokens) - 1)]

    said = [(f, SCENE_SLOT, word(f, ego[0])) for f in SEEN]
    cited = [k for k in range(OBJECTS) if objects[k, 0] > 0]
    for k in range(OBJECTS):
        role = word(Field.ROLE, objects[k, 1]) if k in cited else NOT_CITED
        said.append((Field.ROLE, OBJECT_0 + k, role))
    for k in cited:
        said += [(f, OBJECT_0 + k, word(f, objects[k, 2])) for f in PREDICTED]
        weight = word(Field.WEIGHT, objects[k, 3]) if objects[k, 3] > 0 else NO_CAUSE
        said.append((Field.WEIGHT, OBJECT_0 + k, weight))
    said.append((Field.WEIGHT, KIND_0, word(Field.WEIGHT, ego[1])))
    said += [(f, SCENE_SLOT, word(f, ego[2])) for f in (*DECIDED, *NUMBERS)]
    return features, sorted(said, key=lambda x: BLOCK_OF[Field(x[0])])


def collated(pairs: list[tuple[dict, list]]) -> Made:
    longest = max(len(said) for _, said in pairs)
    table = np.zeros((4, len(pairs), longest), dtype=np.int64)
    for b, (_, said) in enumerate(pairs):
        for n, (field, slot, token) in enumerate(said):
            table[:, b, n] = field, slot, token, BLOCK_OF[Field(field)]
    valid = np.ones((len(pairs), PREFIX_ROWS), dtype=bool)
    valid[:, -5:] = False
    features = {kind: np.stack([f[kind] for f, _ in pairs]) for kind in ROWS}
    return Made(features, valid, *table)


class MadeData:
    """A data set that is a function of its seed."""

    feature_counts = tuple((kind, FEATURES) for kind in ROWS)

    def __init__(self, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self._rows = {split: [keyframe(rng) for _ in range(n)] for split, n in SIZE.items()}
        self.sha256 = f"{seed:064x}"

    def batches(
        self, split: str, batch_size: int, *, seed: int, start: int, rank: int, world: int
    ) -> Iterator[Made]:
        step = start
        while True:
            order = np.random.default_rng([seed, step]).integers(
                len(self._rows[split]), size=batch_size * world
            )
            mine = order[rank * batch_size : (rank + 1) * batch_size]
            yield collated([self._rows[split][i] for i in mine])
            step += 1

    def sweep(
        self, split: str, batch_size: int, *, most: int, rank: int, world: int
    ) -> Iterator[Made]:
        rows = self._rows[split][rank::world]
        for k in range(min(most, -(-len(rows) // batch_size))):
            yield collated(rows[k * batch_size : (k + 1) * batch_size])
