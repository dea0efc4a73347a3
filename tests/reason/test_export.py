"""Graphs: the same model in every dialect and precision, named as the table says, and the same bytes every time."""

from __future__ import annotations

import importlib
import itertools
import sys

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_graphs import graph, made, scenes, tape

from whyway.reason.backends.numpy import NumpyBackend
from whyway.reason.backends.onnxruntime import OnnxRuntime
from whyway.reason.export.build import build
from whyway.reason.export.gates import gate
from whyway.reason.export.golden import (
    Golden,
    golden_from_bytes,
    golden_to_bytes,
    record,
    replay,
)
from whyway.reason.export.make import export, observed_ranges
from whyway.reason.export.matrices import STEPS, rounded
from whyway.reason.export.recipe import (
    OPSET,
    SHIPPED,
    Recipe,
    Stamp,
    cache_names,
    stamp_from_metadata,
    stamp_to_metadata,
)
from whyway.reason.parameters import weights_sha256
from whyway.trace.grammar import Grammar
from whyway.trace.slots import Block
from whyway.types import InputError

RECIPES = [
    Recipe(*parts)
    for parts in itertools.product(
        ("onnxruntime", "tensorrt"), ("A", "B"), ("fp32", "fp16", "int8")
    )
]
OLD_OPERATORS = {
    "Abs", "Add", "Cast", "Concat", "DequantizeLinear", "Div", "Gather", "MatMul", "Mul", "Pad", "QuantizeLinear", "ReduceMean", "Relu",
    "Reshape", "ScatterElements", "Softmax", "Split", "Sqrt", "Transpose", "Unsqueeze", "Where",
}  # fmt: skip
"""Operators that onnx-tensorrt's table for TensorRT 8.6 lists."""


GOLDEN = golden_to_bytes(scenes()[:1])


def named(recipe: Recipe) -> str:
    return f"{recipe.runtime}-{recipe.dialect}-{recipe.precision}"


@pytest.mark.parametrize("recipe", RECIPES, ids=named)
def test_every_graph_answers_as_the_numpy_twin_does(recipe, monkeypatch):
    monkeypatch.setattr("whyway.reason.export.make.PLAIN_SCENES", 1)
    made_graph = export(made(), recipe, scenes())
    assert made_graph.passed, made_graph.rows
    assert set(made_graph.rows) == {"by blocks", "token by token", "4 scenes at once"}
    assert made_graph.answers > 500


@pytest.mark.parametrize("recipe", RECIPES, ids=named)
def test_inputs_and_outputs_are_those_of_the_table(recipe):
    model = onnx.load_from_string(graph(recipe))
    encoder = ["fresh", "scene"] if recipe.conditional else []
    caches = cache_names(made().spec.depth)
    features = [f"features.{kind}" for kind, _ in made().spec.feature_counts]
    ids = ["tokens", "fields", "slots", "rows", "mask"]
    inputs = [*ids, *features, "valid", *encoder, *(past for past, _ in caches)]
    assert [i.name for i in model.graph.input] == inputs
    kept = ["next_scene"] if recipe.conditional else []
    assert [o.name for o in model.graph.output] == ["logits", *(p for _, p in caches), *kept]
    assert model.opset_import[0].version == OPSET[recipe.dialect]


@pytest.mark.parametrize("recipe", RECIPES, ids=named)
def test_the_same_model_gives_the_same_bytes(recipe):
    model = made()
    again = build(model.spec, model.weights, recipe, ranges=dict.fromkeys(model.weights, 4.0))
    assert again == graph(recipe)
    assert graph(recipe, seed=1) != graph(recipe)


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_dialect_b_for_tensorrt_uses_only_operators_it_has_had_since_8_6(precision):
    model = onnx.load_from_string(graph(Recipe("tensorrt", "B", precision)))
    assert {node.op_type for node in model.graph.node} <= OLD_OPERATORS
    assert {node.domain for node in model.graph.node} == {""}


def test_dialect_a_for_tensorrt_has_caches_and_attention_as_its_own_layers_want_them():
    model = onnx.load_from_string(graph(Recipe("tensorrt", "A", "fp16")))
    kinds = [node.op_type for node in model.graph.node]
    depth = made().spec.depth
    assert kinds.count("TensorScatter") == 2 * depth and kinds.count("Attention") == depth
    shape = model.graph.output[1].type.tensor_type.shape.dim
    assert [d.dim_param or d.dim_value for d in shape] == ["B", depth, 203, 32]
    assert not {"If", "Loop"} & set(kinds)


def test_sizes_can_be_fixed():
    recipe = Recipe("tensorrt", "B", "fp32", batch=1, positions=96)
    model = onnx.load_from_string(graph(recipe))
    inputs = {
        i.name: [d.dim_value for d in i.type.tensor_type.shape.dim] for i in model.graph.input
    }
    assert inputs["tokens"] == [1, 96] and inputs["mask"] == [1, 96, 203]
    assert all(all(dims) for dims in inputs.values())


def test_passes_filled_up_to_a_size_get_the_same_answers():
    asked, truth = tape()

    class Sized(NumpyBackend):
        step_sizes = tuple(range(16, 161, 16))

    filled = replay(Sized(made()), asked)
    assert np.abs(filled.logits - truth.logits).max() < 1e-5


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_the_dialects_agree(precision):
    asked, _ = tape()
    a, b = (
        replay(OnnxRuntime(graph(Recipe(dialect=d, precision=precision)), d), asked) for d in "AB"
    )
    if precision == "fp32":
        assert all(row.passed for row in gate(a, b.logits, "fp32"))
    else:  # a last bit may round to the next of 127 steps
        assert np.linalg.norm(a.logits - b.logits) < 5e-3 * np.linalg.norm(a.logits)


def test_a_graph_says_what_it_is():
    stamp = stamp_from_metadata(
        OnnxRuntime(graph(SHIPPED), "x").session.get_modelmeta().custom_metadata_map, "x"
    )
    assert stamp == Stamp(SHIPPED, made().spec, weights_sha256(made().weights), "")
    assert stamp_from_metadata(stamp_to_metadata(stamp), "x") == stamp


@given(
    st.dictionaries(
        st.sampled_from(sorted(stamp_to_metadata(Stamp(SHIPPED, made().spec, "")))), st.text()
    )
)
def test_what_is_not_our_metadata_is_refused_in_one_line(other):
    metadata = stamp_to_metadata(Stamp(SHIPPED, made().spec, "")) | other
    try:
        stamp_from_metadata(metadata, "somewhere")
    except InputError as refused:
        assert "whyway export" in str(refused)  # noqa: PT017


def test_without_onnx_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(InputError, match=r"pip install 'whyway\[train\]'"):
        build(made().spec, made().weights, Recipe())


def test_the_builder_is_imported_without_onnx(monkeypatch):
    for name in [m for m in sys.modules if m.startswith(("onnx.", "whyway.reason.export"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "onnx", None)
    importlib.import_module("whyway.reason.export.make")


@given(st.integers(0, 2**32 - 1), st.floats(1e-6, 1e6))
def test_rounding_to_8_bits_errs_by_half_a_step(seed, size):
    weight = (size * np.random.default_rng(seed).standard_normal((4, 9))).astype(np.float32)
    q, scale = rounded(weight)
    assert np.abs(q).max(axis=1).tolist() == [STEPS] * 4
    assert (np.abs(q * scale[:, None] - weight) <= 0.501 * scale[:, None]).all()


def test_ranges_are_the_largest_inputs_of_all_matrices():
    ranges = observed_ranges(made(), scenes()[:2])
    more = observed_ranges(made(), scenes()[:4])
    assert {n for n in made().weights if n.startswith(("blocks", "lm_head")) and "norm" not in n} == set(ranges)  # fmt: skip
    assert all(0.0 < ranges[name] <= more[name] for name in ranges)
    # RMSNorm's output: at least the row's root mean square, at most all of it in one number
    assert 1.0 <= ranges["lm_head.weight"] <= np.sqrt(made().spec.width)


# --------------------------------------------------------------------------------------------------- golden scenes


def test_golden_scenes_come_back_from_bytes():
    data = golden_to_bytes(scenes())
    assert golden_to_bytes(scenes()) == data
    for before, after in zip(scenes(), golden_from_bytes(data, "x"), strict=True):
        assert before.scene.slots == after.scene.slots and after.said is None
        assert np.array_equal(before.scene.valid, after.scene.valid)
        for kind, rows in before.scene.features.items():
            assert np.array_equal(rows, after.scene.features[kind])


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_damaged_golden_scenes_are_refused_or_read(data):
    whole = bytearray(GOLDEN)
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    cut = data.draw(st.integers(0, len(whole)))
    for damaged in (bytes(whole), bytes(whole[:cut])):
        try:
            golden_from_bytes(damaged, "scenes.npz")
        except InputError as refused:
            assert "scenes.npz" in str(refused)  # noqa: PT017


def test_a_tape_is_led_by_what_the_expert_said():
    asked, _ = tape()
    scene = scenes()[0].scene
    # a whole trace of random tokens that the grammar allows: what the model itself would never say
    rng, values, grammar = np.random.default_rng(5), {}, Grammar(scene.slots)
    for block in Block:
        p = grammar.positions(block, values)
        tokens = grammar.settle(
            p, rng.standard_normal((len(p), 512)), lambda s, ok: int(np.where(ok, s, -np.inf).argmax()), values
        )  # fmt: skip
        values |= dict(zip(p.pairs(), tokens.tolist(), strict=True))
    said = grammar.sequence(values)
    led = record(NumpyBackend(made()), [Golden(scene, said)])
    answers = replay(NumpyBackend(made()), led)
    assert len(answers.true) == len(said)
    assert sorted(answers.true.tolist()) == sorted(said.tokens.tolist())
    again = golden_from_bytes(golden_to_bytes([Golden(scene, said)]), "x")[0]
    assert again.said is not None and again.said.tokens.tolist() == said.tokens.tolist()
    rows = gate(answers, answers.logits, "int8")
    assert rows[-1].what.startswith("fewer of the expert's tokens") and rows[-1].measured == 0.0
