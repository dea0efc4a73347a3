"""Rows of a data set with numbers and words drawn at random: valid traces of scenes that never were."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path

import numpy as np

from whyway.data.rows import scene_columns, trace_columns
from whyway.data.schema import Versions
from whyway.data.shard import write_shard
from whyway.plan.head_features import HEAD_INPUT_SIZE
from whyway.plan.knots import KNOTS
from whyway.reason.scene_tokens import FEATURE_COUNTS
from whyway.reason.spec import ROWS, SceneTokens
from whyway.trace.grammar import Grammar
from whyway.trace.slots import MAX_LINES, MAX_MODES, MAX_OBJECTS, Block, Slots
from whyway.types import CauseKind, LaneRelation

MARK = 0
"""Column of the ego's row that holds the number of a made keyframe: exact in half precision up to 2048."""


def made_tokens(rng, objects=None, number=0):
    n = int(rng.integers(0, MAX_OBJECTS + 1)) if objects is None else objects
    lines = int(rng.integers(0, MAX_LINES + 1))
    features, valid = {}, []
    for kind, width in FEATURE_COUNTS:
        there = np.arange(ROWS[kind]) < {"line": lines, "object": n}.get(kind, ROWS[kind])
        values = rng.normal(size=(ROWS[kind], width)).clip(-3, 3) * there[:, None]
        features[kind] = values.astype(np.float16).astype(np.float32)
        valid.append(there)
    features["ego"][0, MARK] = number
    relations = tuple(LaneRelation(int(r)) for r in rng.integers(0, len(LaneRelation), n))
    modes = tuple(int(m) for m in rng.integers(1, MAX_MODES + 1, n))
    kinds = (CauseKind.TRAFFIC_LIGHT, CauseKind.STOP_SIGN)
    ids = tuple(int(i) for i in 1 + rng.permutation(99)[:n])
    slots = Slots(ids, relations, modes, tuple((kinds[i % 2], 5 + i) for i in range(lines)))
    return SceneTokens(features, np.concatenate(valid), slots)


def made_sequence(slots, rng):
    grammar, values = Grammar(slots), {}
    for block in Block:
        asked = grammar.positions(block, values)
        scores = rng.normal(0.0, 3.0, (len(asked), 512))
        tokens = grammar.settle(
            asked, scores, lambda _, allowed: int(rng.choice(np.flatnonzero(allowed))), values
        )
        values |= dict(zip(asked.pairs(), tokens.tolist(), strict=True))
    return grammar.sequence(values)


def made_row(rng, number=0, objects=None, split="train", views=2):
    tokens = made_tokens(rng, objects, number)
    return {
        "world": "made", "seed": 1000, "stamp_ns": number, "split": split, "driver": "rules",
        "changed": False, "removed": False, "disturbed": False, "disagrees": False,
        "cited": 0, "longitudinal": 6, "lateral": 0, "direction": 0, "causes": [4], "sentence": "drives on",
        **scene_columns(tokens),
        **trace_columns(made_sequence(tokens.slots, rng)),
        "head_views": views,
        "head_inputs": np.zeros((views, HEAD_INPUT_SIZE), np.float16).tobytes(),
        "head_speeds": np.zeros(views * KNOTS, np.float32),
    }  # fmt: skip


def made_data(folder: Path, sizes, split="train", rng=None, rows=None, **changed):
    """A data set of shards of so many rows; its rows are numbered."""
    rng = rng or np.random.default_rng(0)
    (folder / "shards").mkdir(parents=True)
    shards, number = [], 0
    for k, size in enumerate(sizes):
        path = folder / "shards" / f"s{k}.parquet"
        some = [
            dict((rows or made_row_by_number)(rng, number + i), split=split) for i in range(size)
        ]
        number += size
        write_shard(path, some, {})
        sha = hashlib.sha256(path.read_bytes()).hexdigest()
        shards.append({"file": f"shards/s{k}.parquet", "sha256": sha, "rows": size, "split": split})
    versions = Versions.ours().to_json() | changed
    text = json.dumps({"data_sha256": "d" * 64, "versions": versions, "shards": shards})
    (folder / "manifest.json").write_text(text)
    return folder


@cache
def _some_row(kind):
    return made_row(np.random.default_rng(kind), objects=kind % 5)


def made_row_by_number(_, number):
    """One of a few rows, with its number in the ego's features and in the head's lessons."""
    row = dict(_some_row(number % 16))
    ego = np.frombuffer(row["ego"], np.float16).copy()
    ego[MARK] = number
    views = row["head_views"]
    row["ego"] = ego.tobytes()
    row["head_inputs"] = np.full((views, HEAD_INPUT_SIZE), number, np.float16).tobytes()
    row["head_speeds"] = np.full(views * KNOTS, number, np.float32)
    return row
