"""Values survive every way a message can take, and the committed .msg files are those of types.py."""

from __future__ import annotations

import importlib
import re
import sys
from dataclasses import dataclass, is_dataclass, replace
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcap.reader import make_reader
from mcap.writer import Writer

from whyway import messages, types
from whyway.messages import fields_of, from_cdr, from_message, make_for_bags, name_of, to_cdr
from whyway.types import (
    MESSAGES,
    Command,
    EgoState,
    Floats,
    Ints,
    LightColor,
    LightState,
    Observation,
    Plan,
    Waypoints,
    differences,
    same,
)

REMEDY = "the messages are not those of types.py: run `whyway messages`, then `make setup`"

# ------------------------------------------------------------------------------- any value of any type of types.py

INT64 = st.integers(-(2**63), 2**63 - 1)
STAMPS = st.integers(-(2**31) * 10**9, 2**31 * 10**9 - 1)
FLOATS = st.floats(allow_nan=True, allow_infinity=True)
# a string of CDR ends at its first NUL, and half a surrogate pair has no UTF-8
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


@cache
def values(cls: Any) -> st.SearchStrategy[Any]:
    """Any value of a dataclass of types.py."""
    return st.builds(cls, **{field.name: _field(field) for field in fields_of(cls)})


def _field(field: messages.Field) -> st.SearchStrategy[Any]:
    if field.name == "stamp_ns":
        return STAMPS
    if field.of == Floats:
        return st.lists(FLOATS, max_size=4).map(lambda items: np.array(items, dtype=np.float64))
    if field.of == Ints:
        return st.lists(INT64, max_size=4).map(lambda items: np.array(items, dtype=np.int64))
    scalars = {float: FLOATS, int: INT64, bool: st.booleans(), str: TEXTS}
    if field.of in scalars:
        one = scalars[field.of]
    elif messages._is_enum(field.of):
        one = st.sampled_from(list(field.of))
    else:
        one = values(field.of)
    return st.lists(one, max_size=2).map(tuple) if field.many else one


every_type = pytest.mark.parametrize("cls", MESSAGES, ids=lambda cls: cls.__name__)
some_examples = settings(
    max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def through_mcap(name: str, data: bytes) -> tuple[str, bytes]:
    """What is read of one message's schema and bytes after they have been written."""
    stream = BytesIO()
    writer = Writer(stream)
    writer.start(profile="ros2", library="test")
    definition = messages.msgdefs()[name].encode()
    schema = writer.register_schema(name=name, encoding="ros2msg", data=definition)
    channel = writer.register_channel(topic="/t", message_encoding="cdr", schema_id=schema)
    writer.add_message(channel_id=channel, log_time=1, publish_time=1, data=data)
    writer.finish()
    stream.seek(0)
    ((read_schema, _, message),) = make_reader(stream).iter_messages()
    assert read_schema is not None
    return read_schema.name, message.data


# ------------------------------------------------------------------------------------------------------ round trips


@every_type
@some_examples
@given(data=st.data())
def test_a_value_comes_back_exactly_from_cdr_in_mcap_without_ros(cls: Any, data: Any) -> None:
    value = data.draw(values(cls))
    name, read = through_mcap(name_of(cls), to_cdr(value))
    assert differences(from_cdr(read, messages.classes()[name]), value) == []


@pytest.mark.ros
@every_type
@some_examples
@given(data=st.data())
def test_a_value_comes_back_exactly_from_rclpy_in_mcap(cls: Any, data: Any) -> None:
    from rclpy.serialization import deserialize_message, serialize_message

    value = data.draw(values(cls))
    written = serialize_message(messages.to_message(value, make_for_rclpy))
    _, read = through_mcap(name_of(cls), written)
    by_rclpy = from_message(deserialize_message(read, make_for_rclpy(name_of(cls))), cls)
    assert differences(by_rclpy, value) == []
    assert differences(from_cdr(read, cls), value) == [], "rosbags reads what rclpy wrote"
    by_both = deserialize_message(to_cdr(value), make_for_rclpy(name_of(cls)))
    assert differences(from_message(by_both, cls), value) == [], "rclpy reads what rosbags wrote"


def make_for_rclpy(name: str) -> Any:
    package, _, message = name.split("/")
    return getattr(importlib.import_module(f"{package}.msg"), message)


@pytest.mark.ros
@every_type
def test_rclpy_and_bags_agree_on_what_a_type_is(cls: Any) -> None:
    ours = make_for_rclpy(name_of(cls))
    described = Path(sys.prefix) / "share" / "whyway_msgs" / "msg" / f"{cls.__name__}.json"
    assert messages.typestore().hash_rihs01(name_of(cls)) in described.read_text(), REMEDY
    for enum in {field.of for field in fields_of(cls) if messages._is_enum(field.of)}:
        for member in enum:
            assert getattr(ours, f"{messages._prefix(enum)}_{member.name}") == member.value, REMEDY


def test_arrays_of_a_decoded_value_are_read_only_and_own_their_memory() -> None:
    plan = Plan(stamp_ns=1, trace_id=2, waypoints=Waypoints(t_s=np.arange(3.0)))
    t_s = from_cdr(to_cdr(plan), Plan).waypoints.t_s
    assert t_s.base is None and t_s.dtype == np.float64
    with pytest.raises(ValueError, match="read-only"):
        t_s[0] = 1.0


def test_numbers_of_numpy_cross_as_plain_ones() -> None:
    state = LightState(np.int64(4), LightColor.RED, np.float32(0.5))  # type: ignore[arg-type]
    assert same(from_cdr(to_cdr(state), LightState), LightState(4, LightColor.RED, 0.5))


def test_an_array_that_is_not_contiguous_crosses() -> None:
    grid = np.arange(12.0).reshape(3, 4)
    plan = Plan(stamp_ns=0, trace_id=0, waypoints=Waypoints(x_m=grid[:, 1], y_m=grid[0, ::-1]))
    assert differences(from_cdr(to_cdr(plan), Plan), plan) == []


# ---------------------------------------------------------------------------------------------- what does not cross


def test_an_array_with_two_axes_is_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(2, 2\)"):
        to_cdr(Waypoints(x_m=np.zeros((2, 2))))


@pytest.mark.parametrize("stamp_ns", [-(2**31) * 10**9 - 1, 2**31 * 10**9])
def test_a_stamp_beyond_ros_time_is_refused(stamp_ns: int) -> None:
    with pytest.raises(ValueError, match="sec is an int32"):
        to_cdr(Command(stamp_ns, 0.0, 0.0))


def test_a_number_that_no_enum_knows_is_refused() -> None:
    message = messages.to_message(LightState(1, LightColor.RED, 1.0), make_for_bags)
    message.color = 77
    with pytest.raises(ValueError, match="77 is not a valid LightColor"):
        from_message(message, LightState)


@given(cut=st.integers(0, 10_000))
def test_bytes_that_are_cut_off_are_refused_in_one_line(cut: int) -> None:
    whole = to_cdr(_an_observation())
    cut = cut % len(whole)
    with pytest.raises(ValueError, match="whyway_msgs/msg/Observation: ") as caught:
        from_cdr(whole[:cut], Observation)
    assert "\n" not in str(caught.value)


def _an_observation() -> Observation:
    lights = (LightState(1, LightColor.GREEN, 1.0),)
    return Observation(5, 4, EgoState(*[0.5] * 7), detections=(), lights=lights)


@dataclass(frozen=True)
class Pair:
    """A dataclass that no rule covers."""

    both: tuple[float, float]


def test_a_field_that_no_rule_covers_is_an_error_that_names_it() -> None:
    Pair.__annotations__["both"] = tuple[float, float]
    with pytest.raises(TypeError, match=r"Pair.both: only tuple\[X, ...\] crosses"):
        fields_of(Pair)


# -------------------------------------------------------------------------------------------------------- .msg files


def test_the_committed_msg_files_are_those_of_types_py() -> None:
    assert messages.stale() == [], REMEDY


def test_rendering_mends_what_the_check_finds_and_touches_nothing_else(tmp_path: Any) -> None:
    messages.render(tmp_path)
    untouched = (tmp_path / "Lane.msg").stat().st_mtime_ns
    (tmp_path / "Old.msg").write_text("bool gone\n")
    (tmp_path / "Plan.msg").write_text("bool other\n")
    (tmp_path / "Route.msg").unlink()
    wrong = ["Old.msg: no dataclass has this name", "Plan.msg: differs", "Route.msg: missing"]
    assert messages.stale(tmp_path) == wrong
    assert messages.render(tmp_path) == wrong
    assert messages.stale(tmp_path) == []
    assert (tmp_path / "Lane.msg").stat().st_mtime_ns == untouched


@every_type
def test_names_are_those_ros_allows(cls: Any) -> None:
    for field in fields_of(cls):
        assert re.fullmatch(r"(?!.*__)(?!.*_$)[a-z][a-z0-9_]*", field.slot), field
        if messages._is_enum(field.of):
            for member in field.of:
                assert re.fullmatch(r"[A-Z]([A-Z0-9_]?[A-Z0-9]+)*", member.name), member
                assert 0 <= member.value < 256


@every_type
def test_a_definition_brings_all_that_it_needs(cls: Any) -> None:
    text = messages.msgdefs()[name_of(cls)]
    brought = {line[5:] for line in text.splitlines() if line.startswith("MSG: ")}
    for part in text.split("=" * 80 + "\n"):
        assert set(messages._needs(part.partition("\n")[2] if part[:5] == "MSG: " else part)) <= (
            brought | {name_of(cls).replace("/msg/", "/")}
        )


def test_a_frame_stands_in_the_header() -> None:
    message = messages.to_message(Command(1_500_000_001, 0.0, 0.0), make_for_bags)
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (1, 500_000_001)
    assert message.header.frame_id == "base_link"


def test_values_that_differ_only_in_wall_clock_times_are_the_same_when_asked_so() -> None:
    plan = Plan(stamp_ns=1, trace_id=2, waypoints=Waypoints())
    slow = replace(plan, latency_ms=9.0)
    assert same(plan, slow, ignore_volatile=True)
    assert differences(plan, slow) == ["latency_ms: 0.0 against 9.0"]


def test_every_dataclass_of_types_py_is_a_message() -> None:
    found = {
        value
        for value in vars(types).values()
        if isinstance(value, type) and is_dataclass(value) and value.__module__ == types.__name__
    }
    assert found == set(MESSAGES)
