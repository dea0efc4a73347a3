"""Scene -> what microgpt reads: one row of features for the ego, its path, the lanes beside it, lines, and each road user. No clock.

Everything is measured along the ego's own lane, so where in the world the road lies and which way it leads changes nothing. No road
user's row depends on another one: without somebody, the others' rows stay what they are, but for their slot. Only the rows of the two
sides say who is next in the lane there.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from whyway.config import Config
from whyway.maps.manoeuvre import Place
from whyway.maps.road import Road
from whyway.reason.features.beside import beside_columns, next_columns
from whyway.reason.features.ego import EGO, SAID, ego_columns
from whyway.reason.features.lines import LINE, line_columns
from whyway.reason.features.objects import OBJECT, object_rows
from whyway.reason.features.path import PATH, SIDE, path_columns, side_columns
from whyway.reason.features.table import filled
from whyway.reason.features.view import View, Viewer
from whyway.reason.memory import SceneMemory
from whyway.reason.spec import PATH_ROWS, ROWS, SIDE_ROWS, Float32s, SceneTokens
from whyway.trace.slots import MAX_LINES, MAX_MODES, MAX_OBJECTS, Slots
from whyway.types import LaneRelation, Scene, TrackedObject

__all__ = [
    "FEATURES_VERSION", "FEATURE_COUNTS", "FEATURE_NAMES", "SAID", "SceneEncoder", "SceneMemory", "describe",
]  # fmt: skip

FEATURES_VERSION = "4"
"""Changes whenever a number would: a model reads only what it was trained on."""
_MEANINGS: Mapping[str, Mapping[str, str]] = {
    "ego": EGO, "path": PATH, "side": SIDE, "line": LINE, "object": OBJECT,
}  # fmt: skip
FEATURE_NAMES: Mapping[str, tuple[str, ...]] = {kind: tuple(m) for kind, m in _MEANINGS.items()}
"""By kind, in the order of the columns."""
FEATURE_COUNTS: tuple[tuple[str, int], ...] = tuple(
    (kind, len(FEATURE_NAMES[kind])) for kind in ROWS
)
"""As `ModelSpec` wants them."""

BACK = 1.5
"""A metre behind counts as so many ahead, when it is asked who is near ..."""
ASIDE = 1.5
"""... and one aside of the lane as so many."""
LANE_M = 1.75
SOON_S = 3.0
"""Where somebody will be by then counts too."""
HOME_M = 120.0
"""Length of the path that lane relations are about, as the rules have it."""


class SceneEncoder:
    """Makes tokens of scenes on one road, for one configuration."""

    def __init__(self, config: Config, road: Road) -> None:
        self._viewer = Viewer(config, road)
        self._road = road

    def tokens(self, scene: Scene, memory: SceneMemory) -> SceneTokens | None:
        """The tokens of a scene, with a memory that has seen it (`memory.after(scene, place)`); None off the map."""
        place = self._viewer.place(scene)
        return None if place is None else self.tokens_at(scene, memory, place)

    def tokens_at(self, scene: Scene, memory: SceneMemory, place: Place) -> SceneTokens:
        """The same, where the ego's place is known already."""
        viewer = self._viewer
        v = viewer.view(scene, memory, place)
        objects, lines = nearest(v), v.lines[:MAX_LINES]
        relations = self._relations(objects, place)
        beside = beside_columns(v, viewer, objects)
        sides = {**side_columns(v, viewer), **next_columns(v, objects, beside)}
        features = {
            "ego": filled(ego_columns(v, viewer), EGO, 1),
            "path": filled(path_columns(v), PATH, PATH_ROWS),
            "side": filled(sides, SIDE, SIDE_ROWS),
            "line": filled(line_columns(v, viewer, lines), LINE, len(lines)),
            "object": object_rows(v, viewer, objects, relations, beside),
        }
        slots = Slots(
            tuple(o.id for o in objects),
            relations,
            tuple(min(len(v.modes[o.id]), MAX_MODES) for o in objects),
            tuple(x.key for x in lines),
        )
        return SceneTokens(
            {kind: _padded(features[kind], count) for kind, count in ROWS.items()},
            np.concatenate([np.arange(n) < len(features[kind]) for kind, n in ROWS.items()]),
            slots,
        )

    def _relations(
        self, objects: tuple[TrackedObject, ...], place: Place
    ) -> tuple[LaneRelation, ...]:
        """`trace.integrity.lane_relation` for all at once."""
        if not objects:
            return ()
        home = self._road.path_from(place.lane_id, place.s_m + HOME_M)
        x, y = np.array([o.x_m for o in objects]), np.array([o.y_m for o in objects])
        s, d = home.center.project(x, y)
        half = home.half_width_at(s)
        kinds = np.where(d > 0, LaneRelation.LEFT, LaneRelation.RIGHT)
        kinds = np.where(np.abs(d) > half + 6.0, LaneRelation.OFF, kinds)
        kinds = np.where(np.abs(d) <= half, LaneRelation.EGO, kinds)
        return tuple(LaneRelation(int(k)) for k in kinds)


def nearest(v: View) -> tuple[TrackedObject, ...]:
    """Who gets a slot, in order: the nearest along the path, now or soon; of equals, by id.

    By where they are and go alone, and by nobody else: who is left out never depends on what is thought of them.
    """
    soon = int(np.searchsorted(v.seen.t_s, SOON_S))
    speed = v.scene.ego.v_mps

    def far(o: TrackedObject) -> tuple[float, int]:
        r = v.rows[o.id]
        x, d = v.seen.ahead_m[r], v.seen.d_m[r]
        away = [
            max(x[k] - moved, BACK * (moved - x[k])) + ASIDE * max(abs(d[k]) - LANE_M, 0.0)
            for k, moved in ((0, 0.0), (soon, SOON_S * speed))
        ]
        return float(min(away)), o.id

    return tuple(sorted(v.objects, key=far)[:MAX_OBJECTS])


def describe(tokens: SceneTokens, *, least: float = 1e-3) -> str:
    """Every row in words and numbers, for a person: features that are not zero, by name."""
    lines = []
    for kind, table in tokens.features.items():
        start = sum(n for k, n in ROWS.items() if list(ROWS).index(k) < list(ROWS).index(kind))
        for i, row in enumerate(table):
            if tokens.valid[start + i]:
                what = _what(kind, i, tokens.slots)
                shown = (
                    f"{name}={value:.3g}"
                    for name, value in zip(FEATURE_NAMES[kind], row.tolist(), strict=True)
                    if abs(value) >= least
                )
                lines.append(f"{what}: {', '.join(shown)}")
    return "\n".join(lines)


def _what(kind: str, i: int, slots: Slots) -> str:
    if kind == "object":
        return f"object {i} (track {slots.object_ids[i]}, {slots.relations[i].name})"
    if kind == "line":
        return f"line {i} ({slots.lines[i][0].name} {slots.lines[i][1]})"
    return f"{kind} {i}"


def _padded(rows: Float32s, count: int) -> Float32s:
    table = np.zeros((count, rows.shape[1]), dtype=np.float32)
    table[: len(rows)] = rows
    return table
