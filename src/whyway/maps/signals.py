"""Traffic light programs: the colour of every light at any time, from fixed cycles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from whyway.types import LightColor, LightState


@dataclass(frozen=True, slots=True)
class SignalCycle:
    """Colours in turn, each for its duration; the first begins at time `offset_s` (and every whole cycle from there)."""

    colors: tuple[LightColor, ...]
    durations_s: tuple[float, ...]
    offset_s: float = 0.0

    def __post_init__(self) -> None:
        if (
            len(self.colors) != len(self.durations_s)
            or not sum(self.durations_s) > 0.0
            or min(self.durations_s) < 0.0
        ):
            raise ValueError(
                "a signal cycle needs one duration >= 0 for each colour, and some time in all"
            )

    @property
    def period_s(self) -> float:
        """Length of the whole cycle."""
        return sum(self.durations_s)

    def at(self, t_s: float) -> tuple[LightColor, float]:
        """The colour at a time, and how long it lasts from then."""
        # a microsecond of grace: times are sums of 0.1 s and must not fall just before the change they are meant to be
        into = (t_s - self.offset_s + 1e-6) % self.period_s
        for color, duration in zip(self.colors, self.durations_s, strict=True):
            if into < duration:
                return color, duration - into
            into -= duration
        return self.colors[0], self.durations_s[0]


@dataclass(frozen=True, slots=True)
class SignalPlan:
    """All lights of a map by id."""

    cycles: Mapping[int, SignalCycle] = field(default_factory=dict)

    def states(self, t_s: float) -> tuple[LightState, ...]:
        """Every light's colour at a time, by rising id."""
        return tuple(LightState(i, self.cycles[i].at(t_s)[0], 1.0) for i in sorted(self.cycles))
