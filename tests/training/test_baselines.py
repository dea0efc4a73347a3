"""The recipes of the baselines: what they learn and write down is what the keyframes say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from made_rows import made_data, made_row

from training import ego_mlp, other_words
from training.data import open_data
from whyway.plan.ego_mlp import FILE, SHAPES, answer
from whyway.plan.knots import KNOTS
from whyway.reason.scene_tokens import FEATURE_NAMES
from whyway.reason.shuffled import from_text
from whyway.reason.tensors import read_tensors
from whyway.trace.slots import SCENE_SLOT
from whyway.trace.tokens import planning_tokens
from whyway.trace.vocabulary import Field, token_of
from whyway.types import InputError, NavCommand


def a_row(rng, number):
    """A made keyframe that goes on at its speed along a straight lane; every fifth is of a scene without somebody."""
    row = made_row(rng, number, objects=number % 4)
    ego = np.zeros(len(FEATURE_NAMES["ego"]), np.float16)
    ego[FEATURE_NAMES["ego"].index("speed")] = (number % 16) / 15
    path = np.frombuffer(row["path"], np.float16).reshape(-1, len(FEATURE_NAMES["path"])).copy()
    path[:, [k for k, n in enumerate(FEATURE_NAMES["path"]) if n.startswith("turned")]] = 0.0
    path[:, FEATURE_NAMES["path"].index("step")] = 1.0
    tokens = np.array(row["tokens"])
    tokens[np.array(row["fields"]) == Field.COMMAND] = token_of(Field.COMMAND, NavCommand(number % 4))  # fmt: skip
    speeds = np.repeat(np.float32(number % 16), row["head_views"] * KNOTS)
    speeds[KNOTS:] = -1.0  # edited views are not what was said
    return row | {
        "ego": ego.tobytes(), "path": path.tobytes(), "tokens": tokens, "head_speeds": speeds,
        "removed": number % 5 == 4,
    }  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    return made_data(folder / "one", [40, 40], rows=a_row)


def test_the_ego_only_baseline_learns_what_goes_on_as_it_does(data):
    taught = ego_mlp.lessons(open_data(data), "train")
    assert len(taught.read) == 64  # a fifth is left out
    assert np.abs(taught.taught).max() < 0.01
    w = ego_mlp.train(taught, ego_mlp.Options(data, steps=120, batch_size=32))
    assert {k: tuple(v.shape) for k, v in w.items()} == SHAPES
    speed, heading = ego_mlp.errors(w, taught)
    assert speed < 1.0 and heading < 0.1
    again = ego_mlp.train(taught, ego_mlp.Options(data, steps=120, batch_size=32))
    assert all((w[k] == again[k]).all() for k in w)


def test_the_net_that_drives_answers_what_the_net_that_learnt_answers(data):
    import torch

    taught = ego_mlp.lessons(open_data(data), "train")
    w = ego_mlp.train(taught, ego_mlp.Options(data, steps=3))
    learnt = ego_mlp.forward(w, torch.from_numpy(taught.read)).detach().numpy()
    v = np.full(len(taught.read), 10.0)
    speeds, turned = answer({k: t.numpy() for k, t in w.items()}, taught.read, v)
    assert np.allclose(speeds, np.maximum(10.0 + ego_mlp.SPEED_MPS * learnt[:, :KNOTS], 0.0), atol=1e-4)  # fmt: skip
    assert np.allclose(turned, ego_mlp.YAW_RAD * learnt[:, KNOTS:], atol=1e-5)


def test_without_keyframes_to_learn_from_it_is_told_in_one_line(data):
    with pytest.raises(InputError, match="no keyframes of val"):
        ego_mlp.lessons(open_data(data), "val")


def test_the_words_written_down_are_those_of_the_keyframes(data, tmp_path, capsys):
    out = tmp_path / "words.yaml"
    other_words.main(other_words.Options(data, out, drives=1, most=20))
    (words,) = yaml.safe_load(out.read_text()).values()
    assert len(words) == 20
    rows = [a_row_of(data, k) for k in range(2)]
    said = [planning_tokens(from_text(line)[0]) for line in words]
    known = [tokens for shard in rows for tokens in shard]
    assert all(any(all(t[f] == s[f] for f in s) for t in known) for s in said)


def a_row_of(data: Path, shard: int) -> list[dict[Field, int]]:
    """What the keyframes of a shard decide, by field."""
    from training.tables import read_shard

    found = open_data(data).shards[shard]
    rows = read_shard(found.path, found.sha256, other_words.COLUMNS).to_pylist()
    return [
        {Field(f): t for f, s, t in zip(r["fields"], r["slots"], r["tokens"], strict=True) if s == SCENE_SLOT}
        for r in rows if not r["removed"]
    ]  # fmt: skip


def test_the_weights_that_come_along_are_of_the_net():
    from whyway.reason.checkpoint import MODELS

    path = MODELS / FILE
    assert {k: v.shape for k, v in read_tensors(path.read_bytes(), path).items()} == SHAPES
