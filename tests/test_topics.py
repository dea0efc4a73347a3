"""The table of topics holds together, and README shows it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from whyway import topics
from whyway.messages import HEADER, name_of
from whyway.topics import TOPICS, Qos
from whyway.types import MESSAGES

README = Path(__file__).parents[1] / "README.md"


def test_every_topic_of_ours_carries_a_value_of_types_py_under_its_name() -> None:
    for name, topic in TOPICS.items():
        assert name == topic.name
        if topic.value is not None:
            assert topic.value in MESSAGES
            assert topic.type == name_of(topic.value)


def test_names_and_types_are_those_ros_allows() -> None:
    for topic in TOPICS.values():
        assert re.fullmatch(r"(/[a-z][a-z0-9_]*)+", topic.name)
        assert re.fullmatch(r"[a-z][a-z0-9_]*/msg/[A-Z][A-Za-z0-9]*", topic.type)
    assert HEADER not in {topic.type for topic in TOPICS.values()}


def test_only_values_with_a_stamp_are_logged_and_no_part_is_logged_twice() -> None:
    for topic in topics.logged():
        assert topic.value is not None
        assert hasattr(topic.value, "stamp_ns"), f"{topic.name} has no time to be logged at"
    types = [topic.type for topic in topics.logged()]
    assert len(types) == len(set(types))


def test_what_crosses_once_is_latched_so_that_a_restarted_node_gets_it() -> None:
    once = {topic.name for topic in TOPICS.values() if topic.rate_hz == 0}
    latched = {topic.name for topic in TOPICS.values() if topic.qos is Qos.LATCHED}
    assert latched == once - {topics.EVENT.name}


def test_readme_shows_the_table() -> None:
    if not README.exists():
        pytest.skip("README.md is not written yet")
    found = re.search(r"<!-- topics:begin -->\n(.*?)<!-- topics:end -->", README.read_text(), re.S)
    assert found, "README.md lacks <!-- topics:begin --> and <!-- topics:end -->"
    assert found.group(1).strip() == topics.readme_table().strip(), (
        "README's table of topics is old: paste the output of "
        "`.venv/bin/python -c 'from whyway import topics; print(topics.readme_table())'`"
    )
