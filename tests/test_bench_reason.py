"""`whyway bench reason` and `whyway export`: what is timed is the same work for everybody, and what fails is not written."""

from __future__ import annotations

import dataclasses
import json
import math
from functools import cache

import numpy as np
import pytest

from whyway.bench import bench_reason, scenes_of_drives
from whyway.bench.reason import RandomModel, Uncached, _Parrot, experts_words
from whyway.cli import NO, OK, WRONG_INPUT, main
from whyway.config import Config
from whyway.reason.backends.numpy import NumpyBackend
from whyway.reason.checkpoint import Made, load_model, save_model
from whyway.reason.export import gates
from whyway.reason.export.golden import RECORDED, UNKNOWN, golden_to_bytes, record, replay
from whyway.reason.export.recipe import SHIPPED
from whyway.types import InputError


@cache
def golden():
    return scenes_of_drives(Config(), 2, least_objects=8)


@cache
def model() -> RandomModel:
    return RandomModel.of(1)


def test_scenes_of_drives_are_the_same_every_time_and_the_expert_has_spoken():
    assert golden_to_bytes(scenes_of_drives(Config(), 2, least_objects=8)) == golden_to_bytes(
        golden()
    )
    assert all(len(g.scene.slots.object_ids) >= 8 for g in golden())
    answers = replay(NumpyBackend(model()), record(NumpyBackend(model()), golden()))
    assert (answers.true != UNKNOWN).all()
    assert answers.allowed[np.arange(len(answers.true)), answers.true].all()


def test_more_road_users_than_there_are_is_one_line(monkeypatch):
    monkeypatch.setattr("whyway.bench.scenes.MOST_TOWNS", 1)
    monkeypatch.setattr("whyway.bench.scenes.DRIVE_S", 4.0)
    with pytest.raises(InputError, match="only 0 of 1 scenes with 33 road users"):
        scenes_of_drives(Config(), 1, least_objects=33)


@pytest.mark.parametrize("plain", [False, True])
def test_without_a_cache_the_answers_are_the_same(plain):
    asked = record(NumpyBackend(model()), golden()[:1], plain=plain)
    cached = replay(NumpyBackend(model()), asked)
    again = replay(Uncached(NumpyBackend(model())), asked)
    assert np.abs(cached.logits - again.logits).max() < 1e-4


def test_the_bench_times_every_backend_and_says_ratios():
    about, *rows, ratios = bench_reason(model(), golden(), rounds=1)
    assert about["depth"] == 1 and about["scenes"] == 2
    names = [row["what"] for row in rows]
    assert names[:3] == ["onnxruntime int8", "onnxruntime fp32", "numpy fp32"]
    numbers = [v for row in [*rows, ratios] for v in row.values() if isinstance(v, float)]
    assert all(math.isfinite(v) and v > 0.0 for v in numbers)
    assert ratios["blocks over plain, int8"] > 1.0  # fewer passes over the same positions
    json.dumps([about, *rows, ratios])


@pytest.mark.parametrize("plain", [False, True])
def test_who_says_what_the_expert_says_has_all_its_words(plain):
    for group, g in zip(
        record(NumpyBackend(model()), golden(), plain=plain), golden(), strict=True
    ):
        assert experts_words(_Parrot(group, NumpyBackend(model())), [g], plain) == 1.0
    assert experts_words(NumpyBackend(model()), golden(), plain) < 0.5  # random weights


def saved(folder):
    return save_model(folder, model().spec, model().weights, {}, Made("random"))


def test_export_writes_what_passes_and_its_scenes(tmp_path, capsys):
    folder = saved(tmp_path / "m")
    assert main(["export", "--model", str(folder), "--scenes", "2"]) == OK
    files = load_model(folder).files
    assert {SHIPPED.file_name, RECORDED} <= set(files)
    assert "answers compared with numpy" in capsys.readouterr().out
    out = tmp_path / "sub" / "graph.onnx"
    argv = ["export", "--model", str(folder), "--backend", "tensorrt", "--precision", "fp16"]
    assert main([*argv, "--out", str(out)]) == OK
    assert out.stat().st_size > 100_000 and set(load_model(folder).files) == set(files)


def test_export_writes_nothing_that_fails(tmp_path, capsys, monkeypatch):
    folder = saved(tmp_path / "m")
    before = set(load_model(folder).files)
    strict = dataclasses.replace(gates.LIMITS["int8"], relative=1e-6)
    monkeypatch.setattr(gates, "LIMITS", {"int8": strict})
    assert main(["export", "--model", str(folder), "--scenes", "1"]) == NO
    captured = capsys.readouterr()
    assert "fails" in captured.out and "not written" in captured.err
    assert set(load_model(folder).files) == before


@pytest.mark.parametrize("argv", [["--scenes", "0"], ["--model", "nowhere"]])
def test_export_refuses_in_one_line(argv, tmp_path, capsys):
    given = argv if "--model" in argv else ["--model", str(saved(tmp_path / "m")), *argv]
    assert main(["export", *given]) == WRONG_INPUT
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
