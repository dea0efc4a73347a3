"""The loader gives every keyframe once an epoch to one process, the same for the same seed, changed only where the label stays true."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_rows import MARK, made_data, made_row

from training.augment import NOTHING, USUAL, Augment, Keyframes, augmented, cited
from training.data import open_data
from training.tables import COLUMNS, read_shard, table_of
from whyway.data.recipe import DataError
from whyway.reason.scene_tokens import FEATURE_NAMES, SAID
from whyway.trace.grammar import Grammar
from whyway.trace.sequence import TokenSequence
from whyway.trace.slots import Slots
from whyway.types import CauseKind, LaneRelation

EASY = settings(max_examples=12)


@pytest.fixture(scope="module")
def numbered(tmp_path_factory):
    """Keyframes 0 to 69, in shards of many sizes."""
    return open_data(made_data(tmp_path_factory.mktemp("data") / "d", [7, 1, 20, 3, 13, 26]))


def numbers(keyframes: Keyframes):
    return keyframes.features["ego"][:, 0, MARK].astype(int).tolist()


@EASY
@given(
    batch=st.integers(1, 40), world=st.integers(1, 5), seed=st.integers(0, 9), epoch=st.integers(0, 3), pool=st.integers(1, 90),
)  # fmt: skip
def test_every_row_comes_exactly_once_an_epoch_whoever_shares_it(numbered, batch, world, seed, epoch, pool):  # fmt: skip
    found = [
        [
            numbers(k)
            for k in numbered.epoch(
                "train", batch, seed=seed, epoch=epoch, rank=rank, world=world, augment=NOTHING, pool=pool,
            )
        ]
        for rank in range(world)
    ]  # fmt: skip
    assert sorted(n for rank in found for b in rank for n in b) == list(range(70))
    assert {len(rank) for rank in found} == {numbered.steps("train", batch, world)}
    sizes = [len(b) for rank in found for b in rank]
    assert min(sizes) >= 1 and max(sizes) <= batch + 1


def test_epochs_and_seeds_differ_and_the_same_seed_gives_the_same(numbered):
    def order(seed, start=0, steps=21):
        batches = numbered.batches("train", 10, seed=seed, start=start, augment=USUAL)
        return [(numbers(b), b.tokens.tobytes(), b.features["object"].tobytes()) for b, _ in zip(batches, range(steps), strict=False)]  # fmt: skip

    once = order(1)
    assert order(1) == once
    assert order(2) != once
    assert once[:7] != once[7:14], "an epoch is not the one before it"
    assert order(1, start=9, steps=12) == once[9:], "a run goes on where it stood"


def test_batches_of_an_epoch_mix_shards_and_have_little_padding(tmp_path):
    data = open_data(made_data(tmp_path / "d", [40] * 8))
    batches = list(data.epoch("train", 16, seed=0, augment=NOTHING))
    assert np.mean([len({n // 40 for n in numbers(b)}) for b in batches]) > 4.0
    padding = [1.0 - np.count_nonzero(b.fields) / b.fields.size for b in batches]
    rows = np.random.default_rng(0).permutation(320)
    lengths = {n: int(c) for b in batches for n, c in zip(numbers(b), np.count_nonzero(b.fields, axis=1), strict=True)}  # fmt: skip
    drawn = [np.array([lengths[n] for n in part]) for part in np.split(rows, 20)]
    unsorted = [1.0 - part.mean() / part.max() for part in drawn]
    assert np.mean(padding) < 0.6 * np.mean(unsorted)


def test_a_sweep_gives_everything_unchanged_and_always_the_same(numbered):
    two = [[b for b in numbered.sweep("train", 16)] for _ in range(2)]
    assert [numbers(b) for b in two[0]] == [numbers(b) for b in two[1]]
    assert sorted(n for b in two[0] for n in numbers(b)) == list(range(70))
    assert [numbers(b) for b in numbered.sweep("train", 16, most=2)] == [numbers(b) for b in two[0][:2]]  # fmt: skip
    assert all((b.order == np.arange(32)).all() for b in two[0])


# ------------------------------------------------------------------------------------------------------ augmentation


@pytest.fixture(scope="module")
def crowded(tmp_path_factory):
    """Shards of random scenes with any number of objects: rows as Python values, and as a table."""
    rng = np.random.default_rng(3)
    rows = []

    def made(_, number):
        rows.append(made_row(rng, number))
        return rows[-1]

    folder = made_data(tmp_path_factory.mktemp("data") / "d", [16], rows=made)
    sha = json.loads((folder / "manifest.json").read_text())["shards"][0]["sha256"]
    return rows, table_of(read_shard(folder / "shards/s0.parquet", sha, COLUMNS))


def slots_of(row, order, count):
    """The slots of a row once its objects stand in another order."""
    ids, relations, modes = (row[name] for name in ("object_ids", "relations", "mode_counts"))
    kept = order[:count].tolist()
    return Slots(
        tuple(ids[k] for k in kept), tuple(LaneRelation(relations[k]) for k in kept), tuple(modes[k] for k in kept),
        tuple((CauseKind(k), i) for k, i in zip(row["line_kinds"], row["line_ids"], strict=True)),
    )  # fmt: skip


def sequence_of(keyframes, b):
    n = np.count_nonzero(keyframes.fields[b])
    parts = (getattr(keyframes, name)[b, :n].astype(np.int16) for name in ("fields", "slots", "tokens", "blocks"))  # fmt: skip
    return TokenSequence(*parts)


def test_a_table_holds_what_the_rows_did(crowded):
    rows, table = crowded
    plain = augmented(table, NOTHING, np.random.default_rng(0))
    for b, row in enumerate(rows):
        sequence = sequence_of(plain, b)
        for name in ("fields", "slots", "tokens", "blocks"):
            assert getattr(sequence, name).tolist() == row[name].tolist()
        for kind in plain.features:
            stored = np.frombuffer(row[kind], np.float16)
            assert np.array_equal(plain.features[kind][b].ravel()[: len(stored)], stored)
            assert not plain.features[kind][b].ravel()[len(stored) :].any()
        assert plain.valid[b].tobytes() == row["valid"]


@EASY
@given(seed=st.integers(0, 999), drop=st.sampled_from([0.0, 0.4, 1.0]), permute=st.booleans())
def test_who_is_left_out_or_numbered_anew_leaves_a_valid_trace_that_says_the_same(crowded, seed, drop, permute):  # fmt: skip
    rows, table = crowded
    changed = augmented(table, Augment(drop, permute, 0.0, 0.0), np.random.default_rng(seed))
    before = augmented(table, NOTHING, np.random.default_rng(0))
    named = cited(table)
    for b, row in enumerate(rows):
        count = int(changed.valid[b, -32:].sum())
        order = changed.order[b]
        assert set(np.flatnonzero(named[b]).tolist()) <= set(order[:count].tolist())
        assert drop < 1.0 or count == named[b].sum()
        assert drop > 0.0 or count == len(row["object_ids"])
        slots, sequence = slots_of(row, order, count), sequence_of(changed, b)
        assert Grammar(slots).fault(sequence) == ""
        assert said(sequence, slots) == {
            key: token
            for key, token in said(sequence_of(before, b), slots_of(row, np.arange(32), len(row["object_ids"]))).items()
            if key[1] not in set(row["object_ids"]) - set(slots.object_ids)
        }  # fmt: skip
        objects = changed.features["object"][b]
        assert np.array_equal(objects[:count], before.features["object"][b][order[:count]])
        assert not objects[count:].any()


def said(sequence, slots):
    """(field, id or slot) -> token."""
    found = {}
    for field, slot, token in zip(*(x.tolist() for x in (sequence.fields, sequence.slots, sequence.tokens)), strict=True):  # fmt: skip
        found[field, slots.object_ids[slot] if slot < 32 else f"slot {slot}"] = token
    return found


def test_noise_is_small_and_spares_flags_and_what_is_not_there(crowded):
    _, table = crowded
    before = augmented(table, NOTHING, np.random.default_rng(0)).features
    after = augmented(table, Augment(0.0, False, 0.01, 0.0), np.random.default_rng(0)).features
    for kind, x in before.items():
        moved = np.abs(after[kind] - x)
        assert moved[(x == 0.0) | (np.abs(x) == 1.0) | (np.abs(x) == 3.0)].max(initial=0.0) == 0.0
        assert 0.001 < np.mean(moved[x != 0.0] / np.abs(x[x != 0.0])) < 0.02


def test_what_was_said_last_is_forgotten_by_the_share_that_is_asked_for(crowded):
    _, table = crowded
    names = FEATURE_NAMES["ego"]
    last = [names.index(name) for name in SAID]
    every = augmented(table, Augment(0.0, False, 0.0, 1.0), np.random.default_rng(0))
    assert not every.features["ego"][:, :, last].any()
    rest = [i for i in range(len(names)) if i not in last]
    before = augmented(table, NOTHING, np.random.default_rng(0))
    assert np.array_equal(every.features["ego"][:, :, rest], before.features["ego"][:, :, rest])
    some = augmented(table, Augment(0.0, False, 0.0, 0.5), np.random.default_rng(0))
    blank = ~some.features["ego"][:, 0, last].any(axis=1)
    assert 0 < blank.sum() < len(table)


# ---------------------------------------------------------------------------------------------------------- refusals


def test_lessons_of_the_head_come_whole_or_as_many_as_wanted(numbered):
    inputs, speeds = numbered.lessons("train")
    assert inputs.shape[0] == speeds.shape[0] == 140
    assert sorted(speeds[:, 0].astype(int).tolist()) == sorted(2 * list(range(70)))
    assert np.array_equal(inputs[:, 0].astype(int), speeds[:, 0].astype(int))
    assert len(numbered.lessons("train", most=30)[0]) == 30


def test_data_of_other_versions_are_refused_with_the_reason(tmp_path):
    other = {"vocabulary_sha256": "0" * 64, "features": "none", "schema": 99}
    for name, value in other.items():
        folder = made_data(tmp_path / name, [2], **{name: value})
        with pytest.raises(DataError, match=f"{name.replace('_', ' ')} .*make it anew") as error:
            open_data(folder)
        assert "\n" not in str(error.value)


def test_what_is_damaged_missing_or_empty_is_told_in_one_line(tmp_path):
    folder = made_data(tmp_path / "d", [3, 3])
    data = open_data(folder)
    with pytest.raises(DataError, match="no keyframes of val"):
        next(data.batches("val", 4, seed=0))
    path = folder / "shards/s1.parquet"
    whole = path.read_bytes()
    path.write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
    with pytest.raises(DataError, match="SHA-256 differs"):
        list(data.epoch("train", 4, seed=0))
    path.unlink()
    with pytest.raises(DataError, match="No such file"):
        list(data.epoch("train", 4, seed=0))
    (folder / "manifest.json").write_text("{}")
    with pytest.raises(DataError, match="no manifest"):
        open_data(folder)
    with pytest.raises(DataError, match="whyway data make --out"):
        open_data(tmp_path / "nowhere")


def test_several_data_sets_are_one(tmp_path):
    one, two = made_data(tmp_path / "a", [4]), made_data(tmp_path / "b", [5])
    both = open_data(one, two)
    assert both.rows("train") == 9
    assert both.sha256 != open_data(one).sha256
