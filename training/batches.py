"""Keyframes as the loader gives them -> what microgpt's forward pass and loss take, for each stage of training.

*reasoning*: whole traces. Every position is asked; a value is read by later blocks unless it is silent (not cited, no cause). In some
examples every position is a block of its own, so that the same weights can also say a trace token by token.

*pretrain*: behaviour cloning. The decision and its numbers are asked of the scene alone, with no word before them. These weights are
also the *no-trace* baseline: the same model that may not reason.

Legend: B batch, P prefix rows (as far as any example uses them), N positions of the longest trace, V values read, Q positions asked, K = P + V + Q.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from whyway.reason.masks import HIDDEN, attention_mask
from whyway.reason.microgpt import LossRules, MicroGPT
from whyway.reason.spec import ROWS
from whyway.trace.grammar import NUMBERS
from whyway.trace.sequence import FIELD_COUNT, MASK
from whyway.trace.vocabulary import SILENT, Field, allowed_mask, number_tokens

Stage = Literal["pretrain", "reasoning"]
Ints = NDArray[np.integer]
Int64s = NDArray[np.int64]
Bools = NDArray[np.bool_]

STRAIGHT = (Field.LONGITUDINAL, Field.LATERAL, *NUMBERS)
"""What a model without a trace is asked."""
NOT_ASKED = -1
"""Target of padding."""

FIELD_WEIGHTS: Mapping[Field, float] = {
    Field.LONGITUDINAL: 4.0, Field.LATERAL: 4.0, Field.STOP_DISTANCE: 2.0, Field.TARGET_SPEED: 2.0,
    Field.TARGET_ACCELERATION: 2.0,
}  # fmt: skip
"""How much more the words count by which the car drives; there are one of each and dozens of others. All else: 1."""


class Keyframes(Protocol):
    """A batch of the loader."""

    @property
    def features(self) -> Mapping[str, NDArray[np.floating]]:
        """Kind -> (B, rows, features)."""
        ...

    @property
    def valid(self) -> Bools:
        """(B, P) rows of the scene in use."""
        ...

    @property
    def fields(self) -> Ints:
        """(B, N) `Field`; PAD behind a trace's end."""
        ...

    @property
    def slots(self) -> Ints:
        """(B, N)."""
        ...

    @property
    def tokens(self) -> Ints:
        """(B, N) the values."""
        ...

    @property
    def blocks(self) -> Ints:
        """(B, N)."""
        ...


class Data(Protocol):
    """Where keyframes come from. What a batch holds depends on the arguments alone, so a run can go on anywhere."""

    @property
    def sha256(self) -> str:
        """Of all there is."""
        ...

    @property
    def feature_counts(self) -> tuple[tuple[str, int], ...]:
        """Features by kind, as `ModelSpec` wants them."""
        ...

    def batches(
        self, split: str, batch_size: int, *, seed: int, start: int, rank: int, world: int
    ) -> Iterator[Keyframes]:
        """Shuffled batches for ever, from number `start`; those of all processes together are one batch `world` times as big."""
        ...

    def sweep(
        self, split: str, batch_size: int, *, most: int, rank: int, world: int
    ) -> Iterator[Keyframes]:
        """The same at most `most` batches every time; each process its own."""
        ...


@dataclass(frozen=True, slots=True)
class Batch:
    """What the forward pass takes, and the answers."""

    features: dict[str, Tensor]
    valid: Tensor
    tokens: Tensor
    """(B, V + Q) values, then `MASK` for what is asked."""
    fields: Tensor
    slots: Tensor
    mask: Tensor
    """(B, K, K)"""
    queries: int
    targets: Tensor
    """(B, Q) true tokens, `NOT_ASKED` for padding."""

    @property
    def asked(self) -> Tensor:
        """(B, Q) fields of the positions asked."""
        return self.fields[:, self.fields.shape[1] - self.queries :]

    def logits(self, model: MicroGPT | torch.nn.Module) -> Tensor:
        """(B, Q, tokens) what the model says."""
        out: Tensor = model(
            self.features, self.valid, self.tokens, self.fields, self.slots, self.mask, self.queries
        )
        return out

    def weight(self, rules: LossRules) -> Tensor:
        """What `Loss.mean` is the mean over: the sum of all positions' weights."""
        return rules.weights[self.asked[self.targets >= 0]].sum()


def loss_rules(device: torch.device, smoothing_bins: float) -> LossRules:
    """What the vocabulary says about fields."""
    weights = torch.ones(FIELD_COUNT)
    for field, weight in FIELD_WEIGHTS.items():
        weights[field] = weight
    allowed = torch.from_numpy(allowed_mask().copy())
    numbers = torch.zeros_like(allowed)
    for field in Field:
        if field != Field.PAD:
            numbers[field, list(number_tokens(field))] = True
    return LossRules(allowed.to(device), numbers.to(device), weights.to(device), smoothing_bins)


def plain_rows(count: int, share: float, seed: int, step: int, rank: int, world: int) -> Bools:
    """(count,) which of a process's examples of a step are trained token by token.

    Drawn by seed and step for all processes together, so that it does not depend on how many there are.
    """
    drawn = np.random.default_rng([seed, step, 0x91A1]).random(count * world) < share
    return drawn[rank * count : (rank + 1) * count]


def batch_of(
    keyframes: Keyframes, stage: Stage, device: torch.device, plain: Bools | None = None
) -> Batch:
    """Keyframes as the stage asks them.

    Args:
      keyframes: of the loader.
      stage: what is asked, and what may be read before.
      device: where to.
      plain: (B,) examples in which every position is a block of its own; none if None.
    """
    fields = np.asarray(keyframes.fields, dtype=np.int64)
    slots = np.asarray(keyframes.slots, dtype=np.int64)
    tokens = np.asarray(keyframes.tokens, dtype=np.int64)
    there = fields != Field.PAD
    if stage == "pretrain":
        ask, read, blocks = np.isin(fields, STRAIGHT), np.zeros_like(there), np.zeros_like(fields)
    else:
        ask, read = there, there & ~SILENT[tokens]
        blocks = np.asarray(keyframes.blocks, dtype=np.int64)
        if plain is not None:
            blocks = np.where(plain[:, None], np.arange(fields.shape[1]), blocks)
    v, q = _front(read), _front(ask)

    def picked(x: Int64s, fill_v: int, fill_q: int) -> tuple[Int64s, Int64s]:
        return (
            np.where(v.used, np.take_along_axis(x, v.order, 1), np.int64(fill_v)),
            np.where(q.used, np.take_along_axis(x, q.order, 1), np.int64(fill_q)),
        )

    value_tokens, targets = picked(tokens, MASK, NOT_ASKED)
    value_blocks, query_blocks = picked(blocks, HIDDEN, HIDDEN)
    features, valid = _rows_in_use(keyframes)
    asked = np.full_like(targets, MASK)

    def there_as(x: NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(x)).to(device)

    return Batch(
        {kind: there_as(np.asarray(x, dtype=np.float32)) for kind, x in features.items()},
        there_as(valid),
        there_as(np.concatenate([value_tokens, asked], axis=1)),
        there_as(np.concatenate(picked(fields, Field.PAD, Field.PAD), axis=1)),
        there_as(np.concatenate(picked(slots, 0, 0), axis=1)),
        there_as(attention_mask(valid, value_blocks, query_blocks)),
        targets.shape[1],
        there_as(targets),
    )


def _rows_in_use(
    keyframes: Keyframes,
) -> tuple[dict[str, NDArray[np.floating]], Bools]:
    """Features and valid rows without the last object rows, where nobody in the batch has any: there are few, and they cost as much."""
    valid = np.asarray(keyframes.valid, dtype=np.bool_)
    unused = int(valid.any(axis=0)[::-1].argmax())
    most = min(unused, ROWS["object"])
    features = dict(keyframes.features)
    features["object"] = features["object"][:, : ROWS["object"] - most]
    return features, valid[:, : valid.shape[1] - most]


@dataclass(frozen=True, slots=True)
class _Front:
    """Columns moved to the front of each row, in their order."""

    order: Ints
    """(B, longest) columns."""
    used: Bools
    """(B, longest)"""


def _front(keep: Bools) -> _Front:
    counts = keep.sum(axis=1)
    longest = int(counts.max(initial=0))
    order = np.argsort(~keep, axis=1, kind="stable")[:, :longest]
    return _Front(order, np.arange(longest) < counts[:, None])
