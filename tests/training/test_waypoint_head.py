"""The waypoint head's training: the twin computes what the car computes, and learns what it is taught."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from training.repeatable import repeatable
from training.waypoint_head import (
    Head,
    HeadTensors,
    Lessons,
    Options,
    errors,
    loss,
    places,
    put_head,
    train,
)
from whyway.plan.head_features import (
    HEAD_INPUT_SIZE,
    MAX_ROWS,
    ODD,
    ROW,
    ROW_ODD,
    SPEED_AT,
    SPEED_SCALE,
    WHOLE,
    HeadInput,
)
from whyway.plan.knots import KNOT_TIMES_S, KNOTS
from whyway.plan.waypoint_head import WaypointHead
from whyway.reason.checkpoint import load_model, save_model
from whyway.reason.manifest import Made
from whyway.reason.microgpt import MicroGPT, weights_of
from whyway.reason.spec import ROWS, ModelSpec
from whyway.reason.tensors import read_tensors

OPTIONS = Options(Path("data"), Path("out"), steps=80, batch_size=32, warmup=10, average=0.9)


def inputs(seed: int, n: int, most_rows: int = MAX_ROWS) -> HeadInput:
    """Inputs drawn at random, of which the first has no rows."""
    rng = np.random.default_rng(seed)

    def draw(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    there = (
        np.arange(MAX_ROWS) < (rng.integers(most_rows + 1, size=n) * (np.arange(n) > 0))[:, None]
    )
    rows, rows_odd = draw(n, MAX_ROWS, len(ROW)), draw(n, MAX_ROWS, len(ROW_ODD))
    rows[..., 0] = 1.0
    whole = draw(n, len(WHOLE))
    whole[:, SPEED_AT] = rng.uniform(0.0, 1.0, n)
    return HeadInput(whole, rows * there[..., None], draw(n, len(ODD)), rows_odd * there[..., None])


def twin(seed: int, *, delta: bool) -> Head:
    """A head whose every weight counts."""
    generator = torch.Generator().manual_seed(seed)
    head = Head(generator, delta=delta)
    with torch.no_grad():
        for p in head.parameters():
            p.add_(torch.empty_like(p).normal_(0.0, 0.05, generator=generator))
    return head


@settings(max_examples=15)
@given(st.integers(0, 1000), st.integers(1, 6), st.booleans())
def test_numpy_and_torch_give_the_same(seed, n, delta):
    head, x = twin(seed, delta=delta), inputs(seed, n)
    out = WaypointHead(head.weights())(x)
    with torch.no_grad():
        v = head(HeadTensors.of(x)).numpy()
        assert out.speeds_mps == pytest.approx(v, abs=1e-5 * max(1.0, float(np.abs(v).max())))
        assert (out.delta is None) == (not delta)
        for mine, theirs in zip(
            out.delta or (), head.delta(HeadTensors.of(x)) if delta else (), strict=True
        ):
            assert mine == pytest.approx(
                theirs.numpy(), abs=1e-5 * max(1.0, float(np.abs(mine).max()))
            )


def test_weights_go_out_and_in_again():
    a, b = twin(1, delta=True), twin(2, delta=True)
    b.load(a.weights())
    assert all(np.array_equal(x, b.weights()[name]) for name, x in a.weights().items())


def test_a_fresh_head_drives_on_as_it_does_and_a_fresh_residual_does_nothing():
    x = inputs(3, 8)
    out = WaypointHead(Head(torch.Generator().manual_seed(0), delta=True).weights())(x)
    now = SPEED_SCALE * x.whole[:, SPEED_AT, None]
    assert out.speeds_mps == pytest.approx(np.repeat(now, KNOTS, 1), abs=2.0)
    assert not np.any(out.delta)


@given(st.floats(0.0, 20.0), st.floats(-2.0, 2.0))
def test_places_are_those_of_even_acceleration(v, a):
    t = torch.from_numpy(KNOT_TIMES_S)
    found = places((v + a * t)[None], torch.tensor([[v]], dtype=torch.float64))
    assert found[0].numpy() == pytest.approx((v * t + 0.5 * a * t**2).numpy(), abs=1e-9)


def test_what_is_near_counts_more_and_what_is_right_costs_nothing():
    x = HeadTensors.of(inputs(4, 2))
    taught = torch.full((2, KNOTS), 5.0)
    soon, late = taught.clone(), taught.clone()
    soon[:, 3] += 0.2
    late[:, -1] += 0.2
    assert float(loss(taught, taught, x)) == 0.0
    assert float(loss(soon, taught, x)) > 2.0 * float(loss(late, taught, x))


def lessons(n: int, rows: int = 2) -> Lessons:
    """A teacher that is easily understood: to the speed a word says, in four seconds."""
    x = inputs(5, n, rows)
    aim = 8.0 + 2.0 * np.tanh(x.whole[:, :1])
    now = SPEED_SCALE * x.whole[:, SPEED_AT, None]
    share = np.minimum(KNOT_TIMES_S / 4.0, 1.0)
    return Lessons(x.flat(), (now + (aim - now) * share).astype(np.float32))


def test_it_learns_and_the_same_seed_learns_the_same():
    torch.set_num_threads(1)
    found = []
    for _ in range(2):
        head = Head(torch.Generator().manual_seed(0))
        before = errors(head, lessons(256))["speed_3s"]
        steps = [step for step, _ in train(head, lessons(256), OPTIONS)]
        assert steps[-1] == OPTIONS.steps
        found.append(head)
        assert errors(head, lessons(256))["speed_3s"] < 0.6 * before
    a, b = (h.weights() for h in found)
    assert all(np.array_equal(a[name], b[name]) for name in a)


@pytest.fixture
def threads():
    """Sets how training computes; afterwards it is as before."""
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    yield repeatable
    torch.set_num_threads(before[0])
    torch.use_deterministic_algorithms(before[1])


def test_gradients_are_the_same_bits_whichever_thread_comes_first(threads):
    threads(4)
    head, some = Head(torch.Generator().manual_seed(0)), lessons(512, MAX_ROWS)
    x, v = some.batch(np.arange(512))
    found = set()
    for _ in range(40):
        head.zero_grad()
        loss(head(x), v, x).backward()
        found.add(b"".join(p.grad.numpy().tobytes() for p in head.parameters() if p.grad is not None))  # fmt: skip
    assert len(found) == 1


def test_lessons_are_read_as_they_are_stored():
    some = lessons(5)
    assert some.inputs.shape == (5, HEAD_INPUT_SIZE)
    x, v = some.batch(np.array([4, 0]))
    assert v.numpy() == pytest.approx(some.speeds[[4, 0]])
    assert x.whole[1].numpy() == pytest.approx(HeadInput.of_flat(some.inputs[0]).whole)
    assert len(x.rows) == len(x.example) and set(x.example.tolist()) <= {0, 1}


def test_a_head_is_put_into_a_model_and_everything_else_stays(tmp_path):
    spec = ModelSpec(1, tuple((kind, 4) for kind in ROWS))
    model = MicroGPT(spec, torch.Generator().manual_seed(0))
    folder = save_model(
        tmp_path / "m", spec, weights_of(model), {}, Made("reasoning"), files={"card.md": b"a card"}
    )
    head = Head(torch.Generator().manual_seed(0)).weights()
    put_head(folder, head)
    loaded = load_model(folder)
    assert loaded.file("card.md") == b"a card" and loaded.made.stage == "reasoning"
    WaypointHead(loaded.head)
    assert all(np.array_equal(loaded.head[name], x) for name, x in head.items())


def test_a_head_alone_is_a_file(tmp_path):
    head = Head(torch.Generator().manual_seed(0)).weights()
    path = put_head(tmp_path, head)
    WaypointHead(read_tensors(path.read_bytes(), path))
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_training_runs_from_a_data_set_to_a_head(tmp_path, monkeypatch, capsys):
    import training.data
    from training.waypoint_head import main

    class Data:
        @staticmethod
        def lessons(split, most, seed):
            some = lessons(64 if split == "train" else 16)
            return some.inputs, some.speeds

    monkeypatch.setattr(training.data, "open_data", lambda folder: Data)
    main(dataclasses.replace(OPTIONS, out=tmp_path / "run", steps=4, val_every=2))
    path = Path(capsys.readouterr().out.strip())
    WaypointHead(read_tensors(path.read_bytes(), path))
    log = (tmp_path / "run" / "log.jsonl").read_text()
    assert log.count('"val"') == 2 and "place_8s" in log
