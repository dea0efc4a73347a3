"""The waypoint head: a small net from what was said to speeds, in numpy. Its twin in torch (training/waypoint_head.py) trains it.

It reads `head_features` and nothing else: words, ego, way and cited objects, never the hidden state of the model that chose the words,
or the car could follow something else than what it says (law 2). What each row of weights does:

  context = silu(whole W)                                          decision, ego, way ahead
  rows    = relu(silu(rows W + context W) W), the largest and the sum over rows     who is in the way, in any order
  z       = trunk(context, rows): silu layers, two of them residual
  speeds  = reflect(v + cumulative sum(z W))                       (KNOTS,) every KNOT_S; nobody drives backwards

and the residual head, if there are weights for it (all of it begins at zero, `final = sft + delta(z)`):

  along   = z W                                                    (KNOTS,), bounded later by `delta`
  aside   = (gate(z) * [odd, sum of gate(row) * rows_odd]) W       odd in what is odd: a mirrored world is answered in mirror image

Weights are matrices (out, in) and biases (out,), named as in torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from whyway.plan.head_features import (
    HEAD_VERSION,
    MAX_ROWS,
    ODD,
    ROW,
    ROW_ODD,
    SPEED_AT,
    SPEED_SCALE,
    WHOLE,
    Float32s,
    HeadInput,
)
from whyway.plan.knots import KNOTS
from whyway.types import Floats, InputError

Weights = Mapping[str, Float32s]

WIDTH = 96
"""Of the context and of rows; the trunk is twice as wide."""
_TRUNK = 2 * WIDTH

VERSION: Mapping[str, Float32s] = {"version": np.array([int(HEAD_VERSION)], dtype=np.float32)}
"""Stands among the weights: what the features mean no shape can tell."""

HEAD_SHAPES: Mapping[str, tuple[int, ...]] = {
    "context.weight": (WIDTH, len(WHOLE)), "context.bias": (WIDTH,),
    "row.weight": (WIDTH, len(ROW)), "row.bias": (WIDTH,),
    "row_context.weight": (WIDTH, WIDTH),
    "row_2.weight": (WIDTH, WIDTH), "row_2.bias": (WIDTH,),
    "trunk_1.weight": (_TRUNK, 3 * WIDTH), "trunk_1.bias": (_TRUNK,),
    "trunk_2.weight": (_TRUNK, _TRUNK), "trunk_2.bias": (_TRUNK,),
    "trunk_3.weight": (_TRUNK, _TRUNK), "trunk_3.bias": (_TRUNK,),
    "speeds.weight": (KNOTS, _TRUNK), "speeds.bias": (KNOTS,),
}  # fmt: skip
DELTA_SHAPES: Mapping[str, tuple[int, ...]] = {
    "delta.along.weight": (KNOTS, _TRUNK),
    "delta.gate.weight": (len(ODD) + len(ROW_ODD), _TRUNK),
    "delta.gate.bias": (len(ODD) + len(ROW_ODD),),
    "delta.row_gate.weight": (1, WIDTH),
    "delta.aside.weight": (KNOTS, len(ODD) + len(ROW_ODD)),
}


@dataclass(frozen=True, slots=True, eq=False)
class HeadOutput:
    """What the head says of `...` views."""

    speeds_mps: Floats
    """(..., KNOTS)"""
    delta: tuple[Floats, Floats] | None = None
    """Of the residual head: along, aside (left positive), (..., KNOTS) each, not yet bounded; None without one."""


class WaypointHead:
    """The net, from its weights.

    Args:
      weights: by name, float32 (or what converts to it): `HEAD_SHAPES`, all or none of `DELTA_SHAPES`, and `VERSION`.

    Raises:
      InputError: weights are missing, of another shape, unknown or not finite.
    """

    def __init__(self, weights: Weights) -> None:
        self.has_delta = any(name.startswith("delta.") for name in weights)
        shapes = {**HEAD_SHAPES, **(DELTA_SHAPES if self.has_delta else {}), "version": (1,)}
        _check(weights, shapes)
        # transposed once: rows of inputs times columns of weights
        self._w = {
            name: np.ascontiguousarray(np.asarray(w, dtype=np.float32).T)
            for name, w in weights.items()
        }

    def __call__(self, x: HeadInput) -> HeadOutput:
        """Speeds, and the residual if there is one, for inputs with any leading axes."""
        w = self._w
        context = _silu(x.whole @ w["context.weight"] + w["context.bias"])
        rows = x.rows @ w["row.weight"] + w["row.bias"]
        rows = _silu(rows + (context @ w["row_context.weight"])[..., None, :])
        rows = np.maximum(rows @ w["row_2.weight"] + w["row_2.bias"], 0.0) * x.rows[..., :1]
        pooled = [context, rows.max(axis=-2), rows.sum(axis=-2) / MAX_ROWS]
        z = _silu(np.concatenate(pooled, axis=-1) @ w["trunk_1.weight"] + w["trunk_1.bias"])
        z = z + _silu(z @ w["trunk_2.weight"] + w["trunk_2.bias"])
        z = z + _silu(z @ w["trunk_3.weight"] + w["trunk_3.bias"])
        changes = z @ w["speeds.weight"] + w["speeds.bias"]
        v_now = SPEED_SCALE * x.whole[..., SPEED_AT, None]
        speeds = reflect(v_now + np.cumsum(changes, axis=-1))
        return HeadOutput(
            speeds.astype(np.float64), self._delta(x, z, rows) if self.has_delta else None
        )

    def _delta(self, x: HeadInput, z: Float32s, rows: Float32s) -> tuple[Floats, Floats]:
        w = self._w
        gate = z @ w["delta.gate.weight"] + w["delta.gate.bias"]
        seen = np.sum((rows @ w["delta.row_gate.weight"]) * x.rows_odd, axis=-2)
        odd = np.concatenate([x.odd, seen], axis=-1)
        along, aside = z @ w["delta.along.weight"], (gate * odd) @ w["delta.aside.weight"]
        return along.astype(np.float64), aside.astype(np.float64)


def reflect(v_mps: Float32s) -> Float32s:
    """Speeds (..., KNOTS) that would fall below zero stay there, and rise from there: v_k - min(0, min over j <= k of v_j)."""
    result: Float32s = v_mps - np.minimum(np.minimum.accumulate(v_mps, axis=-1), 0.0)
    return result


def zero_delta(weights: Weights) -> dict[str, Float32s]:
    """The same head with a residual head that does nothing yet."""
    added: dict[str, Float32s] = {
        name: np.zeros(shape, dtype=np.float32) for name, shape in DELTA_SHAPES.items()
    }
    # of two factors one is not zero, or neither would ever learn
    for name, value in (("delta.gate.bias", 1.0), ("delta.row_gate.weight", 1.0 / WIDTH)):
        added[name] = np.full(DELTA_SHAPES[name], value, dtype=np.float32)
    return {**weights, **added}


def _silu(x: Float32s) -> Float32s:
    # exp overflows to inf below -88 and the quotient is 0 then, as it should be
    with np.errstate(over="ignore"):
        result: Float32s = x / (np.float32(1.0) + np.exp(-x))
    return result


def _check(weights: Weights, shapes: Mapping[str, tuple[int, ...]]) -> None:
    remedy = "train it anew with `python -m training.waypoint_head`"
    missing, unknown = sorted(set(shapes) - set(weights)), sorted(set(weights) - set(shapes))
    if missing or unknown:
        what = f"lacks {', '.join(missing)}" if missing else f"has unknown {', '.join(unknown)}"
        raise InputError(f"the waypoint head {what}; {remedy}")
    for name, shape in shapes.items():
        if weights[name].shape != shape:
            raise InputError(
                f"the waypoint head's {name} is {weights[name].shape}, {shape} is needed; {remedy}"
            )
        if not np.isfinite(weights[name]).all():
            raise InputError(f"the waypoint head's {name} is not finite; {remedy}")
    read = f"{weights['version'][0]:g}"
    if read != HEAD_VERSION:
        raise InputError(
            f"the waypoint head reads features of version {read}, this is {HEAD_VERSION}; {remedy}"
        )
