"""A drive on disk: our values in an MCAP file (profile ros2, CDR), written as they come and read back however the drive ended.

Every message carries its own definition, so Foxglove, rosbag2 and any MCAP reader open the file without us. What was driven
(driver, world, seed, configuration, versions) stands in the metadata record `whyway`. No clock: a message is logged at its stamp.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from mcap.exceptions import EndOfFile, McapError
from mcap.opcode import Opcode
from mcap.records import Channel, Message, Metadata, Schema
from mcap.stream_reader import StreamReader
from mcap.writer import Writer
from zstandard import ZstdError

from whyway.messages import classes, from_cdr, msgdefs, name_of, to_cdr
from whyway.topics import TOPICS
from whyway.types import InputError, differences

METADATA = "whyway"
"""Name of the metadata record that says what was driven."""
FLUSH_EVERY_NS = 1_000_000_000
"""A killed process loses at most the current second of the data's clock."""
IDENTITY = ("driver", "world", "seed", "config_hash")
"""The entries of `Log.info` that two drives must share to be the same."""

_MAGIC = b"\x89MCAP0\r\n"
_DAMAGE = (McapError, ZstdError, struct.error, ValueError, KeyError, MemoryError)
"""What reading a file with flipped bits raises (checksums are ValueErrors)."""
T = TypeVar("T")


class LogError(InputError):
    """A file that is no log; its text is one line with the remedy."""


# --------------------------------------------------------------------------------------------------------- write


class LogWriter:
    """Writes a log under its final name, complete up to the last whole second at any time.

    The file is closed (index and summary written) by `close` or at the end of a `with` block, also after an error.
    """

    def __init__(self, path: Path | str, info: Mapping[str, Any]) -> None:
        """Open `path` (an older file there is replaced; its folder is made) and write `info`, whose values go as JSON."""
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._stream = self.path.open("wb")
        self._writer = Writer(self._stream, enable_data_crcs=True)
        self._writer.start(profile="ros2", library="whyway")
        self._channels: dict[str, tuple[int, str]] = {}
        self._schemas: dict[str, int] = {}
        self._counts: dict[str, int] = {}
        self._second: int | None = None
        self.add_info(info)

    def add_info(self, info: Mapping[str, Any]) -> None:
        """Say more about the drive (its verdict, say); a key given again replaces the earlier value."""
        texts = {key: json.dumps(value, sort_keys=True) for key, value in info.items()}
        self._writer.add_metadata(METADATA, texts)
        self._stream.flush()

    def write(self, topic: str, value: Any, stamp_ns: int | None = None) -> None:
        """Log a value of `types.py` at its own stamp; a part that has none (a PlanningTrace, say) needs one given.

        Raises:
          ValueError: the value has no stamp and none is given, or the topic holds another type.
        """
        stamp = getattr(value, "stamp_ns", None) if stamp_ns is None else stamp_ns
        if stamp is None:
            raise ValueError(
                f"{topic}: a {type(value).__name__} has no stamp_ns of its own; pass stamp_ns"
            )
        self._add(topic, name_of(type(value)), to_cdr(value), stamp)

    def write_cdr(self, topic: str, data: bytes, stamp_ns: int) -> None:
        """Log a message of a topic of `topics.py` that is CDR already, as a ROS recorder receives it."""
        self._add(topic, TOPICS[topic].type, data, stamp_ns)

    def _add(self, topic: str, name: str, data: bytes, stamp_ns: int) -> None:
        second = stamp_ns // FLUSH_EVERY_NS
        if self._second is not None and second > self._second:
            self._writer.flush()  # type: ignore[no-untyped-call]
        self._second = second if self._second is None else max(second, self._second)
        channel = self._channel(topic, name)
        sequence = self._counts[topic] = self._counts.get(topic, 0) + 1
        self._writer.add_message(channel, stamp_ns, data, stamp_ns, sequence)

    def _channel(self, topic: str, name: str) -> int:
        known = self._channels.get(topic)
        if known is None:
            if name not in self._schemas:
                text = msgdefs()[name].encode()
                self._schemas[name] = self._writer.register_schema(name, "ros2msg", text)
            channel = self._writer.register_channel(topic, "cdr", self._schemas[name])
            known = self._channels[topic] = (channel, name)
        if known[1] != name:
            raise ValueError(f"{topic}: holds {known[1]}, not {name}")
        return known[0]

    def close(self) -> None:
        """Write the index and close; a second call does nothing."""
        if not self._stream.closed:
            self._writer.finish()  # type: ignore[no-untyped-call]
            self._stream.close()

    def __enter__(self) -> LogWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self.close()


# ---------------------------------------------------------------------------------------------------------- read


@dataclass(frozen=True, slots=True, eq=False)
class Log:
    """A log read back: what was driven, and per topic the values in the order they were written.

    Attributes:
      path: the file.
      info: the metadata record, decoded; empty if the file has none.
      topics: values of our own types by topic.
      stamps_ns: the log time of each of them, by topic.
      skipped: how many messages of types that are not ours each other topic holds.
      truncated: why the end is missing ("" if the file is whole): the process was killed, or the disk was full.
    """

    path: Path
    info: dict[str, Any]
    topics: dict[str, tuple[Any, ...]]
    stamps_ns: dict[str, tuple[int, ...]]
    skipped: dict[str, int]
    truncated: str = ""

    def of(self, cls: type[T], topic: str | None = None) -> tuple[T, ...]:
        """All values of a type, from one topic or from whichever topics hold it, in the file's order per topic."""
        if topic is not None:
            return tuple(v for v in self.topics.get(topic, ()) if isinstance(v, cls))
        return tuple(v for values in self.topics.values() for v in values if isinstance(v, cls))


def read_log(path: Path | str) -> Log:
    """Read a log; one that breaks off is read up to there, and `Log.truncated` says so.

    Raises:
      LogError: no such file, or not an MCAP file.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise LogError(
            f"{path}: cannot be read: {error.strerror}; give the .mcap of a drive"
        ) from error
    if not data.startswith(_MAGIC):
        raise LogError(f"{path}: is not an MCAP file; give the .mcap of a drive")
    end, whole = _last_whole_record(data)
    truncated = "" if whole else f"breaks off after {end} of {len(data)} bytes: it was not closed"
    found = _Found()
    try:
        for record in StreamReader(BytesIO(data[:end]), validate_crcs=True).records:
            found.take(record)
    except EndOfFile:  # where a file that was not closed ends
        pass
    except _DAMAGE as error:
        truncated = f"is damaged: {' '.join(str(error).split())}"
    return Log(
        path=path,
        info=found.info,
        topics={topic: tuple(values) for topic, values in found.values.items()},
        stamps_ns={topic: tuple(stamps) for topic, stamps in found.stamps_ns.items()},
        skipped=found.skipped,
        truncated=truncated,
    )


def _last_whole_record(data: bytes) -> tuple[int, bool]:
    """Where the last complete record ends, and whether that is the footer (then the file is whole)."""
    at = len(_MAGIC)
    while at + 9 <= len(data):
        opcode, length = struct.unpack_from("<BQ", data, at)
        if at + 9 + length > len(data):
            return at, False
        at += 9 + length
        if opcode == Opcode.FOOTER:
            return (len(data), True) if data[at:] == _MAGIC else (at, False)
    return at, False


class _Found:
    """Collects the records of a file."""

    def __init__(self) -> None:
        self.info: dict[str, Any] = {}
        self.values: dict[str, list[Any]] = {}
        self.stamps_ns: dict[str, list[int]] = {}
        self.skipped: dict[str, int] = {}
        self._schemas: dict[int, str] = {}
        self._channels: dict[int, tuple[str, type[Any] | None]] = {}

    def take(self, record: object) -> None:
        if isinstance(record, Metadata) and record.name == METADATA:
            self.info |= {key: json.loads(text) for key, text in record.metadata.items()}
        elif isinstance(record, Schema):
            self._schemas[record.id] = record.name
        elif isinstance(record, Channel):
            cls = classes().get(self._schemas.get(record.schema_id, ""))
            self._channels[record.id] = (record.topic, cls)
        elif isinstance(record, Message):
            topic, cls = self._channels[record.channel_id]
            if cls is None:
                self.skipped[topic] = self.skipped.get(topic, 0) + 1
                return
            self.values.setdefault(topic, []).append(from_cdr(record.data, cls))
            self.stamps_ns.setdefault(topic, []).append(record.log_time)


# ------------------------------------------------------------------------------------------------------- compare


def same_log(a: Log | Path | str, b: Log | Path | str, limit: int = 5) -> list[str]:
    """In what two logs differ, as lines for a person; nothing if they tell of the same drive.

    Decoded values are compared, fields measured on the wall clock left out: padding bytes differ between serialisers,
    latencies from run to run. At most `limit` lines per topic.
    """
    a = a if isinstance(a, Log) else read_log(a)
    b = b if isinstance(b, Log) else read_log(b)
    lines = [
        f"{key}: {a.info.get(key)!r} against {b.info.get(key)!r}"
        for key in IDENTITY
        if a.info.get(key) != b.info.get(key)
    ]
    for topic in sorted(a.topics.keys() | b.topics.keys()):
        found = _topic_differences(topic, a, b)
        first = [line for _, line in zip(range(limit), found, strict=False)]
        lines += first
        more = sum(1 for _ in found)
        if more:
            lines.append(f"{topic}: and {more} more")
    return lines


def _topic_differences(topic: str, a: Log, b: Log) -> Iterator[str]:
    xs, ys = a.topics.get(topic, ()), b.topics.get(topic, ())
    if len(xs) != len(ys):
        yield f"{topic}: {len(xs)} messages against {len(ys)}"
    stamps = zip(a.stamps_ns.get(topic, ()), b.stamps_ns.get(topic, ()), strict=False)
    for i, ((at, bt), x, y) in enumerate(zip(stamps, xs, ys, strict=False)):
        if at != bt:
            yield f"{topic}[{i}]: logged at {at / 1e9:.3f} s against {bt / 1e9:.3f} s"
        for line in differences(x, y, ignore_volatile=True):
            yield f"{topic}[{i}] at {at / 1e9:.3f} s: {line}"
