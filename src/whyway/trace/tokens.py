"""Trace <-> tokens: lossless up to the width of a bin. Pure, no clock.

What is generated are decisions and numbers; what a trace only repeats (ids, kinematics, the lane relation, predicted paths, the ego's
state) is copied from the scene again, so it cannot be wrong. Lists come in a canonical order: cited objects by relevance, causes by
weight, the rest as listed.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from whyway.motion import hypotheses
from whyway.trace.grammar import (
    FULL_WEIGHT,
    NUMBERS,
    REJECTED,
    Grammar,
    Position,
    Values,
    values_of,
)
from whyway.trace.integrity import NO_ACTION
from whyway.trace.sequence import TokenSequence
from whyway.trace.slots import (
    KIND_0,
    KINDS,
    LINE_0,
    MAX_CAUSES,
    MAX_CITED,
    OBJECT_0,
    REJECTED_0,
    SCENE_SLOT,
    Slots,
)
from whyway.trace.vocabulary import (
    NO_CAUSE,
    NOT_CITED,
    Field,
    Meaning,
    NotSayable,
    number_tokens,
    token_of,
    value_of,
)
from whyway.types import (
    CYCLE_NS,
    Cause,
    CauseKind,
    CriticalObject,
    Integrity,
    ObjectPrediction,
    PerceptionTrace,
    PlanningTrace,
    PredictionTrace,
    Rejected,
    Scene,
    Trace,
    TrackedObject,
)

__all__ = ["NotSayable", "decode", "encode", "planning_of", "planning_tokens", "quantised"]

_SEEN = {
    Field.ROAD_TYPE: "road_type",
    Field.SPEED_LIMIT: "speed_limit_mps",
    Field.CURVATURE: "curvature_1pm",
    Field.JUNCTION_DISTANCE: "distance_to_junction_m",
    Field.STOP_LINE_DISTANCE: "distance_to_stop_line_m",
    Field.LIGHT: "traffic_light",
    Field.LIGHT_DISTANCE: "traffic_light_distance_m",
    Field.LIGHT_CONFIDENCE: "traffic_light_confidence",
    Field.COMMAND: "command",
    Field.COMMAND_DISTANCE: "command_distance_m",
}
_PREDICTED = {
    Field.CONFLICT: "conflict",
    Field.TIME_TO_COLLISION: "time_to_collision_s",
    Field.MIN_GAP: "min_gap_m",
    Field.TIME_OF_CONFLICT: "time_of_conflict_s",
}
"""Attributes of the trace that are one field each."""
_PLANNED = (Field.LONGITUDINAL, Field.LATERAL, *NUMBERS)

LEAST_OFFSET_M = 0.1
"""The offsets beside zero: exactly zero says something else than nearly zero (a lane change begun before somebody, not a way round)."""
_WEIGHT_0 = number_tokens(Field.WEIGHT).start


# ----------------------------------------------------------------------------------------------------------- encode


def encode(trace: Trace, slots: Slots, scene: Scene) -> TokenSequence:
    """A trace as the values of its scene's positions.

    Args:
      trace: what is said; its action and integrity are no part of it.
      slots: who and what can be spoken of.
      scene: what it is said of.

    Raises:
      NotSayable: there are no words for some part of it; the text says for which.
    """
    said: dict[Position, int] = {}
    for field, name in _SEEN.items():
        said[field, SCENE_SLOT] = token_of(field, getattr(trace.perception, name))
    slot_of = {track: OBJECT_0 + k for k, track in enumerate(slots.object_ids)}
    for slot in slot_of.values():
        said[Field.ROLE, slot] = NOT_CITED
    said |= _objects(trace, slot_of, scene)
    said |= _decision(trace.planning)
    said |= _causes(trace, slots, slot_of)
    said |= _rejected(trace.planning.rejected)
    grammar = Grammar(slots)
    sequence = grammar.sequence(said)
    fault = grammar.fault(sequence)
    if fault:
        raise NotSayable(fault)
    return sequence


def _objects(trace: Trace, slot_of: Mapping[int, int], scene: Scene) -> dict[Position, int]:
    """Roles and predictions of the cited objects."""
    critical, predicted = trace.perception.critical_objects, trace.prediction.objects
    if len(critical) > MAX_CITED or [c.id for c in critical] != [p.id for p in predicted]:
        raise NotSayable(
            f"{len(critical)} cited objects with {len(predicted)} predictions: one each of at most {MAX_CITED} can be told"
        )
    objects = {o.id: o for o in scene.objects}
    said: dict[Position, int] = {}
    for c, p in zip(critical, predicted, strict=True):
        if c.id not in slot_of or c.id not in objects:
            raise NotSayable(f"object {c.id} has no slot")
        slot = slot_of[c.id]
        said[Field.ROLE, slot] = token_of(Field.ROLE, c.role)
        said[Field.RELEVANCE, slot] = token_of(Field.RELEVANCE, c.relevance)
        said[Field.MODE, slot] = token_of(Field.MODE, _mode(p, objects[c.id]))
        for field, name in _PREDICTED.items():
            said[field, slot] = token_of(field, getattr(p, name))
    return said


def _mode(p: ObjectPrediction, o: TrackedObject) -> int:
    for k, mode in enumerate(hypotheses(o)):
        same = mode.intent == p.intent and mode.probability == p.probability
        if same and np.array_equal(mode.x_m, p.path_x_m) and np.array_equal(mode.y_m, p.path_y_m):
            return k
    raise NotSayable(f"what is predicted of object {p.id} is no hypothesis of the scene")


def _causes(trace: Trace, slots: Slots, slot_of: Mapping[int, int]) -> dict[Position, int]:
    """Weights of all candidates, and the decision without each cause."""
    causes = trace.planning.causes
    if len(causes) > MAX_CAUSES:
        raise NotSayable(f"{len(causes)} causes: {MAX_CAUSES} can be told")
    cited = {c.id for c in trace.perception.critical_objects}
    slot_of_cause = {(CauseKind.OBJECT, i): slot for i, slot in slot_of.items() if i in cited}
    for k, line in reversed(list(enumerate(slots.lines))):
        slot_of_cause[line] = LINE_0 + k
    slot_of_cause |= {(kind, 0): KIND_0 + k for k, kind in enumerate(KINDS)}
    said = {(int(Field.WEIGHT), slot): NO_CAUSE for slot in slot_of_cause.values()}
    for c, weight in zip(causes, _weights([c.weight for c in causes]), strict=True):
        slot = slot_of_cause.pop((c.kind, c.id), -1)
        if slot < 0:
            raise NotSayable(f"the cause {c.kind.name} {c.id} has no slot of its own")
        without = (c.counterfactual_lateral, c.counterfactual_direction)
        said[Field.WEIGHT, slot] = weight
        said[Field.LONGITUDINAL_WITHOUT, slot] = token_of(
            Field.LONGITUDINAL_WITHOUT, c.counterfactual_longitudinal
        )
        said[Field.LATERAL_WITHOUT, slot] = token_of(Field.LATERAL_WITHOUT, without)
    return said


def _weights(weights: Sequence[float]) -> list[int]:
    """Tokens of weights whose sum is no more than all: the one rounded up farthest gives way."""
    tokens = [token_of(Field.WEIGHT, w) for w in weights]
    while sum(tokens) - _WEIGHT_0 * len(tokens) > FULL_WEIGHT:
        over = [value_of(Field.WEIGHT, t) - w for t, w in zip(tokens, weights, strict=True)]
        tokens[over.index(max(over))] -= 1
    return tokens


def _decision(p: PlanningTrace) -> dict[Position, int]:
    said = {(int(field), SCENE_SLOT): token for field, token in planning_tokens(p).items()}
    said[Field.REJECTED_COUNT, SCENE_SLOT] = token_of(Field.REJECTED_COUNT, len(p.rejected))
    return said


def _rejected(rejected: Sequence[Rejected]) -> dict[Position, int]:
    said: dict[Position, int] = {}
    for k, r in enumerate(rejected):
        values: tuple[Meaning, ...] = (r.longitudinal, (r.lateral, r.direction), r.risk, r.at_s)
        for field, value in zip(REJECTED, values, strict=True):
            said[field, REJECTED_0 + k] = token_of(field, value)
    return said


def planning_tokens(p: PlanningTrace) -> dict[Field, int]:
    """The decision and its numbers as tokens by field: what is done, without why.

    Raises:
      NotSayable: there are no words for it.
    """
    offset: float | None = p.offset_m
    if p.offset_m == p.offset_from_m == p.offset_until_m == 0.0:
        offset = None
    elif p.offset_m != 0.0:
        offset = math.copysign(max(abs(p.offset_m), LEAST_OFFSET_M), p.offset_m)
    values: tuple[Meaning, ...] = (
        p.longitudinal, (p.lateral, p.direction), p.target_speed_mps, p.target_acceleration_mps2, p.stop_distance_m,
        p.confidence, offset, p.offset_from_m, p.offset_until_m,
    )  # fmt: skip
    return {field: token_of(field, v) for field, v in zip(_PLANNED, values, strict=True)}


def quantised(p: PlanningTrace) -> PlanningTrace:
    """The planning trace as it comes back from tokens: numbers are centres of their bins, causes in their order.

    Raises:
      NotSayable: there are no words for one of its numbers.
    """
    said = {(int(field), SCENE_SLOT): token for field, token in planning_tokens(p).items()}
    weights = [value_of(Field.WEIGHT, t) for t in _weights([c.weight for c in p.causes])]
    causes = (dataclasses.replace(c, weight=w) for c, w in zip(p.causes, weights, strict=True))
    rejected = (
        dataclasses.replace(
            r, at_s=value_of(Field.REJECTED_AT, token_of(Field.REJECTED_AT, r.at_s))
        )
        for r in p.rejected
    )
    return _planning(said, tuple(sorted(causes, key=_by_weight)), tuple(rejected))


def planning_of(tokens: Mapping[Field, int]) -> PlanningTrace:
    """The inverse of `planning_tokens`: the decision and its numbers, without causes and what was rejected."""
    return _planning({(int(field), SCENE_SLOT): t for field, t in tokens.items()}, (), ())


# ----------------------------------------------------------------------------------------------------------- decode


def decode(sequence: TokenSequence, slots: Slots, scene: Scene, integrity: Integrity) -> Trace:
    """The draft of a trace that a valid sequence says of a scene: all parts but the action.

    Args:
      sequence: one that `grammar.is_valid` of these slots.
      slots: who and what is spoken of.
      scene: of the same stamp as the slots; what is copied is copied from here.
      integrity: the draft's.
    """
    values = values_of(sequence)
    objects = {o.id: o for o in scene.objects}
    cited = [
        (
            _critical(values, OBJECT_0 + k, objects[i], slots),
            _predicted(values, OBJECT_0 + k, objects[i]),
        )
        for k, i in enumerate(slots.object_ids)
        if values[Field.ROLE, OBJECT_0 + k] != NOT_CITED
    ]
    cited.sort(key=lambda both: (-both[0].relevance, both[0].id))
    seen: dict[str, Any] = {
        name: value_of(field, values[field, SCENE_SLOT]) for field, name in _SEEN.items()
    }
    return Trace(
        scene.stamp_ns,
        scene.stamp_ns // CYCLE_NS,
        PerceptionTrace(ego=scene.ego, critical_objects=tuple(c for c, _ in cited), **seen),
        PredictionTrace(tuple(p for _, p in cited)),
        _planning(values, _causes_said(values, slots), _rejected_said(values)),
        NO_ACTION,
        integrity,
    )


def _critical(values: Values, slot: int, o: TrackedObject, slots: Slots) -> CriticalObject:
    return CriticalObject(
        o.id, o.object_class, value_of(Field.ROLE, values[Field.ROLE, slot]), o.x_m, o.y_m, o.yaw_rad, o.vx_mps, o.vy_mps,
        slots.relations[slot - OBJECT_0], o.existence_probability,
        value_of(Field.RELEVANCE, values[Field.RELEVANCE, slot]),
    )  # fmt: skip


def _predicted(values: Values, slot: int, o: TrackedObject) -> ObjectPrediction:
    mode = hypotheses(o)[value_of(Field.MODE, values[Field.MODE, slot])]
    said: dict[str, Any] = {
        name: value_of(field, values[field, slot]) for field, name in _PREDICTED.items()
    }
    return ObjectPrediction(
        o.id, mode.intent, mode.probability, mode.dt_s, mode.x_m, mode.y_m, mode.sigma_m, **said
    )


def _causes_said(values: Values, slots: Slots) -> tuple[Cause, ...]:
    meant = {OBJECT_0 + k: (CauseKind.OBJECT, i) for k, i in enumerate(slots.object_ids)}
    meant |= {LINE_0 + k: line for k, line in enumerate(slots.lines)}
    meant |= {KIND_0 + k: (kind, 0) for k, kind in enumerate(KINDS)}
    causes = []
    for (field, slot), token in values.items():
        if field == Field.WEIGHT and token != NO_CAUSE:
            longitudinal = values[Field.LONGITUDINAL_WITHOUT, slot]
            lateral = values[Field.LATERAL_WITHOUT, slot]
            causes.append(
                Cause(
                    *meant[slot],
                    value_of(Field.WEIGHT, token),
                    value_of(Field.LONGITUDINAL_WITHOUT, longitudinal),
                    *value_of(Field.LATERAL_WITHOUT, lateral),
                )
            )
    return tuple(sorted(causes, key=_by_weight))


def _by_weight(c: Cause) -> tuple[float, int, int]:
    return -c.weight, c.kind, c.id


def _rejected_said(values: Values) -> tuple[Rejected, ...]:
    found = []
    for k in range(value_of(Field.REJECTED_COUNT, values[Field.REJECTED_COUNT, SCENE_SLOT])):
        what, (where, side), risk, at_s = (value_of(f, values[f, REJECTED_0 + k]) for f in REJECTED)
        found.append(Rejected(what, where, side, risk, at_s))
    return tuple(found)


def _planning(
    values: Values, causes: tuple[Cause, ...], rejected: tuple[Rejected, ...]
) -> PlanningTrace:
    what, (where, side), *numbers = (value_of(f, values[f, SCENE_SLOT]) for f in _PLANNED)
    speed, acceleration, stop, sure, offset, from_m, until_m = numbers
    return PlanningTrace(
        what, where, side, causes, rejected, speed, acceleration, stop, sure, offset or 0.0, from_m, until_m,
    )  # fmt: skip
