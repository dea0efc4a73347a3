"""Dataclasses of `types.py` <-> ROS messages, `.msg` text and CDR bytes. Pure: no ROS import, no clock.

One set of rules (`Field`) makes the schema and the converters, so they cannot disagree:

    float -> float64          Floats -> float64[]           a dataclass -> its message
    int -> int64              Ints -> int64[]               tuple[X, ...] -> X[]
    bool -> bool              IntEnum -> uint8 + constants  str -> string
    stamp_ns -> std_msgs/Header header, its frame_id the class's FRAME

The converters go by field names. They serve rclpy's message objects and rosbags' alike; what makes an object of a
given name is passed in, because nothing here may import ROS.
"""

from __future__ import annotations

import array
import dataclasses
import re
import struct
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from rosbags.serde import SerdeError
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from whyway.types import MESSAGES, Floats, Ints

PACKAGE = "whyway_msgs"
TIME = "builtin_interfaces/msg/Time"
HEADER = "std_msgs/msg/Header"
MSG_DIRECTORY = Path(__file__).resolve().parents[2] / "ros2_ws" / "src" / PACKAGE / "msg"

STANDARD = {
    TIME: "int32 sec\nuint32 nanosec\n",
    HEADER: "builtin_interfaces/Time stamp\nstring frame_id\n",
}
"""Definitions of the standard messages ours are made of."""

UNITS = (
    ("_mps2", "m/s^2"),
    ("_mps", "m/s"),
    ("_rps", "rad/s"),
    ("_1pm", "1/m"),
    ("_rad", "rad"),
    ("_ns", "ns"),
    ("_ms", "ms"),
    ("_m", "m"),
    ("_s", "s"),
)
"""How a field's name tells its unit, longest ending first."""

Make = Callable[[str], Callable[..., Any]]
"""Gives the message class of a full name such as `std_msgs/msg/Header`; it is called with all fields by name."""

Schema = Any
"""A dataclass of `types.py`, the class itself (mypy does not take a `type[Any]` for a cache's key)."""

T = TypeVar("T")


# --------------------------------------------------------------------------------------------------------- rules


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a dataclass and what it is in a message.

    Attributes:
      name: the dataclass's field.
      slot: the message's field.
      ros: type in the .msg file, without `[]`.
      of: the Python type, for a tuple that of its items.
      many: the message's field is a sequence.
      numeric: a sequence of numbers, which goes as one block; the array.array code, "" otherwise.
    """

    name: str
    slot: str
    ros: str
    of: Any
    many: bool = False
    numeric: str = ""


DTYPES: dict[str, type[np.generic]] = {"d": np.float64, "q": np.int64, "B": np.uint8}
SCALARS: dict[Any, tuple[str, str]] = {
    float: ("float64", "d"),
    int: ("int64", "q"),
    bool: ("bool", ""),
    str: ("string", ""),
}


def name_of(cls: Schema) -> str:
    """Full name of a dataclass's message."""
    return f"{PACKAGE}/msg/{cls.__name__}"


@cache
def fields_of(cls: Schema) -> tuple[Field, ...]:
    """How each field of a dataclass crosses, in order.

    Raises:
      TypeError: a field has a type that no rule covers.
    """
    hints = typing.get_type_hints(cls)
    return tuple(_field(cls, f.name, hints[f.name]) for f in dataclasses.fields(cls))


def _field(cls: Schema, name: str, hint: Any) -> Field:
    if name == "stamp_ns":
        return Field(name, "header", "std_msgs/Header", int)
    if hint == Floats:
        return Field(name, name, "float64", Floats, many=True, numeric="d")
    if hint == Ints:
        return Field(name, name, "int64", Ints, many=True, numeric="q")
    many = typing.get_origin(hint) is tuple
    of = hint
    if many:
        of, *rest = typing.get_args(hint)
        if rest != [Ellipsis]:
            raise TypeError(f"{cls.__name__}.{name}: only tuple[X, ...] crosses, not {hint}")
    if of in SCALARS and not (many and of is bool):
        ros, code = SCALARS[of]
        return Field(name, name, ros, of, many, code if many else "")
    if isinstance(of, type) and issubclass(of, IntEnum):
        return Field(name, name, "uint8", of, many, "B" if many else "")
    if dataclasses.is_dataclass(of):
        return Field(name, name, typing.cast(Schema, of).__name__, of, many)
    raise TypeError(f"{cls.__name__}.{name}: no rule makes a message field of {hint}")


# ---------------------------------------------------------------------------------------------------------- text


def definition(cls: Schema) -> str:
    """Text of a dataclass's .msg file."""
    fields = fields_of(cls)
    # a set would lose the order, and the text has to be the same every time
    enums = dict.fromkeys(f.of for f in fields if _is_enum(f.of))
    constants = [
        f"uint8 {_prefix(enum)}_{member.name}={member.value}\n" for enum in enums for member in enum
    ]
    width = max((len(_declaration(f)) for f in fields), default=0)
    lines = [f"{_declaration(f):{width}}  {_comment(cls, f)}".rstrip() + "\n" for f in fields]
    summary = (cls.__doc__ or "").strip().splitlines()[0]
    head = f"# {summary}\n# Rendered from src/whyway/types.py by `whyway messages`: change it there.\n\n"
    return head + "".join(constants) + ("\n" if constants else "") + "".join(lines)


def _is_enum(of: Any) -> bool:
    return isinstance(of, type) and issubclass(of, IntEnum)


def _prefix(enum: type[IntEnum]) -> str:
    """`ObjectClass` -> `OBJECT_CLASS`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", enum.__name__).upper()


def _declaration(field: Field) -> str:
    return f"{field.ros}{'[]' if field.many else ''} {field.slot}"


def _comment(cls: Schema, field: Field) -> str:
    if field.slot == "header":
        return f"# stamp: the input's time; frame_id: {_frame(cls)}"
    if _is_enum(field.of):
        return f"# {_prefix(field.of)}_*"
    unit = next((unit for ending, unit in UNITS if field.name.endswith(ending)), "")
    return f"# {unit}" if unit else ""


def _frame(cls: Schema) -> str:
    return str(getattr(cls, "FRAME", "map"))


def msgdefs() -> dict[str, str]:
    """Full name of every message -> its definition followed by those it needs, as MCAP's `ros2msg` schemas want it."""
    texts = {f"{PACKAGE}/{cls.__name__}": definition(cls) for cls in MESSAGES}
    texts |= {name.replace("/msg/", "/"): text for name, text in STANDARD.items()}
    found = {}
    for cls in MESSAGES:
        needed = [f"{PACKAGE}/{cls.__name__}"]
        for name in needed:  # grows while it is read
            needed += [n for n in _needs(texts[name]) if n not in needed]
        rest = "".join(f"{'=' * 80}\nMSG: {name}\n{texts[name]}" for name in needed[1:])
        found[name_of(cls)] = texts[needed[0]] + rest
    return found


def _needs(text: str) -> list[str]:
    types = re.findall(r"^([A-Z]\w*|\w+/\w+)(?:\[\])? ", text, re.MULTILINE)
    return list(dict.fromkeys(t if "/" in t else f"{PACKAGE}/{t}" for t in types))


def stale(directory: Path = MSG_DIRECTORY) -> list[str]:
    """What is wrong with the committed .msg files, a line each; nothing if they are what would be rendered."""
    want = {f"{cls.__name__}.msg": definition(cls) for cls in MESSAGES}
    have = {p.name: p.read_text(encoding="ascii") for p in directory.glob("*.msg")}
    wrong = [f"{name}: missing" for name in want.keys() - have.keys()]
    wrong += [f"{name}: no dataclass has this name" for name in have.keys() - want.keys()]
    wrong += [f"{name}: differs" for name in want.keys() & have.keys() if want[name] != have[name]]
    return sorted(wrong)


def render(directory: Path = MSG_DIRECTORY) -> list[str]:
    """Write every .msg file, remove those of no dataclass, and say what was wrong before."""
    wrong = stale(directory) if directory.exists() else ["all: missing"]
    directory.mkdir(parents=True, exist_ok=True)
    names = {f"{cls.__name__}.msg": definition(cls) for cls in MESSAGES}
    for path in directory.glob("*.msg"):
        if path.name not in names:
            path.unlink()
    for name, text in names.items():
        path = directory / name
        # an untouched file keeps its time, so that nothing is built anew for it
        if not path.exists() or path.read_text(encoding="ascii") != text:
            path.write_text(text, encoding="ascii")
    return wrong


# ---------------------------------------------------------------------------------------------------- converters


def to_message(value: Any, make: Make) -> Any:
    """Give a dataclass's message.

    Args:
      value: a dataclass of `types.py`.
      make: message class by full name; pass the same function every time, converters are kept by it.

    Raises:
      ValueError: the stamp does not fit into a ROS time.
    """
    return _encoder(typing.cast(Schema, type(value)), make)(value)


def from_message(message: Any, cls: type[T]) -> T:
    """Give the dataclass of a message; its arrays are read-only.

    Raises:
      ValueError: an enum's field holds a value that the enum does not know.
    """
    return typing.cast(T, _decoder(typing.cast(Schema, cls))(message))


@lru_cache(maxsize=512)
def _encoder(cls: Schema, make: Make) -> Callable[[Any], Any]:
    construct = make(name_of(cls))
    # rosbags' messages are dataclasses and hold numpy arrays; rclpy takes an array.array as it is, but checks a numpy
    # array's items one by one (130 ms for an image)
    block = _numpy_block if dataclasses.is_dataclass(construct) else _array_block
    steps = [(f.slot, f.name, _encode_field(cls, f, make, block)) for f in fields_of(cls)]

    def encode(value: Any) -> Any:
        return construct(**{slot: step(getattr(value, name)) for slot, name, step in steps})

    return encode


def _encode_field(
    cls: Schema, field: Field, make: Make, block: Callable[[str, Any], Any]
) -> Callable[[Any], Any]:
    if field.slot == "header":
        return _header_encoder(make, _frame(cls))
    if field.numeric:
        return lambda items: block(field.numeric, items)
    if dataclasses.is_dataclass(field.of):
        one = _encoder(typing.cast(Schema, field.of), make)
    else:  # plain Python numbers: rclpy refuses numpy's bool and an int for a float
        one = int if _is_enum(field.of) else field.of
    return (lambda items: [one(item) for item in items]) if field.many else one


def _header_encoder(make: Make, frame: str) -> Callable[[int], Any]:
    header, time = make(HEADER), make(TIME)

    def encode(stamp_ns: int) -> Any:
        sec, nanosec = divmod(int(stamp_ns), 1_000_000_000)
        if not -(2**31) <= sec < 2**31:
            raise ValueError(f"stamp_ns = {stamp_ns} does not fit into {TIME}: sec is an int32")
        return header(stamp=time(sec=sec, nanosec=nanosec), frame_id=frame)

    return encode


def _numpy_block(code: str, items: Any) -> NDArray[Any]:
    block = np.ascontiguousarray(items, dtype=DTYPES[code])
    if block.ndim != 1:
        raise ValueError(f"an array of shape {block.shape} does not cross: messages hold flat ones")
    return block


def _array_block(code: str, items: Any) -> array.array[Any]:
    return array.array(code, _numpy_block(code, items).tobytes())


@cache
def _decoder(cls: Schema) -> Callable[[Any], Any]:
    steps = [(f.name, f.slot, _decode_field(f)) for f in fields_of(cls)]

    def decode(message: Any) -> Any:
        return cls(**{name: step(getattr(message, slot)) for name, slot, step in steps})

    return decode


def _decode_field(field: Field) -> Callable[[Any], Any]:
    if field.slot == "header":
        return lambda header: header.stamp.sec * 1_000_000_000 + header.stamp.nanosec
    if field.of in (Floats, Ints):
        return lambda items: _frozen(items, field.numeric)
    one = (
        _decoder(typing.cast(Schema, field.of)) if dataclasses.is_dataclass(field.of) else field.of
    )
    if not field.many:
        return typing.cast(Callable[[Any], Any], one)
    return lambda items: tuple(one(item) for item in items)


def _frozen(items: Any, code: str) -> NDArray[Any]:
    # a copy: bytes of a bag are not aligned, and a view would keep the whole message alive
    block = np.array(items, dtype=DTYPES[code])
    block.setflags(write=False)
    return block


# ------------------------------------------------------------------------------------------------ bytes, no rclpy


@cache
def typestore() -> Typestore:
    """Give rosbags' types of all our messages and of the standard ones they use."""
    store = get_typestore(Stores.EMPTY)
    texts = STANDARD | {name_of(cls): definition(cls) for cls in MESSAGES}
    types: dict[str, Any] = {}
    for name, text in texts.items():
        types |= get_types_from_msg(text, name)
    store.register(types)
    return store


def make_for_bags(name: str) -> Callable[..., Any]:
    """Give rosbags' message class of a full name; a `Make`."""
    return typestore().types[name]


def to_cdr(value: Any) -> bytes:
    """Give a dataclass as the CDR bytes of its message, as a bag or an MCAP file holds them."""
    name = name_of(type(value))
    return bytes(typestore().serialize_cdr(to_message(value, make_for_bags), name))


def from_cdr(data: bytes, cls: type[T]) -> T:
    """Read a dataclass from the CDR bytes of its message, written by rosbags or by rclpy.

    Raises:
      ValueError: the bytes are cut off or no such message.
    """
    name, store = name_of(cls), typestore()
    message_def = store.get_msgdef(name)
    if len(data) < 4 or data[0] != 0 or data[1] > 1:
        raise ValueError(f"{name}: not CDR: starts with {data[:4].hex()}")
    read = message_def.deserialize_cdr_le if data[1] else message_def.deserialize_cdr_be
    # not store.deserialize_cdr: it refuses bytes left over, and rclpy leaves four for every empty sequence
    try:
        message, end = read(memoryview(data)[4:], 0, message_def.cls, store)
    except (SerdeError, struct.error, ValueError, IndexError) as error:
        raise ValueError(f"{name}: {len(data)} bytes of CDR do not hold one: {error}") from error
    if end > len(data) - 4:
        raise ValueError(f"{name}: cut off after {len(data)} of {end + 4} bytes")
    return from_message(message, cls)


def classes() -> Mapping[str, Schema]:
    """Full message name -> dataclass."""
    return {name_of(cls): cls for cls in MESSAGES}
