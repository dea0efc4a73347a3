"""Training: the stages ask what they say they ask, runs learn, and many processes learn what one does."""

from __future__ import annotations

import dataclasses
import json
import os
import socket
from pathlib import Path

import numpy as np
import pytest
import torch
from made_data import MadeData
from safetensors.torch import load_file, save_file

from training.batches import NOT_ASKED, STRAIGHT, Batch, batch_of, loss_rules, plain_rows
from training.distributed import Rank, this_rank
from training.sft import Options, Run, backward
from training.validate import validate
from whyway.reason.checkpoint import load_model
from whyway.reason.manifest import Versions
from whyway.reason.microgpt import MicroGPT, load_weights
from whyway.reason.spec import PREFIX_ROWS, ModelSpec
from whyway.trace.sequence import MASK
from whyway.trace.vocabulary import NOT_CITED, SILENT, Field, number_tokens, value_of
from whyway.types import InputError

HERE = Versions("v" * 64, "7", "s" * 64)
CPU = torch.device("cpu")
ALONE = Rank(0, 1, CPU)
DATA = MadeData()


def options(out: Path, **more: object) -> Options:
    """Of a run that takes a second."""
    given = {"depth": 1, "steps": 30, "batch_size": 16, "warmup": 5, "lr": 1e-2, "val_every": 10}
    given |= {"precision": "fp32", "average": 0.9, "log_every": 5, "val_batches": 3}
    return Options(data=(Path("made"),), out=out, **{**given, **more})  # type: ignore[arg-type]


def run(out: Path, **more: object) -> Run:
    return Run(options(out, **more), DATA, ALONE, HERE)


def keyframes(count: int = 6, step: int = 0):  # noqa: ANN201
    return next(DATA.batches("train", count, seed=0, start=step, rank=0, world=1))


# ------------------------------------------------------------------------------------------------------------ stages


def test_reasoning_asks_every_word_and_reads_all_that_are_not_silent() -> None:
    made = keyframes()
    batch = batch_of(made, "reasoning", CPU)
    there = made.fields != Field.PAD
    for b in range(len(there)):
        asked = batch.targets[b] != NOT_ASKED
        assert np.array_equal(batch.targets[b][asked].numpy(), made.tokens[b][there[b]])
        assert np.array_equal(batch.asked[b][asked].numpy(), made.fields[b][there[b]])
        read = there[b] & ~SILENT[made.tokens[b]]
        values = batch.tokens[b, : int(read.sum())].numpy()
        assert np.array_equal(values, made.tokens[b][read])
    assert (batch.tokens[:, -batch.queries :] == MASK).all()
    assert (made.tokens == NOT_CITED).any()  # or the test would say little


def test_pretraining_asks_the_decision_of_the_scene_alone() -> None:
    made = keyframes()
    batch = batch_of(made, "pretrain", CPU)
    assert batch.tokens.shape[1] == batch.queries == len(STRAIGHT)
    assert set(batch.asked.flatten().tolist()) == {int(f) for f in STRAIGHT}
    rows = batch.valid.shape[1]
    scene = batch.mask[:, rows:, :rows]
    assert bool((scene == batch.valid[:, None]).all())
    words = batch_of(dataclasses.replace(made, tokens=made.tokens * 0 + 7), "pretrain", CPU)
    model = MicroGPT(ModelSpec(1, DATA.feature_counts))
    assert torch.equal(batch.logits(model), words.logits(model))  # no word is read


def test_rows_that_nobody_uses_are_left_out_and_change_nothing() -> None:
    made = keyframes()
    model = MicroGPT(ModelSpec(1, DATA.feature_counts))
    short = batch_of(made, "reasoning", CPU)
    used = int(made.valid[0].sum())
    assert short.valid.shape[1] == used < PREFIX_ROWS and made.valid[:, :used].all()
    valid = made.valid.copy()
    valid[0] = True  # somebody uses all of them
    whole = batch_of(dataclasses.replace(made, valid=valid), "reasoning", CPU)
    assert whole.valid.shape[1] == PREFIX_ROWS
    torch.testing.assert_close(short.logits(model)[1:], whole.logits(model)[1:])


@pytest.mark.parametrize("plain", [False, True])
def test_nobody_reads_the_answer_or_what_comes_later(plain: bool) -> None:
    """By intervention: another value at n changes logits of later blocks (or positions) only."""
    made = keyframes(2)
    rows = np.full(2, plain)
    model = MicroGPT(ModelSpec(1, DATA.feature_counts)).eval()
    before = batch_of(made, "reasoning", CPU, rows)
    n = int(np.flatnonzero(made.fields[0] == Field.CONFLICT)[0])
    tokens = made.tokens.copy()
    tokens[0, n] = tokens[0, n] - 1 if tokens[0, n] % 2 else tokens[0, n] + 1
    after = batch_of(dataclasses.replace(made, tokens=tokens), "reasoning", CPU, rows)
    changed = (before.logits(model) - after.logits(model))[0].detach().abs().amax(
        dim=1
    ).numpy() > 1e-7
    later = np.arange(made.tokens.shape[1]) > n if plain else made.blocks[0] > made.blocks[0, n]
    later &= made.fields[0] != Field.PAD
    assert np.array_equal(changed & (made.fields[0] != Field.PAD), later)


def test_which_rows_are_trained_token_by_token_follows_from_seed_and_step_alone() -> None:
    def drawn(step: int, share: float = 0.15, seed: int = 0) -> np.ndarray:
        return plain_rows(100, share, seed, step, 0, 1)

    draws = np.stack([drawn(step) for step in range(50)])
    assert 0.12 < draws.mean() < 0.18
    assert np.array_equal(draws[3], drawn(3)) and not np.array_equal(draws[3], draws[4])
    assert not np.array_equal(draws[3], drawn(3, seed=1))
    assert not drawn(0, share=0.0).any() and drawn(0, share=1.0).all()
    halves = [plain_rows(50, 0.15, 0, 3, rank, 2) for rank in range(2)]
    assert np.array_equal(np.concatenate(halves), draws[3])


# -------------------------------------------------------------------------------------------------------------- runs


@pytest.mark.parametrize("stage", ["pretrain", "reasoning"])
def test_a_run_learns_and_its_model_can_be_loaded(tmp_path: Path, stage: str) -> None:
    done = run(tmp_path, stage=stage, steps=60, val_every=20)
    rules = loss_rules(CPU, 0.0)
    first = validate(done.model, val_batches(stage), rules, ALONE)["loss"]
    assert done.train()
    folder = done.save()
    model = load_model(folder, HERE)
    assert done.scores["loss"] < 0.95 * first
    assert stage == "pretrain" or done.scores["cited/recall"] > 0.6
    assert model.made.stage == stage and model.made.seeds == (0,)
    assert model.made.scores["val"] == pytest.approx(done.scores)
    assert model.made.data_sha256 == DATA.sha256
    kinds = [json.loads(line)["kind"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert kinds.count("val") == 3 and kinds.count("train") == 12
    assert list(tmp_path.glob("events.*"))


def val_batches(stage: str) -> list[Batch]:
    swept = DATA.sweep("val", 16, most=3, rank=0, world=1)
    return [batch_of(k, stage, CPU) for k in swept]  # type: ignore[arg-type]


def test_the_model_kept_is_the_one_with_the_least_validation_loss(tmp_path: Path) -> None:
    done = run(tmp_path, steps=40, lr=0.3, average=0.0)  # too fast: it gets worse again
    assert done.train()
    lines = [json.loads(x) for x in (tmp_path / "log.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in lines if line["kind"] == "val"]
    done.save()
    rules = loss_rules(CPU, 0.0)
    kept = validate(done.backbone, val_batches("reasoning"), rules, ALONE)["loss"]
    assert kept == pytest.approx(min(losses), abs=1e-5)


def test_equal_seeds_give_equal_weights_and_others_do_not(tmp_path: Path) -> None:
    shas = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        done = run(tmp_path / name, steps=6, seed=seed)
        done.train()
        shas.append(load_model(done.save(), HERE).weights_sha256)
    assert shas[0] == shas[1] != shas[2]


def test_a_model_begun_from_another_names_its_parent_and_begins_there(tmp_path: Path) -> None:
    parent = run(tmp_path / "a", stage="pretrain", steps=10)
    parent.train()
    folder = parent.save()
    child = run(tmp_path / "b", depth=None, init_from=str(folder), steps=1, lr=0.0)
    child.train()
    made = load_model(child.save(), HERE)
    assert made.made.parent == load_model(folder, HERE).weights_sha256 == made.weights_sha256


def test_freezing_the_backbone_trains_the_last_layer_alone(tmp_path: Path) -> None:
    parent = run(tmp_path / "a", steps=3)
    parent.train()
    child = run(
        tmp_path / "b", depth=None, init_from=str(parent.save()), steps=5, freeze_backbone=True
    )
    child.train()
    new, old = (load_model(p, HERE).weights for p in (child.save(), tmp_path / "a" / "model"))
    changed = {name for name in new if not np.array_equal(new[name], old[name])}
    assert changed == {"lm_head.weight", "final_norm.weight"}


def test_an_adapter_is_trained_saved_and_merged(tmp_path: Path) -> None:
    parent = run(tmp_path / "a", steps=3)
    parent.train()
    child = run(
        tmp_path / "b", depth=None, init_from=str(parent.save()), steps=20, lora_rank=4, freeze_backbone=True
    )  # fmt: skip
    child.train()
    adapter = child.save()
    assert {p.name for p in adapter.iterdir()} == {
        "adapter_config.json", "adapter_model.safetensors", "meta.json"
    }  # fmt: skip
    merged = load_model(adapter, HERE)
    fresh = MicroGPT(merged.spec)
    load_weights(fresh, merged.weights)
    rules = loss_rules(CPU, 0.0)
    table = validate(fresh, val_batches("reasoning"), rules, ALONE)
    assert table["loss"] == pytest.approx(child.scores["loss"], abs=1e-4)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"steps": 0}, "--steps"), ({"depth": 40}, "--depth"), ({"depth": None, "lora_rank": 8}, "--init-from"),
        ({"plain_share": 1.5}, "--plain-share"), ({"depth": 2, "init_from": "x"}, "--depth"),
    ],
)  # fmt: skip
def test_options_that_make_no_sense_are_refused(tmp_path: Path, more: dict, says: str) -> None:
    with pytest.raises(InputError, match=says) as error:
        options(tmp_path, **more)
    assert "\n" not in str(error.value)


# ------------------------------------------------------------------------------------------------------- validation


class Oracle(torch.nn.Module):
    """Says what it is told to."""

    def __init__(self, said: torch.Tensor) -> None:
        super().__init__()
        self.said = said

    def forward(self, *_: object) -> torch.Tensor:
        return torch.nn.functional.one_hot(self.said.clamp(min=0), 512).float() * 50.0


def test_who_is_always_right_has_full_marks() -> None:
    batch = batch_of(keyframes(12), "reasoning", CPU)
    table = validate(Oracle(batch.targets), [batch], loss_rules(CPU, 0.7), ALONE)
    shares = {k: v for k, v in table.items() if k.startswith(("accuracy", "cited", "causes"))}
    assert all(v == 1.0 for v in shares.values()) and len(shares) > 20
    assert table["loss"] < 1e-6
    assert all(v == 0.0 for k, v in table.items() if k.startswith("error"))


def test_who_cites_nobody_has_no_recall_and_errors_are_in_metres() -> None:
    batch = batch_of(keyframes(12), "reasoning", CPU)
    said, fields = batch.targets.clone(), batch.asked
    said[fields == Field.ROLE] = NOT_CITED
    stops = (fields == Field.STOP_DISTANCE) & (said >= 0)
    numbers = number_tokens(Field.STOP_DISTANCE)
    true = said[stops]
    said[stops] = (true + 1).clamp(max=numbers[-1])
    pairs = [
        (value_of(Field.STOP_DISTANCE, int(s)), value_of(Field.STOP_DISTANCE, int(t)))
        for s, t in zip(said[stops], true, strict=True)
        if int(t) in numbers
    ]
    table = validate(Oracle(said), [batch], loss_rules(CPU, 0.0), ALONE)
    assert table["cited/recall"] == 0.0 and "cited/precision" not in table
    assert table["error/stop_distance_m"] == pytest.approx(np.mean([abs(a - b) for a, b in pairs]))


# -------------------------------------------------------------------------------------------------- many processes


def first_gradient(rank: Rank, batch_size: int) -> dict[str, torch.Tensor]:
    """Of a fresh model on the first batch of all processes together."""
    model = MicroGPT(ModelSpec(1, DATA.feature_counts))
    made = next(
        DATA.batches("train", batch_size, seed=0, start=0, rank=rank.index, world=rank.world)
    )
    plain = plain_rows(batch_size, 0.5, 0, 0, rank.index, rank.world)
    batch = batch_of(made, "reasoning", CPU, plain)
    backward(rank.wrap(model), batch, loss_rules(CPU, 0.7), rank)
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def one_of_two(index: int, port: int, out: Path) -> None:
    """A process of two; the first leaves a gradient, and both together a model."""
    os.environ |= {
        "WORLD_SIZE": "2", "RANK": str(index), "LOCAL_RANK": str(index), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)
    }  # fmt: skip
    torch.set_num_threads(1)
    with this_rank("cpu") as rank:
        gradient = first_gradient(rank, 8)
        done = Run(options(out, steps=4, batch_size=8, val_every=4), DATA, rank, HERE)
        assert done.train()
        if rank.first:
            done.save()
            save_file(gradient, out / "gradient.safetensors")


def test_two_processes_learn_what_one_does_with_the_double_batch(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torch.multiprocessing.spawn(one_of_two, (port, tmp_path), nprocs=2)
    together = load_file(tmp_path / "gradient.safetensors")
    alone = first_gradient(ALONE, 16)
    assert set(together) == set(alone)
    for name, gradient in alone.items():
        scale = float(gradient.abs().max())
        np.testing.assert_allclose(together[name], gradient, atol=1e-5 * scale, err_msg=name)
    two = load_model(tmp_path / "model", HERE)
    assert two.made.recipe["processes"] == 2 and two.made.scores["val"]["loss"] < 3.5
