"""`whyway model`: shows what a model is, merges adapters, and finds what does not hold."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from whyway.cli import NO, OK, WRONG_INPUT, main
from whyway.reason import probe
from whyway.reason.adapter import AdapterMeta
from whyway.reason.checkpoint import GOLDEN, add_file, load_model, save_model
from whyway.reason.manifest import FORMAT, Made, file_of, versions_here, write_json
from whyway.reason.parameters import parameter_shapes, weights_sha256
from whyway.reason.scene_tokens import FEATURE_COUNTS
from whyway.reason.spec import ModelSpec
from whyway.reason.tensors import tensor_bytes

SPEC = ModelSpec(1, FEATURE_COUNTS)
MADE = Made("reasoning", "d" * 64, "abc", "", (3,), {"lr": 0.002}, {"val": {"loss": 1.25}})
rng = np.random.default_rng(0)
WEIGHTS = {
    name: (rng.standard_normal(shape) / np.sqrt(shape[-1])).astype(np.float32)
    for name, shape in parameter_shapes(SPEC).items()
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save_model(tmp_path / "m", SPEC, WEIGHTS, {}, MADE)


def adapter_on(folder: Path, out: Path) -> Path:
    """An adapter of rank 1 on one matrix, as peft writes it."""
    key = "base_model.model.blocks.0.up.lora_"
    a, b = np.ones((1, 32), np.float32), np.full((128, 1), 0.5, np.float32)
    contents = {
        "adapter_model.safetensors": tensor_bytes({f"{key}A.weight": a, f"{key}B.weight": b}),
        "adapter_config.json": json.dumps({"peft_type": "LORA", "r": 1, "lora_alpha": 4}).encode(),
    }
    out.mkdir()
    for name, data in contents.items():
        (out / name).write_bytes(data)
    files = {name: file_of(data) for name, data in contents.items()}
    sha = weights_sha256(WEIGHTS)
    write_json(
        out / "meta.json", AdapterMeta(FORMAT, str(folder), sha, versions_here(), MADE, files)
    )
    return out


def test_show_tells_size_scores_and_files(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["model", "show", str(folder), "--json"]) == OK
    told = json.loads(capsys.readouterr().out)
    assert told["parameters"] == sum(w.size for w in WEIGHTS.values())
    assert told["made"]["scores"] == {"val": {"loss": 1.25}} and told["weights_sha256"] == weights_sha256(WEIGHTS)  # fmt: skip
    assert set(told["files"]) == {"config.json", "model.safetensors", GOLDEN}
    assert main(["model", "show", str(folder)]) == OK
    assert "made.scores.val.loss" in capsys.readouterr().out


def test_merge_writes_a_model_that_answers_like_backbone_and_adapter(
    folder: Path, tmp_path: Path
) -> None:
    adapter = adapter_on(folder, tmp_path / "a")
    assert main(["model", "merge", str(adapter), "--out", str(tmp_path / "b")]) == OK
    merged = load_model(tmp_path / "b")
    wanted = WEIGHTS["blocks.0.up.weight"] + 4.0 * 0.5
    np.testing.assert_allclose(merged.weights["blocks.0.up.weight"], wanted, atol=1e-6)
    assert merged.weights_sha256 == load_model(adapter).weights_sha256
    assert main(["model", "verify", str(tmp_path / "b")]) == OK
    assert main(["model", "merge", str(folder), "--out", str(tmp_path / "c")]) == WRONG_INPUT


def test_verify_passes_a_whole_model_and_an_adapter(folder: Path, tmp_path: Path) -> None:
    assert main(["model", "verify", str(folder)]) == OK
    assert main(["model", "verify", str(adapter_on(folder, tmp_path / "a"))]) == OK


def test_verify_finds_a_model_that_answers_otherwise_than_it_did(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logits = probe.reference(SPEC, WEIGHTS)
    logits[0, 7] += 0.01 * np.abs(logits).max()
    add_file(folder, GOLDEN, tensor_bytes({"logits": logits}))
    assert main(["model", "verify", str(folder), "--json"]) == NO
    told = json.loads(capsys.readouterr().out)
    assert [what for what, ok, _ in told["checks"] if not ok] == ["answers as when it was saved"]


def test_verify_finds_a_graph_and_a_head_that_are_none(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_model(folder, SPEC, WEIGHTS, {"up.weight": np.zeros((2, 2), np.float32)}, MADE)
    add_file(folder, "microgpt-8bit.onnx", b"no graph")
    assert main(["model", "verify", str(folder), "--json"]) == NO
    told = json.loads(capsys.readouterr().out)
    wrong = [what for what, ok, _ in told["checks"] if not ok]
    assert wrong == ["graph microgpt-8bit.onnx", "waypoint head"]


def test_a_model_of_another_vocabulary_is_one_line_and_exit_code_2(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = dataclasses.replace(versions_here(), vocabulary_sha256="0" * 64)
    save_model(folder, SPEC, WEIGHTS, {}, MADE, versions=other)
    assert main(["model", "verify", str(folder)]) == WRONG_INPUT
    error = capsys.readouterr().err
    assert "vocabulary" in error and "make model" in error and error.count("\n") == 1
