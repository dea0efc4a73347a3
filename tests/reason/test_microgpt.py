from __future__ import annotations

import dataclasses
import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_lessons import FEATURES, PARITY, Lesson, lesson, made_model, made_scene, made_trace

torch = pytest.importorskip("torch")

from whyway.reason import microgpt  # noqa: E402
from whyway.reason.masks import CACHE_ROWS  # noqa: E402
from whyway.reason.microgpt import LossRules, MicroGPT  # noqa: E402
from whyway.reason.parameters import parameter_count, parameter_shapes  # noqa: E402
from whyway.reason.spec import PREFIX_ROWS, ModelSpec, SceneTokens  # noqa: E402
from whyway.trace.slots import MAX_OBJECTS, OBJECT_0  # noqa: E402
from whyway.trace.vocabulary import (  # noqa: E402
    NO_CAUSE,
    Field,
    allowed_mask,
    number_tokens,
    tokens_of,
)

MADE = made_model(depth=2)


def loaded(made=MADE) -> MicroGPT:
    model = MicroGPT(made.spec)
    microgpt.load_weights(model, made.weights)
    return model


MODEL = loaded()


def drawn(seed: int, objects: int = 5) -> tuple[SceneTokens, Lesson]:
    rng = np.random.default_rng(seed)
    scene = made_scene(rng, objects)
    return scene, lesson([scene], [made_trace(scene, rng)])


def forward(
    scenes: list[SceneTokens], asked: Lesson, model: MicroGPT = MODEL, rows: int = PREFIX_ROWS
) -> torch.Tensor:
    """Logits (B, Q, V); `rows` of the prefix are read."""
    left_out = PREFIX_ROWS - rows
    features = {k: np.stack([s.features[k] for s in scenes]) for k, _ in FEATURES}
    features["object"] = features["object"][:, : MAX_OBJECTS - left_out]
    keep = np.r_[0:rows, PREFIX_ROWS : asked.mask.shape[-1]]
    with torch.no_grad():
        return model(
            {k: torch.from_numpy(x) for k, x in features.items()},
            torch.from_numpy(np.stack([s.valid[:rows] for s in scenes])),
            *(torch.from_numpy(x) for x in (asked.tokens, asked.fields, asked.slots)),
            torch.from_numpy(asked.mask[:, keep][:, :, keep]),
            asked.queries,
        )


# ------------------------------------------------------------------------------------------------------- parameters


def test_the_table_names_every_parameter_and_no_other():
    own = {name: tuple(p.shape) for name, p in MODEL.named_parameters()}
    assert own == parameter_shapes(MADE.spec)
    assert sum(p.numel() for p in MODEL.parameters()) == parameter_count(MADE.spec)
    assert set(MODEL.state_dict()) == set(own)  # a checkpoint holds nothing else


def test_the_dial_goes_from_one_million_to_a_hundred_as_its_docstring_says():
    features = tuple((kind, 24) for kind, _ in FEATURES)
    said = dict(re.findall(r"(\d+) is (\d+(?:\.\d+)?) M", ModelSpec.__doc__ or ""))
    assert {"4", "20"} < set(said)
    for depth, millions in said.items():
        count = parameter_count(ModelSpec(int(depth), features))
        assert count / 1e6 == pytest.approx(float(millions), rel=0.03)


def test_adapters_find_the_matrices_of_the_blocks_and_no_others():
    pattern = r"blocks\.\d+\.(qkv|proj|up|down)"
    found = [name for name, _ in MODEL.named_modules() if re.fullmatch(pattern, name)]
    assert len(found) == 4 * MADE.spec.depth
    assert all(isinstance(MODEL.get_submodule(name), torch.nn.Linear) for name in found)


def test_a_seed_gives_one_model_whatever_was_drawn_elsewhere():
    def model(seed: int) -> dict[str, np.ndarray]:
        return microgpt.weights_of(MicroGPT(MADE.spec, torch.Generator().manual_seed(seed)))

    first = model(3)
    torch.rand(5)
    again, other = model(3), model(4)
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["blocks.0.qkv.weight"], other["blocks.0.qkv.weight"])


@pytest.mark.parametrize("depth", [1, 4, 8])
def test_a_new_model_guesses_nearly_evenly_and_its_stream_neither_dies_nor_explodes(depth):
    model = MicroGPT(ModelSpec(depth, FEATURES), torch.Generator().manual_seed(0))
    scene, asked = drawn(0)
    seen = []
    model.final_norm.register_forward_pre_hook(lambda _, x: seen.append(x[0]))
    logits = forward([scene], asked, model)
    assert 0.01 < float(logits.std()) < 0.3
    assert 0.3 < float(seen[0].square().mean().sqrt()) < 6.0


# ---------------------------------------------------------------------------------------------------------- forward


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.booleans())
def test_passes_against_the_cache_give_the_logits_of_training(seed, plain):
    rng = np.random.default_rng(seed)
    scene = made_scene(rng, int(rng.integers(0, 5)))
    asked = lesson([scene], [made_trace(scene, rng)], plain)
    size, values = asked.tokens.shape[1], asked.tokens.shape[1] - asked.queries
    if PREFIX_ROWS + size > CACHE_ROWS:
        return
    expected = forward([scene], asked)
    features = {k: torch.from_numpy(x[None]) for k, x in scene.features.items()}
    cache = microgpt.prefill(MODEL, features, torch.from_numpy(scene.valid[None]))
    mask = torch.zeros(1, size, CACHE_ROWS, dtype=torch.bool)
    mask[:, :, : PREFIX_ROWS + size] = torch.from_numpy(asked.mask[:, PREFIX_ROWS:])
    found = []
    for part in (slice(0, values), slice(values, None)):
        rows = torch.arange(PREFIX_ROWS, PREFIX_ROWS + size)[None, part]
        given_ = (torch.from_numpy(x[:, part]) for x in (asked.tokens, asked.fields, asked.slots))
        found.append(microgpt.step(MODEL, cache, *given_, rows, mask[:, part]))
    torch.testing.assert_close(found[1], expected, rtol=0, atol=PARITY)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.booleans(), st.data())
def test_no_answer_depends_on_a_value_of_its_own_or_a_later_block(seed, plain, data):
    rng = np.random.default_rng(seed)
    scene = made_scene(rng, int(rng.integers(0, 5)))
    trace = made_trace(scene, rng)
    asked = lesson([scene], [trace], plain)
    values = asked.tokens.shape[1] - asked.queries
    at = data.draw(st.integers(0, values - 1))
    other = asked.tokens.copy()
    other[0, at] = 2 + (other[0, at] + 1) % 500
    changed = dataclasses.replace(asked, tokens=other)
    before, after = forward([scene], asked)[0], forward([scene], changed)[0]
    blocks = np.arange(len(trace)) if plain else trace.blocks
    of_value = next(
        blocks[i] for i in range(len(trace))
        if (trace.fields[i], trace.slots[i]) == (asked.fields[0, at], asked.slots[0, at])
    )  # fmt: skip
    free = torch.from_numpy(blocks <= of_value)
    assert torch.equal(before[free], after[free])
    assert not torch.equal(before[~free], after[~free])


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6), st.permutations(range(6)))
def test_objects_in_other_slots_are_spoken_of_alike(seed, order):
    """Rows have no places: with rows, slots and the slots' embeddings permuted together, the same is said of the same object."""
    scene, asked = drawn(seed, objects=6)
    to = np.arange(len(MADE.weights["slot_embedding.weight"]))
    to[OBJECT_0 : OBJECT_0 + 6] = OBJECT_0 + np.array(order)  # object i goes to slot to[i]
    moved = dict(MADE.weights)
    moved["slot_embedding.weight"] = np.empty_like(MADE.weights["slot_embedding.weight"])
    moved["slot_embedding.weight"][to] = MADE.weights["slot_embedding.weight"]
    objects = scene.features["object"].copy()
    objects[np.array(order)] = scene.features["object"][:6]
    there = dataclasses.replace(scene, features=scene.features | {"object": objects})
    told = dataclasses.replace(asked, slots=to[asked.slots])
    model = loaded(dataclasses.replace(MADE, weights=moved))
    torch.testing.assert_close(
        forward([there], told, model), forward([scene], asked), rtol=0, atol=PARITY
    )


def test_which_slot_an_object_has_matters_otherwise():
    scene, asked = drawn(1, objects=2)
    swapped = scene.features["object"].copy()
    swapped[[0, 1]] = swapped[[1, 0]]
    other = dataclasses.replace(scene, features=scene.features | {"object": swapped})
    assert (forward([other], asked) - forward([scene], asked)).abs().max() > 0.1


def test_a_row_of_the_scene_not_in_use_changes_nothing():
    scene, asked = drawn(2)
    littered = scene.features["object"].copy()
    littered[5:] = 77.0
    other = dataclasses.replace(scene, features=scene.features | {"object": littered})
    assert torch.equal(forward([other], asked), forward([scene], asked))


def test_a_batch_may_leave_out_objects_that_it_does_not_use():
    scene, asked = drawn(3, objects=5)
    rows = PREFIX_ROWS - MAX_OBJECTS + 5
    torch.testing.assert_close(
        forward([scene], asked, rows=rows), forward([scene], asked), rtol=0, atol=PARITY
    )


def test_padding_changes_nothing():
    scenes, traces = [], []
    for seed, objects in ((4, 0), (5, 12)):
        rng = np.random.default_rng(seed)
        scenes.append(made_scene(rng, objects))
        traces.append(made_trace(scenes[-1], rng))
    together = forward(scenes, lesson(scenes, traces))
    for i, (scene, trace) in enumerate(zip(scenes, traces, strict=True)):
        alone = forward([scene], lesson([scene], [trace]))[0]
        torch.testing.assert_close(together[i, : len(trace)], alone, rtol=0, atol=PARITY)


# ------------------------------------------------------------------------------------------------ loss and sampling


def rules(smoothing_bins: float = 1.0) -> LossRules:
    numbers = np.zeros_like(allowed_mask())
    for field in list(Field)[1:]:
        numbers[field, list(number_tokens(field))] = True
    weights = torch.ones(len(numbers))
    return LossRules(
        torch.from_numpy(allowed_mask().copy()), torch.from_numpy(numbers), weights, smoothing_bins
    )


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.5, 1.0, 2.0]))
def test_the_loss_is_the_cross_entropy_over_the_tokens_allowed_with_a_gaussian_over_bins(
    seed, bins
):
    rng = np.random.default_rng(seed)
    field = Field(int(rng.integers(1, len(Field))))
    target = int(rng.choice(tokens_of(field)))
    logits = rng.normal(0.0, 3.0, 512).astype(np.float32)
    allowed, numbers = np.array(tokens_of(field)), np.array(number_tokens(field))
    log_p = logits[allowed] - np.log(np.exp(logits[allowed].astype(float)).sum())
    if target in numbers and bins > 0.0:
        share = np.where(
            np.isin(allowed, numbers), np.exp(-0.5 * ((allowed - target) / bins) ** 2), 0.0
        )
        share[np.abs(allowed - target) > math.ceil(3 * bins)] = 0.0
    else:
        share = (allowed == target).astype(float)
    expected = -(share / share.sum() * log_p).sum()
    found = microgpt.loss(
        torch.from_numpy(logits)[None, None],
        torch.tensor([[int(field)]]),
        torch.tensor([[target]]),
        rules(bins),
    )
    assert float(found.mean) == pytest.approx(expected, rel=1e-4)
    assert found.counts[field] == 1 and found.sums[field] == pytest.approx(expected, rel=1e-4)
    assert bool(found.hits[field]) == (allowed[np.argmax(logits[allowed])] == target)


def test_no_cause_is_no_neighbour_of_a_cause_of_no_weight():
    fields = torch.tensor([[int(Field.WEIGHT)]])
    logits = torch.full((1, 1, 512), -30.0)
    logits[..., NO_CAUSE] = 30.0
    assert float(microgpt.loss(logits, fields, torch.tensor([[NO_CAUSE]]), rules()).mean) < 1e-6


def test_padding_costs_nothing_and_fields_count_by_their_weights():
    fields = torch.tensor([[int(Field.LIGHT), int(Field.CONFLICT), 0]])
    targets = torch.tensor([[tokens_of(Field.LIGHT)[0], tokens_of(Field.CONFLICT)[1], -1]])
    logits = torch.randn(1, 3, 512, generator=torch.Generator().manual_seed(0))
    plain = rules()
    found = microgpt.loss(logits, fields, targets, plain)
    assert float(found.counts.sum()) == 2.0
    one, two = found.sums[Field.LIGHT], found.sums[Field.CONFLICT]
    assert float(found.mean) == pytest.approx(float(one + two) / 2)
    weights = plain.weights.clone()
    weights[Field.LIGHT] = 3.0
    weighted = microgpt.loss(logits, fields, targets, dataclasses.replace(plain, weights=weights))
    assert float(weighted.mean) == pytest.approx(float(3 * one + two) / 4)


def test_a_model_learns_a_few_traces_by_heart():
    rng = np.random.default_rng(0)
    scenes = [made_scene(rng, 3) for _ in range(2)]
    asked = lesson(scenes, [made_trace(s, rng) for s in scenes])
    model = MicroGPT(ModelSpec(2, FEATURES), torch.Generator().manual_seed(0))
    adam = microgpt.optimiser(model, 0.01)
    features = {k: torch.from_numpy(np.stack([s.features[k] for s in scenes])) for k, _ in FEATURES}
    valid = torch.from_numpy(np.stack([s.valid for s in scenes]))
    tokens, fields, slots, mask, targets = (
        torch.from_numpy(x) for x in (asked.tokens, asked.fields, asked.slots, asked.mask, asked.targets)
    )  # fmt: skip
    steps = 60
    for done in range(steps):
        logits = model(features, valid, tokens, fields, slots, mask, asked.queries)
        found = microgpt.loss(logits, fields[:, -asked.queries :], targets, rules(0.0))
        found.mean.backward()
        rate = microgpt.learning_rate(done, steps, peak=5e-3, warmup=5)
        microgpt.update(list(model.parameters()), adam, lr=rate)
    assert float(found.hits.sum() / found.counts.sum()) > 0.99


def test_tokens_are_drawn_as_often_as_they_are_probable():
    log_p = torch.log(torch.tensor([[0.7, 0.2, 0.1, 0.0]])).expand(20_000, -1)
    generator = torch.Generator().manual_seed(0)
    shares = torch.bincount(microgpt.sample(log_p, 1.0, generator), minlength=4) / 20_000
    torch.testing.assert_close(shares, torch.tensor([0.7, 0.2, 0.1, 0.0]), rtol=0, atol=0.02)
    cold = torch.bincount(microgpt.sample(log_p, 0.5, generator), minlength=4) / 20_000
    torch.testing.assert_close(
        cold, torch.tensor([0.49, 0.04, 0.01, 0.0]) / 0.54, rtol=0, atol=0.02
    )
    assert (microgpt.sample(log_p, 0.0) == 0).all()


# ---------------------------------------------------------------------------------------------------------- update


@given(st.integers(2, 500), st.integers(1, 50))
def test_the_learning_rate_rises_to_its_peak_and_falls_to_its_last_share(steps, warmup):
    warmup = min(warmup, steps - 1)
    rates = [microgpt.learning_rate(k, steps, peak=2.0, warmup=warmup) for k in range(steps + 1)]
    assert max(rates) == pytest.approx(2.0)
    assert rates[-1] == pytest.approx(0.2)
    assert np.all(np.diff(rates[:warmup]) > 0) and np.all(np.diff(rates[warmup:]) <= 0)


def test_only_matrices_decay():
    matrices, others = microgpt.optimiser(MODEL, 0.3).param_groups
    assert matrices["weight_decay"] == 0.3 and others["weight_decay"] == 0.0
    names = {id(p): name for name, p in MODEL.named_parameters()}
    assert all(not re.search("norm|bias|embedding", names[id(p)]) for p in matrices["params"])
    assert len(matrices["params"]) + len(others["params"]) == len(names)


def test_an_update_cuts_gradients_and_leaves_out_those_that_are_no_number():
    p = torch.nn.Parameter(torch.zeros(4))
    descent = torch.optim.SGD([p], lr=1.0)
    p.grad = torch.full((4,), 50.0)
    assert microgpt.update([p], descent, lr=1.0, clip=1.0) == pytest.approx(100.0)
    torch.testing.assert_close(p.detach(), torch.full((4,), -0.5), rtol=1e-4, atol=0)
    p.grad = torch.full((4,), math.nan)
    assert math.isnan(microgpt.update([p], descent, lr=1.0))
    torch.testing.assert_close(p.detach(), torch.full((4,), -0.5), rtol=1e-4, atol=0)
    assert p.grad is None
