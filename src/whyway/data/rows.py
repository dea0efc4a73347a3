"""A keyframe -> a row: features of the scene, tokens of the trace, lessons for the waypoint head. Deterministic, given a generator."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from whyway.data.ride import Ride, Seen
from whyway.data.schema import COUNTS, FEATURES
from whyway.evaluate.traces.interventions import without_cause
from whyway.plan.head_features import head_example
from whyway.plan.head_teacher import Teacher, edited_views
from whyway.reason.scene_tokens import SceneEncoder
from whyway.reason.spec import ROWS, SceneTokens
from whyway.trace.sentences import sentence
from whyway.trace.sequence import TokenSequence
from whyway.trace.tokens import encode
from whyway.types import CauseKind, Scene, Trace

Row = dict[str, Any]
"""Values of `schema.COLUMNS`."""


class Rows:
    """Makes rows of one drive's cycles.

    Args:
      ride: the drive.
      which: the columns that tell which drive it is.
    """

    def __init__(self, ride: Ride, which: Row) -> None:
        self._ride, self._which = ride, which
        self._encoder = SceneEncoder(ride.config, ride.road)
        self._teacher = Teacher(ride.config, ride.road)

    def row(self, seen: Seen, changed: bool, edits: int, rng: np.random.Generator) -> Row:
        """The row of a cycle as it was.

        Raises:
          NotSayable: the vocabulary has no words for its trace.
        """
        return self._row(seen, changed=changed, removed=False, edits=edits, rng=rng)

    def removed(self, seen: Seen, rng: np.random.Generator) -> Row | None:
        """The same without something its trace cites, with what the expert says then; None where a scene can do without nothing cited.

        Causes are taken away twice as often as others that are cited.

        Raises:
          NotSayable: the vocabulary has no words for the new trace.
        """
        causes = [(c.kind, c.id) for c in seen.label.planning.causes]
        cited = [(CauseKind.OBJECT, c.id) for c in seen.label.perception.critical_objects]
        rests = [without_cause(seen.scene, *what) for what in (*causes, *cited)]
        scenes = [scene for scene in rests if scene is not None]
        if not scenes:
            return None
        scene = scenes[int(rng.integers(len(scenes)))]
        other = dataclasses.replace(
            seen,
            scene=scene,
            memory=seen.before.after(scene, seen.place),
            label=self._ride.labelled(scene, seen.before),
        )
        return self._row(other, changed=False, removed=True, edits=0, rng=rng)

    def _row(
        self, seen: Seen, *, changed: bool, removed: bool, edits: int, rng: np.random.Generator
    ) -> Row:
        label = seen.label
        tokens = self._encoder.tokens_at(seen.scene, seen.memory, seen.place)
        p = label.planning
        return {
            **self._which,
            "stamp_ns": seen.scene.stamp_ns,
            "changed": changed,
            "removed": removed,
            "disturbed": seen.disturbed,
            "disagrees": seen.disagrees and not removed,
            "cited": len(label.perception.critical_objects),
            "longitudinal": int(p.longitudinal),
            "lateral": int(p.lateral),
            "direction": int(p.direction),
            "causes": [int(c.kind) for c in p.causes],
            "sentence": sentence(label),
            **scene_columns(tokens),
            **trace_columns(encode(label, tokens.slots, seen.scene)),
            **self._lessons(seen.scene, label, edits, rng),
        }

    def _lessons(self, scene: Scene, label: Trace, edits: int, rng: np.random.Generator) -> Row:
        """What the waypoint head reads and is taught, for the view as said and for edited ones; the first is the true one."""
        inputs, speeds = [], []
        for view in edited_views(scene, label, rng, edits):
            read = head_example(view, self._ride.road, self._ride.config)
            taught = self._teacher(view)
            if read is not None and taught is not None:
                inputs.append(read.flat())
                speeds.append(taught)
        return {
            "head_views": len(inputs),
            "head_inputs": b"".join(x.astype(FEATURES).tobytes() for x in inputs),
            "head_speeds": np.concatenate(speeds).astype(np.float32) if speeds else np.zeros(0, np.float32),
        }  # fmt: skip


def scene_columns(tokens: SceneTokens) -> Row:
    """A scene's columns: of lines and objects the rows in use alone."""
    slots, found = tokens.slots, dict[str, Any]()
    for kind, table in tokens.features.items():
        assert table.shape == (ROWS[kind], COUNTS[kind]), f"{kind}: {table.shape}"
        used = {"line": len(slots.lines), "object": len(slots.object_ids)}.get(kind, len(table))
        found[kind] = table[:used].astype(FEATURES).tobytes()
    return {
        **found,
        "valid": tokens.valid.astype(np.uint8).tobytes(),
        "object_ids": slots.object_ids,
        "relations": [int(r) for r in slots.relations],
        "mode_counts": slots.mode_counts,
        "line_kinds": [int(kind) for kind, _ in slots.lines],
        "line_ids": [i for _, i in slots.lines],
    }


def trace_columns(sequence: TokenSequence) -> Row:
    """A trace's columns."""
    return {name: getattr(sequence, name) for name in ("fields", "slots", "tokens", "blocks")}
