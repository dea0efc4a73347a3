from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_lessons import FEATURES, PARITY, lesson, made_model, made_scene

from whyway.reason.backends import Backend, BackendError, make_backend
from whyway.reason.engine import LARGEST_PASS, Budget, Decoded, Engine
from whyway.reason.masks import CACHE_ROWS
from whyway.reason.pace import FADES, KEPT, Pace
from whyway.reason.spec import SceneTokens
from whyway.trace.grammar import is_valid
from whyway.trace.sequence import MASK
from whyway.trace.slots import Block
from whyway.trace.vocabulary import allowed_mask

MODEL = made_model(depth=2)
SEEDS = st.integers(0, 10**6)


class Clock:
    """Stands still but where it is moved, in milliseconds."""

    def __init__(self) -> None:
        self.ms = 0.0

    def __call__(self) -> float:
        return self.ms * 1e-3


@dataclass
class Around:
    """A backend with something between it and the engine."""

    inner: Backend
    step_sizes: tuple[int, ...] = ()
    clock: Clock | None = None
    takes_ms: list[float] = field(default_factory=list)
    passes: list[int] = field(default_factory=list)

    @property
    def info(self):
        return self.inner.info

    @property
    def spec(self):
        return self.inner.spec

    def prefill(self, batch) -> None:
        self.inner.prefill(batch)
        self._spend()

    def step(self, tokens, fields, slots, rows, mask):
        self.passes.append(tokens.shape[1])
        self._spend()
        return self.inner.step(tokens, fields, slots, rows, mask)

    def _spend(self) -> None:
        if self.clock is not None:
            self.clock.ms += self.takes_ms.pop(0) if len(self.takes_ms) > 1 else self.takes_ms[0]

    def close(self) -> None: ...


def engine(backend: Backend | None = None, clock: Clock | None = None) -> Engine:
    return Engine(backend or make_backend("numpy", MODEL), clock or Clock())


ENGINE = engine()


def scenes_of(seed: int, count: int = 1) -> list[SceneTokens]:
    """Mostly with few objects, now and then with all that fit."""
    rng = np.random.default_rng(seed)
    few_or_all = rng.choice([0, 1, 2, 4, 8, 32], count, p=[0.15, 0.2, 0.25, 0.2, 0.15, 0.05])
    return [made_scene(rng, int(n)) for n in few_or_all]


def same(a: Decoded, b: Decoded) -> bool:
    assert a.sequence is not None and b.sequence is not None
    return all(
        np.array_equal(getattr(a.sequence, name), getattr(b.sequence, name))
        for name in ("fields", "slots", "tokens", "blocks")
    )


# ------------------------------------------------------------------------------------------------------------ valid


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.booleans(), st.sampled_from([0.0, 0.3, 1.0, 5.0]))
def test_every_trace_is_valid_and_the_same_for_a_seed(seed, plain, temperature):
    (scene,) = scenes_of(seed)
    found = [
        ENGINE.decode(
            [scene], plain=plain, temperature=temperature, rngs=[np.random.default_rng(seed)]
        )[0]
        for _ in range(2)
    ]
    assert found[0].sequence is not None
    assert is_valid(found[0].sequence, scene.slots)
    assert same(*found)
    assert found[0].passes == (len(found[0].sequence) if plain else found[0].passes)
    assert plain or found[0].passes <= len(Block)


def test_another_seed_says_something_else():
    (scene,) = scenes_of(0)
    a, b = (
        ENGINE.decode([scene], temperature=1.0, rngs=[np.random.default_rng(seed)])[0]
        for seed in (1, 2)
    )
    assert not same(a, b)


@settings(max_examples=10, deadline=None)
@given(SEEDS, st.booleans(), st.sampled_from([0.0, 1.0]))
def test_a_trace_does_not_depend_on_who_is_decoded_beside_it(seed, plain, temperature):
    scenes = scenes_of(seed, 3)

    def rngs() -> list[np.random.Generator]:
        return [np.random.default_rng([seed, i]) for i in range(3)]

    together = ENGINE.decode(scenes, plain=plain, temperature=temperature, rngs=rngs())
    for scene, rng, beside in zip(scenes, rngs(), together, strict=True):
        (alone,) = ENGINE.decode([scene], plain=plain, temperature=temperature, rngs=[rng])
        assert same(alone, beside)
        np.testing.assert_allclose(
            alone.log_probabilities, beside.log_probabilities, rtol=0, atol=1e-5
        )
        assert alone.passes == beside.passes


def test_nothing_is_left_behind_by_an_earlier_scene():
    first, second = scenes_of(1, 2)
    fresh = engine().decode([second])[0]
    used = engine()
    used.decode([first])
    assert same(used.decode([second])[0], fresh)


@pytest.mark.parametrize("sizes", [(72,), (4, 16, 72)])
def test_backends_of_fixed_sizes_give_the_same_traces(sizes):
    fixed = Around(make_backend("numpy", MODEL), sizes)
    for scene in scenes_of(3, 2):
        assert same(engine(fixed).decode([scene])[0], ENGINE.decode([scene])[0])
        assert same(
            engine(fixed).decode([scene], plain=True)[0], ENGINE.decode([scene], plain=True)[0]
        )
    assert set(fixed.passes) <= set(sizes)


def test_no_pass_is_larger_than_the_largest_and_one_is_as_large():
    backend = Around(make_backend("numpy", MODEL))
    rng = np.random.default_rng(0)
    for seed in range(8):
        drawn = np.random.default_rng(seed)
        engine(backend).decode([made_scene(rng, 32)], temperature=9.0, rngs=[drawn])
    assert max(backend.passes) == LARGEST_PASS  # eight objects are cited of 32 at random


# ----------------------------------------------------------------------------------------------------------- parity


def expected_log_p(scene: SceneTokens, told: Decoded, plain: bool) -> np.ndarray:
    """What training's forward pass says of the tokens, reading true values."""
    torch = pytest.importorskip("torch")
    from whyway.reason import microgpt

    model = microgpt.MicroGPT(MODEL.spec)
    microgpt.load_weights(model, MODEL.weights)
    asked = lesson([scene], [told.sequence], plain)
    with torch.no_grad():
        logits = model(
            {k: torch.from_numpy(scene.features[k][None]) for k, _ in FEATURES},
            *(
                torch.from_numpy(x)
                for x in (scene.valid[None], asked.tokens, asked.fields, asked.slots, asked.mask)
            ),
            asked.queries,
        )
    fields = torch.from_numpy(asked.fields[:, -asked.queries :])
    log_p = microgpt.log_probabilities(logits, fields, torch.from_numpy(allowed_mask().copy()))
    return log_p[0].gather(1, torch.from_numpy(asked.targets[0])[:, None])[:, 0].numpy()


@settings(max_examples=10, deadline=None)
@given(SEEDS, st.booleans(), st.sampled_from([0.0, 1.0]))
def test_decoding_gives_the_probabilities_of_training(seed, plain, temperature):
    (scene,) = scenes_of(seed)
    (told,) = ENGINE.decode(
        [scene], plain=plain, temperature=temperature, rngs=[np.random.default_rng(0)]
    )
    np.testing.assert_allclose(
        told.log_probabilities, expected_log_p(scene, told, plain), rtol=0, atol=PARITY
    )


class PoisonMask(Around):
    """One cache row beside the right one."""

    def step(self, tokens, fields, slots, rows, mask):
        return super().step(tokens, fields, slots, rows, np.roll(mask, 1, axis=-1))


class PoisonRollback(Around):
    """Questions of the pass before stay readable: what lies where they were written is shifted behind them."""

    shift = 0

    def prefill(self, batch):
        self.shift = 0
        super().prefill(batch)

    def step(self, tokens, fields, slots, rows, mask):
        asked = int((tokens[0] == MASK).sum())
        keep = rows[0, 0]
        moved = np.zeros_like(mask)
        moved[..., :keep] = mask[..., :keep]
        moved[..., keep + self.shift :] = mask[..., keep : CACHE_ROWS - self.shift]
        moved[..., keep : keep + self.shift] = self.shift > 0
        logits = super().step(tokens, fields, slots, rows + self.shift, moved)
        self.shift = min(asked, 3)
        return logits


class PoisonStale(Around):
    """The row behind the pass is read, whatever an earlier one left there."""

    def step(self, tokens, fields, slots, rows, mask):
        mask = mask.copy()
        mask[..., rows.max() + 1] = True
        return super().step(tokens, fields, slots, rows, mask)


class PoisonSlots(Around):
    """Every position is taken to be about the slot before its own."""

    def step(self, tokens, fields, slots, rows, mask):
        return super().step(tokens, fields, np.maximum(slots - 1, 0), rows, mask)


@pytest.mark.parametrize("poison", [PoisonMask, PoisonRollback, PoisonStale, PoisonSlots])
def test_the_parity_gate_sees(poison):
    (scene,) = scenes_of(11)
    (told,) = engine(poison(make_backend("numpy", MODEL))).decode([scene])
    assert told.sequence is not None  # valid even so: the grammar does not trust the model
    assert is_valid(told.sequence, scene.slots)
    error = np.abs(told.log_probabilities - expected_log_p(scene, told, False))
    assert error.max() > 100 * PARITY


def test_the_drawn_probability_is_that_of_the_tokens_where_nothing_is_restricted():
    """At temperature 1 both probabilities are the same, but where counts of lists and neighbours narrow the choice."""
    (scene,) = scenes_of(5)
    (told,) = ENGINE.decode([scene], temperature=1.0, rngs=[np.random.default_rng(0)])
    assert told.log_probabilities.sum() <= told.drawn_log_probability + 1e-3 < 0.0
    (greedy,) = ENGINE.decode([scene])
    assert greedy.drawn_log_probability == 0.0 and (greedy.log_probabilities <= 0.0).all()


def test_a_model_whose_answer_is_no_number_says_nothing():
    class Broken(Around):
        def step(self, *args):
            logits = super().step(*args)
            if len(self.passes) == 3:
                logits[0, -1, 7] = np.nan
            return logits

    (told,) = engine(Broken(make_backend("numpy", MODEL))).decode(scenes_of(0))
    assert told.sequence is None and not told.complete
    assert "not a number" in told.why


@pytest.mark.parametrize("call", ["prefill", "step"])
def test_a_backend_that_fails_says_nothing_and_is_asked_again(call):
    class Failing(Around):
        fails = True

        def prefill(self, *args):
            return self.maybe("prefill") or super().prefill(*args)

        def step(self, *args):
            return self.maybe("step") or super().step(*args)

        def maybe(self, name):
            if self.fails and name == call:
                raise BackendError("cuMemcpyHtoDAsync: an illegal memory access was encountered")

    backend = Failing(make_backend("numpy", MODEL))
    again = engine(backend)
    (told,) = again.decode(scenes_of(0))
    assert told.sequence is None and told.why.startswith("the backend fails: cuMemcpy")
    backend.fails = False
    assert again.decode(scenes_of(0))[0].complete


# ----------------------------------------------------------------------------------------------------------- budget


def paced(takes_ms: list[float]) -> tuple[Engine, Clock, Around]:
    clock = Clock()
    backend = Around(make_backend("numpy", MODEL), clock=clock, takes_ms=takes_ms)
    return engine(backend, clock), clock, backend


def test_no_budget_says_nothing_and_does_nothing():
    tried, _, backend = paced([1.0])
    (told,) = tried.decode(scenes_of(0), budget=Budget(0.0))
    assert told.sequence is None and told.passes == 0 and backend.passes == []
    assert told.why == "no whole trace within 0 ms"


@settings(max_examples=20, deadline=None)
@given(SEEDS, st.lists(st.floats(0.5, 3.0), min_size=1, max_size=8), st.floats(0.1, 30.0))
def test_a_decision_is_never_later_than_by_the_jitter_of_one_pass(seed, takes_ms, budget_ms):
    slowest, jitter = max(takes_ms), max(takes_ms) - min(takes_ms)
    jitter += slowest * (1.0 - FADES**6)  # every refusal is forgiven a little
    tried, clock, _ = paced([slowest])
    backend = tried._backend
    for scene in scenes_of(seed, 3):
        tried.decode([scene])  # every size of pass is known then, or one like it
    backend.takes_ms[:] = [*takes_ms, slowest]
    for scene in scenes_of(seed, 6):
        begun = clock.ms
        (told,) = tried.decode([scene], budget=Budget(budget_ms))
        assert clock.ms - begun <= max(budget_ms, 0.0) + jitter + 1e-9
        assert told.elapsed_ms == pytest.approx(clock.ms - begun)
        assert told.complete or told.why


def test_what_fits_is_said():
    tried, _, _ = paced([2.0])
    for _ in range(3):
        (told,) = tried.decode(scenes_of(0), budget=Budget(2.0 * 6 + 0.1))
        assert told.complete and told.elapsed_ms == pytest.approx(2.0 * (told.passes + 1))


def test_a_trace_of_more_tokens_than_allowed_is_not_said():
    (scene,) = scenes_of(0)
    length = len(ENGINE.decode([scene])[0].sequence)
    for plain in (False, True):
        enough = ENGINE.decode([scene], plain=plain, budget=Budget(1e9, tokens=200))[0]
        assert enough.complete
        scarce = ENGINE.decode([scene], plain=plain, budget=Budget(1e9, tokens=length // 2))[0]
        assert scarce.sequence is None and "tokens" in scarce.why


def test_after_one_hiccup_the_next_decision_but_one_is_made_again():
    tried, _, backend = paced([1.0])
    scene = scenes_of(0)
    for _ in range(KEPT):
        assert tried.decode(scene, budget=Budget(20.0))[0].complete
    backend.takes_ms[:] = [1.0, 1.0, 500.0, 1.0]
    tried.decode(scene, budget=Budget(20.0))
    made = [tried.decode(scene, budget=Budget(20.0))[0].complete for _ in range(3)]
    assert made[1:] == [True, True]


def test_a_machine_that_was_slow_for_long_is_tried_again_in_time():
    pace = Pace()
    for _ in range(KEPT):
        pace.took(1, 40, 50.0)
    refused = 0
    while pace.expect(1, 40) > 10.0:
        pace.refused(1, 40)
        refused += 1
    assert 100 < refused < 200  # 10 to 20 s: seldom enough for a machine that stays slow
    assert FADES**refused * 50.0 == pytest.approx(pace.expect(1, 40))


def test_an_unknown_size_is_taken_to_last_as_long_as_the_next_larger_one():
    pace = Pace()
    assert pace.expect(1, 10) == 0.0
    pace.took(1, 64, 9.0)
    pace.took(1, 16, 3.0)
    assert [pace.expect(1, n) for n in (2, 12, 17, 60, 100)] == [3.0, 3.0, 9.0, 9.0, 9.0]


def test_a_batch_shares_its_budget():
    tried, _, _ = paced([2.0])
    found = tried.decode(scenes_of(0, 3), budget=Budget(5.0))
    assert [told.complete for told in found] == [False] * 3
