"""Slots, scenes and sequences for the tests of a trace's words."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import strategies as st

from whyway.motion import hypotheses
from whyway.trace.grammar import Grammar, Limits
from whyway.trace.integrity import lane_relation
from whyway.trace.sequence import VOCABULARY_SIZE
from whyway.trace.slots import MAX_LINES, MAX_MODES, MAX_OBJECTS, Block, Slots
from whyway.types import CauseKind, Intent, LaneRelation, PredictedPath, TrackedObject

LINES = (
    (CauseKind.TRAFFIC_LIGHT, 3), (CauseKind.STOP_SIGN, 4), (CauseKind.TRAFFIC_LIGHT, 5), (CauseKind.TRAFFIC_LIGHT, 3),
)  # fmt: skip


def slots_of(trace, scene, path):
    """Slots as a scene's encoder makes them: objects by distance, and the lines the trace speaks of."""
    ego = scene.ego
    near = sorted(scene.objects, key=lambda o: math.hypot(o.x_m - ego.x_m, o.y_m - ego.y_m))
    near = near[:MAX_OBJECTS]
    causes = trace.planning.causes
    lines = [c for c in causes if c.kind in (CauseKind.TRAFFIC_LIGHT, CauseKind.STOP_SIGN)]
    relations = [lane_relation(path, o.x_m, o.y_m) if path else LaneRelation.OFF for o in near]
    modes = [min(len(hypotheses(o)), MAX_MODES) for o in near]
    return Slots(
        tuple(o.id for o in near), tuple(relations), tuple(modes), tuple((c.kind, c.id) for c in lines)
    )  # fmt: skip


def some_slots(objects=3, lines=2, modes=2):
    """So many of everything."""
    ids = tuple(range(11, 11 + objects))
    return Slots(ids, (LaneRelation.EGO,) * objects, (modes,) * objects, LINES[:lines])


def walker(i, modes, x=20.0, y=0.0):
    """Somebody who may go so many ways."""
    t = 0.5 * np.arange(1, 11)
    paths = tuple(
        PredictedPath(Intent.KEEP, 1.0 / modes, 0.5, x + (1.0 + k) * t, y + 0 * t, 0 * t, 1.0 + k + 0 * t, t)
        for k in range(modes)
    )  # fmt: skip
    return TrackedObject(i, 1, x, y, 0.0, 1.0, 0.0, 4.5, 1.8, 0.9, 3.0, 0.0, 1, paths)


all_slots = st.builds(
    lambda modes, lines: Slots(
        tuple(range(11, 11 + len(modes))), (LaneRelation.LEFT,) * len(modes), tuple(modes), LINES[:lines]
    ),
    st.lists(st.integers(1, MAX_MODES), max_size=MAX_OBJECTS),
    st.integers(0, MAX_LINES),
)  # fmt: skip


def likeliest(scores, allowed):
    """The most probable token."""
    return int(np.argmax(np.where(allowed, scores, -np.inf)))


def drawn_by(rng):
    """Tokens drawn by their probability."""

    def pick(scores, allowed):
        p = np.exp(np.where(allowed, scores - np.max(scores[allowed]), -np.inf))
        return int(rng.choice(len(p), p=p / p.sum()))

    return pick


def said_at_random(slots, rng, scale=1.0, pick=likeliest, plain=False, limits=Limits()):  # noqa: B008
    """Values by position, from random logits: a block at once, or one position at a time."""
    grammar, values = Grammar(slots, limits), {}
    for block in Block:
        positions = grammar.positions(block, values)
        scores = rng.normal(0.0, scale, (len(positions), VOCABULARY_SIZE)).astype(np.float32)
        for part in [slice(i, i + 1) for i in range(len(positions))] if plain else [slice(None)]:
            these = positions.only(part)
            tokens = grammar.settle(these, scores[part], pick, values)
            values |= dict(zip(these.pairs(), tokens.tolist(), strict=True))
    return values
