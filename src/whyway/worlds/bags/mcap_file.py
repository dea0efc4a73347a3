"""MCAP -> records, from front to back and without its index: so a file that was never closed gives all it holds.

Format: mcap.dev/spec (the records Header, Schema, Channel, Message, Chunk and Data End; all others are passed over). Of a chunk that is
cut, the messages come out that its codec still unpacks; a chunk whose checksum is wrong is left out.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from whyway.worlds.bags.records import (
    MOST_BYTES,
    Channel,
    Record,
    begin,
    full_type,
    take,
    unpack_chunk,
)

MAGIC = b"\x89MCAP0\r\n"
_SCHEMA, _CHANNEL, _MESSAGE, _CHUNK, _DATA_END = 0x03, 0x04, 0x05, 0x06, 0x0F
_HEAD, _MESSAGE_HEAD, _CHUNK_HEAD = (
    struct.Struct("<BQ"),
    struct.Struct("<HIQQ"),
    struct.Struct("<QQQI"),
)
_DAMAGE = (struct.error, UnicodeDecodeError, KeyError)


def mcap_records(stream: BinaryIO, name: str, lost: list[str]) -> Iterator[Record]:
    """The messages in the order in which they were written.

    Args:
      stream: the file, open at its start.
      name: of the file, for messages.
      lost: what is missing is added here, a line each.

    Raises:
      BagError: it is no MCAP file.
    """
    begin(stream, MAGIC, name, "an MCAP file", "give the .mcap that a recorder wrote")
    found, at = _Channels(), len(MAGIC)
    while True:
        head = stream.read(_HEAD.size)
        if len(head) < _HEAD.size:
            lost.append(f"{name}: breaks off after {at} bytes: it was not closed")
            return
        opcode, length = _HEAD.unpack(head)
        if opcode == _DATA_END:
            return
        if length > MOST_BYTES:
            lost.append(f"{name}: is damaged after {at} bytes: a record of {length} bytes")
            return
        content = take(stream, length)
        try:
            if opcode == _CHUNK:
                yield from _chunk(
                    content, len(content) == length, found, f"{name}: the chunk at byte {at}", lost
                )
            elif len(content) == length:
                record = found.take(opcode, content)
                if record is not None:
                    yield record
        except _DAMAGE as error:
            lost.append(f"{name}: is damaged after {at} bytes: {' '.join(str(error).split())}")
            return
        if len(content) < length:
            lost.append(
                f"{name}: breaks off after {at + _HEAD.size + len(content)} bytes: it was not closed"
            )
            return
        at += _HEAD.size + length


def _chunk(
    content: bytes, whole: bool, found: _Channels, name: str, lost: list[str]
) -> Iterator[Record]:
    head = _CHUNK_HEAD.size
    if not whole and len(content) < head + 4:
        return  # nothing in it yet
    _, _, size, checksum = _CHUNK_HEAD.unpack_from(content)
    (length,) = struct.unpack_from("<I", content, head)
    if not whole and len(content) < head + 4 + length + 8:
        return
    how = content[head + 4 : head + 4 + length].decode()
    packed = content[head + 4 + length + 8 :]
    data = unpack_chunk(packed, how, size, name, lost)
    if data is None:
        return
    if whole and (len(data) != size or (checksum and zlib.crc32(data) != checksum)):
        lost.append(f"{name} is damaged: left out")
        return
    at = 0
    while at + _HEAD.size <= len(data):
        opcode, length = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        if at + length > len(data):
            return
        record = found.take(opcode, data[at : at + length])
        if record is not None:
            yield record
        at += length


class _Channels:
    """Schemas and channels met so far."""

    def __init__(self) -> None:
        self._schemas: dict[int, tuple[str, str, str]] = {0: ("", "", "")}
        self._channels: dict[int, Channel] = {}

    def take(self, opcode: int, content: bytes) -> Record | None:
        """Take in one record; if it is a message, give it.

        Raises:
          struct.error, UnicodeDecodeError, KeyError: the record is damaged.
        """
        if opcode == _MESSAGE:
            number, _, stamp_ns, _ = _MESSAGE_HEAD.unpack_from(content)
            return self._channels[number], stamp_ns, content[_MESSAGE_HEAD.size :]
        if opcode == _SCHEMA:
            (number,) = struct.unpack_from("<H", content)
            name, at = _text(content, 2)
            language, at = _text(content, at)
            definition, _ = _text(content, at)
            self._schemas[number] = (name, language, definition)
        elif opcode == _CHANNEL:
            number, schema = struct.unpack_from("<HH", content)
            topic, at = _text(content, 4)
            encoding, _ = _text(content, at)
            name, language, definition = self._schemas[schema]
            self._channels[number] = Channel(topic, full_type(name), encoding, definition, language)
        return None


def _text(content: bytes, at: int) -> tuple[str, int]:
    (length,) = struct.unpack_from("<I", content, at)
    end = at + 4 + length
    if end > len(content):
        raise struct.error(f"a text of {length} bytes in a record of {len(content)}")
    return content[at + 4 : end].decode(), end
