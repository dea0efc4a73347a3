"""YAML from people: what does not belong is one line that names the place and the remedy; what belongs comes back as it was meant."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from whyway.typed_yaml import MOST_BYTES, Typed, as_number, nearest, read_yaml
from whyway.types import InputError


class WrongError(InputError):
    """What these files are refused with."""


@dataclass(frozen=True)
class Wheel:
    """A part with a rule of its own."""

    radius_m: float
    name: str = ""

    def __post_init__(self) -> None:
        if self.radius_m <= 0.0:
            raise ValueError("a radius is more than 0")


@dataclass(frozen=True)
class Cart:
    """A whole with one field of every kind."""

    wheels: tuple[Wheel, ...]
    spare: Wheel | None = None
    by_name: Mapping[str, Wheel] = field(default_factory=dict)
    dials: Mapping[str, Any] = field(default_factory=dict)
    load_kg: float | None = None
    seats: int = 0
    open: bool = False
    path: str = field(default="", metadata={"key": False})


NUMBERS = st.floats(0.001, 1e6)
WHEELS = st.builds(Wheel, NUMBERS, st.text(max_size=5))
CARTS = st.builds(
    Cart, st.lists(WHEELS, max_size=3).map(tuple), WHEELS, st.dictionaries(st.text(max_size=4), WHEELS, max_size=2),
    st.dictionaries(st.text(max_size=4), st.integers(), max_size=2), NUMBERS, st.integers(0, 9), st.booleans(),
)  # fmt: skip


def read(text, tmp_path):
    path = tmp_path / "cart.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    data = read_yaml(path, "give a cart", WrongError)
    return Typed(WrongError).read(Cart, data, "cart.yaml")


@given(CARTS)
def test_what_is_written_is_read(tmp_path_factory, cart):
    plain = dataclasses.asdict(cart)
    del plain["path"]
    plain["wheels"] = list(plain["wheels"])
    assert read(yaml.safe_dump(plain), tmp_path_factory.getbasetemp()) == cart


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "cart.yaml: expected keys and values, found nothing"),
        ("wheel: []", "unknown key 'wheel'; did you mean 'wheels'?"),
        ("seats: 2", "cart.yaml: needs wheels:"),
        ("wheels: {}", "wheels: expected a list, found {}"),
        ("wheels: [{radius_m: 1}, {radius_m: 0}]", "wheels[2]: a radius is more than 0"),
        ("wheels: [{radius_m: wide}]", "wheels[1]: radius_m: expected a number, found 'wide'"),
        ("wheels: [{radius_m: .nan}]", "expected a number, found nan"),
        ("wheels: []\nload_kg: true", "load_kg: expected a number, found True"),
        ("wheels: []\nload_kg:", "load_kg: expected a number, found nothing"),
        ("wheels: []\nseats: 2.5", "seats: expected a whole number, found 2.5"),
        ("wheels: []\nseats: true", "seats: expected a whole number, found True"),
        ("wheels: []\nopen: 1", "open: expected true or false, found 1"),
        ("wheels: []\nby_name: {front: {radius: 1}}", "by_name: front: unknown key 'radius'; did you mean 'radius_m'?"),
        ("wheels: []\nby_name: {1: {radius_m: 1}}", "by_name: expected keys and values"),
        ("wheels: []\npath: x", "unknown key 'path'"),
        ("wheels: []\nwheels: []", "'wheels' stands twice"),
        ("wheels: &w []\ndials: {a: *w}", "uses YAML aliases; write it out"),
        ("wheels: [", "not readable as YAML"),
        ("seats: !!python/object:os.system {}", "not readable as YAML"),
        ("seats: 2026-13-45", "not readable as YAML"), ("open: !!bool x", "not readable as YAML"),
        ("seats: !!int ''", "not readable as YAML"), ("seats: !!timestamp x", "not readable as YAML"),
        ("[" * 3000, "not readable as YAML"), (b"\xff\xfe\x00\x80", "not readable as YAML"),
        ("#" * (MOST_BYTES + 1), "larger than 1000 kB; give a cart"),
    ],
)  # fmt: skip
def test_what_does_not_belong_is_one_line(text, says, tmp_path):
    with pytest.raises(WrongError) as error:
        read(text, tmp_path)
    assert says in str(error.value) and "\n" not in str(error.value)


def test_a_file_that_is_not_there_is_one_line(tmp_path):
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(WrongError, match="not readable: .*; give a cart"):
            read_yaml(path, "give a cart", WrongError)


@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda t: t.encode("utf-8", "replace")))
def test_any_bytes_are_read_or_one_line(tmp_path_factory, raw):
    try:
        read(raw, tmp_path_factory.getbasetemp())
    except WrongError as error:
        assert "\n" not in str(error)


def test_an_annotation_can_be_read_in_another_way():
    reader = Typed(WrongError, {float: lambda value, where: len(where) if value == "far" else 1.0})
    assert reader.read(Cart, {"wheels": [], "load_kg": "far"}, "x").load_kg == len("x: load_kg")


@pytest.mark.parametrize(
    ("value", "number"),
    [(3, 3.0), ("1e-6", 1e-6), (True, None), ("nan", None), (10**400, None), ([1], None), ("", None)],
)  # fmt: skip
def test_a_number_is_one_however_it_is_written(value, number):
    assert as_number(value) == number


def test_the_nearest_word_or_some_that_are_known():
    assert nearest("whel", ["wheel", "seat"]) == "did you mean 'wheel'?"
    assert nearest("zzz", ["wheel", "seat"]) == "known: wheel, seat"
    assert nearest("zzz", "abcd", shown=2) == "known: a, b, ..."
