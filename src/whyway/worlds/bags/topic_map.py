"""Which topics of a recording are what the driver needs: a typed table in YAML, some of them shipped (`presets/`), and the choice of one.

An entry is a topic's name; it may hold wildcards (`/carla/*/odometry`), ask for a type instead (`type:nav_msgs/msg/Odometry`: of several
topics the one with most messages), and give alternatives in order (`/a | /b`). Empty: not there.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from pathlib import Path

from whyway.config import ConfigError, override
from whyway.typed_yaml import read_yaml
from whyway.worlds.bags.bag import Topic
from whyway.worlds.bags.records import BagError
from whyway.worlds.bags.samples import ROLES

PRESETS = ("whyway", "autoware", "carla_ros_bridge", "robot")
"""Tables that we ship, in the order in which they are tried."""
FOLDER = Path(__file__).parent / "presets"


@dataclass(frozen=True, slots=True)
class Mount:
    """Where `base_link` is, seen from the frame whose pose is recorded (REP-103: x forward, y left)."""

    x_m: float = 0.0
    y_m: float = 0.0
    yaw_rad: float = 0.0


@dataclass(frozen=True, slots=True)
class TopicMap:
    """The table. A recorded `observation` is taken as it is; else one is made of the ego's topics, objects and lights."""

    observation: str = ""
    truth: str = ""
    lane_map: str = ""
    route: str = ""
    odometry: str = ""
    """The ego's pose; its twist, where it has one, is the speed."""
    fix: str = ""
    """The ego's position where there is no odometry; with odometry it only tells where on Earth the map is."""
    imu: str = ""
    """The yaw rate."""
    speed: str = ""
    acceleration: str = ""
    steering: str = ""
    objects: str = ""
    lights: str = ""
    objects_in: str = ""
    """"map" or "base_link" where the objects' frame_id does not tell."""
    steering_ratio: float = 1.0
    """Recorded steering angle over the tyres'."""
    base_link: Mount = field(default_factory=Mount)


@dataclass(frozen=True, slots=True)
class Chosen:
    """A table laid over a recording: what it is called, and which topic plays which part."""

    name: str
    table: TopicMap
    topics: Mapping[str, Topic]

    def told(self) -> str:
        """For notes: the table's name, and each part with its topic."""
        return f"{self.name}: " + ", ".join(f"{role} {t.name}" for role, t in self.topics.items())


def choose(contents: Mapping[str, Topic], topics: str = "") -> Chosen:
    """The table for a recording.

    Args:
      contents: what the recording holds.
      topics: a preset's name, or a YAML file; "" to try the presets.

    Raises:
      BagError: nothing in the recording tells where the ego is, or a table names a topic that is not there.
      ConfigError: a file that is no such table.
    """
    names = PRESETS if not topics else (topics,)
    for name in names:
        chosen = _laid(name, contents)
        if _locates(chosen):
            return chosen
    have = ", ".join(f"{t.name} ({t.type})" for t in list(contents.values())[:8]) or "nothing"
    who = f"the table {topics!r} does not tell" if topics else "none of the tables we ship tells"
    raise BagError(
        f"{who} where the ego is, which takes an Odometry or a NavSatFix; the recording has {have}; name the topics in a YAML: --topics FILE"
    )


def read_table(path: Path) -> TopicMap:
    """A table from YAML.

    Raises:
      ConfigError: not readable, or with a key or value that does not belong.
    """
    remedy = f"give a table of topics, or a preset: {', '.join(PRESETS)}"
    data = read_yaml(path, remedy, ConfigError)
    if not isinstance(data, Mapping):
        raise ConfigError(f"{path}: expected keys and values, found a {type(data).__name__}")
    table = override(TopicMap(), data, str(path))
    if table.objects_in not in ("", "map", "base_link"):
        raise ConfigError(
            f"{path}.objects_in: {table.objects_in!r} is no frame; give map or base_link"
        )
    if table.steering_ratio <= 0.0:
        raise ConfigError(f"{path}.steering_ratio: {table.steering_ratio:g}; give more than 0")
    return table


def _laid(name: str, contents: Mapping[str, Topic]) -> Chosen:
    preset = name in PRESETS
    table = read_table(FOLDER / f"{name}.yaml" if preset else Path(name))
    topics: dict[str, Topic] = {}
    for role in (f.name for f in fields(table) if f.name in ROLES):
        entry = str(getattr(table, role)).strip()
        found = _find(entry, role, contents)
        if found is not None:
            topics[role] = found
        elif entry and not preset:
            raise BagError(f"{name}.{role}: {_why_not(entry, role, contents)}")
    return Chosen(name if preset else Path(name).stem, table, topics)


def _locates(chosen: Chosen) -> bool:
    return any(role in chosen.topics for role in ("observation", "odometry", "fix"))


def _find(entry: str, role: str, contents: Mapping[str, Topic]) -> Topic | None:
    """The topic that an entry means: of those with messages that we can read for the part."""
    for name in (part.strip() for part in entry.split("|")):
        kind = name.removeprefix("type:").strip() if name.startswith("type:") else ""
        found = [
            topic
            for topic in contents.values()
            if topic.type in ROLES[role]
            and not topic.problem
            and (topic.type == kind if kind else bool(name) and fnmatchcase(topic.name, name))
        ]
        if found:
            return max(found, key=lambda t: (t.count, t.name))
    return None


def _why_not(entry: str, role: str, contents: Mapping[str, Topic]) -> str:
    named = [contents[n] for n in (part.strip() for part in entry.split("|")) if n in contents]
    if named and named[0].problem:
        return f"{named[0].name} cannot be read: {named[0].problem}"
    if named:
        return f"{named[0].name} is a {named[0].type}; for this part we read {', '.join(sorted(ROLES[role]))}"
    close = difflib.get_close_matches(entry, contents, n=1, cutoff=0.3)
    hint = f"did you mean {close[0]!r}?" if close else "see `whyway replay BAG --info`"
    return f"the recording has no topic {entry!r}; {hint}"
