"""Trace -> one English sentence, by template: what the car does and why. Nothing is ever parsed back from free text."""

from __future__ import annotations

import math

from whyway.types import (
    Cause,
    CauseKind,
    CriticalObject,
    Direction,
    Lateral,
    LightColor,
    Longitudinal,
    ObjectClass,
    Rejected,
    Risk,
    Role,
    Trace,
)

_DOES = {
    Longitudinal.STOP: "stops",
    Longitudinal.YIELD: "yields",
    Longitudinal.PASS: "goes first",
    Longitudinal.GAP_SEARCH: "looks for a gap",
    Longitudinal.KEEP_DISTANCE: "keeps its distance",
    Longitudinal.ADAPT_SPEED: "slows down",
    Longitudinal.RESUME_SPEED: "drives on",
}
_ROLE = {
    Role.LEAD: "ahead",
    Role.CUT_IN: "cutting in",
    Role.CROSSING: "crossing",
    Role.ONCOMING: "oncoming",
    Role.ADJACENT_LEFT: "on the left",
    Role.ADJACENT_RIGHT: "on the right",
    Role.REAR: "behind",
    Role.PARKED: "parked",
    Role.VRU: "near the lane",
    Role.BLOCKER: "blocking the lane",
    Role.EMERGENCY: "on an emergency run",
}
_RISK = {
    Risk.COLLISION: "would collide",
    Risk.RULE: "would break a rule",
    Risk.COMFORT: "would be too harsh",
    Risk.PROGRESS: "would gain nothing",
}


def in_words(name: str) -> str:
    """The name of an enum's member as it is read: "MINIMAL_RISK" is "minimal risk"."""
    return name.lower().replace("_", " ")


def sentence(trace: Trace) -> str:
    """One sentence: decision, numbers, causes; e.g. "stops in 12 m because the light 3 is red"."""
    p = trace.planning
    does = _DOES[p.longitudinal]
    if p.longitudinal in (Longitudinal.STOP, Longitudinal.YIELD) and math.isfinite(
        p.stop_distance_m
    ):
        does += " and waits" if p.stop_distance_m < 0.5 else f" in {p.stop_distance_m:.0f} m"
    elif p.longitudinal == Longitudinal.RESUME_SPEED:
        does += f" towards {p.target_speed_mps * 3.6:.0f} km/h"
    does += _lateral(p.lateral, p.direction)
    causes = [_cause(c, trace) for c in p.causes if c.kind != CauseKind.NONE]
    if not causes:
        return does
    *first, last = causes
    return f"{does} because {', '.join(first)} and {last}" if first else f"{does} because {last}"


def why_not(rejected: Rejected) -> str:
    """Why an alternative was left, e.g. "drives on: would collide after 2.3 s"."""
    does = _DOES[rejected.longitudinal] + _lateral(rejected.lateral, rejected.direction)
    when = f" after {rejected.at_s:.1f} s" if math.isfinite(rejected.at_s) else ""
    return f"{does}: {_RISK[rejected.risk]}{when}"


def deed(longitudinal: Longitudinal, lateral: Lateral, direction: Direction) -> str:
    """What a decision is, e.g. "drives on, changes to the left lane"."""
    return _DOES[longitudinal] + _lateral(lateral, direction)


def reason(cause: Cause, trace: Trace) -> str:
    """What a cause is, e.g. "car 7 ahead" or "traffic light 3 is red"; "nothing" for none."""
    return _cause(cause, trace).removeprefix("of ") or "nothing"


def risk(what: Risk) -> str:
    """What an alternative would have come to, e.g. "would collide"."""
    return _RISK[what]


def name(c: CriticalObject) -> str:
    """How an object is called in a sentence, e.g. "car 7 ahead"."""
    kind = "object" if c.object_class == ObjectClass.UNKNOWN else c.object_class.name.lower()
    return f"{kind} {c.id} {_ROLE[c.role]}"


def _lateral(lateral: Lateral, direction: Direction) -> str:
    side = direction.name.lower()
    return {
        Lateral.KEEP_LANE: "",
        Lateral.LANE_CHANGE: f", changes to the {side} lane",
        Lateral.NUDGE: f", moves {side} within the lane",
        Lateral.TURN: f", turns {side}",
        Lateral.MERGE: f", merges {side}",
        Lateral.SPLIT: f", takes the {side} branch",
    }[lateral]


def _cause(cause: Cause, trace: Trace) -> str:
    seen = trace.perception
    if cause.kind == CauseKind.OBJECT:
        cited = [c for c in seen.critical_objects if c.id == cause.id]
        return f"of {name(cited[0])}" if cited else f"of object {cause.id}"
    if cause.kind == CauseKind.TRAFFIC_LIGHT:
        color = seen.traffic_light if seen.traffic_light != LightColor.UNKNOWN else LightColor.RED
        return f"traffic light {cause.id} is {color.name.lower()}"
    # a car that drives on heads for the limit ahead, which may be another than the one it is under
    goes_on = trace.planning.longitudinal == Longitudinal.RESUME_SPEED
    limit_mps = trace.planning.target_speed_mps if goes_on else seen.speed_limit_mps
    return {
        CauseKind.STOP_SIGN: "of a stop or give-way line",
        CauseKind.SPEED_LIMIT: f"the limit is {limit_mps * 3.6:.0f} km/h",
        CauseKind.CURVATURE: "of the curve ahead",
        CauseKind.ROUTE: "the route asks for it",
        CauseKind.ROAD_WORK: "of road work",
        CauseKind.VISIBILITY: "it sees no farther",
    }.get(cause.kind, "")
