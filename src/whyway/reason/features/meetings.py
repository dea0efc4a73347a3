"""How a road user's likely futures meet the ego's lane: when it is in the way, who is there first, and how it alone would hold the ego."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from whyway.motion import Bools, Obstacles
from whyway.reason.facts import HELD_MPS2
from whyway.reason.features.table import clipped, one_hot, one_hot_names
from whyway.reason.features.view import STEP_S, WINDOW_STEPS, View, Viewer, prospect_m
from whyway.reason.spec import Float32s
from whyway.types import Floats, Intent, Ints, TrackedObject

MODES = 3
"""Hypotheses of each road user that are looked at, the first ones: they come by probability."""
AT_S = (1, 2, 3, 4, 5)
_AT = [round(t / STEP_S) for t in AT_S]

MEETING: dict[str, str] = {
    "likely": "probability; 0 where there is no such hypothesis",
    **one_hot_names("", Intent, "intent"),
    **{f"ahead_{t}s": "of where the free ego is then, along the path / 30 m" for t in AT_S},
    **{f"aside_{t}s": "left of the path / 3.5 m" for t in AT_S},
    **{f"inside_{t}s": "in the way then" for t in (0, *AT_S)},
    "along_5s": "speed along the path then / 15 m/s",
    "meets": "in the way at any time",
    "blocks": "counts as somebody to keep behind",
    "across": "crosses or comes towards the ego",
    "enters": "when it gets in the way / 5 s",
    "clears": "when it is out of it / 5 s",
    "near": "where its way begins, from the front bumper / 30 m",
    "far": "where it ends, from the rear bumper / 30 m",
    "there": "when the ego gets there / 5 s",
    "through": "when the ego is through / 5 s",
    "ego_first": "how long after the ego is through it enters / 2 s",
    "ego_later": "how long before the ego gets there it is out / 2 s",
    "stand": "where the ego would have to stand for it, from base_link / 30 m",
    "stand_needs": "braking that takes / 3 m/s2",
    "enters_at": "speed along the path when it enters / 10 m/s",
    "enters_gap": "from the held ego then to its near end / 20 m",
    "enters_behind": "from its far end to the held ego's rear then / 20 m",
    "pressure": "log(1 + what it alone takes off the free road's acceleration in the words' window) / 2",
    "pressure_all": "... in 5 s",
    "holds": "whether that is enough to be a reason",
    "brake": "the hardest braking it alone asks for / 3 m/s2",
    "loses": "speed it alone takes in the window / 3 m/s",
    "shortens": "how much less far the ego gets behind it alone / 20 m",
}
"""By hypothesis."""


def meetings(v: View, viewer: Viewer, objects: Sequence[TrackedObject]) -> Float32s:
    """(objects, MODES x features) of objects in the order of their slots; zero where one has fewer hypotheses."""
    rows = np.full((len(objects), MODES), len(v.seen.ids), dtype=np.int64)
    for k, o in enumerate(objects):
        n = min(len(v.modes[o.id]), MODES)
        rows[k, :n] = v.rows[o.id] + np.arange(n)
    intents = [p.intent for o in v.objects for p in v.modes[o.id]]
    columns = {
        **one_hot("", intents, Intent),
        **_along(v),
        **_meets(v, viewer),
        **_alone(v, viewer, rows),
    }
    table = np.zeros((len(MEETING), len(v.seen.ids) + 1))  # with a row for nobody
    for line, name in zip(table, MEETING, strict=True):
        line[:-1] = columns[name]
    return clipped(table.T[rows].reshape(len(objects), MODES * len(MEETING)))


def _along(v: View) -> dict[str, Floats]:
    c, seen = v.corridor, v.seen
    found: dict[str, Floats] = {"likely": seen.probability}
    for t, k in zip(AT_S, _AT, strict=True):
        found[f"ahead_{t}s"] = (seen.ahead_m[:, k] - v.free.ahead_m[k]) / 30
        found[f"aside_{t}s"] = seen.d_m[:, k] / 3.5
    for t, k in zip((0, *AT_S), (0, *_AT), strict=True):
        found[f"inside_{t}s"] = np.asarray(c.inside[:, k], dtype=np.float64)
    found["along_5s"] = seen.along_mps[:, -1] / 15
    return found


def _meets(v: View, viewer: Viewer) -> dict[str, Floats]:
    """Who is where first: the ego as lines hold it, against when and where somebody is in its way."""
    c, go, vehicle, t = v.corridor, v.held, viewer.config.vehicle, v.corridor.t_s
    rows, meets = np.arange(len(c.ids)), c.inside.any(axis=1)
    at = np.argmax(c.inside, axis=1)
    last = c.inside.shape[1] - 1 - np.argmax(c.inside[:, ::-1], axis=1)
    enters = np.where(meets, t[at], math.inf)
    clears = np.where(last < len(t) - 1, t[last], math.inf)
    low = np.where(c.inside, c.ahead_m - c.half_length_m, np.inf).min(axis=1, initial=math.inf)
    high = np.where(c.inside, c.ahead_m + c.half_length_m, -np.inf).max(axis=1, initial=-math.inf)
    near, far = low - vehicle.front_m, high + vehicle.rear_m
    there = np.interp(near - 0.5, go.ahead_m, go.t_s, right=math.inf)
    through = np.interp(far + 0.5, go.ahead_m, go.t_s, right=math.inf)
    stand = near - 2.0
    speed = v.scene.ego.v_mps
    needs = speed**2 / (2 * np.maximum(stand, 0.5))
    gap = c.ahead_m[rows, at] - c.half_length_m[rows, at] - go.ahead_m[at] - vehicle.front_m
    behind = go.ahead_m[at] - vehicle.rear_m - c.ahead_m[rows, at] - c.half_length_m[rows, at]
    values: dict[str, Any] = {
        "enters": enters / 5,
        "clears": clears / 5,
        "near": near / 30,
        "far": far / 30,
        "there": there / 5,
        "through": through / 5,
        "ego_first": _less(enters, through) / 2,
        "ego_later": _less(there, clears) / 2,
        "stand": stand / 30,
        "stand_needs": needs / 3,
        "enters_at": c.along_mps[rows, at] / 10,
        "enters_gap": gap / 20,
        "enters_behind": behind / 20,
    }
    found: dict[str, Floats] = {n: np.where(meets, np.asarray(x), 0.0) for n, x in values.items()}
    found["meets"] = np.asarray(meets, dtype=np.float64)
    found["across"] = np.asarray(c.crosses & meets, dtype=np.float64)
    return found


def _less(a: Floats, b: Floats) -> Floats:
    """The difference, where infinity less infinity is 0."""
    both = np.isinf(a) & np.isinf(b)
    return np.where(both, 0.0, np.where(both, 0.0, a) - np.where(both, 0.0, b))


def _alone(v: View, viewer: Viewer, rows: Ints) -> dict[str, Floats]:
    """The ego driven forward behind each of those it has to keep behind, as if there were nobody else."""
    obstacles = v.corridor.obstacles(v.scene.ego.v_mps)
    blocks: Bools = np.asarray(obstacles.blocks.any(axis=1))
    found: dict[str, Floats] = {
        name: np.zeros(len(blocks))
        for name in ("pressure", "pressure_all", "holds", "brake", "loses", "shortens")
    }
    for r in np.intersect1d(rows, np.flatnonzero(blocks)).tolist():
        one = slice(r, r + 1)
        only = Obstacles(obstacles.rear_m[one], obstacles.v_mps[one], obstacles.blocks[one])
        roll = viewer.drive(v.facts, v.profile, v.cap_mps, v.road_end_m, only)
        held = float(np.mean(roll.pressure_mps2[:WINDOW_STEPS]))
        found["pressure"][r] = math.log1p(held) / 2
        found["pressure_all"][r] = math.log1p(float(np.mean(roll.pressure_mps2))) / 2
        found["holds"][r] = held >= HELD_MPS2
        found["brake"][r] = -min(float(roll.a_mps2.min()), 0.0) / 3
        found["loses"][r] = (v.free.v_mps[WINDOW_STEPS - 1] - roll.v_mps[WINDOW_STEPS - 1]) / 3
        found["shortens"][r] = (v.prospect_m - prospect_m(roll)) / 20
    found["blocks"] = blocks.astype(np.float64)
    return found
