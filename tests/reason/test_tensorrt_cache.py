"""The engine cache: whole or not there, its owner's alone, one builder at a time, and no damage goes unseen."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whyway.reason.engines import cache as cache_module
from whyway.reason.engines.cache import CacheError, DamagedError, EngineCache
from whyway.reason.engines.cuda import Gpu
from whyway.reason.engines.key import Building, Key, Machine

GPU = Gpu("Orin", "8.7", 16, 61, "12.6")
MACHINE = Machine("10.3.0.26", GPU, "", "Linux aarch64", "# R36 (release), REVISION: 4.0")
KEY = Key("a" * 64, "b" * 64, "B", "fp16", MACHINE, Building())
PLAN = bytes(range(256)) * 40
DRIFT = {"largest difference of a logit": 0.001}
fork = multiprocessing.get_context("fork")


@pytest.fixture
def cache(tmp_path):
    return EngineCache(tmp_path / "engines")


def engine(cache: EngineCache) -> Path:
    (path,) = cache.folder.glob("*.engine")
    return path


def test_an_engine_comes_back_as_it_went_in(cache):
    cache.publish(KEY, PLAN, DRIFT)
    header, plan = cache.load(KEY)
    assert plan == PLAN and header.key == KEY and header.drift == DRIFT
    assert cache.headers() == [header]
    other = b"another plan\nwith lines"
    cache.publish(KEY, other, DRIFT)
    assert cache.load(KEY)[1] == other


def variants():
    """The key with each of its parts changed."""

    def changed(thing):
        for f in dataclasses.fields(thing):
            value = getattr(thing, f.name)
            if dataclasses.is_dataclass(value):
                others = changed(value)
            elif f.name in ("dialect", "precision"):
                others = [{"B": "A", "fp16": "fp32"}[value]]
            else:
                others = [(*value, 1)] if isinstance(value, tuple) else [value + type(value)("1")]
            for other in others:
                yield dataclasses.replace(thing, **{f.name: other})

    return list(changed(KEY))


def test_every_part_of_the_key_makes_another_engine():
    digests = {key.digest() for key in variants()}
    assert len(digests) == len(variants()) == 17 and KEY.digest() not in digests
    assert dataclasses.replace(KEY).digest() == KEY.digest()


@pytest.mark.parametrize("other", variants(), ids=lambda k: k.digest()[:4])
def test_an_engine_of_any_other_key_is_not_there(cache, other):
    cache.publish(KEY, PLAN, DRIFT)
    with pytest.raises(CacheError, match="no such engine; whyway prepare builds it"):
        cache.load(other)


# --------------------------------------------------------------------------------------------------------- damage


def damaged(path: Path, where: float, how: str) -> None:
    data = bytearray(path.read_bytes())
    k = int(where * (len(data) - 1))
    if how == "flip":
        data[k] ^= 0x10
    elif how == "cut":
        del data[k:]
    else:
        data[k:k] = b"more"
    path.write_bytes(bytes(data))


@settings(max_examples=60, deadline=None)
@given(st.floats(0, 1), st.sampled_from(["flip", "cut", "insert"]))
def test_no_damage_anywhere_goes_unseen_and_what_is_damaged_is_deleted(
    tmp_path_factory, where, how
):
    cache = EngineCache(tmp_path_factory.mktemp("c") / "engines")
    cache.publish(KEY, PLAN, DRIFT)
    before = cache.load(KEY)
    damaged(engine(cache), where, how)
    try:
        header, plan = cache.load(KEY)
    except DamagedError as wrong:
        assert "\n" not in str(wrong) and "whyway prepare builds it anew" in str(wrong)
        assert not list(cache.folder.glob("*.engine"))
        return
    # what is not covered by a hash says nothing about what runs: when it was built, and how far off it was
    assert (header.key, header.plan_sha256, plan) == (before[0].key, before[0].plan_sha256, PLAN)


@pytest.mark.parametrize(
    "change",
    [
        {"digest": "0" * 64}, {"plan_sha256": "0" * 64}, {"plan_bytes": 5}, {"plan_bytes": -1}, {"plan_bytes": 1 << 60}, {"more": 1},
        {"built_s": "yesterday"}, {"drift": [1]}, {"key": {}}, {"key": None},
    ],
    ids=str,
)  # fmt: skip
def test_a_changed_header_is_refused(cache, change):
    cache.publish(KEY, PLAN, DRIFT)
    path = engine(cache)
    line, _, plan = path.read_bytes().partition(b"\n")
    path.write_bytes(json.dumps(json.loads(line) | change).encode() + b"\n" + plan)
    with pytest.raises(DamagedError):
        cache.load(KEY)
    assert not path.exists()


def test_an_engine_under_anothers_name_is_refused(cache):
    cache.publish(KEY, PLAN, DRIFT)
    other = variants()[0]
    engine(cache).rename(cache.folder / f"{other.digest()}.engine")
    assert cache.headers() == []
    with pytest.raises(DamagedError, match="of another engine"):
        cache.load(other)


def test_what_is_no_engine_is_passed_over(cache):
    cache.publish(KEY, PLAN, DRIFT)
    for name, data in (("x", b""), ("y", b"{}"), ("z", b"[" * 100_000), ("w", b"a" * 70_000)):
        path = cache.folder / f"{name}.engine"
        path.write_bytes(data)
        path.chmod(0o600)
    (cache.folder / "dir.engine").mkdir()
    assert [h.key for h in cache.headers()] == [KEY]


# ---------------------------------------------------------------------------------------------------- permissions


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o606, 0o644])
def test_engines_open_to_others_are_not_loaded_and_not_deleted(cache, mode):
    cache.publish(KEY, PLAN, DRIFT)
    engine(cache).chmod(mode)
    with pytest.raises(CacheError, match="chmod 600"):
        cache.load(KEY)
    engine(cache).chmod(0o600)
    assert cache.load(KEY)[1] == PLAN


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o707])
def test_a_folder_open_to_others_is_refused(tmp_path, mode):
    (tmp_path / "engines").mkdir()
    (tmp_path / "engines").chmod(mode)
    with pytest.raises(CacheError, match="chmod 700"):
        EngineCache(tmp_path / "engines")


def test_all_that_is_written_is_its_owners_alone(tmp_path):
    old = os.umask(0)
    try:
        cache = EngineCache(tmp_path / "engines")
        with cache.building(KEY):
            cache.publish(KEY, PLAN, DRIFT)
        cache.keep_timings(MACHINE, b"timings")
    finally:
        os.umask(old)
    paths = [cache.folder, *cache.folder.iterdir()]
    assert len(paths) == 4 and all(path.stat().st_mode & 0o077 == 0 for path in paths)


def test_links_are_not_followed(cache, tmp_path):
    cache.publish(KEY, PLAN, DRIFT)
    elsewhere = tmp_path / "elsewhere"
    engine(cache).rename(elsewhere)
    (cache.folder / f"{KEY.digest()}.engine").symlink_to(elsewhere)
    with pytest.raises(CacheError, match="remove it"):
        cache.load(KEY)
    (tmp_path / "link").symlink_to(cache.folder)
    with pytest.raises(CacheError, match="no folder but a link"):
        EngineCache(tmp_path / "link")


def test_somebody_elses_engines_are_refused(cache, monkeypatch):
    cache.publish(KEY, PLAN, DRIFT)
    monkeypatch.setattr(cache_module.os, "geteuid", lambda: 12345)
    with pytest.raises(CacheError, match="belongs to another user"):
        cache.load(KEY)


def test_the_folder_is_where_caches_are(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert EngineCache().folder == tmp_path / "whyway" / "engines"
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(CacheError, match="set XDG_CACHE_HOME"):
        EngineCache()


# ------------------------------------------------------------------------------------------------- many and killed


def _build(folder: Path, builds: Path) -> None:
    cache = EngineCache(folder)
    with cache.building(KEY):
        try:
            cache.load(KEY)
        except CacheError:
            with builds.open("a") as file:
                file.write("built\n")
            time.sleep(0.2)
            cache.publish(KEY, PLAN, DRIFT)


def test_of_many_builders_one_builds_and_the_others_find_it(cache, tmp_path):
    builds = tmp_path / "builds"
    some = [fork.Process(target=_build, args=(cache.folder, builds)) for _ in range(4)]
    for p in some:
        p.start()
    for p in some:
        p.join(60)
    assert [p.exitcode for p in some] == [0] * 4 and builds.read_text() == "built\n"
    assert cache.load(KEY)[1] == PLAN


def _killed(folder: Path, when: str) -> None:
    cache = EngineCache(folder)

    def die(*_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    if when == "replace":
        Path.replace = die  # type: ignore[method-assign, assignment]
    else:
        cache_module.os.fsync = die
    with cache.building(KEY):
        cache.publish(KEY, b"half a plan", DRIFT)


@pytest.mark.parametrize("when", ["replace", "fsync"])
@pytest.mark.parametrize("earlier", [True, False])
def test_a_builder_killed_while_it_writes_leaves_what_was_there(cache, when, earlier):
    if earlier:
        cache.publish(KEY, PLAN, DRIFT)
    process = fork.Process(target=_killed, args=(cache.folder, when))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert list(cache.folder.glob(".*.engine.*"))  # what it had begun
    if earlier:
        assert cache.load(KEY)[1] == PLAN
    else:
        with pytest.raises(CacheError, match="no such engine"):
            cache.load(KEY)
    with cache.building(KEY):  # its lock went with it, and so does the rest
        assert not list(cache.folder.glob(".*.engine.*"))


def test_a_write_that_fails_leaves_nothing(cache, monkeypatch):
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache_module.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        cache.publish(KEY, PLAN, DRIFT)
    assert list(cache.folder.iterdir()) == []


# --------------------------------------------------------------------------------------------------------- timings


def test_timings_are_kept_by_tensorrt_and_gpu(cache):
    assert cache.timings(MACHINE) == b""
    cache.keep_timings(MACHINE, b"some\ntimings")
    assert cache.timings(MACHINE) == b"some\ntimings"
    assert cache.timings(dataclasses.replace(MACHINE, tensorrt="10.3.0.27")) == b""
    assert cache.timings(dataclasses.replace(MACHINE, gpu=dataclasses.replace(GPU, name="Thor"))) == b""  # fmt: skip


@pytest.mark.parametrize("where", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("how", ["flip", "cut", "insert"])
def test_damaged_timings_are_none(cache, where, how):
    cache.keep_timings(MACHINE, b"some timings")
    (path,) = cache.folder.glob("*.timing")
    damaged(path, where, how)
    assert cache.timings(MACHINE) == b""
