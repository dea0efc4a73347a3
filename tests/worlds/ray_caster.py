"""An independent look at the same triangles, for tests: one ray at a time, in numpy, without projection, clipping, tiles or buffers."""

from __future__ import annotations

import numpy as np


def first_hit(origin, direction, triangles, from_t=0.0):
    """Smallest t > `from_t` with origin + t direction on the front of a triangle (n, 3, 3), and which; (inf, -1) if none.

    Moeller and Trumbore, "Fast, minimum storage ray-triangle intersection", 1997; the front is where corners go round counter-clockwise.
    """
    a, b, c = triangles[:, 0], triangles[:, 1], triangles[:, 2]
    e1, e2 = b - a, c - a
    p = np.cross(direction, e2)
    det = (e1 * p).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        s = origin - a
        u = (s * p).sum(axis=1) / det
        q = np.cross(s, e1)
        v = (q @ direction) / det
        t = (e2 * q).sum(axis=1) / det
        hit = (det > 1e-14) & (u >= 0.0) & (v >= 0.0) & (u + v <= 1.0) & (t > from_t)
    t = np.where(hit, t, np.inf)
    k = int(t.argmin()) if len(t) else -1
    return (float(t[k]), k) if k >= 0 and np.isfinite(t[k]) else (np.inf, -1)


def last_cover(x, y, triangles):
    """The last of the flat triangles (n, 3, 2) that a point is in, -1 if none."""
    a, b, c = triangles[:, 0], triangles[:, 1], triangles[:, 2]

    def side(p, q):
        return (q[:, 0] - p[:, 0]) * (y - p[:, 1]) - (q[:, 1] - p[:, 1]) * (x - p[:, 0])

    sides = np.stack([side(a, b), side(b, c), side(c, a)])
    inside = np.nonzero((sides >= 0.0).all(axis=0) | (sides <= 0.0).all(axis=0))[0]
    return int(inside[-1]) if len(inside) else -1
