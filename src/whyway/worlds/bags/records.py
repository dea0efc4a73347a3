"""What every kind of recording is made of: messages as bytes, each on a channel; and packed bytes, unpacked as far as they are there."""

from __future__ import annotations

import bz2
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO, TypeAlias

import lz4.frame  # type: ignore[import-untyped]
import zstandard

from whyway.types import InputError

MOST_BYTES = 1 << 30
"""No record, packed or unpacked, is larger: a length beyond this is damage (or would not fit the memory)."""
_PIECE = 1 << 20


class BagError(InputError):
    """A recording that cannot be used; its text is one line with the remedy."""


@dataclass(frozen=True, slots=True)
class Channel:
    """Where a message was heard and how its bytes are to be read.

    Attributes:
      topic: its name.
      type: the message's, with its middle part: `std_msgs/msg/String`.
      encoding: of the bytes: "cdr" (ROS 2), "ros1", or what else the file says.
      definition: text that defines the type, "" if the file has none.
      language: of the definition: "ros2msg", "ros2idl", "ros1msg" or "".
    """

    topic: str
    type: str
    encoding: str
    definition: str = ""
    language: str = ""


Record: TypeAlias = tuple[Channel, int, bytes]
"""A message: its channel, when it was recorded [ns], its bytes."""


def full_type(name: str) -> str:
    """A type's name with its middle part: ROS 1 and old bags say `std_msgs/String`."""
    package, _, rest = name.partition("/")
    return f"{package}/msg/{rest}" if rest and "/" not in rest else name


def take(stream: BinaryIO, size: int) -> bytes:
    """Up to `size` bytes of a stream: fewer at its end. A size that lies does not cost the memory it claims."""
    pieces = []
    while size > 0 and (piece := stream.read(min(size, _PIECE))):
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


def begin(stream: BinaryIO, magic: bytes, name: str, kind: str, remedy: str) -> None:
    """Read past the bytes with which every file of a kind begins.

    Raises:
      BagError: they are not there.
    """
    found = stream.read(len(magic))
    if found != magic:
        raise BagError(f"{name}: {f'is not {kind}' if found else 'is empty'}; {remedy}")


def unpack_chunk(data: bytes, how: str, size: int, name: str, lost: list[str]) -> bytes | None:
    """A chunk of a recording, unpacked; None if it claims to be too large or is packed in a way we do not know (`lost` tells)."""
    if size > MOST_BYTES:
        lost.append(f"{name} claims to hold {size} bytes: left out")
        return None
    try:
        return unpack(data, how, size)
    except KeyError:
        lost.append(f"{name} is packed with {how!r}, which we cannot unpack: left out")
        return None


def unpack(data: bytes, how: str, most: int) -> bytes:
    """Unpacked bytes, up to `most`: of a stream that is cut or damaged, what its codec still gives.

    Raises:
      KeyError: packed in a way we do not know.
    """
    return _UNPACKERS[how](data, most)


def _zstd(data: bytes, most: int) -> bytes:
    reader = zstandard.ZstdDecompressor().stream_reader(BytesIO(data), read_across_frames=True)
    return _all_of(reader.read, most, zstandard.ZstdError)


def _lz4(data: bytes, most: int) -> bytes:
    machine, rest = lz4.frame.LZ4FrameDecompressor(), [data]

    def read(size: int) -> bytes:
        out: bytes = machine.decompress(rest.pop() if rest else b"", size)
        return out

    return _all_of(read, most, RuntimeError)


def _bz2(data: bytes, most: int) -> bytes:
    machine, rest = bz2.BZ2Decompressor(), [data]
    return _all_of(
        lambda size: machine.decompress(rest.pop() if rest else b"", size), most, OSError
    )


def _all_of(read: Callable[[int], bytes], most: int, damage: type[Exception]) -> bytes:
    pieces, room = [], most
    try:
        while room > 0 and (piece := read(min(room, _PIECE))):
            pieces.append(piece)
            room -= len(piece)
    except (damage, EOFError):  # what came before it stays
        pass
    return b"".join(pieces)


_UNPACKERS: dict[str, Callable[[bytes, int], bytes]] = {
    "": lambda data, most: data[:most],
    "none": lambda data, most: data[:most],
    "zstd": _zstd,
    "lz4": _lz4,
    "bz2": _bz2,
}
