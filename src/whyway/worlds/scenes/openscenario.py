"""OpenSCENARIO 1.x files, as far as the UN R157 (ALKS) set goes: what is read, as frozen dataclasses in numbers.

Read are parameters with constraints and their distributions, catalogs, the init part (places and speeds) and events (lane changes,
lane offsets, speeds, straight trajectories) with their start triggers. Whatever else a file asks for is refused by name: a scenario
that is silently half played is worse than none. `openscenario_world.py` plays them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from lxml import etree

from whyway.maps.xmlfile import SceneError, read_xml
from whyway.worlds.scenes.openscenario_values import Values, declared, drawn

EGO_NAME = "Ego"
_MOST_ENTITIES, _MOST_EVENTS = 32, 64
_CATEGORIES = {
    "car": "car", "van": "van", "truck": "truck", "semitrailer": "truck", "trailer": "truck", "bus": "bus",
    "motorbike": "motorcycle", "bicycle": "bicycle", "tram": "bus", "train": "bus",
}  # fmt: skip
"""`vehicleCategory` to the class it is played by."""


@dataclass(frozen=True, slots=True)
class Entity:
    """Somebody of the cast, from a catalog."""

    name: str
    kind: str
    length_m: float
    width_m: float


@dataclass(frozen=True, slots=True)
class Place:
    """A lane position; with `by` it is relative to that entity (`lane` counts lanes to the left, `s_m` metres ahead)."""

    by: str
    road: str
    lane: int
    s_m: float
    offset_m: float


@dataclass(frozen=True, slots=True)
class Begin:
    """An entity's first state."""

    place: Place
    speed_mps: float = 0.0
    speed_by: str = ""
    """The entity whose speed is added, "" for none."""
    gap_s: float = math.nan
    """Starts so far, in seconds of the ego's speed and between bumpers, ahead of the ego; NaN: where its place says."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """What starts an event: `time` (since the start), `distance` or `headway` (falls below `value`, from `by` to `to`), or
    `after` an action's end.
    """

    kind: str
    value: float
    by: str = ""
    to: str = ""
    bumpers: bool = True
    """Distances are between bumpers, not reference points."""


@dataclass(frozen=True, slots=True)
class Action:
    """What is done: a speed, a lane (`lanes` to the left of `by`'s), an offset in the lane, or a straight way to walk.

    NaN: not asked for. `how` is what the dynamics give: `rate` (m/s or m/s2), `time` (s), `distance` (m) or `acceleration`.
    """

    name: str
    kind: str
    value: float = math.nan
    by: str = ""
    how: str = ""
    how_much: float = math.nan
    way: tuple[Place, ...] = ()


@dataclass(frozen=True, slots=True)
class Event:
    """Actions of one entity that start together."""

    entity: str
    trigger: Trigger
    actions: tuple[Action, ...]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One concrete scenario."""

    name: str
    road_file: Path
    entities: Mapping[str, Entity]
    begins: Mapping[str, Begin]
    events: tuple[Event, ...]
    end: Trigger
    parameters: Mapping[str, str]


def read_scenario(path: Path, seed: int = 0) -> Scenario:
    """A concrete scenario, or one drawn from a logical one's distributions: the same seed, the same scenario.

    Args:
      path: an .xosc file; nothing in it is trusted, and it reads no file outside its folder.
      seed: of the draw, where there are distributions.

    Raises:
      SceneError: one line that says what is wrong, or not supported.
    """
    path = Path(path)
    root = _root(path)
    given: Mapping[str, str] = {}
    name = path.name.split(".")[0]
    try:
        if (logical := root.find("ParameterValueDistribution")) is not None:
            file = logical.find("ScenarioFile")
            if file is None:
                raise SceneError("<ScenarioFile> is missing")
            path = _below(path, file.get("filepath", ""))
            template = _root(path)
            given = drawn(logical, template, np.random.default_rng([seed, 157]))
            root = template
        return _Reader(path, root, declared(root, given)).scenario(name)
    except SceneError as error:
        text = str(error)
        raise SceneError(text if text.startswith(str(path.parent)) else f"{path}: {text}") from None


def _root(path: Path) -> etree._Element:
    root = read_xml(path)
    if root.tag != "OpenSCENARIO":
        raise SceneError(
            f"{path}: the root element is <{str(root.tag)[:40]}>, not <OpenSCENARIO>; give an .xosc file"
        )
    return root


def _below(path: Path, relative: str) -> Path:
    """A file named by a scenario, which must lie in its folder."""
    folder = path.parent.resolve()
    found = (folder / relative).resolve()
    if not relative or not found.is_relative_to(folder):
        raise SceneError(f"{path}: refers to {relative[:80]!r}, which is not below its own folder")
    return found


class _Reader:
    """One concrete file, parameters known."""

    def __init__(self, path: Path, root: etree._Element, values: Values) -> None:
        self.path, self.root, self.values = path, root, values

    def scenario(self, name: str) -> Scenario:
        entities = {e.name: e for e in self._entities()}
        if EGO_NAME not in entities:
            raise SceneError(f"has no entity {EGO_NAME!r}; the driver under test is called that")
        story = self._need(self.root, "Storyboard")
        begins = self._begins(self._need(story, "Init/Actions"), entities)
        events = self._events(story, entities)
        ends = story.findall("StopTrigger")
        end = self._trigger(ends[0], "") if ends and len(ends[0]) else Trigger("time", 60.0)
        file = self.text(self._need(self.root, "RoadNetwork/LogicFile"), "filepath")
        return Scenario(
            name, _below(self.path, file), entities, begins, events, end, self.values.texts
        )

    # -------------------------------------------------------------------------------------------------------- values

    def text(self, element: etree._Element, attribute: str) -> str:
        return self.values.text(element, attribute)

    def number(
        self, element: etree._Element, attribute: str, default: float | None = None
    ) -> float:
        if default is not None and element.get(attribute) is None:
            return default
        return self.values.number(element, attribute)

    @staticmethod
    def _need(element: etree._Element, tag: str) -> etree._Element:
        found = element.find(tag)
        if found is None:
            raise SceneError(f"<{tag}> is missing in <{element.tag}> line {element.sourceline}")
        return found

    @staticmethod
    def _no(element: etree._Element) -> SceneError:
        return SceneError(f"<{element.tag}> line {element.sourceline} is not supported")

    def _only(self, element: etree._Element) -> etree._Element:
        """The one child of an element."""
        if len(element) != 1:
            raise SceneError(
                f"<{element.tag}> line {element.sourceline} has {len(element)} parts, only one is supported"
            )
        return element[0]

    # ------------------------------------------------------------------------------------------------------ entities

    def _entities(self) -> list[Entity]:
        found = self._need(self.root, "Entities").findall("ScenarioObject")
        if len(found) > _MOST_ENTITIES:
            raise SceneError(f"has {len(found)} entities, more than {_MOST_ENTITIES}")
        entities = []
        for element in found:
            reference = element.find("CatalogReference")
            described = next((c for c in element if c.tag in _DESCRIBED), None)
            if reference is not None:
                described = self._from_catalog(reference)
            elif described is None:
                raise SceneError(f"<ScenarioObject> line {element.sourceline} says not what it is")
            entities.append(self._entity(self.text(element, "name"), described))
        return entities

    def _entity(self, name: str, described: etree._Element) -> Entity:
        size = self._need(described, "BoundingBox/Dimensions")
        length, width = self.number(size, "length"), self.number(size, "width")
        if not (0.05 <= length <= 40.0 and 0.05 <= width <= 6.0):
            raise SceneError(f"entity {name!r} is {length:g} m long and {width:g} m wide")
        if described.tag == "Vehicle":
            category = self.text(described, "vehicleCategory")
            if category not in _CATEGORIES:
                raise SceneError(f"entity {name!r}: vehicleCategory {category!r} is not supported")
            return Entity(name, _CATEGORIES[category], length, width)
        return Entity(name, _DESCRIBED[described.tag], length, width)

    def _from_catalog(self, reference: etree._Element) -> etree._Element:
        catalog, entry = self.text(reference, "catalogName"), self.text(reference, "entryName")
        for location in self.root.findall("CatalogLocations/*/Directory"):
            folder = _below(self.path, self.text(location, "path"))
            for file in sorted(folder.glob("*.xosc"))[:64]:
                found = _root(file).find("Catalog")
                if found is None or found.get("name") != catalog:
                    continue
                for element in found:
                    if element.get("name") == entry and element.tag in _DESCRIBED:
                        return element
        raise SceneError(
            f"line {reference.sourceline}: no catalog {catalog!r} with an entry {entry!r}"
        )

    # --------------------------------------------------------------------------------------------------------- start

    def _begins(self, actions: etree._Element, entities: Mapping[str, Entity]) -> dict[str, Begin]:
        begins: dict[str, Begin] = {}
        for element in actions:
            if element.tag != "Private":
                raise self._no(element)
            name = self.text(element, "entityRef")
            if name not in entities:
                raise SceneError(f"line {element.sourceline}: no entity {name!r}")
            begin: Begin | None = None
            for action in element:
                begin = self._first(self._only(action), begin)
            if begin is not None:
                begins[name] = begin
        for name in entities:
            if name not in begins:
                raise SceneError(f"entity {name!r} has no place at the start")
        return begins

    def _first(self, what: etree._Element, begin: Begin | None) -> Begin:
        if what.tag == "TeleportAction":
            return Begin(self._place(self._only(self._need(what, "Position"))))
        if begin is None:
            raise SceneError(
                f"<{what.tag}> line {what.sourceline} comes before the place it starts from"
            )
        inner = self._only(what)
        if what.tag == "LongitudinalAction" and inner.tag == "SpeedAction":
            action = self._speed(inner, "")
            return replace(begin, speed_mps=action.value, speed_by=action.by)
        if what.tag == "LongitudinalAction" and inner.tag == "LongitudinalDistanceAction":
            ahead = inner.get("displacement", "") == "leadingReferencedEntity"
            if (
                inner.get("timeGap") is None
                or not ahead
                or self.text(inner, "entityRef") != EGO_NAME
            ):
                raise self._no(inner)
            return replace(begin, gap_s=self.number(inner, "timeGap"))
        raise self._no(inner)

    def _place(self, element: etree._Element) -> Place:
        offset = self.number(element, "offset", 0.0)
        if element.tag == "LanePosition":
            road, lane = self.text(element, "roadId"), round(self.number(element, "laneId"))
            return Place("", road, lane, self.number(element, "s"), offset)
        if element.tag == "RelativeLanePosition":
            by, lane = self.text(element, "entityRef"), round(self.number(element, "dLane"))
            return Place(by, "", lane, self.number(element, "ds"), offset)
        raise self._no(element)

    # -------------------------------------------------------------------------------------------------------- events

    def _events(self, story: etree._Element, entities: Mapping[str, Entity]) -> tuple[Event, ...]:
        found: list[Event] = []
        for act in story.findall("Story/Act"):
            for begins in act.findall("StartTrigger"):
                trigger = self._trigger(begins, "") if len(begins) else Trigger("time", 0.0)
                if trigger.kind != "time" or trigger.value > 0.0:
                    raise SceneError(
                        f"<Act> line {act.sourceline} starts later than the scenario, which is not supported"
                    )
            for group in act.findall("ManeuverGroup"):
                if group.find("CatalogReference") is not None:
                    raise self._no(self._need(group, "CatalogReference"))
                names = [self.text(e, "entityRef") for e in group.findall("Actors/EntityRef")]
                for event in group.findall("Maneuver/Event"):
                    found += self._event(event, names, entities)
        if len(found) > _MOST_EVENTS:
            raise SceneError(f"has {len(found)} events, more than {_MOST_EVENTS}")
        return tuple(found)

    def _event(
        self, event: etree._Element, names: list[str], entities: Mapping[str, Entity]
    ) -> list[Event]:
        actions = [
            a for element in event.findall("Action") if (a := self._action(element)) is not None
        ]
        if not actions:
            return []  # the ego's controller is switched on: it is ours all the time
        found = []
        for name in names:
            if name not in entities or name == EGO_NAME:
                raise SceneError(
                    f"<Event> line {event.sourceline} moves {name!r}, who is no actor of the scenario's"
                )
            trigger = self._trigger(self._need(event, "StartTrigger"), name)
            found.append(Event(name, trigger, tuple(actions)))
        return found

    def _action(self, element: etree._Element) -> Action | None:
        name = self.text(element, "name")
        what = self._only(self._only(element))
        if what.tag == "ControllerAction":
            return None
        inner = self._only(what)
        if inner.tag == "SpeedAction":
            return self._speed(inner, name)
        if inner.tag == "LaneChangeAction":
            dynamics = self._need(inner, "LaneChangeActionDynamics")
            target = self._only(self._need(inner, "LaneChangeTarget"))
            if target.tag != "RelativeTargetLane":
                raise self._no(target)
            by, lanes = self.text(target, "entityRef"), self.number(target, "value")
            how = self.text(dynamics, "dynamicsDimension")
            return Action(name, "lane", lanes, by, how, self.number(dynamics, "value"))
        if inner.tag == "LaneOffsetAction":
            dynamics = self._need(inner, "LaneOffsetActionDynamics")
            target = self._only(self._need(inner, "LaneOffsetTarget"))
            by = ""
            if target.tag == "RelativeTargetLaneOffset":
                by = self.text(target, "entityRef")
            elif target.tag != "AbsoluteTargetLaneOffset":
                raise self._no(target)
            most = self.number(dynamics, "maxLateralAcc", 1.0)
            return Action(name, "offset", self.number(target, "value"), by, "acceleration", most)
        if inner.tag == "FollowTrajectoryAction":
            return self._trajectory(inner, name)
        raise self._no(inner)

    def _speed(self, element: etree._Element, name: str) -> Action:
        dynamics = self._need(element, "SpeedActionDynamics")
        how, much = self.text(dynamics, "dynamicsDimension"), self.number(dynamics, "value")
        if self.text(dynamics, "dynamicsShape") == "step":
            how, much = "time", 0.0
        target = self._only(self._need(element, "SpeedActionTarget"))
        if target.tag == "AbsoluteTargetSpeed":
            return Action(name, "speed", self.number(target, "value"), "", how, much)
        if target.tag == "RelativeTargetSpeed" and target.get("speedTargetValueType") == "delta":
            by = self.text(target, "entityRef")
            return Action(name, "speed", self.number(target, "value"), by, how, much)
        raise self._no(target)

    def _trajectory(self, element: etree._Element, name: str) -> Action:
        line = element.find(".//Trajectory/Shape/Polyline")
        if line is None:
            raise self._no(element)
        vertices = line.findall("Vertex")
        if len(vertices) != 2:
            raise SceneError(
                f"<Polyline> line {line.sourceline} has {len(vertices)} vertices, only 2 are supported"
            )
        places = tuple(self._place(self._only(self._need(v, "Position"))) for v in vertices)
        first, last = (self.number(v, "time", 0.0) for v in vertices)
        if not last > first:
            raise SceneError(f"<Polyline> line {line.sourceline} takes no time")
        return Action(name, "way", how="time", how_much=last - first, way=places)

    # ------------------------------------------------------------------------------------------------------ triggers

    def _trigger(self, element: etree._Element, entity: str) -> Trigger:
        condition = self._only(self._only(element))
        delay = self.number(condition, "delay", 0.0)
        by_value = condition.find("ByValueCondition")
        if by_value is not None:
            inner = self._only(by_value)
            if inner.tag == "SimulationTimeCondition":
                return Trigger("time", self.number(inner, "value") + delay)
            if inner.tag == "StoryboardElementStateCondition":
                return Trigger("after", delay, by=self.text(inner, "storyboardElementRef"))
            raise self._no(inner)
        inner = self._only(self._need(condition, "ByEntityCondition/EntityCondition"))
        by = self.text(
            self._need(condition, "ByEntityCondition/TriggeringEntities/EntityRef"), "entityRef"
        )
        falls = inner.get("rule") in ("lessThan", "lessOrEqual")
        if inner.tag not in _CONDITIONS or not falls or delay:
            raise self._no(inner)
        value = self.number(inner, "value")
        bumpers = inner.get("freespace", "true") == "true"
        return Trigger(_CONDITIONS[inner.tag], value, by, self.text(inner, "entityRef"), bumpers)


_CONDITIONS = {"RelativeDistanceCondition": "distance", "TimeHeadwayCondition": "headway"}
_DESCRIBED = {"Vehicle": "car", "Pedestrian": "pedestrian", "MiscObject": "hazard"}
