"""One way into every recording: rosbag2 (SQLite, MCAP; split, packed), single files of either, our own drives, ROS 1 bags. No ROS needed.

Messages come in the order in which they were written, file after file, one in memory at a time. A recording that breaks off gives all
that is before the break; `Bag.lost` says what is missing.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePath
from typing import Any, BinaryIO, NamedTuple, cast

import yaml
import zstandard

from whyway.typed_yaml import UNREADABLE
from whyway.worlds.bags.decode import DecodeError, Decoder
from whyway.worlds.bags.mcap_file import mcap_records
from whyway.worlds.bags.records import BagError, Channel, Record, unpack
from whyway.worlds.bags.ros1_file import ros1_records
from whyway.worlds.bags.sqlite_file import sqlite_records

ENDINGS = (".mcap", ".db3", ".bag", ".mcap.zstd", ".db3.zstd", ".bag.active")
"""What files of recordings are called."""
METADATA = "metadata.yaml"
_ZSTD = b"\x28\xb5\x2f\xfd"
_MOST_METADATA = 1 << 24
_MOST_MESSAGE = 1 << 28


class Message(NamedTuple):
    """A message read: its topic and type, when it was recorded, and its value."""

    topic: str
    type: str
    stamp_ns: int
    value: Any


@dataclass(frozen=True, slots=True)
class Topic:
    """What a recording holds on one topic; `problem` says why its messages cannot be read ("": they can)."""

    name: str
    type: str
    count: int
    first_ns: int
    last_ns: int
    problem: str


def is_bag(path: Path) -> bool:
    """Whether a path looks like a recording: a file by its ending, a folder by what is in it."""
    if path.is_dir():
        return (path / METADATA).exists() or bool(_files_in(path))
    return path.name.endswith(ENDINGS)


def open_bag(path: Path | str) -> Bag:
    """Open a recording: a folder of rosbag2, or a single file.

    Raises:
      BagError: there is none, it is damaged beyond use, or it is empty; one line with the remedy.
    """
    path = Path(path)
    if not path.exists():
        raise BagError(
            f"{path}: no such file or folder; give a rosbag2 folder or a .mcap, .db3 or .bag"
        )
    packed = False
    if path.is_dir():
        files, packed = _files_of(path)
    elif path.name == METADATA:
        return open_bag(path.parent)
    elif path.name.endswith(ENDINGS):
        files = [path]
    else:
        raise BagError(
            f"{path}: not a recording by its name; give a rosbag2 folder or a .mcap, .db3 or .bag"
        )
    bag = Bag(path, tuple(files), packed)
    if len(files) > 1 and not (path / METADATA).exists():
        _one_after_the_other(bag)
    if next(bag.records(), None) is None:
        why = f" ({'; '.join(bag.lost)})" if bag.lost else ""
        raise BagError(f"{path}: holds no message{why}; record again, or give another recording")
    return bag


class Bag:
    """A recording. `lost` tells, after a pass, what of it could not be read.

    Args:
      path: what was opened.
      files: in the order of recording.
      packed: whether every message is packed by itself (zstd).
    """

    def __init__(self, path: Path, files: tuple[Path, ...], packed: bool) -> None:
        self.path, self.files, self.packed = path, files, packed
        self.lost: list[str] = []
        self.decoder = Decoder()
        self._contents: dict[str, Topic] | None = None

    @property
    def name(self) -> str:
        """Short, for reports."""
        return re.sub(r"(\.(mcap|db3|bag|zstd|active))+$", "", self.path.resolve().name)

    def records(self) -> Iterator[Record]:
        """Every message as bytes. Of several files, one that cannot be read at all is left out.

        Raises:
          BagError: the only file cannot be read.
        """
        self.lost = []
        for path in self.files:
            try:
                for channel, stamp_ns, data in _records_of(path, self.lost):
                    if (self.packed or data[:4] == _ZSTD) and channel.encoding == "cdr":
                        data = unpack(data, "zstd", _MOST_MESSAGE)
                    yield channel, stamp_ns, data
            except BagError as error:
                if len(self.files) == 1:
                    raise
                self.lost.append(str(error))
            except OSError as error:
                raise BagError(
                    f"{path}: cannot be read: {error.strerror}; check its permissions"
                ) from error

    def messages(self, topics: Collection[str] | None = None) -> Iterator[Message]:
        """Messages with their values; those that cannot be read are left out, and `lost` says so.

        Args:
          topics: only these; None for all.
        """
        unread: dict[str, tuple[int, str]] = {}
        for channel, stamp_ns, data in self.records():
            if topics is not None and channel.topic not in topics:
                continue
            try:
                value = self.decoder.value(channel, data)
            except DecodeError as error:
                count, first = unread.get(channel.topic, (0, str(error)))
                unread[channel.topic] = (count + 1, first)
                continue
            yield Message(channel.topic, channel.type, stamp_ns, value)
        self.lost += [
            f"{count} messages cannot be read: {first}" for count, first in unread.values()
        ]

    def contents(self) -> dict[str, Topic]:
        """What is on which topic, by name; the recording is gone through once for that."""
        if self._contents is None:
            seen: dict[str, tuple[Channel, list[int]]] = {}
            for channel, stamp_ns, _ in self.records():
                _, numbers = seen.setdefault(channel.topic, (channel, [0, stamp_ns, stamp_ns]))
                numbers[0] += 1
                numbers[1] = min(numbers[1], stamp_ns)
                numbers[2] = max(numbers[2], stamp_ns)
            self._contents = {
                name: Topic(name, channel.type, n, first, last, self.decoder.problem(channel))
                for name, (channel, (n, first, last)) in sorted(seen.items())
            }
        return self._contents


def _records_of(path: Path, lost: list[str]) -> Iterator[Record]:
    with ExitStack() as stack:
        name = path.name.removesuffix(".zstd").removesuffix(".active")
        stream = cast(BinaryIO, stack.enter_context(path.open("rb")))
        if path.name.endswith(".zstd"):
            plain = stack.enter_context(
                zstandard.ZstdDecompressor().stream_reader(stream, read_across_frames=True)
            )
            stream = cast(BinaryIO, _Plain(plain, path, lost))
        if name.endswith(".db3"):
            if path.name.endswith(".zstd"):  # SQLite needs a file
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="whyway-")))
                with (folder / name).open("wb") as copy:
                    shutil.copyfileobj(stream, copy)
                path = folder / name
            yield from sqlite_records(path, lost)
        elif name.endswith(".mcap"):
            yield from mcap_records(stream, path.name, lost)
        else:
            yield from ros1_records(stream, path.name, lost)


class _Plain:
    """What is packed in a stream, up to where that breaks off."""

    def __init__(self, packed: Any, path: Path, lost: list[str]) -> None:
        self._packed, self._path, self._lost = packed, path, lost

    def read(self, size: int) -> bytes:
        try:
            return bytes(self._packed.read(size))
        except zstandard.ZstdError as error:
            self._lost.append(f"{self._path.name}: is damaged: {error}")
            return b""


# ------------------------------------------------------------------------------------------------ rosbag2's folders


def _files_of(folder: Path) -> tuple[list[Path], bool]:
    """The files of a folder, in order, and whether every message is packed by itself."""
    if not (folder / METADATA).exists():
        files = _files_in(folder)
        if not files:
            raise BagError(
                f"{folder}: holds no {METADATA} and no {', '.join(ENDINGS[:3])}; give a rosbag2 folder or a single file"
            )
        return files, False
    facts = _metadata(folder / METADATA)
    try:
        storage = str(facts["storage_identifier"])
        names = [PurePath(str(p)).name for p in facts["relative_file_paths"]]
        topics = [t["topic_metadata"] for t in facts.get("topics_with_message_count") or []]
        formats = {str(t["serialization_format"]) for t in topics}
        mode, how = (str(facts.get(f"compression_{k}") or "").lower() for k in ("mode", "format"))
    except (KeyError, TypeError, AttributeError) as error:
        raise BagError(
            f"{folder / METADATA}: is no rosbag2 metadata ({type(error).__name__}: {error}); make it anew with `ros2 bag reindex {folder}`"
        ) from error
    if storage not in ("mcap", "sqlite3"):
        raise BagError(
            f"{folder}: its storage is {storage!r}, we read mcap and sqlite3; convert it with `ros2 bag convert`"
        )
    if mode not in ("", "none") and how != "zstd":
        raise BagError(
            f"{folder}: packed with {how!r}, we unpack zstd; convert it with `ros2 bag convert`"
        )
    if formats and "cdr" not in formats:
        raise BagError(
            f"{folder}: its messages are encoded as {', '.join(sorted(formats))}, we read cdr; record with an rmw that writes CDR"
        )
    missing = [name for name in names if not (folder / name).exists()]
    if missing or not names:
        what = f"names {missing[0]!r}, which is not there" if missing else "names no file"
        raise BagError(
            f"{folder / METADATA}: {what}; bring the file, or make the list anew with `ros2 bag reindex {folder}`"
        )
    return [folder / name for name in names], mode == "message"


def _one_after_the_other(bag: Bag) -> None:
    """Files that nothing but their folder holds together must be parts of one recording.

    Raises:
      BagError: one begins before the one before it.
    """
    begins: list[tuple[int, str]] = []
    for path in bag.files:
        try:
            first = next(Bag(path, (path,), False).records(), None)
        except BagError:
            continue
        if first is not None:
            begins.append((first[1], path.name))
    for (before, a), (after, b) in pairwise(begins):
        if after <= before:
            raise BagError(
                f"{bag.path}: holds several recordings, not the parts of one: {b} does not begin after {a}; give one of the files"
            )


def _metadata(path: Path) -> dict[str, Any]:
    remedy = (
        f"make it anew with `ros2 bag reindex {path.parent}`, or give a single file of the folder"
    )
    try:  # not by `read_yaml`: a recorder writes what it likes, aliases, too
        large = path.stat().st_size > _MOST_METADATA
        facts = None if large else yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, *UNREADABLE) as error:
        how = " ".join(str(error).split())[:120]
        raise BagError(f"{path}: cannot be read as YAML ({how}); {remedy}") from error
    if large:
        raise BagError(f"{path}: is larger than {_MOST_METADATA} bytes; {remedy}")
    inner = facts.get("rosbag2_bagfile_information") if isinstance(facts, dict) else None
    if not isinstance(inner, dict):
        raise BagError(f"{path}: has no rosbag2_bagfile_information; {remedy}")
    return inner


def _files_in(folder: Path) -> list[Path]:
    """Files of recordings in a folder: of one kind, in the order of the numbers in their names."""
    found = [p for p in folder.iterdir() if p.is_file() and p.name.endswith(ENDINGS)]
    kinds = sorted({p.name.removesuffix(".zstd").rpartition(".")[2] for p in found})
    # a folder may hold a bag and its conversion: one of them is enough
    one = [p for p in found if kinds and p.name.removesuffix(".zstd").endswith(kinds[-1])]
    return sorted(
        one, key=lambda p: [int(t) if t.isdigit() else t for t in re.split(r"(\d+)", p.name)]
    )
