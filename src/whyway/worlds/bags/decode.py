"""Bytes of a message -> its value: by the definition in the recording where there is one, else by the types of ROS 2 Jazzy.

Values of our own types come as dataclasses of `types.py`, all others as the message objects of the `rosbags` library.
"""

from __future__ import annotations

import struct
from dataclasses import replace
from functools import cache, lru_cache
from typing import Any

from rosbags.serde import SerdeError
from rosbags.typesys import (
    Stores,
    TypesysError,
    get_types_from_idl,
    get_types_from_msg,
    get_typestore,
)
from rosbags.typesys.store import Typestore

from whyway.messages import classes, from_message
from whyway.worlds.bags.records import Channel

_ENCODINGS = ("cdr", "ros1")
_IDL_RULE = "=" * 80 + "\n"
_WRONG = (SerdeError, TypesysError, struct.error, ValueError, LookupError, AttributeError, TypeError, AssertionError)  # fmt: skip
"""What rosbags raises for a definition or a message it cannot read."""


class DecodeError(ValueError):
    """A message that is not what its type says; one line."""


class Decoder:
    """Reads the messages of a recording."""

    def problem(self, channel: Channel) -> str:
        """Why messages of a channel cannot be read; "" if they can."""
        store = _typestore(replace(channel, topic=""))
        return store if isinstance(store, str) else ""

    def value(self, channel: Channel, data: bytes) -> Any:
        """A message's value.

        Raises:
          DecodeError: these bytes are no message of the type, or nobody knows the type.
        """
        store = _typestore(replace(channel, topic=""))
        if isinstance(store, str):
            raise DecodeError(f"{channel.topic}: {store}")
        cls = classes().get(channel.type)
        try:
            message = (
                _from_cdr(store, channel.type, data)
                if channel.encoding == "cdr"
                else store.deserialize_ros1(data, channel.type)
            )
            return message if cls is None else from_message(message, cls)
        except _WRONG as error:
            how = " ".join(str(error).split())[:200]
            raise DecodeError(
                f"{channel.topic}: no {channel.type} in {len(data)} bytes: {how}"
            ) from error


@lru_cache(maxsize=1024)
def _typestore(channel: Channel) -> Typestore | str:
    if channel.encoding not in _ENCODINGS:
        return f"its messages are encoded as {channel.encoding!r}, not as CDR"
    why = "the recording does not define it, and it is none of ROS 2 Jazzy's types"
    if channel.language:  # an empty definition is one, too: of a message without fields
        try:
            types = _parsed(channel)
            store = get_typestore(Stores.EMPTY)
            store.register(types)
            store.get_msgdef(channel.type)  # it and all its parts are there
            return store
        except _WRONG as error:
            why = f"its definition in the recording cannot be read: {' '.join(str(error).split())[:100]}"
    if channel.encoding == "cdr" and channel.type in _jazzy().fielddefs:
        return _jazzy()
    return f"unknown type {channel.type}: {why}"


def _parsed(channel: Channel) -> Any:
    text = channel.definition
    if not channel.language.endswith("idl"):
        return get_types_from_msg(text, channel.type)
    types: dict[str, Any] = {}
    parts = [p.split("\n", 1)[1] for p in text.split(_IDL_RULE) if p.startswith("IDL: ")] or [text]
    for part in parts:
        types |= get_types_from_idl(part)
    return types


@cache
def _jazzy() -> Typestore:
    return get_typestore(Stores.ROS2_JAZZY)


def _from_cdr(store: Typestore, name: str, data: bytes) -> Any:
    """As `Typestore.deserialize_cdr`, which refuses bytes left over; rclpy leaves four behind an empty sequence."""
    if len(data) < 4 or data[0] != 0:
        raise ValueError(f"not CDR: starts with {data[:4].hex()!r}")
    found = store.get_msgdef(name)
    read = found.deserialize_cdr_le if data[1] & 1 else found.deserialize_cdr_be
    message, end = read(memoryview(data)[4:], 0, found.cls, store)
    if end > len(data) - 4:
        raise ValueError(f"cut off after {len(data)} of {end + 4} bytes")
    return message
