"""What a model knows of traces it did not learn from, each position asked with the true words before it (teacher forcing).

Counts are added up over batches and processes; the table at the end has a number for each field, and for what matters most: who is
cited, which true causes are found, and how many metres the stop is off.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from training.batches import Batch
from training.distributed import Rank
from whyway.reason.microgpt import LossRules, log_probabilities, loss
from whyway.trace.sequence import FIELD_COUNT
from whyway.trace.vocabulary import (
    NO_CAUSE,
    NOT_CITED,
    TOKEN_COUNT,
    Field,
    number_tokens,
    value_of,
)

PAIRS: Mapping[str, tuple[Field, int]] = {
    "cited": (Field.ROLE, NOT_CITED), "causes": (Field.WEIGHT, NO_CAUSE),
}  # fmt: skip
"""Name -> field and the token that says "not this one": recall of causes is the coverage of the true ones."""
METRES: Mapping[str, Field] = {
    "stop_distance_m": Field.STOP_DISTANCE, "target_speed_mps": Field.TARGET_SPEED,
    "target_acceleration_mps2": Field.TARGET_ACCELERATION,
}  # fmt: skip
"""Name -> field whose mean error is told in its unit, where both the true and the said value are numbers."""


def centres() -> Tensor:
    """(F, V) the number each token says in a field; NaN where it says none."""
    table = np.full((FIELD_COUNT, TOKEN_COUNT), np.nan)
    for field in METRES.values():
        for token in number_tokens(field):
            table[field, token] = value_of(field, token)
    return torch.from_numpy(table)


@dataclass(slots=True)
class Counts:
    """Sums over positions, in float64."""

    sums: Tensor
    """(F,) cross-entropies."""
    hits: Tensor
    """(F,)"""
    counts: Tensor
    """(F,)"""
    pairs: Tensor
    """(pairs, 3) said and true, said, true."""
    errors: Tensor
    """(metres, 2) sum of absolute errors, how many."""

    @staticmethod
    def none(device: torch.device) -> Counts:
        """Nothing counted."""
        f = torch.zeros(FIELD_COUNT, device=device, dtype=torch.float64)
        pairs, errors = f.new_zeros(len(PAIRS), 3), f.new_zeros(len(METRES), 2)
        return Counts(f, f.clone(), f.clone(), pairs, errors)

    def add(self, batch: Batch, logits: Tensor, rules: LossRules, numbers: Tensor) -> None:
        """Count a batch; `numbers` as `centres` gives it."""
        asked = batch.targets >= 0
        fields, targets = batch.asked[asked], batch.targets[asked]
        told = loss(logits, batch.asked, batch.targets, rules)
        self.sums += told.sums
        self.hits += told.hits
        self.counts += told.counts
        said = log_probabilities(logits[asked], fields, rules.allowed).argmax(dim=-1)
        for i, (field, nothing) in enumerate(PAIRS.values()):
            at = fields == field
            one, other = said[at] != nothing, targets[at] != nothing
            self.pairs[i] += torch.stack([(one & other).sum(), one.sum(), other.sum()])
        for i, field in enumerate(METRES.values()):
            at = fields == field
            off = (numbers[field][said[at]] - numbers[field][targets[at]]).abs()
            known = off.isfinite()
            self.errors[i] += torch.stack([off[known].sum(), known.sum()])

    def all(self, rank: Rank) -> Counts:
        """Added up over all processes."""
        parts = (self.sums, self.hits, self.counts, self.pairs, self.errors)
        return Counts(*(rank.total(x) for x in parts))

    def table(self, rules: LossRules) -> dict[str, float]:
        """Name -> number; what was never asked is left out."""
        weights = rules.weights.to(self.sums)
        total = (weights * self.counts).sum().clamp(min=1e-9)
        out = {"loss": float((weights * self.sums).sum() / total)}
        for field in Field:
            if self.counts[field] > 0:
                out[f"accuracy/{field.name.lower()}"] = float(self.hits[field] / self.counts[field])
        for name, (both, said, true) in zip(PAIRS, self.pairs.tolist(), strict=True):
            if said > 0:
                out[f"{name}/precision"] = both / said
            if true > 0:
                out[f"{name}/recall"] = both / true
        for name, (error, known) in zip(METRES, self.errors.tolist(), strict=True):
            if known > 0:
                out[f"error/{name}"] = error / known
        return out


@torch.no_grad()
def validate(
    model: nn.Module, batches: Iterable[Batch], rules: LossRules, rank: Rank
) -> dict[str, float]:
    """Names and numbers of a model over batches; in float32, each process its own batches.

    Args:
      model: as it is asked; it is not changed.
      batches: of the validation split.
      rules: of the loss; the target here is the true token alone.
      rank: this process.
    """
    exact = dataclasses.replace(rules, smoothing_bins=0.0)
    counts, numbers = Counts.none(rank.device), centres().to(rank.device)
    for batch in batches:
        counts.add(batch, batch.logits(model), exact, numbers)
    return counts.all(rank).table(exact)
