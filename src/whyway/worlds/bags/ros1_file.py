"""ROS 1 bags -> records, chunk by chunk and without the index: so a bag that was never closed (.bag.active) gives all it holds.

Format: wiki.ros.org/Bags/Format/2.0. A record is a header of `name=value` fields and data; messages and connections lie in chunks.
"""

from __future__ import annotations

import struct
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

MAGIC = b"#ROSBAG V2.0\n"
_MESSAGE, _BAG, _CHUNK, _CONNECTION = 2, 3, 5, 7
_MOST_HEADER = 1 << 20
_DAMAGE = (struct.error, UnicodeDecodeError, LookupError)


def ros1_records(stream: BinaryIO, name: str, lost: list[str]) -> Iterator[Record]:
    """The messages in the order in which they were written.

    Args:
      stream: the file, open at its start.
      name: of the file, for messages.
      lost: what is missing is added here, a line each.

    Raises:
      BagError: it is no ROS 1 bag.
    """
    begin(stream, MAGIC, name, "a ROS 1 bag of version 2.0", "give the .bag that rosbag wrote")
    channels: dict[int, Channel] = {}
    at, index_at = len(MAGIC), 0
    while True:
        header, header_size = _header(stream)
        size = take(stream, 4)
        if header is None or len(size) < 4:
            if not 0 < index_at <= at:  # from the index on there are no messages
                lost.append(f"{name}: breaks off after {at} bytes: it was not closed")
            return
        (length,) = struct.unpack("<I", size)
        if length > MOST_BYTES:
            lost.append(f"{name}: is damaged after {at} bytes: a record of {length} bytes")
            return
        data = take(stream, length)
        whole = len(data) == length
        try:
            kind = header["op"][0]
            if kind == _BAG:
                (index_at,) = struct.unpack("<Q", header["index_pos"])
            elif kind == _CHUNK:
                where = f"{name}: the chunk at byte {at}"
                yield from _chunk(header, data, whole, channels, where, lost)
            elif whole:
                record = _record(header, data, channels)
                if record is not None:
                    yield record
        except _DAMAGE as error:
            lost.append(f"{name}: is damaged after {at} bytes: {' '.join(str(error).split())}")
            return
        if not whole:
            lost.append(
                f"{name}: breaks off after {at + header_size + 8 + len(data)} bytes: it was not closed"
            )
            return
        at += header_size + 8 + length


def _chunk(
    header: dict[str, bytes], data: bytes, whole: bool, channels: dict[int, Channel], name: str,
    lost: list[str],
) -> Iterator[Record]:  # fmt: skip
    how, (size,) = header["compression"].decode(), struct.unpack("<I", header["size"])
    content = unpack_chunk(data, how, size, name, lost)
    if content is None:
        return
    if whole and len(content) != size:
        lost.append(f"{name} is damaged after {len(content)} of {size} bytes")
    at = 0
    while at + 4 <= len(content):
        (length,) = struct.unpack_from("<I", content, at)
        end = at + 4 + length
        if end + 4 > len(content):
            return
        inner = _fields(content[at + 4 : end])
        (size,) = struct.unpack_from("<I", content, end)
        at = end + 4 + size
        if at > len(content):
            return
        record = _record(inner, content[end + 4 : at], channels)
        if record is not None:
            yield record


def _record(header: dict[str, bytes], data: bytes, channels: dict[int, Channel]) -> Record | None:
    kind = header["op"][0]
    if kind == _MESSAGE:
        (number,) = struct.unpack("<I", header["conn"])
        sec, nanosec = struct.unpack("<II", header["time"])
        return channels[number], sec * 1_000_000_000 + nanosec, data
    if kind == _CONNECTION:
        (number,) = struct.unpack("<I", header["conn"])
        more = _fields(data)
        channels[number] = Channel(
            header["topic"].decode(),
            full_type(more["type"].decode()),
            "ros1",
            more["message_definition"].decode(errors="replace"),
            "ros1msg",
        )
    return None


def _header(stream: BinaryIO) -> tuple[dict[str, bytes] | None, int]:
    size = take(stream, 4)
    if len(size) < 4:
        return None, 0
    (length,) = struct.unpack("<I", size)
    if length > _MOST_HEADER:
        return None, 0
    data = take(stream, length)
    try:
        return (_fields(data) if len(data) == length else None), length
    except struct.error:
        return None, length


def _fields(data: bytes) -> dict[str, bytes]:
    """The fields of a header.

    Raises:
      struct.error: it is damaged.
    """
    found, at = {}, 0
    while at < len(data):
        (length,) = struct.unpack_from("<I", data, at)
        name, equals, value = data[at + 4 : at + 4 + length].partition(b"=")
        if not equals or at + 4 + length > len(data):
            raise struct.error("a header's field is cut off")
        found[name.decode(errors="replace")] = value
        at += 4 + length
    return found
