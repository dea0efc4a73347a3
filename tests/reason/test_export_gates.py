"""Gates let the same model pass, and nothing else: every poison here is a mistake that runs without an error."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_graphs import Made, graph, made, tape

from whyway.reason.backends.numpy import NumpyBackend
from whyway.reason.backends.onnxruntime import OnnxRuntime
from whyway.reason.export.gates import LIMITS, gate
from whyway.reason.export.golden import Answers, replay
from whyway.reason.export.recipe import Recipe

PRECISIONS = list(LIMITS)


def passed(answers: Answers, precision: str, *, plain: bool = False) -> bool:
    return all(row.passed for row in gate(tape(plain=plain)[1], answers.logits, precision))


class Poisoned:
    """A backend whose arguments are spoilt on their way."""

    step_sizes = ()

    def __init__(self, spoil: Callable, backend: NumpyBackend) -> None:
        self.backend, self.spoil = backend, spoil

    def prefill(self, batch):
        self.backend.prefill(batch)

    def step(self, tokens, fields, slots, rows, mask):
        return self.backend.step(*self.spoil(tokens, fields, slots, rows, mask))


def mask_off_by_one(tokens, fields, slots, rows, mask):
    return tokens, fields, slots, rows, np.roll(mask, 1, axis=2)


def row_off_by_one(tokens, fields, slots, rows, mask):
    return tokens, fields, slots, rows + 1, mask


def values_never_written(tokens, fields, slots, rows, mask):
    """Questions of all passes lie in the same rows: what earlier passes committed is gone."""
    return tokens, fields, slots, np.arange(43, 43 + rows.shape[1])[None], mask


def answers_are_seen(tokens, fields, slots, rows, mask):
    return (
        tokens,
        fields,
        slots,
        rows,
        np.ones_like(mask) & (np.arange(mask.shape[2]) <= rows.max()),
    )


def slots_off_by_one(tokens, fields, slots, rows, mask):
    return tokens, fields, np.maximum(slots - 1, 0), rows, mask


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(
    "spoil",
    [mask_off_by_one, row_off_by_one, values_never_written, answers_are_seen, slots_off_by_one],
)
def test_wrong_books_fail(spoil, precision):
    asked, _ = tape()
    assert not passed(replay(Poisoned(spoil, NumpyBackend(made())), asked), precision)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_stale_cache_fails(precision):
    class Stale(NumpyBackend):
        """Reads only the first scene, ever."""

        def prefill(self, batch):
            if not self._scene.size:
                super().prefill(batch)

    asked, _ = tape()
    assert not passed(replay(Stale(made()), asked), precision)


def with_weights(change: Callable[[np.ndarray], np.ndarray]) -> NumpyBackend:
    model = made()
    return NumpyBackend(Made(model.spec, {n: change(w) for n, w in model.weights.items()}))


def truncated(weight: np.ndarray) -> np.ndarray:
    """To bfloat16, as if nobody had asked for it."""
    return (weight.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)


def four_bits(weight: np.ndarray) -> np.ndarray:
    scale = np.abs(weight).max(axis=-1, keepdims=True) / 7
    return (np.rint(weight / scale) * scale).astype(np.float32)


def test_weights_truncated_to_bfloat16_are_not_float32():
    asked, _ = tape()
    answers = replay(with_weights(truncated), asked)
    assert not passed(answers, "fp32")
    assert passed(answers, "int8")  # rounding is what the other gates are for


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_weights_of_4_bits_pass_nowhere(precision):
    asked, _ = tape()
    assert not passed(replay(with_weights(four_bits), asked), precision)


@pytest.mark.parametrize(("is_", "claimed"), [("int8", "fp16"), ("int8", "fp32"), ("fp16", "fp32")])
def test_a_coarser_graph_does_not_pass_for_a_finer_one(is_, claimed):
    asked, _ = tape()
    answers = replay(OnnxRuntime(graph(Recipe(precision=is_)), "x"), asked)
    assert passed(answers, is_) and not passed(answers, claimed)


def test_another_models_graph_fails():
    asked, _ = tape()
    for precision in PRECISIONS:
        answers = replay(OnnxRuntime(graph(Recipe(precision=precision), seed=1), "x"), asked)
        assert not passed(answers, precision)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_reference_passes_and_what_is_no_number_does_not(precision):
    _, truth = tape()
    assert passed(truth, precision)
    broken = truth.logits.copy()
    at = np.argwhere(truth.allowed)[7]
    broken[tuple(at)] = np.nan
    assert not passed(dataclasses.replace(truth, logits=broken), precision)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(PRECISIONS))
def test_what_softmax_does_not_see_is_no_error(seed, precision):
    truth = Answers(*(part[:100] for part in dataclasses.astuple(tape()[1])))
    rng = np.random.default_rng(seed)
    shifted = truth.logits + rng.uniform(-1.0, 1.0, (len(truth.logits), 1)).astype(np.float32)
    shifted = np.where(truth.allowed, shifted, rng.standard_normal(shifted.shape)).astype(
        np.float32
    )
    assert all(row.passed for row in gate(truth, shifted, precision))


def test_choices_between_equals_do_not_count():
    logits = np.zeros((2, 4), np.float32)
    logits[0] = [1.0, 1.0 - 1e-6, 0.0, 0.0]
    logits[1] = [3.0, 1.0, 0.0, 0.0]
    allowed = np.ones_like(logits, dtype=bool)
    truth = Answers(logits, allowed, np.full(2, -1))
    other = logits.copy()
    other[0] = other[0, [1, 0, 2, 3]]
    assert gate(truth, other, "fp32")[-1].measured == 1.0
    other[1] = other[1, [1, 0, 2, 3]]
    assert gate(truth, other, "fp32")[-1].measured == 0.0


def test_a_model_that_knows_less_fails_however_alike_it_looks():
    rng = np.random.default_rng(0)
    logits = np.zeros((400, 8), np.float32)
    logits[:, 0], logits[:, 1] = 1.0, 1.0 - 1e-3  # hardly knows; the first is right
    truth = Answers(logits, np.ones_like(logits, dtype=bool), np.zeros(400, np.int64))
    worse = logits.copy()
    worse[rng.permutation(400)[:8], 1] = 1.0 + 1e-3
    rows = {row.what[:5]: row for row in gate(truth, worse, "int8")}
    assert rows["relat"].passed and rows["same "].measured != rows["same "].measured
    assert rows["fewer"].measured == pytest.approx(0.02) and not rows["fewer"].passed
