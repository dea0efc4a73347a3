"""A data set from order to rows: what is in a row is what was said, runs go on where they were, and what fails is told."""

import json
import pickle

import numpy as np
import pytest
from pyarrow import parquet

from whyway.config import Config
from whyway.data import job as job_module
from whyway.data.job import make_job, make_shard
from whyway.data.make import Order, jobs_of, make_data
from whyway.data.manifest import read_manifest
from whyway.data.recipe import DataError, Recipe
from whyway.data.ride import Ride
from whyway.data.schema import SCHEMA, head_shape
from whyway.data.shard import counted, write_shard
from whyway.data.show import drawn_rows, tokens_in_words, told
from whyway.driver import driver_config
from whyway.evaluate.suites.drives_of import Item
from whyway.evaluate.suites.pools import DIED, DeadError
from whyway.maps.road import Road
from whyway.reason.scene_tokens import SceneEncoder
from whyway.reason.spec import ROWS
from whyway.trace.grammar import Grammar
from whyway.trace.integrity import NO_ACTION
from whyway.trace.sentences import sentence
from whyway.trace.sequence import TokenSequence
from whyway.trace.slots import Slots
from whyway.trace.tokens import decode
from whyway.trace.vocabulary import NOT_CITED, Field
from whyway.types import CauseKind, InputError, LaneRelation
from whyway.worlds import make_world
from whyway.worlds.scenes.family_read import family_names

RECIPE = Recipe(keyframes_per_s=3.0, removed=0.5)
SUITE = "name: Two\nseeds: 3\nduration_s: 3\nrows: [{family: [cut_in, jaywalker]}]\n"


def here(jobs):
    """A pool that is no pool."""
    for job in jobs:
        try:
            yield job, job.do()
        except Exception as error:
            yield job, error


@pytest.fixture
def suite(tmp_path):
    path = tmp_path / "two.yaml"
    path.write_text(SUITE)
    return path


@pytest.fixture(scope="module")
def shard(tmp_path_factory):
    """One drive's shard: the job, what is told of it, its rows."""
    out = tmp_path_factory.mktemp("data")
    (out / "shards").mkdir()
    item = Item("family:double_parked_oncoming", 1001, "one", 9.0)
    made = make_job(item, RECIPE, driver_config("rules", Config()), out)
    entry = make_shard(made)
    return made, entry, parquet.read_table(made.written).to_pylist()


def slots_of(row):
    return Slots(
        tuple(row["object_ids"]), tuple(map(LaneRelation, row["relations"])), tuple(row["mode_counts"]),
        tuple((CauseKind(k), i) for k, i in zip(row["line_kinds"], row["line_ids"], strict=True)),
    )  # fmt: skip


def sequence_of(row):
    names = ("fields", "slots", "tokens", "blocks")
    return TokenSequence(*(np.array(row[name], dtype=np.int16) for name in names))


def test_rows_are_valid_traces_with_features_and_lessons(shard):
    job, entry, rows = shard
    assert entry["rows"] == len(rows) > 20 and entry["unsayable"] == {}
    assert parquet.read_schema(job.written).equals(SCHEMA)
    for row in rows:
        assert Grammar(slots_of(row)).fault(sequence_of(row)) == ""
        valid = np.frombuffer(row["valid"], np.uint8)
        assert len(valid) == sum(ROWS.values())
        assert valid[-32:].sum() == len(row["object_ids"])
        inputs, speeds = head_shape(row["head_views"])
        assert len(row["head_inputs"]) == 2 * np.prod(inputs)
        assert np.array(row["head_speeds"]).reshape(speeds).min() >= 0.0
        assert row["head_views"] == (1 if row["removed"] else 1 + RECIPE.edits)
        assert (row["world"], row["seed"]) == ("double_parked_oncoming", 1001)


def test_a_row_is_what_the_expert_says_of_that_scene(shard):
    job, _, rows = shard
    whole = {row["stamp_ns"]: row for row in rows if not row["removed"]}
    world = make_world(job.item.world, job.item.seed, job.config, job.item.duration_s)

    ride = Ride(world, job.config, job.recipe, np.random.default_rng(0))
    encoder = SceneEncoder(job.config, Road(world.lane_map, world.route))
    seen_all = {seen.scene.stamp_ns: seen for seen in ride}
    for stamp_ns, row in whole.items():
        seen = seen_all[stamp_ns]
        said = decode(sequence_of(row), slots_of(row), seen.scene, seen.label.integrity)
        assert said.planning.decision == seen.label.planning.decision
        assert {(c.kind, c.id) for c in said.planning.causes} == {
            (c.kind, c.id) for c in seen.label.planning.causes
        }
        assert sentence(said).split(" because ")[-1].split(" is ")[0] in row["sentence"]
        assert said.action is NO_ACTION
        ego = encoder.tokens_at(seen.scene, seen.memory, seen.place).features["ego"]
        assert np.array_equal(ego.astype(np.float16).ravel(), np.frombuffer(row["ego"], np.float16))


def test_what_is_removed_is_gone_and_was_cited(shard):
    _, _, rows = shard
    removed = [row for row in rows if row["removed"]]
    assert removed
    whole = {row["stamp_ns"]: row for row in rows if not row["removed"]}
    some = 0
    for row in removed:
        before = whole[row["stamp_ns"]]
        (gone,) = set(before["object_ids"]) - set(row["object_ids"])
        assert set(row["object_ids"]) < set(before["object_ids"])
        roles = {
            before["object_ids"][slot]: token
            for field, slot, token in zip(before["fields"], before["slots"], before["tokens"], strict=True)
            if field == Field.ROLE
        }  # fmt: skip
        assert roles[gone] != NOT_CITED
        some += (row["longitudinal"], row["lateral"]) != (before["longitudinal"], before["lateral"])
    assert some, "without its causes a decision is another"


def test_a_job_sent_away_makes_the_same_shard(shard, tmp_path):
    job, entry, _ = shard
    again = pickle.loads(pickle.dumps(job))
    before = job.written.read_bytes()
    job.written.unlink()
    told = again.do()
    timing = ("wall_s", "sha256", "bytes")
    assert {k: v for k, v in told.items() if k not in timing} == {k: v for k, v in entry.items() if k not in timing}  # fmt: skip
    assert parquet.read_table(job.written).equals(parquet.read_table(before_of(tmp_path, before)))


def before_of(folder, data):
    path = folder / "before.parquet"
    path.write_bytes(data)
    return path


def test_a_data_set_is_made_told_and_not_made_twice(suite, tmp_path):
    order = Order((str(suite),), (1000, 1001), tmp_path / "out", RECIPE, provenance={"git": "abc"})
    manifest, fine = make_data(order, here)
    assert fine and manifest["state"] == "complete"
    assert manifest["drives"] == {"wanted": 4, "made": 4, "failed": 0}
    assert manifest == read_manifest(tmp_path / "out")
    total = sum(manifest["rows"].values())
    for tables in ("longitudinal", "lateral", "cited"):
        counted = [sum(manifest["tables"][split][tables].values()) for split in ("train", "val")]
        assert sum(counted) == total
    card = (tmp_path / "out" / "card.md").read_text()
    assert f"{total:,} keyframes of 4 drives" in card and "1000..1001" in card and "abc" in card

    stamps = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "out/shards").iterdir()}
    again, _ = make_data(order, here)
    assert again == manifest
    (tmp_path / "out/shards/family-cut_in-seed1000.parquet").write_bytes(b"PAR1 cut off")
    third, _ = make_data(order, here)
    assert third["drives"] == manifest["drives"]
    changed = {p.name for p in (tmp_path / "out/shards").iterdir() if p.stat().st_mtime_ns != stamps[p.name]}  # fmt: skip
    assert changed == {"family-cut_in-seed1000.parquet"}


def test_another_recipe_or_code_makes_shards_anew_unless_any_code_will_do(suite, tmp_path, monkeypatch):  # fmt: skip
    made = []
    monkeypatch.setattr(job_module, "make_shard", lambda job: made.append(job.name) or write_nothing(job))  # fmt: skip

    def run(recipe=RECIPE, **more):
        made.clear()
        order = Order((str(suite),), (1000,), tmp_path / "out", recipe, **more)
        manifest, _ = make_data(order, here)
        return len(made), len(manifest["codes"])

    assert run() == (2, 1)
    assert run() == (0, 1)
    assert run(Recipe(removed=0.1)) == (2, 1)
    assert run(overrides=["safety.reaction_s=0.7"]) == (2, 1)
    run()
    monkeypatch.setattr(job_module, "code_hash", lambda: "of tomorrow")
    assert run(any_code=True) == (0, 1)
    (tmp_path / "out/shards/family-cut_in-seed1000.parquet").unlink()
    assert run(any_code=True) == (1, 2)
    assert "2 versions of the code" in (tmp_path / "out/card.md").read_text()
    assert run() == (1, 1)


def write_nothing(job):
    """A shard without rows, as of a drive that saw nothing."""

    told = {
        "world": job.item.world, "seed": job.item.seed, "split": "train", "name": job.name, "key": job.key,
        "code": job_module.code_hash(), "rows": 0, "cycles": 0, "tables": counted([]), "unsayable": {}, "versions": {},
    }  # fmt: skip
    write_shard(job.written, [], told)
    return job_module.known(job, any_code=True)


def test_what_cannot_be_driven_and_what_crashes_is_told_and_only_a_crash_fails(suite, tmp_path):
    def pool(jobs):
        errors = [InputError("the map has no place for it"), DeadError(DIED)]
        yield from zip(jobs, errors[: len(jobs)], strict=False)

    order = Order((str(suite),), (1000,), tmp_path / "out", RECIPE)
    manifest, fine = make_data(order, pool)
    assert not fine and manifest["state"] == "complete"
    assert [(f["crashed"], f["why"]) for f in manifest["failed"]] == [
        (False, "InputError: the map has no place for it"), (True, f"DeadError: {DIED}"),
    ]  # fmt: skip

    def one_of_two(jobs):
        yield from zip(jobs, [InputError("no"), write_nothing(jobs[1])], strict=True)

    assert make_data(order, one_of_two)[1]
    (tmp_path / "out/shards/family-jaywalker-seed1000.parquet").unlink()
    _, fine = make_data(order, lambda jobs: ((job, InputError("no")) for job in jobs))
    assert not fine, "nothing was made"


def test_an_interrupted_run_leaves_a_manifest_of_what_there_is(suite, tmp_path):
    def interrupted(jobs):
        yield next(iter(here(jobs)))
        raise KeyboardInterrupt

    order = Order((str(suite),), (1000,), tmp_path / "out", RECIPE)
    with pytest.raises(KeyboardInterrupt):
        make_data(order, interrupted)
    manifest = read_manifest(tmp_path / "out")
    assert manifest["state"] == "interrupted" and manifest["drives"]["made"] == 1


def test_worlds_are_named_as_everywhere_else(tmp_path, suite):
    def names(*worlds):
        return [j.name for j in jobs_of(Order(worlds, (1000, 1001), tmp_path))]

    assert names("town") == ["town-seed1000", "town-seed1001"]
    count = 2 * len(family_names())
    assert len(names("families")) == count, "a suite's own seeds are not used"
    assert names("family:cut_in@town")[0] == "family-cut_in-town-seed1000"
    both = jobs_of(Order(("town", "families"), (1000, 1001), tmp_path))
    assert len({j.key for j in both}) == 2 + count
    assert names("town=2000..2002", "family:cut_in") == [
        "town-seed2000", "town-seed2001", "town-seed2002", "family-cut_in-seed1000", "family-cut_in-seed1001",
    ]  # fmt: skip
    with pytest.raises(DataError, match="judged"):
        names("town=7")
    with pytest.raises(DataError, match="two drives are called"):
        names("town", "town")
    with pytest.raises(InputError, match="did you mean 'cut_in'"):
        names("family:cut_im")
    with pytest.raises(InputError, match="no such suite"):
        names("nowhere")
    with pytest.raises(InputError, match="no driver"):
        jobs_of(Order(("town",), (1000,), tmp_path, Recipe(driver="nobody")))


def test_rows_are_shown_in_words(shard, tmp_path):
    job, entry, rows = shard
    manifest = {"versions": entry["versions"], "data_sha256": "d", "shards": [entry]}
    (job.out / "manifest.json").write_text(json.dumps(manifest))
    drawn = list(drawn_rows(job.out, 5, 0))
    assert len(drawn) == 5
    for row in drawn:
        assert told(row).startswith("double_parked_oncoming 1001, ") and row["sentence"] in told(
            row
        )
        lines = list(tokens_in_words(row))
        assert [line.split(":")[0] for line in lines][0] == "perception"
        assert "longitudinal: longitudinal" in "".join(lines)
