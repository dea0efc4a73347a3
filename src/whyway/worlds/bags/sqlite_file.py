"""rosbag2's SQLite files -> records, in the order of their rows; of a damaged file, the rows before the damage.

Tables as in rosbag2_storage_sqlite3 (schema versions 1 to 4): `topics`, `messages`, from version 4 on `message_definitions`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from whyway.worlds.bags.records import BagError, Channel, Record, full_type

_MAGIC = b"SQLite format 3\0"


def sqlite_records(path: Path, lost: list[str]) -> Iterator[Record]:
    """The messages in the order in which they were written.

    Args:
      path: the .db3.
      lost: what is missing is added here, a line each.

    Raises:
      BagError: it is no such file, or nothing of it can be read.
    """
    with path.open("rb") as stream:
        magic = stream.read(len(_MAGIC))
    if magic != _MAGIC:
        what = "is empty" if not magic else "is not an SQLite file"
        raise BagError(f"{path}: {what}; give the .db3 that rosbag2 wrote")
    with closing(_connect(path)) as connection:
        try:
            channels = _channels(connection)
        except sqlite3.Error as error:
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
        except sqlite3.Error as error:
            lost.append(f"{path.name}: breaks off after {rows} messages: {error}")


def _connect(path: Path) -> sqlite3.Connection:
    # beside a recorder that died lies a write-ahead log: SQLite reads it, but not of a file that is declared immutable
    alone = not path.with_name(path.name + "-wal").exists()
    where = path.resolve().as_uri() + ("?mode=ro&immutable=1" if alone else "?mode=ro")
    connection = sqlite3.connect(where, uri=True)
    # without this SQLite refuses a file that is shorter than it says as a whole; the rows in it are good (btree.c, lockBtree)
    connection.execute("PRAGMA writable_schema=ON")
    return connection


def _channels(connection: sqlite3.Connection) -> dict[int, Channel]:
    definitions: dict[str, tuple[str, str]] = {}
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
    if "message_definitions" in tables:
        for name, language, text in connection.execute(
            "SELECT topic_type, encoding, encoded_message_definition FROM message_definitions"
        ):
            definitions[name] = (text, language)
    found = connection.execute("SELECT id, name, type, serialization_format FROM topics")
    return {
        number: Channel(topic, full_type(kind), encoding, *definitions.get(kind, ("", "")))
        for number, topic, kind, encoding in found
    }
