"""Sums by name: what was counted over some decisions, and over how much; tallies of parts add up to the tally of the whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class Tally:
    """Name -> (sum, of how much). A share counts hits and tries, a mean values and their number."""

    sums: dict[str, tuple[float, float]] = field(default_factory=dict)

    def add(self, name: str, value: float | bool, of: float = 1.0) -> None:
        """Count something."""
        total, number = self.sums.get(name, (0.0, 0.0))
        self.sums[name] = total + float(value), number + of

    def ratio(self, name: str) -> float | None:
        """Sum / how much; None of nothing."""
        total, number = self.sums.get(name, (0.0, 0.0))
        return total / number if number > 0.0 else None

    def to_json(self) -> dict[str, list[float]]:
        """As plain values."""
        return {name: [round(x, 9) for x in pair] for name, pair in sorted(self.sums.items())}

    @classmethod
    def of_json(cls, values: Mapping[str, list[float]]) -> Tally:
        """The inverse of `to_json`."""
        return cls(
            {name: (float(total), float(number)) for name, (total, number) in values.items()}
        )
