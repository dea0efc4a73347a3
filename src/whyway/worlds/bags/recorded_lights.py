"""Lights that go on showing what they showed in a recording: their colours over time as programs that do not repeat."""

from __future__ import annotations

from whyway.config import Config
from whyway.maps.signals import SignalCycle, SignalPlan
from whyway.types import CYCLE_S, LaneMap, LightColor
from whyway.worlds.bags.recording import Recording

_FOR_EVER_S = 1e6
"""The last colour stays: no replay lasts so long."""


def recorded_lights(
    recording: Recording, lane_map: LaneMap, end: int, config: Config
) -> SignalPlan:
    """Programs of those lights of a map that were seen at cycles 0 ... `end`.

    Between two sights a light shows what it showed last, before the first what it showed then.
    """
    known = {light.id for light in lane_map.lights}
    changes: dict[int, list[tuple[int, LightColor]]] = {}
    if not known:
        return SignalPlan()
    for k in range(end + 1):
        seen = recording.truth(k, config).lights or recording.observation(k).lights
        for light in seen:
            runs = changes.setdefault(light.light_id, [])
            if light.color is not LightColor.UNKNOWN and (
                not runs or runs[-1][1] is not light.color
            ):
                runs.append((k if runs else 0, light.color))
    return SignalPlan({i: _cycle(runs) for i, runs in changes.items() if i in known and runs})


def _cycle(runs: list[tuple[int, LightColor]]) -> SignalCycle:
    begins = [k for k, _ in runs]
    lasts = [(b - a) * CYCLE_S for a, b in zip(begins, begins[1:], strict=False)]
    return SignalCycle(tuple(color for _, color in runs), (*lasts, _FOR_EVER_S))
