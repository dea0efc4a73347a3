from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_lessons import PARITY, MadeModel, lesson, made_model, made_scene, made_trace

from whyway.reason import backends
from whyway.reason.backends import Backend, make_backend
from whyway.reason.masks import CACHE_ROWS
from whyway.reason.parameters import parameter_shapes, weights_sha256
from whyway.reason.spec import PREFIX_ROWS, SceneTokens
from whyway.types import InputError

MODEL = made_model(depth=3)
NAMES = ["numpy", "torch"]


@pytest.fixture(scope="module")
def both() -> tuple[Backend, Backend]:
    pytest.importorskip("torch")
    return make_backend("numpy", MODEL), make_backend("torch", MODEL)


def pass_of(scenes: list[SceneTokens], seed: int) -> dict[str, np.ndarray]:
    """A whole trace of every scene as one pass: values and queries by their training mask."""
    rng = np.random.default_rng(seed)
    taught = lesson(scenes, [made_trace(s, rng) for s in scenes])
    b, size = taught.tokens.shape
    mask = np.zeros((b, size, CACHE_ROWS), bool)
    mask[:, :, : PREFIX_ROWS + size] = taught.mask[:, PREFIX_ROWS:]
    rows = np.tile(np.arange(PREFIX_ROWS, PREFIX_ROWS + size), (b, 1))
    return {
        "tokens": taught.tokens, "fields": taught.fields, "slots": taught.slots, "rows": rows, "mask": mask,
    }  # fmt: skip


def small_scenes(seed: int, count: int = 2) -> list[SceneTokens]:
    """So few objects that values and queries of a whole trace fit into the cache at once."""
    rng = np.random.default_rng(seed)
    return [made_scene(rng, int(rng.integers(0, 6))) for _ in range(count)]


def logits(backend: Backend, scenes: list[SceneTokens], asked: dict[str, np.ndarray]) -> np.ndarray:
    backend.prefill(scenes)
    return backend.step(**asked)


def fits(asked: dict[str, np.ndarray]) -> bool:
    return asked["rows"].max() < CACHE_ROWS


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6))
def test_torch_agrees_with_numpy(both, seed):
    scenes = small_scenes(seed)
    asked = pass_of(scenes, seed)
    if fits(asked):
        ours, theirs = (logits(backend, scenes, asked) for backend in both)
        assert ours.std() > 1.0
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=PARITY)


@pytest.mark.parametrize("name", NAMES)
def test_a_scene_is_answered_alike_alone_and_among_others(name):
    backend, scenes = make_backend(name, MODEL), small_scenes(1, 3)
    asked = pass_of(scenes, 1)
    together = logits(backend, scenes, asked)
    for i, scene in enumerate(scenes):
        alone = logits(backend, [scene], {k: x[i : i + 1] for k, x in asked.items()})
        np.testing.assert_allclose(alone[0], together[i], rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_reading_scenes_forgets_earlier_ones_even_broken_ones(name):
    backend, scenes = make_backend(name, MODEL), small_scenes(2)
    asked = pass_of(scenes, 2)
    before = logits(backend, scenes, asked)
    broken = [
        dataclasses.replace(s, features={k: x * np.float32(np.nan) for k, x in s.features.items()})
        for s in scenes
    ]
    assert np.isnan(logits(backend, broken, asked)).all()
    np.testing.assert_array_equal(logits(backend, scenes, asked), before)


@pytest.mark.parametrize("name", NAMES)
def test_two_passes_give_what_one_gives(name):
    backend, scenes = make_backend(name, MODEL), small_scenes(3)
    asked = pass_of(scenes, 3)
    at_once = logits(backend, scenes, asked)
    backend.prefill(scenes)
    # nobody reads what lies behind, so positions can come one pass after another if nothing before reads them
    reads = asked["mask"].any(axis=0)
    cut = next(
        c for c in range(1, reads.shape[0]) if not reads[:c, PREFIX_ROWS + c :].any()
    )  # fmt: skip
    parts = [
        backend.step(**{k: x[:, part] for k, x in asked.items()})
        for part in (slice(0, cut), slice(cut, None))
    ]
    np.testing.assert_allclose(np.concatenate(parts, axis=1), at_once, rtol=0, atol=PARITY)


def poison_mask(asked):
    asked["mask"] = np.roll(asked["mask"], 1, axis=-1)


def poison_stale_row(asked):
    asked["mask"][:, :, -1] = True  # nothing was written there


def poison_rows(asked):
    asked["rows"] = asked["rows"] + 1


@pytest.mark.parametrize("poison", [poison_mask, poison_stale_row, poison_rows])
def test_the_parity_gate_sees(both, poison):
    scenes = small_scenes(4)
    asked = pass_of(scenes, 4)
    right = logits(both[0], scenes, asked)
    poison(asked)
    wrong = logits(both[1], scenes, asked)
    assert np.abs(wrong - right).max() > 100 * PARITY


def test_a_row_of_the_scene_not_in_use_changes_nothing(both):
    scenes = small_scenes(5)
    asked = pass_of(scenes, 5)
    rng = np.random.default_rng(0)
    littered = []
    for scene in scenes:
        litter = {}
        at = 0
        for kind, x in scene.features.items():
            unused = ~scene.valid[at : at + len(x)]
            litter[kind] = np.where(unused[:, None], 9 * rng.normal(size=x.shape), x).astype(
                np.float32
            )
            at += len(x)
        littered.append(dataclasses.replace(scene, features=litter))
    for backend in both:
        np.testing.assert_array_equal(
            logits(backend, littered, asked), logits(backend, scenes, asked)
        )


def test_backends_tell_what_they_are():
    for name in NAMES:
        info = make_backend(name, MODEL).info
        assert (info.name, info.precision) == (name, "fp32") and info.version
        assert info.weights_sha256 == weights_sha256(MODEL.weights)


def test_one_changed_weight_is_another_model():
    other = {k: x.copy() for k, x in MODEL.weights.items()}
    other["blocks.1.up.weight"][3, 4] = np.nextafter(
        other["blocks.1.up.weight"][3, 4], np.float32(9)
    )
    assert weights_sha256(other) != weights_sha256(MODEL.weights)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("what", ["lack", "shape", "unknown", "not finite"])
def test_wrong_weights_are_refused_with_the_reason(name, what):
    weights = {k: x.copy() for k, x in MODEL.weights.items()}
    if what == "lack":
        del weights["blocks.0.up.weight"]
    elif what == "shape":
        weights["lm_head.weight"] = weights["lm_head.weight"][:-1]
    elif what == "unknown":
        weights["blocks.0.up.lora_A.weight"] = np.zeros((2, 2), np.float32)
    else:
        weights["blocks.1.proj.weight"][0, 0] = np.inf
    with pytest.raises(InputError, match=what):
        make_backend(name, MadeModel(MODEL.spec, weights))


def test_backends_that_do_not_exist_or_are_not_installed_are_refused_with_the_remedy(monkeypatch):
    with pytest.raises(InputError, match="take auto or one of numpy"):
        make_backend("cuda", MODEL)

    def missing(name: str):
        raise ImportError(f"no {name}")

    monkeypatch.setattr(backends.importlib, "import_module", missing)
    with pytest.raises(InputError, match=r"pip install 'whyway\[train\]'"):
        make_backend("torch", MODEL)


def test_auto_takes_the_first_that_runs_here(monkeypatch):
    tried = []

    def only_numpy(name: str, model: object) -> str:
        tried.append(name)
        if name != "numpy":
            raise InputError("not here")
        return name

    monkeypatch.setattr(backends, "_make", only_numpy)
    assert make_backend("auto", MODEL) == "numpy"
    assert tried == ["tensorrt", "onnxruntime", "numpy"]


def test_a_scene_without_the_ego_is_refused():
    (scene,) = small_scenes(0, 1)
    with pytest.raises(InputError, match="ego"):
        make_backend("numpy", MODEL).prefill(
            [dataclasses.replace(scene, valid=scene.valid & False)]
        )


def test_the_table_of_parameters_needs_the_kinds_of_scene_tokens_of_this_version():
    spec = dataclasses.replace(MODEL.spec, feature_counts=(("ego", 9),))
    with pytest.raises(InputError, match="train it anew"):
        parameter_shapes(spec)
