"""The Foxglove layout names what is there: every panel, every topic of the table, every field of its message."""

import dataclasses
import json
import re
import typing
from pathlib import Path

import pytest

from whyway import types
from whyway.topics import TOPICS

LAYOUT = json.loads(
    (Path(__file__).parents[1] / "launch" / "foxglove_layout.json").read_text(encoding="utf-8")
)
STANDARD_FIELDS = {"/whyway/sentence": {"data"}}
"""Of views, whose messages are not ours."""


def message_paths():
    for panel in LAYOUT["configById"].values():
        for path in panel.get("paths", ()):
            yield path["value"]
        for key in ("topicPath", "topicToRender"):
            if panel.get(key):
                yield panel[key]
        yield from panel.get("topics", ())


def panels(node):
    return [node] if isinstance(node, str) else panels(node["first"]) + panels(node["second"])


def test_every_panel_is_laid_out_once():
    assert sorted(panels(LAYOUT["layout"])) == sorted(LAYOUT["configById"])


@pytest.mark.parametrize("path", sorted(set(message_paths())))
def test_every_path_is_a_topic_and_its_fields(path):
    name, *fields = re.sub(r"\[:?\d*\]|\{[^}]*\}", "", path).split(".")
    topic = TOPICS[name]
    if topic.value is None:
        assert set(fields) <= STANDARD_FIELDS.get(name, set())
        return
    cls = topic.value
    for field in fields:
        assert dataclasses.is_dataclass(cls), f"{path}: {field} is in nothing"
        hint = typing.get_type_hints(cls, vars(types))[field]
        parts = typing.get_args(hint)
        cls = parts[0] if typing.get_origin(hint) is tuple else hint
    if fields:
        assert not dataclasses.is_dataclass(cls), f"{path}: no number"


def test_latencies_are_chosen_by_names_that_stages_have():
    asked = set(re.findall(r'stage=="(\w+)"', json.dumps(LAYOUT).replace('\\"', '"')))
    assert asked == {"perception", "reasoner", "planner"}


def test_what_the_3d_panel_shows_is_published_for_it():
    (shown,) = LAYOUT["configById"]["3D!whyway"]["topics"]
    assert TOPICS[shown].type == "visualization_msgs/msg/MarkerArray"
