"""Programs of OpenDRIVE's traffic lights: the file says which lights go together, not for how long; the times are CARLA's.

The controllers of a junction are its phases, in the order of their sequence. Lights without one have a phase for each road
that comes in, so that no two roads have green at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lxml import etree

from whyway.maps.opendrive_lanes import Stretch
from whyway.maps.opendrive_xml import JunctionSpec
from whyway.maps.signals import SignalCycle, SignalPlan
from whyway.maps.xmlfile import SceneError
from whyway.types import LightColor

GREEN_S, AMBER_S, ALL_RED_S = 10.0, 3.0, 2.0
"""CARLA's defaults (TrafficLightController)."""

STAGGER_S = 7.0
"""Each junction's cycle begins this much after that of the junction before it in the file: a town does not blink."""

MAX_PHASES = 100
"""Most phases of one junction's lights."""

_AHEAD = 8


def programs(
    root: etree._Element,
    junctions: Sequence[JunctionSpec],
    governed: Mapping[int, Sequence[Stretch]],
    numbers: Mapping[str, int],
) -> SignalPlan:
    """A cycle for every light.

    Args:
      root: the file, for its controllers.
      junctions: which controllers belong together.
      governed: the lanes each light holds, by the light's id.
      numbers: ids of the map by the file's signal ids.

    Raises:
      SceneError: a junction with more than `MAX_PHASES`.
    """
    members = {
        c.get("id") or "": [numbers.get(k.get("signalId") or "", 0) for k in c.findall("control")]
        for c in root.findall("controller")
    }
    left = dict.fromkeys(governed)
    at: dict[str, list[int]] = {}
    for light, lanes in governed.items():
        at.setdefault(_junction(lanes), []).append(light)
    groups: list[list[list[int]]] = []
    for junction in junctions:
        # a controller serves the first junction that names it
        named = [members.pop(c, []) for c in junction.controllers]
        phases = [[i for i in dict.fromkeys(lights) if i in left] for lights in named]
        for light in {i for phase in phases for i in phase}:
            left.pop(light)
        roads: dict[int, list[int]] = {}
        for light in at.pop(junction.id, ()):
            if light in left:
                left.pop(light)
                roads.setdefault(governed[light][0].keys[-1][0], []).append(light)
        groups.append([phase for phase in (*phases, *roads.values()) if phase])
        if len(groups[-1]) > MAX_PHASES:
            raise SceneError(f"junction {junction.id[:40]!r} has more than {MAX_PHASES} signal phases")  # fmt: skip
    groups += [[[light]] for light in left]
    cycles: dict[int, SignalCycle] = {}
    for k, phases in enumerate(g for g in groups if g):
        cycles |= _cycles(phases, k * STAGGER_S)
    return SignalPlan(cycles)


def _junction(lanes: Sequence[Stretch]) -> str:
    """The junction that lanes lead into."""
    here = list(lanes)
    for _ in range(_AHEAD):
        if any(s.junction for s in here):
            return next(s.junction for s in here if s.junction)
        here = [after for s in here for after in s.after][:_AHEAD]
    return ""


def _cycles(phases: Sequence[Sequence[int]], offset_s: float) -> dict[int, SignalCycle]:
    """One cycle for each light of a junction; a phase of nobody's follows where there is only one."""
    if len(phases) == 1:
        phases = [*phases, []]
    part = GREEN_S + AMBER_S + ALL_RED_S
    cycles = {}
    for light in dict.fromkeys(i for phase in phases for i in phase):
        colors: list[LightColor] = []
        for k, phase in enumerate(phases):
            if light not in phase:
                colors += [LightColor.RED] * 3
            elif light in phases[(k + 1) % len(phases)]:
                colors += [LightColor.GREEN] * 3
            else:
                colors += [LightColor.GREEN, LightColor.AMBER, LightColor.RED]
        durations = (GREEN_S, AMBER_S, ALL_RED_S) * len(phases)
        cycles[light] = _run_together(colors, durations, offset_s % (part * len(phases)))
    return cycles


def _run_together(
    colors: Sequence[LightColor], durations_s: Sequence[float], offset_s: float
) -> SignalCycle:
    """A cycle in which no colour follows itself, not even round its end."""
    shown: list[LightColor] = []
    times: list[float] = []
    for color, duration in zip(colors, durations_s, strict=True):
        if shown and shown[-1] == color:
            times[-1] += duration
        else:
            shown.append(color)
            times.append(duration)
    if len(shown) > 1 and shown[0] == shown[-1]:
        first = times.pop(0)
        shown.pop(0)
        times[-1] += first
        offset_s += first
    return SignalCycle(tuple(shown), tuple(times), offset_s)
