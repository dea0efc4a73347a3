"""How far each plan is from the one before, where both speak of the same time: the discrete Frechet distance.

T. Eiter, H. Mannila, "Computing discrete Frechet distance", TR CD-TR 94/64, TU Wien, 1994: the least leash on which two walk
along their points, each stepping on or waiting, nobody stepping back. Shapes: K pairs of n and m points.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from whyway.types import CYCLE_NS, Floats, Plan

_GAP_NS = 350_000_000
"""Plans farther apart do not follow each other: one was lost in between."""
_BLOCK = 64
"""Pairs looked at together: their distances fit the cache."""


def discrete_frechet(p: Floats, q: Floats) -> Floats:
    """Discrete Frechet distance [m] of point rows.

    Eiter and Mannila's recurrence `c(i, j) = max(d(i, j), min(c(i-1, j), c(i-1, j-1), c(i, j-1)))`, one anti-diagonal at a time.

    Args:
      p: points `(..., n, 2)`.
      q: points `(..., m, 2)`.

    Returns:
      `(...)`.

    Raises:
      ValueError: no points at all.
    """
    n, m = p.shape[-2], q.shape[-2]
    if n == 0 or m == 0:
        raise ValueError(f"a distance between {n} and {m} points: give at least one on each side")
    d = np.hypot(p[..., :, None, 0] - q[..., None, :, 0], p[..., :, None, 1] - q[..., None, :, 1])
    # row i of the diagonal j + i = k; a border of inf stands for what is outside
    before = np.full((*d.shape[:-2], n + 1), np.inf)
    last = before.copy()
    before[..., 0] = -np.inf  # nobody has walked yet: only d(0, 0) counts
    for k in range(n + m - 1):
        i = np.arange(max(0, k - m + 1), min(n, k + 1))
        least = np.minimum(np.minimum(last[..., i], last[..., i + 1]), before[..., i])
        now = np.full_like(last, np.inf)
        now[..., i + 1] = np.maximum(d[..., i, k - i], least)
        before, last = last, now
    result: Floats = last[..., n]
    return result


def plan_distances(plans: Sequence[Plan]) -> Floats:
    """Discrete Frechet distance [m] of each plan to the one before it over their common time, `(K,)`.

    Each pair is sampled every 0.1 s from the later stamp to the earlier end. A walk in step costs the largest distance at equal
    times, and no walk is cheaper than its two ends: where both are the same, as with plans that drift apart, that is the answer.
    Plans that are not finite cannot be compared and are left out.
    """
    plans = sorted(plans, key=lambda plan: plan.stamp_ns)
    parts = [
        _distances(plans[start : start + _BLOCK + 1]) for start in range(0, len(plans) - 1, _BLOCK)
    ]
    every = np.concatenate([np.zeros(0), *parts])
    finite: Floats = every[np.isfinite(every)]
    return finite


def _distances(plans: Sequence[Plan]) -> Floats:
    """Of a few plans, in order; pairs that share as many points are walked together."""
    pairs = [
        sampled
        for a, b in zip(plans, plans[1:], strict=False)
        if 0 < b.stamp_ns - a.stamp_ns <= _GAP_NS and (sampled := _in_common(a, b)) is not None
    ]
    found = np.empty(len(pairs))
    hard: dict[int, list[int]] = {}
    for row, (p, q) in enumerate(pairs):
        in_step = np.hypot(*(p - q).T)
        found[row] = in_step.max()
        if found[row] > max(in_step[0], in_step[-1]):
            hard.setdefault(len(p), []).append(row)
    for rows in hard.values():
        p, q = (np.stack([pairs[r][side] for r in rows]) for side in (0, 1))
        found[rows] = discrete_frechet(p, q)
    return found


def _in_common(a: Plan, b: Plan) -> tuple[Floats, Floats] | None:
    """Points `(n, 2)` of both at the same times; None where they share less than one cycle."""
    if min(len(a.waypoints.t_s), len(b.waypoints.t_s)) < 2:
        return None
    later_s = (b.stamp_ns - a.stamp_ns) * 1e-9
    end_s = min(float(a.waypoints.t_s[-1]) - later_s, float(b.waypoints.t_s[-1]))
    count = int(np.floor(end_s / (CYCLE_NS * 1e-9) + 1e-6)) + 1
    if count < 2:
        return None
    t = np.arange(count) * CYCLE_NS * 1e-9
    p, q = (
        np.stack([np.interp(u, w.t_s, w.x_m), np.interp(u, w.t_s, w.y_m)], axis=-1)
        for u, w in ((t + later_s, a.waypoints), (t, b.waypoints))
    )
    return p, q
