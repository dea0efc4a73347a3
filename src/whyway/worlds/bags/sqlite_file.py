"""rosbag2's SQLite files -> records, in the order of their rows; of a damaged file, the rows before the damage.

Tables as in rosbag2_storage_sqlite3 (schema versions 1 to 4): `topics`, `messages`, from version 4 on `message_definitions`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw

from whyway.worlds.bags.records import BagError, Channel, Record, begin, full_type

_MAGIC = b"SQLite format 3\0"
_DAMAGE = (apsw.Error, ValueError, TypeError)
"""What a damaged file raises: SQLite's columns may hold anything, and its texts need not be texts."""


def sqlite_records(path: Path, lost: list[str]) -> Iterator[Record]:
    """The messages in the order in which they were written.

    Args:
      path: the .db3.
      lost: what is missing is added here, a line each.

    Raises:
      BagError: it is no such file, or nothing of it can be read.
    """
    with path.open("rb") as stream:
        begin(stream, _MAGIC, str(path), "an SQLite file", "give the .db3 that rosbag2 wrote")
    pages = _WholePages(path)  # SQLite knows it as long as we do
    with closing(_connect(path, pages.name)) as connection:
        try:
            # without this SQLite refuses a file that is shorter than it says as a whole; its rows are good (btree.c, lockBtree)
            connection.execute("PRAGMA writable_schema=ON")
            channels = _channels(connection)
        except _DAMAGE as error:
            raise BagError(
                f"{path}: no rosbag2 tables in it ({error}); record again, or try `sqlite3 FILE .recover`"
            ) from error
        rows = 0
        try:
            found = connection.execute(
                "SELECT topic_id, timestamp, data FROM messages ORDER BY rowid"
            )
            for topic, stamp_ns, data in found:
                rows += 1
                if topic in channels and isinstance(data, bytes):
                    yield channels[topic], int(stamp_ns), data
        except _DAMAGE as error:
            lost.append(f"{path.name}: breaks off after {rows} messages: {error}")


def _connect(path: Path, vfs: str) -> apsw.Connection:
    read, where = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI, path.resolve().as_uri()
    # beside a recorder that died lies a write-ahead log: SQLite reads it, but not of a file that is declared immutable
    if path.with_name(path.name + "-wal").exists():
        return apsw.Connection(where, flags=read)
    return apsw.Connection(f"{where}?immutable=1", flags=read, vfs=vfs)


class _WholePages(apsw.VFS):
    """Files without their last page where that is cut: SQLite takes what is missing of it for zeros."""

    _numbers = itertools.count()

    def __init__(self, path: Path) -> None:
        with path.open("rb") as stream:
            page = int.from_bytes(stream.read(18)[16:], "big")
        page = 65536 if page == 1 else max(page, 512)  # sqlite.org/fileformat.html, 1.3.2
        self.name = f"whyway-{next(self._numbers)}"
        self._size = path.stat().st_size // page * page
        super().__init__(self.name, "")

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 (SQLite's name)
        return _WholeFile("", name, flags, self._size)


class _WholeFile(apsw.VFSFile):
    def __init__(
        self, base: str, name: str | apsw.URIFilename | None, flags: list[int], size: int
    ) -> None:
        super().__init__(base, name, flags)
        self._size = size

    def xFileSize(self) -> int:  # noqa: N802
        return self._size


def _channels(connection: apsw.Connection) -> dict[int, Channel]:
    definitions: dict[str, tuple[str, str]] = {}
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
    if "message_definitions" in tables:
        for name, language, text in connection.execute(
            "SELECT topic_type, encoding, encoded_message_definition FROM message_definitions"
        ):
            definitions[str(name)] = (str(text), str(language))
    found = connection.execute("SELECT id, name, type, serialization_format FROM topics")
    return {
        number: Channel(
            str(topic), full_type(str(kind)), str(encoding), *definitions.get(str(kind), ("", ""))
        )
        for number, topic, kind, encoding in found
    }
