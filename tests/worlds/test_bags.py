"""Every recording opens that can be read, every broken one says in a line what to do, and a cut costs nothing before it."""

from __future__ import annotations

import random
import shutil
import sqlite3
import sys
import tracemalloc
from itertools import pairwise
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))  # tests are no package

import made_bags as made

from whyway import topics
from whyway.log import LogWriter
from whyway.types import CYCLE_NS, EgoState, Observation, same
from whyway.worlds.bags.bag import is_bag, open_bag
from whyway.worlds.bags.records import BagError

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
ROSBAG2 = SHARED / "rosbag2_format_apache"
ROBOTS = SHARED / "rosbag_robot_localization_bsd" / "test"
BROKEN = ("empty_bag", "empty_bag_0.db3", "wrong_rmw_test")
needs_rosbag2 = pytest.mark.skipif(not ROSBAG2.exists(), reason=f"no data: {ROSBAG2}")
needs_robots = pytest.mark.skipif(not ROBOTS.exists(), reason=f"no data: {ROBOTS}")


def texts(path: Path) -> list[str]:
    return [m.value.data for m in open_bag(path).messages()]


def recovered(path: Path) -> list[str]:
    """What is read; nothing if nothing can be."""
    try:
        return texts(path)
    except BagError as error:
        assert "\n" not in str(error) and ";" in str(error)
        return []


def shared_bags() -> list[Path]:
    if not ROSBAG2.exists():
        return []
    folders = [p.parent for p in ROSBAG2.rglob("metadata.yaml")]
    return sorted(folders + [p for e in ("mcap", "db3") for p in ROSBAG2.rglob(f"*.{e}")])


# ------------------------------------------------------------------------------------------------------- formats


@needs_rosbag2
@pytest.mark.parametrize("path", shared_bags(), ids=lambda p: str(p.relative_to(ROSBAG2)))
def test_rosbag2s_own_cases_open_or_say_what_is_wrong(path: Path) -> None:
    if path.name in BROKEN:
        with pytest.raises(BagError, match=r"holds no message|wrong_format") as caught:
            open_bag(path)
        assert "\n" not in str(caught.value)
        return
    bag = open_bag(path)
    contents = bag.contents()
    read = list(bag.messages())
    assert sum(t.count for t in contents.values()) > 0
    assert len(read) == sum(t.count for t in contents.values() if not t.problem)


@needs_rosbag2
@pytest.mark.parametrize(
    "path", [p for p in shared_bags() if p.is_file() and p.name not in BROKEN], ids=lambda p: p.name
)
def test_the_rosbags_library_finds_the_same_bytes(path: Path) -> None:
    from rosbags.rosbag2 import Reader

    with Reader(path) as reader:
        theirs = sorted((c.topic, stamp, bytes(data)) for c, stamp, data in reader.messages())
    ours = sorted((c.topic, stamp, data) for c, stamp, data in open_bag(path).records())
    assert ours == theirs


@needs_rosbag2
def test_a_split_bag_is_its_files_one_after_the_other() -> None:
    folder = ROSBAG2 / "rosbag2_py" / "test" / "resources" / "sqlite3" / "wbag"
    whole = [m.value.data for m in open_bag(folder).messages()]
    parts = [m.value.data for i in range(5) for m in open_bag(folder / f"wbag_{i}.db3").messages()]
    assert whole == parts and len(whole) == 6074


@needs_rosbag2
def test_mcap_and_sqlite_hold_the_same(tmp_path: Path) -> None:
    values = made.strings(30)
    read = [
        texts(made.write_bag(tmp_path / storage, made.said(values), storage=storage))
        for storage in ("MCAP", "SQLITE3")
    ]
    assert read[0] == read[1] == [text for _, text in values]


@pytest.mark.parametrize(
    ("storage", "mode"), [("SQLITE3", "FILE"), ("SQLITE3", "MESSAGE"), ("MCAP", "STORAGE"), ("MCAP", "FILE"), ("MCAP", "MESSAGE")]
)  # fmt: skip
def test_packed_bags_are_unpacked(tmp_path: Path, storage: str, mode: str) -> None:
    values = made.strings(30)
    folder = made.write_bag(tmp_path / "bag", made.said(values), storage=storage, mode=mode)
    assert texts(folder) == [text for _, text in values]
    # also without what the metadata says of it
    (folder / "metadata.yaml").unlink()
    assert texts(folder) == [text for _, text in values]


@pytest.mark.parametrize("packing", ["", "BZ2", "LZ4"])
def test_ros1_bags_are_read(tmp_path: Path, packing: str) -> None:
    values = made.strings(30)
    path = made.write_ros1(tmp_path / "old.bag", values, packing)
    messages = list(open_bag(path).messages())
    assert [(m.stamp_ns, m.value.data) for m in messages] == values
    assert {m.type for m in messages} == {made.STRING}


@needs_robots
def test_real_ros1_bags_are_read_to_the_last_message() -> None:
    counts = {t.name: t.count for t in open_bag(ROBOTS / "test1.bag").contents().values()}
    assert counts == {"/fix": 989, "/husky_velocity_controller/odom": 3952, "/imu/data": 11865}


def test_our_own_logs_are_bags(tmp_path: Path) -> None:
    ego = EgoState(1.0, 2.0, 0.5, 8.0, 0.0, 0.0, 0.0)
    values = [Observation(k * CYCLE_NS, k * CYCLE_NS, ego) for k in range(3)]
    with LogWriter(tmp_path / "drive.mcap", {"driver": "rules"}) as log:
        for value in values:
            log.write(topics.OBSERVATION.name, value)
    read = list(open_bag(tmp_path / "drive.mcap").messages())
    assert all(same(m.value, v) for m, v in zip(read, values, strict=True))
    assert {m.topic for m in read} == {topics.OBSERVATION.name}


def test_only_the_topics_asked_for_are_read(tmp_path: Path) -> None:
    steps = [
        (i, topic, made.STRING, made.jazzy().types[made.STRING](data=topic))
        for i in range(3)
        for topic in ("/a", "/b")
    ]
    bag = open_bag(made.write_bag(tmp_path / "bag", steps))
    assert [m.topic for m in bag.messages(["/b"])] == ["/b"] * 3
    assert bag.contents()["/a"].count == 3


def test_types_are_read_by_their_definition_in_the_recording(tmp_path: Path) -> None:
    store = made.jazzy(maker_msgs__msg__Odd="int16 number\nstring[] words\n")
    kind = "maker_msgs/msg/Odd"
    message = store.types[kind](number=-3, words=["so", "so"])
    bag = open_bag(made.write_bag(tmp_path / "bag", [(1, "/odd", kind, message)], store))
    (read,) = bag.messages()
    assert (read.value.number, read.value.words) == (-3, ["so", "so"])


def test_a_folder_without_metadata_is_its_files_in_order_of_their_numbers(tmp_path: Path) -> None:
    values = made.strings(33)
    for i in range(11):
        made.write_mcap(tmp_path / f"bag_{i}.mcap", values[3 * i : 3 * i + 3])
    assert is_bag(tmp_path)
    assert texts(tmp_path) == [text for _, text in values]


@pytest.mark.parametrize("kind", ["mcap", "bag", "db3"])
def test_a_long_recording_does_not_fill_the_memory(tmp_path: Path, kind: str) -> None:
    values = [(i, f"{i:04d}" + "x" * 200_000) for i in range(100)]
    path = tmp_path / f"long.{kind}"
    if kind == "mcap":
        made.write_mcap(path, values, chunk=1_000_000)
    elif kind == "bag":
        made.write_ros1(path, values, chunk=1_000_000)
    else:
        folder = made.write_bag(tmp_path / "bag", made.said(values), storage="SQLITE3")
        path = next(folder.glob("*.db3"))
    bag = open_bag(path)
    tracemalloc.start()
    count = sum(len(m.value.data) for m in bag.messages())
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 100 * 200_004 and most < 8_000_000


def test_a_folder_of_several_recordings_is_not_one(tmp_path: Path) -> None:
    for name in ("a.mcap", "b.mcap"):
        made.write_mcap(tmp_path / name, made.strings(5))
    with pytest.raises(BagError, match="b.mcap does not begin after a.mcap; give one"):
        open_bag(tmp_path)


# ------------------------------------------------------------------------------------------------------ truncation


@pytest.mark.parametrize("packing", ["NONE", "ZSTD", "LZ4"])
@pytest.mark.parametrize("chunked", [True, False])
def test_an_mcap_cut_anywhere_keeps_what_is_before_the_cut(
    tmp_path: Path, packing: str, chunked: bool
) -> None:
    values = made.strings(24)
    path = tmp_path / "whole.mcap"
    ends = made.write_mcap(path, values, packing, chunked)
    whole, data = [text for _, text in values], path.read_bytes()
    plain = packing == "NONE" or not chunked
    if plain:  # then a message is whole as soon as its text is
        ends = [data.index(text.encode()) + len(text) + 1 for text in whole]
    cut_path = tmp_path / "cut.mcap"
    for cut in range(0, len(data), 17):
        cut_path.write_bytes(data[:cut])
        found = recovered(cut_path)
        assert found == whole[: len(found)]
        assert len(found) >= sum(end <= cut for end in ends), cut
    assert texts(path) == whole


@pytest.mark.parametrize("packing", ["", "BZ2", "LZ4"])
def test_a_ros1_bag_cut_anywhere_keeps_what_is_before_the_cut(tmp_path: Path, packing: str) -> None:
    values = made.strings(24)
    path = made.write_ros1(tmp_path / "whole.bag", values, packing)
    whole, data = [text for _, text in values], path.read_bytes()
    ends = [data.index(t.encode()) + len(t) for t in whole] if not packing else []
    counts = []
    cut_path = tmp_path / "cut.bag"
    # the header is padded to 4 KiB
    for cut in [*range(0, 4200, 500), *range(4200, len(data), 19)]:
        cut_path.write_bytes(data[:cut])
        found = recovered(cut_path)
        assert found == whole[: len(found)]
        counts.append((cut, len(found)))
        if not packing:
            assert len(found) >= sum(end <= cut for end in ends), cut
    assert all(a <= b for (_, a), (_, b) in pairwise(counts))
    # chunks of ~10 texts: nothing of a whole one is missing, packed or not
    assert texts(path) == whole and max(n for cut, n in counts if cut < 0.9 * len(data)) >= 10


def test_a_database_cut_anywhere_keeps_the_rows_before_the_damage(tmp_path: Path) -> None:
    values = made.strings(300)
    folder = made.write_bag(tmp_path / "bag", made.said(values), storage="SQLITE3")
    (file,) = folder.glob("*.db3")
    whole, data = [text for _, text in values], file.read_bytes()
    page = int.from_bytes(data[16:18], "big")
    ends = [(data.index(t.encode()) // page + 1) * page for t in whole]
    cut_path, counts = tmp_path / "cut.db3", []
    for cut in range(0, len(data), 1777):
        cut_path.write_bytes(data[:cut])
        found = recovered(cut_path)
        assert found == whole[: len(found)]
        counts.append(len(found))
        there = [end <= cut for end in ends]
        assert len(found) >= (there.index(False) if False in there else len(whole)), cut
    assert all(a <= b for a, b in pairwise(counts))
    assert counts[-1] > 200 and texts(file) == whole


@pytest.mark.parametrize("kind", ["mcap", "db3"])
def test_a_packed_file_cut_anywhere_keeps_a_beginning(tmp_path: Path, kind: str) -> None:
    values = made.strings(200)
    storage = "MCAP" if kind == "mcap" else "SQLITE3"
    folder = made.write_bag(tmp_path / "bag", made.said(values), storage=storage)
    data = next(folder.glob(f"*.{kind}")).read_bytes()
    frames = b"".join(
        zstandard.ZstdCompressor().compress(data[i : i + 4096]) for i in range(0, len(data), 4096)
    )
    path, counts = tmp_path / f"cut.{kind}.zstd", []
    for cut in range(100, len(frames), len(frames) // 20):
        path.write_bytes(frames[:cut])
        found = recovered(path)
        assert found == [text for _, text in values[: len(found)]]
        counts.append(len(found))
    path.write_bytes(frames)
    assert texts(path) == [text for _, text in values]
    assert all(a <= b for a, b in pairwise(counts))


def test_a_cut_is_told(tmp_path: Path) -> None:
    path = tmp_path / "whole.mcap"
    made.write_mcap(path, made.strings(24), "ZSTD")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    bag = open_bag(path)
    assert list(bag.messages())
    assert bag.lost == [f"whole.mcap: breaks off after {len(data) // 2} bytes: it was not closed"]


def test_a_split_bag_whose_last_file_is_empty_is_read_without_it(tmp_path: Path) -> None:
    values = made.strings(6)
    made.write_mcap(tmp_path / "bag_0.mcap", values)
    (tmp_path / "bag_1.mcap").write_bytes(b"")
    bag = open_bag(tmp_path)
    assert [m.value.data for m in bag.messages()] == [text for _, text in values]
    assert len(bag.lost) == 1 and "bag_1.mcap: is empty" in bag.lost[0]


def test_a_damaged_chunk_costs_that_chunk(tmp_path: Path) -> None:
    values = made.strings(24)
    path = tmp_path / "whole.mcap"
    made.write_mcap(path, values)
    data = bytearray(path.read_bytes())
    data[data.index(values[12][1].encode())] ^= 1
    path.write_bytes(data)
    bag = open_bag(path)
    read = [m.value.data for m in bag.messages()]
    assert "is damaged: left out" in bag.lost[0]
    assert values[12][1] not in read and read[-1] == values[-1][1] and read[0] == values[0][1]
    assert len(read) >= 12


@settings(max_examples=100)
@given(kind=st.sampled_from(["mcap", "zstd", "bag", "bz2", "db3"]), seed=st.integers(0, 2**32))
def test_flipped_bytes_give_messages_or_one_line(
    tmp_path_factory: pytest.TempPathFactory, kind: str, seed: int
) -> None:
    folder = _originals(tmp_path_factory)
    original = folder / {"zstd": "zstd.mcap", "bz2": "bz2.bag"}.get(kind, f"plain.{kind}")
    data, rng = bytearray(original.read_bytes()), random.Random(seed)
    for _ in range(rng.randint(1, 12)):
        data[rng.randrange(len(data))] = rng.randrange(256)
    path = folder / f"flipped{original.suffix}"
    path.write_bytes(data)
    try:
        bag = open_bag(path)
        list(bag.messages())
        bag.contents()
    except BagError as error:
        assert "\n" not in str(error)


_MADE: list[Path] = []


def _originals(factory: pytest.TempPathFactory) -> Path:
    if not _MADE:
        folder, values = factory.mktemp("originals"), made.strings(20)
        made.write_mcap(folder / "plain.mcap", values)
        made.write_mcap(folder / "zstd.mcap", values, "ZSTD")
        made.write_ros1(folder / "plain.bag", values)
        made.write_ros1(folder / "bz2.bag", values, "BZ2")
        made.write_bag(folder / "db", made.said(values), storage="SQLITE3")
        shutil.copy(next((folder / "db").glob("*.db3")), folder / "plain.db3")
        _MADE.append(folder)
    return _MADE[0]


# ---------------------------------------------------------------------------------------------------- broken bags


def _folder(tmp_path: Path) -> Path:
    return made.write_bag(tmp_path / "bag", made.said(made.strings(5)))


def _edit(folder: Path, old: str, new: str) -> None:
    path = folder / "metadata.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("storage_identifier: mcap", "storage_identifier: leveldb", "its storage is 'leveldb'"),
        ("bag.mcap", "gone.mcap", "names 'gone.mcap', which is not there"),
        ("serialization_format: cdr", "serialization_format: protobuf", "encoded as protobuf"),
        ("compression_mode: ''", "compression_mode: MESSAGE", "packed with ''"),
        ("rosbag2_bagfile_information", "somebody_elses", "has no rosbag2_bagfile_information"),
        ("storage_identifier", "storage", "is no rosbag2 metadata"),
        ("topics_with_message_count:", "topics_with_message_count: [", "cannot be read as YAML"),
    ],
)  # fmt: skip
def test_metadata_that_is_wrong_gives_one_line_with_the_remedy(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    folder = _folder(tmp_path)
    _edit(folder, old, new)
    with pytest.raises(BagError) as caught:
        open_bag(folder)
    line = str(caught.value)
    assert words in line and ";" in line and "\n" not in line


def test_metadata_cannot_lead_out_of_its_folder(tmp_path: Path) -> None:
    made.write_mcap(tmp_path / "secret.mcap", made.strings(2))
    folder = _folder(tmp_path)
    _edit(folder, "bag.mcap", "../secret.mcap")
    with pytest.raises(BagError, match=r"'secret.mcap', which is not there"):
        open_bag(folder)


@pytest.mark.parametrize("name", ["x.mcap", "x.db3", "x.bag"])
@pytest.mark.parametrize("content", [b"", b"hello, world, this is no recording"])
def test_a_file_that_is_no_recording_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BagError, match="is empty|is not a"):
        open_bag(tmp_path / name)


def test_a_database_without_rosbag2s_tables_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "x.db3") as connection:
        connection.execute("CREATE TABLE cats (name TEXT)")
    connection.close()
    with pytest.raises(BagError, match="no rosbag2 tables"):
        open_bag(tmp_path / "x.db3")


@pytest.mark.parametrize("name", ["nothing", "nothing.mcap", "notes.txt"])
def test_what_is_not_there_is_said(tmp_path: Path, name: str) -> None:
    if name == "notes.txt":
        (tmp_path / name).write_text("hello")
    with pytest.raises(BagError, match="no such file|not a recording"):
        open_bag(tmp_path / name)


def test_a_type_nobody_knows_is_told_and_left_out(tmp_path: Path) -> None:
    store = made.jazzy(maker_msgs__msg__Odd="int16 number\n")
    odd = store.types["maker_msgs/msg/Odd"](number=3)
    steps = [(1, "/odd", "maker_msgs/msg/Odd", odd), *made.said(made.strings(2), store)]
    folder = made.write_bag(tmp_path / "bag", steps, store, storage="SQLITE3")
    with sqlite3.connect(next(folder.glob("*.db3"))) as connection:
        connection.execute("DELETE FROM message_definitions")
    connection.close()
    bag = open_bag(folder)
    assert [m.topic for m in bag.messages()] == ["/chatter"] * 2
    assert "unknown type maker_msgs/msg/Odd" in bag.contents()["/odd"].problem
