"""Models on disk: what was saved comes back, and what does not fit is refused in one line with the remedy."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from whyway.reason import checkpoint
from whyway.reason.adapter import AdapterMeta
from whyway.reason.checkpoint import (
    Model,
    add_file,
    find_model,
    golden_of,
    load_model,
    save_model,
)
from whyway.reason.manifest import FORMAT, Made, ModelError, Versions, file_of, write_json
from whyway.reason.parameters import parameter_shapes, weights_sha256
from whyway.reason.probe import EXACT, largest_difference, reference
from whyway.reason.spec import ROWS, ModelSpec

HERE = Versions("v" * 64, "7", "s" * 64)
SPEC = ModelSpec(1, tuple((kind, 3 + i) for i, kind in enumerate(ROWS)))
MADE = Made("reasoning", "d" * 64, "abc123+", "", (0, 1), {"lr": 1e-3}, {"loss": 0.5})


def random_weights(seed: int, spec: ModelSpec = SPEC) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        name: rng.standard_normal(shape).astype(np.float32)
        for name, shape in parameter_shapes(spec).items()
    }


WEIGHTS = random_weights(0)
HEAD = {"up.weight": np.arange(6, dtype=np.float32).reshape(2, 3)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save_model(
        tmp_path / "m", SPEC, WEIGHTS, HEAD, MADE, files={"card.md": b"# m\n"}, versions=HERE
    )


def load(folder: Path, versions: Versions = HERE) -> Model:
    return load_model(folder, versions)


def edit(path: Path, change: Callable[[dict], None]) -> None:
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def replace_file(folder: Path, name: str, data: bytes, listing: str = "manifest.json") -> None:
    """A file changed by somebody who also mends its entry: what is in it must be checked, too."""
    (folder / name).write_bytes(data)
    edit(
        folder / listing,
        lambda m: m["files"].update({name: dataclasses.asdict(file_of(data))}),
    )


def one_line(error: pytest.ExceptionInfo[ModelError]) -> str:
    text = str(error.value)
    assert "\n" not in text and len(text) < 500
    return text


def test_what_was_saved_comes_back(folder: Path) -> None:
    model = load(folder)
    assert (model.spec, model.made, model.name) == (SPEC, MADE, "m")
    assert model.weights_sha256 == weights_sha256(WEIGHTS)
    assert all(np.array_equal(model.head[name], HEAD[name]) for name in HEAD)
    assert model.file("card.md") == b"# m\n"


def test_loaded_weights_cannot_be_written_to(folder: Path) -> None:
    model = load(folder)
    with pytest.raises(ValueError, match="read-only"):
        model.weights["lm_head.weight"][0, 0] = 1.0


def test_saving_twice_gives_the_same_bytes(tmp_path: Path, folder: Path) -> None:
    again = save_model(
        tmp_path / "n", SPEC, WEIGHTS, HEAD, MADE, files={"card.md": b"# m\n"}, versions=HERE
    )
    for path in folder.iterdir():
        assert path.read_bytes() == (again / path.name).read_bytes()


def test_the_hash_of_the_weights_sees_every_name_shape_and_number() -> None:
    base = {"a": np.zeros((2, 3), np.float32), "b": np.ones(2, np.float32)}
    others: list[Mapping[str, np.ndarray]] = [
        {"a": base["a"].reshape(3, 2), "b": base["b"]},
        {"a": base["a"], "c": base["b"]},
        {"a": base["a"] + np.float32(1e-30), "b": base["b"]},
        {"a": base["a"]},
    ]
    hashes = {weights_sha256(base), *(weights_sha256(o) for o in others)}
    assert len(hashes) == 1 + len(others)
    assert weights_sha256(dict(reversed(base.items()))) == weights_sha256(base)


@pytest.mark.parametrize(
    ("part", "says"),
    [
        ("vocabulary_sha256", "its vocabulary .* is not the one here"),
        ("features", "its version of scene tokens .* is not the one here"),
        ("schema_sha256", "its trace schema .* is not the one here"),
    ],
)
def test_other_versions_are_refused_by_name(folder: Path, part: str, says: str) -> None:
    with pytest.raises(ModelError, match=says) as error:
        load(folder, dataclasses.replace(HERE, **{part: "x"}))
    assert "make model" in one_line(error)


@pytest.mark.parametrize(
    "name", ["config.json", "model.safetensors", "head.safetensors", "card.md"]
)
def test_one_changed_byte_in_any_file_is_found(folder: Path, name: str) -> None:
    data = bytearray((folder / name).read_bytes())
    data[-1] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(ModelError, match=f"{name}.*sha256 differs"):
        load(folder)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "card.md"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ModelError, match=name) as error:
        load(folder)
    one_line(error)


def test_another_layout_is_refused(folder: Path) -> None:
    edit(folder / "manifest.json", lambda m: m.update(format=FORMAT + 1))
    with pytest.raises(ModelError, match=f"layout {FORMAT + 1}, this code reads layout {FORMAT}"):
        load(folder)


def header(text: bytes, length: int | None = None) -> bytes:
    return (len(text) if length is None else length).to_bytes(8, "little") + text


HOSTILE = {
    "nothing": b"",
    "not safetensors": b"PK\x03\x04" + bytes(100),
    "a pickle": b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94",
    "a header longer than the file": header(b"{}", 10**15),
    "a header that is no mapping": header(b"[1]"),
    "a header nested deep": header(b"[" * 100_000),
    "offsets beyond the end": header(b'{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}'),
    "a shape that overflows": header(
        b'{"a":{"dtype":"F32","shape":[4294967296,4294967296,16],"data_offsets":[0,0]}}'
    ),
    "a negative shape": header(b'{"a":{"dtype":"F32","shape":[-4],"data_offsets":[0,16]}}') + bytes(16),
    "whole numbers": save({"a": np.zeros(3, np.int64)}),
    "an entry without a kind": header(b'{"a":{"shape":[1],"data_offsets":[0,4]}}') + bytes(4),
    "an empty array of endless rows": header(
        b'{"a":{"dtype":"F32","shape":[0,9223372036854775807],"data_offsets":[0,0]}}'
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_weights_are_refused_though_their_hash_is_right(folder: Path, what: str) -> None:
    replace_file(folder, "model.safetensors", HOSTILE[what])
    with pytest.raises(ModelError, match="model.safetensors") as error:
        load(folder)
    one_line(error)


def test_numbers_that_are_not_finite_are_refused(folder: Path) -> None:
    bad = {**WEIGHTS, "final_norm.weight": np.full(32, np.nan, np.float32)}
    replace_file(folder, "model.safetensors", save(bad))
    with pytest.raises(ModelError, match="final_norm.weight holds numbers that are not finite"):
        load(folder)


@pytest.mark.parametrize(
    ("weights", "says"),
    [
        ({k: v for k, v in WEIGHTS.items() if k != "final_norm.weight"}, "final_norm.weight"),
        ({**WEIGHTS, "extra": np.zeros(1, np.float32)}, "extra"),
        ({**WEIGHTS, "final_norm.weight": np.zeros(33, np.float32)}, "final_norm.weight"),
        (
            {**WEIGHTS, "final_norm.weight": np.zeros(32, np.float32)},
            "not those its manifest names",
        ),
    ],
)
def test_parameters_that_are_not_the_models_are_named(
    folder: Path, weights: dict[str, np.ndarray], says: str
) -> None:
    replace_file(folder, "model.safetensors", save(weights))
    with pytest.raises(ModelError, match=says) as error:
        load(folder)
    one_line(error)


@pytest.mark.parametrize(
    "text",
    [
        b"", b"{", b"[]", b"[" * 200_000, b"{}", b'{"depth": 99, "feature_counts": {}}', b"\xff\xfe",
        b'{"depth": 1, "feature_counts": {"ego": 1e99}, "vocabulary_size": 512, "field_count": 64, "slot_count": 1}',
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["config.json", "manifest.json"])
def test_hostile_json_is_refused(folder: Path, name: str, text: bytes) -> None:
    if name == "manifest.json":
        (folder / name).write_bytes(text)
    else:
        replace_file(folder, name, text)
    with pytest.raises(ModelError, match=name) as error:
        load(folder)
    one_line(error)


def test_a_manifest_cannot_point_out_of_its_folder(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    entry = dataclasses.asdict(file_of(b"x"))
    edit(folder / "manifest.json", lambda m: m["files"].update({"../secret": entry}))
    with pytest.raises(ModelError, match="no plain file name"):
        load(folder)


def test_a_file_too_large_is_not_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("whyway.reason.manifest.MOST_FILE_BYTES", 1 << 10)
    with pytest.raises(ModelError, match="larger than"):
        load(folder)


def test_an_unknown_model_says_which_there_are(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(checkpoint, "MODELS", tmp_path)
    with pytest.raises(ModelError, match="models there are: m; .*make model"):
        find_model("nothing-like-it")
    assert find_model("m") == folder
    monkeypatch.setattr(checkpoint, "MODELS", tmp_path / "empty")
    with pytest.raises(ModelError, match="there are none"):
        find_model("m")


def test_a_model_remembers_what_it_answered(folder: Path, tmp_path: Path) -> None:
    model = load(folder)
    golden = golden_of(model)
    assert golden is not None
    assert largest_difference(reference(SPEC, WEIGHTS), golden) < EXACT
    assert largest_difference(reference(SPEC, random_weights(1)), golden) > 0.1
    assert golden_of(load(save_adapter(tmp_path / "a", "../m", weights_sha256(WEIGHTS)))) is None


def test_an_added_file_is_listed_and_the_rest_stays(folder: Path) -> None:
    add_file(folder, "graph.onnx", b"graph")
    model = load(folder)
    assert model.file("graph.onnx") == b"graph"
    assert model.weights_sha256 == weights_sha256(WEIGHTS)
    with pytest.raises(ModelError, match="lists no other.onnx"):
        model.file("other.onnx")


def test_saving_replaces_a_model_and_nothing_else(folder: Path, tmp_path: Path) -> None:
    other = random_weights(1)
    save_model(folder, SPEC, other, {}, MADE, versions=HERE)
    assert load(folder).weights_sha256 == weights_sha256(other)
    assert not (folder / "card.md").exists()
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.tex").write_text("x")
    with pytest.raises(ModelError, match="something else than a model"):
        save_model(mine, SPEC, WEIGHTS, {}, MADE, versions=HERE)
    assert (mine / "thesis.tex").read_text() == "x"


def test_a_save_that_fails_leaves_the_old_model_and_no_rubbish(
    folder: Path, tmp_path: Path
) -> None:
    before = {path.name for path in tmp_path.iterdir()}
    made = dataclasses.replace(MADE, scores={"loss": float("nan")})  # JSON has no word for it
    with pytest.raises(ValueError, match="JSON"):
        save_model(folder, SPEC, random_weights(1), {}, made, versions=HERE)
    assert load(folder).weights_sha256 == weights_sha256(WEIGHTS)
    assert {path.name for path in tmp_path.iterdir()} == before


# ------------------------------------------------------------------------------------------------------- adapters

RANK, ALPHA = 2, 8
CONFIG = {"peft_type": "LORA", "r": RANK, "lora_alpha": ALPHA, "bias": "none", "use_dora": False}


def save_adapter(folder: Path, base: str, base_sha256: str, config: dict | None = None) -> Path:
    """As peft writes it, on one matrix."""
    rng = np.random.default_rng(5)
    name = "base_model.model.blocks.0.qkv.lora_"
    tensors = {
        f"{name}A.weight": rng.standard_normal((RANK, 32)).astype(np.float32),
        f"{name}B.weight": rng.standard_normal((96, RANK)).astype(np.float32),
    }
    folder.mkdir(exist_ok=True)
    contents = {
        "adapter_model.safetensors": save(tensors),
        "adapter_config.json": json.dumps(CONFIG if config is None else config).encode(),
    }
    for file, data in contents.items():
        (folder / file).write_bytes(data)
    files = {file: file_of(data) for file, data in contents.items()}
    write_json(folder / "meta.json", AdapterMeta(FORMAT, base, base_sha256, HERE, MADE, files))
    return folder


def test_an_adapter_is_added_to_its_backbone_and_keeps_its_head(
    folder: Path, tmp_path: Path
) -> None:
    adapted = load(save_adapter(tmp_path / "a", "../m", weights_sha256(WEIGHTS)))
    rng = np.random.default_rng(5)
    a = rng.standard_normal((RANK, 32)).astype(np.float32).astype(np.float64)
    b = rng.standard_normal((96, RANK)).astype(np.float32).astype(np.float64)
    name = "blocks.0.qkv.weight"
    np.testing.assert_allclose(
        adapted.weights[name], WEIGHTS[name] + ALPHA / RANK * b @ a, atol=1e-5
    )
    rest = set(WEIGHTS) - {name}
    assert all(np.array_equal(adapted.weights[n], WEIGHTS[n]) for n in rest)
    assert np.array_equal(adapted.head["up.weight"], HEAD["up.weight"])


def test_an_adapter_on_another_backbone_is_refused(folder: Path, tmp_path: Path) -> None:
    adapter = save_adapter(tmp_path / "a", "../m", weights_sha256(random_weights(9)))
    with pytest.raises(ModelError, match="trained on the backbone .* but") as error:
        load(adapter)
    one_line(error)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"use_dora": True}, "use_dora"), ({"use_rslora": True}, "use_rslora"), ({"bias": "all"}, "bias"),
        ({"rank_pattern": {"qkv": 4}}, "rank_pattern"), ({"peft_type": "IA3"}, "IA3"), ({"r": 0}, "rank 0"),
        ({"r": 3}, "rank 3"),
    ],
)  # fmt: skip
def test_adapters_that_another_formula_merges_are_refused(
    folder: Path, tmp_path: Path, change: dict, says: str
) -> None:
    adapter = save_adapter(tmp_path / "a", "../m", weights_sha256(WEIGHTS), {**CONFIG, **change})
    with pytest.raises(ModelError, match=says):
        load(adapter)


def test_adapters_neither_stack_nor_reach_into_the_net(folder: Path, tmp_path: Path) -> None:
    sha = weights_sha256(WEIGHTS)
    first = save_adapter(tmp_path / "a", "../m", sha)
    with pytest.raises(ModelError, match="is an adapter itself"):
        load(save_adapter(tmp_path / "b", str(first), sha))
    with pytest.raises(ModelError, match="fetch it to"):
        load(save_adapter(tmp_path / "c", "https://example.org/m", sha))
