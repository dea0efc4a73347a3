"""onnxruntime as a backend: equal to the others, independent of what it did before, and hard to fool."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_graphs import graph, made, scenes, tape

from whyway.reason.backends import BackendError, make_backend
from whyway.reason.backends.onnxruntime import ORT_ERRORS, OnnxRuntime
from whyway.reason.checkpoint import Made as History
from whyway.reason.checkpoint import add_file, load_model, save_model
from whyway.reason.engine import Engine
from whyway.reason.export.golden import replay
from whyway.reason.export.recipe import SHIPPED, Recipe
from whyway.reason.parameters import weights_sha256
from whyway.reason.spec import SceneTokens
from whyway.types import InputError


def backend(recipe: Recipe = Recipe()) -> OnnxRuntime:  # noqa: B008  frozen
    return OnnxRuntime(graph(recipe), "graph", weights_sha256(made().weights))


def decoded(backend: OnnxRuntime, count: int) -> list[list[int]]:
    engine = Engine(backend, lambda: 0.0)
    found = engine.decode([g.scene for g in scenes()[:count]])
    return [d.sequence.tokens.tolist() for d in found if d.sequence is not None]


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_what_was_decoded_before_leaves_nothing_behind(precision):
    b = backend(Recipe(precision=precision))
    asked, _ = tape()
    fresh = replay(backend(Recipe(precision=precision)), asked[:1]).logits
    decoded(b, 4)
    replay(b, asked[::-1])
    assert np.array_equal(replay(b, asked[:1]).logits, fresh)


def test_numpy_computes_as_before_once_there_is_a_session():
    denormal = np.array([1e-310])
    b = backend()
    assert denormal[0] * 1.0 > 0.0 and (denormal + denormal)[0] > 0.0, "after making it"
    decoded(b, 1)
    assert (denormal + denormal)[0] > 0.0, "after running it"


def test_a_scene_of_no_numbers_does_not_spoil_the_next():
    b, (asked, truth) = backend(), tape()
    sick = scenes()[0].scene
    broken = {kind: np.full_like(rows, np.nan) for kind, rows in sick.features.items()}
    b.prefill([SceneTokens(broken, sick.valid, sick.slots)])
    p = asked[0].passes[0]
    assert np.isnan(b.step(p.tokens, p.fields, p.slots, p.rows, p.mask)).any()
    assert np.abs(replay(b, asked).logits - truth.logits).max() < 5e-5


def test_an_engine_decodes_the_same_alone_and_beside_others():
    b = backend()
    assert decoded(b, 1) + decoded(b, 4)[1:] == decoded(b, 4) and decoded(b, 2) == decoded(b, 4)[:2]


def test_8_bits_of_a_position_do_not_depend_on_what_else_is_in_the_pass():
    b, (asked, _) = backend(SHIPPED), tape()
    p = asked[0].passes[0]
    b.prefill(asked[0].scenes)
    together = b.step(p.tokens, p.fields, p.slots, p.rows, p.mask)
    # the same rows in the cache, and the others' numbers a thousand times as large
    b.prefill(asked[0].scenes)
    alone_mask = p.mask[:, :1] & (np.arange(p.mask.shape[2]) < 43)
    one = b.step(p.tokens[:, :1], p.fields[:, :1], p.slots[:, :1], p.rows[:, :1], alone_mask)
    b.prefill(asked[0].scenes)
    masks = np.concatenate([alone_mask, p.mask[:, 1:]], axis=1)
    many = b.step(p.tokens, p.fields, p.slots, p.rows, masks)[:, :1]
    size = np.abs(one).max()
    assert np.abs(many - one).max() < 1e-2 * size
    assert np.abs(together[:, :1] - one).max() > 1e-2 * size  # who is read does matter


def test_a_session_that_fails_is_one_error_in_one_line(monkeypatch):
    b, (asked, _) = backend(), tape()

    class Session:
        def run_with_iobinding(self, binding):
            raise ORT_ERRORS[0]("[ONNXRuntimeError] : 6 : out of memory\n in the second line")

    monkeypatch.setattr(b, "session", Session())
    with pytest.raises(BackendError, match="out of memory"):
        b.prefill(asked[0].scenes)


@pytest.mark.parametrize("s", [1, 2, 7, 40, 160])
def test_any_number_of_positions_is_one_pass(s):
    b = backend()
    b.prefill([scenes()[0].scene])
    ids, rows = np.ones((1, s), np.int64), 43 + np.arange(s)[None]
    mask = np.zeros((1, s, 203), bool)
    mask[..., 0] = True
    logits = b.step(ids, ids, ids, rows, mask)
    assert logits.shape == (1, s, 512) and np.isfinite(logits).all()
    first = logits.copy()
    b.step(ids + 1, ids, ids, rows, mask)
    assert np.array_equal(logits, first)  # what was given out is not a view of a buffer


def test_rows_read_beyond_those_written_are_read_nevertheless():
    b = backend()
    b.prefill([scenes()[0].scene])
    ids, mask = np.ones((1, 1), np.int64), np.zeros((1, 1, 203), bool)
    mask[..., 0] = True
    b.step(ids * 5, ids, ids, ids * 150, mask)
    mask[..., 150] = True
    beside = b.step(ids, ids, ids, ids * 43, mask)
    mask[..., 150] = False
    assert np.abs(beside - b.step(ids, ids, ids, ids * 43, mask)).max() > 1e-3


# ------------------------------------------------------------------------------------------------------- refusals


def test_a_graph_of_other_weights_is_refused():
    with pytest.raises(InputError, match="built from the weights .* run whyway export again"):
        OnnxRuntime(graph(seed=1), "graph", weights_sha256(made().weights))


@settings(max_examples=25, deadline=None)
@given(st.one_of(st.binary(max_size=200), st.integers(0, len(graph()) - 1)))
def test_what_is_no_graph_of_ours_is_refused_in_one_line(what):
    data = what if isinstance(what, bytes) else graph()[:what]
    with pytest.raises(InputError) as refused:
        OnnxRuntime(data, "file.onnx")
    assert str(refused.value).startswith("file.onnx: ") and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "change", [{"depth": 3}, {"depth": 1}, {"depth": 10**9}, {"vocabulary_size": 100}, {"depth": None}, {"slot_count": "many"}]
)  # fmt: skip
def test_a_graph_that_lies_about_its_size_is_refused(change):
    import onnx

    model = onnx.load_from_string(graph())
    for entry in model.metadata_props:
        if entry.key == "whyway.spec":
            entry.value = json.dumps(json.loads(entry.value) | change)
    with pytest.raises(InputError, match=r"^file.onnx: .*whyway export"):
        OnnxRuntime(model.SerializeToString(), "file.onnx")


def test_a_graph_for_passes_of_one_size_is_refused():
    with pytest.raises(InputError, match="for passes of one size"):
        backend(Recipe(positions=64))


def test_somebody_elses_graph_is_refused():
    import onnx
    from onnx import TensorProto, helper

    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    other = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    node = helper.make_node("Identity", ["x"], ["y"])
    model = helper.make_model(
        helper.make_graph([node], "g", [value], [other]), opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    )  # fmt: skip
    assert onnx.checker.check_model(model) is None
    with pytest.raises(InputError, match="not a graph of microgpt"):
        OnnxRuntime(model.SerializeToString(), "file.onnx")


def test_a_graph_that_is_too_large_is_not_looked_at(monkeypatch):
    monkeypatch.setattr("whyway.reason.backends.onnxruntime.MOST_BYTES", 10)
    with pytest.raises(InputError, match="larger than"):
        OnnxRuntime(graph(), "file.onnx")


# -------------------------------------------------------------------------------------------------- models' folders


def test_a_model_with_a_graph_in_its_folder_runs_that_graph(tmp_path):
    folder = save_model(tmp_path / "m", *made(), {}, History("random"))
    model = load_model(folder)
    assert (
        make_backend("onnxruntime", model).info.precision == "fp32"
    )  # none: built here, unrounded
    add_file(folder, SHIPPED.file_name, graph(SHIPPED))
    b = make_backend("onnxruntime", load_model(folder))
    assert (b.info.name, b.info.device, b.info.precision) == ("onnxruntime", "cpu", "int8")
    assert b.info.weights_sha256 == model.weights_sha256
    add_file(folder, SHIPPED.file_name, graph(SHIPPED, seed=1))
    with pytest.raises(InputError, match="whyway export again"):
        make_backend("onnxruntime", load_model(folder))
