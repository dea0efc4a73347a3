"""CARLA leaderboard files: route XML 1.0 (longest6) and 2.0, scenario triggers as JSON; what they say, in our axes.

CARLA is left-handed: our y is minus its y, our yaw minus its yaw (radians). Formats: github.com/carla-simulator/leaderboard,
`leaderboard/utils/route_parser.py`, branches of leaderboard 1.0 (waypoints, one weather, triggers in a file of their own) and 2.0
(positions, weathers along the way, scenarios with their trigger point and parameters in the route).
"""

from __future__ import annotations

import gzip
import json
import math
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from lxml import etree

from whyway.files import read_bytes
from whyway.maps.xmlfile import MAX_BYTES, MAX_NUMBER, read_xml
from whyway.types import InputError

MAX_WAYPOINTS = 10_000
"""In one route; the longest we know has 75."""

MAX_TEXT = 200
"""Characters of a name or a value; more is no leaderboard file."""

NO_YAW = math.nan


class LeaderboardError(InputError):
    """A route or trigger file that cannot be used; its text is one line with the remedy."""


@dataclass(frozen=True, slots=True)
class Place:
    """A point of the map; `yaw_rad` is NaN where the file gives none."""

    x_m: float
    y_m: float
    z_m: float
    yaw_rad: float = NO_YAW


@dataclass(frozen=True, slots=True)
class Weather:
    """CARLA's weather from a part of the way on: shares in percent as CARLA has them, angles in degrees."""

    route_percent: float = 0.0
    cloudiness: float = 0.0
    precipitation: float = 0.0
    precipitation_deposits: float = 0.0
    wind_intensity: float = 0.0
    wetness: float = 0.0
    fog_density: float = 0.0
    fog_distance: float = 0.0
    """Metres at which fog begins."""
    fog_falloff: float = 0.0
    sun_azimuth_angle: float = 0.0
    sun_altitude_angle: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Trigger:
    """A scenario that begins when the ego comes to a place.

    `parameters` are its settings by element and attribute ({"source_dist_interval": {"from": 30.0, "to": 65.0}}); `others` are
    named places of its actors ("front", "left", "start_actor_flow").
    """

    name: str
    kind: str
    at: Place
    parameters: Mapping[str, Mapping[str, float | str]] = field(default_factory=dict)
    others: tuple[tuple[str, Place], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class LeaderboardRoute:
    """One route of a file: the town's name, at least two waypoints, weathers along the way, scenarios (2.0 only)."""

    id: str
    town: str
    waypoints: tuple[Place, ...]
    weathers: tuple[Weather, ...] = ()
    triggers: tuple[Trigger, ...] = ()


# -------------------------------------------------------------------------------------------------------- routes


def is_route_spec(spec: str) -> bool:
    """Whether a text names a route: `file.xml#id`, or an XML file that begins with `<routes>`."""
    if "#" in spec:
        return spec.rpartition("#")[0].endswith((".xml", ".xml.gz"))
    path = Path(spec)
    if not spec.endswith((".xml", ".xml.gz")) or not path.is_file():
        return False
    try:
        with gzip.open(path) if spec.endswith(".gz") else path.open("rb") as file:
            return b"<routes" in file.read(2048)
    except (OSError, EOFError, zlib.error):
        return False


def read_route(spec: str) -> LeaderboardRoute:
    """The route of `file.xml#id`; without an id, the file's only one.

    Raises:
      InputError: no such file or route; one line.
    """
    path, _, wanted = spec.rpartition("#") if "#" in spec else (spec, "", "")
    routes = read_routes(Path(path))
    if not wanted and len(routes) == 1:
        return routes[0]
    for route in routes:
        if route.id == wanted:
            return route
    ids = ", ".join(r.id for r in routes[:50])
    said = f"has no route {wanted!r}" if wanted else f"holds {len(routes)} routes"
    raise LeaderboardError(f"{path}: {said}; name one as {path}#id, ids: {ids}")


def read_routes(path: Path) -> tuple[LeaderboardRoute, ...]:
    """All routes of a file, plain or gzipped.

    Raises:
      InputError: it cannot be read as a route file; one line.
    """
    root = read_xml(path)
    try:
        if root.tag != "routes":
            raise LeaderboardError(f"is <{_short(root.tag)}>, not <routes>")
        routes = tuple(_route(e) for e in root.iterchildren("route"))
        if not routes:
            raise LeaderboardError("holds no <route>")
        seen: set[str] = set()
        for route in routes:
            if route.id in seen:
                raise LeaderboardError(f"has two routes with id {route.id!r}")
            seen.add(route.id)
    except LeaderboardError as error:
        raise LeaderboardError(f"{path}: {error}; give a CARLA leaderboard route file") from None
    return routes


def _route(element: etree._Element) -> LeaderboardRoute:
    # 1.0 lists <waypoint>s and at most one <weather> in the route itself; 2.0 wraps both
    inner = [*element.iterchildren("waypoint"), *element.iterfind("waypoints/position")]
    if not 2 <= len(inner) <= MAX_WAYPOINTS:
        raise LeaderboardError(
            f"{_where(element)} has {len(inner)} waypoints, needs 2 to {MAX_WAYPOINTS}"
        )
    weathers = [*element.iterchildren("weather"), *element.iterfind("weathers/weather")]
    return LeaderboardRoute(
        id=_text(element, "id"),
        town=_text(element, "town"),
        waypoints=tuple(_place(e) for e in inner),
        weathers=tuple(_weather(e) for e in weathers),
        triggers=tuple(_trigger(e) for e in element.iterfind("scenarios/scenario")),
    )


def _weather(element: etree._Element) -> Weather:
    names = [f.name for f in fields(Weather) if f.name != "route_percent"]
    values = {n: _number(element, n) for n in names if n in element.attrib}
    return Weather(route_percent=_number(element, "route_percentage", 0.0), **values)


def _trigger(element: etree._Element) -> Trigger:
    at = element.find("trigger_point")
    if at is None:
        raise LeaderboardError(f"{_where(element)} has no <trigger_point>")
    parameters: dict[str, dict[str, float | str]] = {}
    others: list[tuple[str, Place]] = []
    for child in element.iterchildren("*"):
        tag = str(child.tag)
        if tag == "trigger_point":
            continue
        if {"x", "y"} <= set(child.attrib):
            others.append((tag, _place(child)))
        else:
            parameters[tag] = {str(k): _value(child, str(k)) for k in child.attrib}
    name, kind = _text(element, "name"), _text(element, "type")
    return Trigger(name, kind, _place(at), parameters, tuple(others))


def _place(element: etree._Element) -> Place:
    x, y, z = _number(element, "x"), _number(element, "y"), _number(element, "z", 0.0)
    return _in_our_axes(x, y, z, _number(element, "yaw", math.nan))


def _in_our_axes(x: float, y: float, z: float, yaw_deg: float) -> Place:
    yaw = math.radians(-yaw_deg)
    return Place(x, -y, z, math.remainder(yaw, 2 * math.pi) if math.isfinite(yaw) else NO_YAW)


# ------------------------------------------------------------------------------------------------------ triggers


def read_triggers(path: Path) -> Mapping[str, tuple[Trigger, ...]]:
    """The triggers of leaderboard 1.0 by town, from JSON, plain or gzipped.

    Raises:
      LeaderboardError: it cannot be read as a trigger file; one line.
    """
    data = _json(path)
    try:
        towns: dict[str, list[Trigger]] = {}
        for entry in _list(_item(data, "available_scenarios", "the file")):
            for town, scenarios in _mapping(entry, "an entry of available_scenarios").items():
                towns.setdefault(_short(town), []).extend(_town_triggers(scenarios))
    except LeaderboardError as error:
        raise LeaderboardError(f"{path}: {error}; give a CARLA scenario trigger file") from None
    return {town: tuple(found) for town, found in towns.items()}


def _town_triggers(scenarios: Any) -> Iterator[Trigger]:
    for scenario in _list(scenarios):
        kind = _short(_item(scenario, "scenario_type", "a scenario"))
        events = _list(_item(scenario, "available_event_configurations", "a scenario"))
        for i, event in enumerate(events):
            at = _json_place(_item(event, "transform", "an event"))
            others = _mapping(event.get("other_actors") or {}, "other_actors")
            places = [(_short(k), _json_place(p)) for k, ps in others.items() for p in _list(ps)]
            yield Trigger(f"{kind}_{i}", kind, at, {}, tuple(places))


def _json(path: Path) -> Any:
    data = read_bytes(path, "a CARLA scenario trigger file", LeaderboardError, MAX_BYTES)
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        reason = " ".join(str(error).split())[:MAX_TEXT]
        raise LeaderboardError(f"{path}: not JSON ({reason}); fetch the file again") from None


def _json_place(value: Any) -> Place:
    place = _mapping(value, "a transform")
    x, y, z, yaw = (
        _finite(place.get(name, 0.0 if name == "z" else None), f"{name} of a transform")
        for name in ("x", "y", "z", "yaw")
    )
    return _in_our_axes(x, y, z, yaw)


def _item(value: Any, key: str, where: str) -> Any:
    found = _mapping(value, where).get(key)
    if found is None:
        raise LeaderboardError(f"{where} has no {key!r}")
    return found


def _mapping(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise LeaderboardError(f"{where} is a {type(value).__name__}, not an object")
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise LeaderboardError(f"found a {type(value).__name__} where a list belongs")
    return value


# --------------------------------------------------------------------------------------------------------- values


def _where(element: etree._Element) -> str:
    return f"<{_short(element.tag)}> line {element.sourceline}"


def _short(text: Any) -> str:
    if not isinstance(text, str) or len(text) > MAX_TEXT:
        raise LeaderboardError(f"found {str(text)[:40]!r} where a short text belongs")
    return text


def _text(element: etree._Element, name: str) -> str:
    found = element.get(name)
    if not found:
        raise LeaderboardError(f"{_where(element)} has no {name}")
    return _short(found)


def _number(element: etree._Element, name: str, default: float | None = None) -> float:
    found = element.get(name)
    if found is None:
        if default is None:
            raise LeaderboardError(f"{_where(element)} has no {name}")
        return default
    return _finite(found, f"{name} of {_where(element)}")


def _finite(value: Any, what: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not abs(number) <= MAX_NUMBER:
        raise LeaderboardError(f"{what} is {str(value)[:40]!r}, not a number up to {MAX_NUMBER:g}")
    return number


def _value(element: etree._Element, name: str) -> float | str:
    """An attribute as a number if it is one, as text otherwise (a model's or a side's name)."""
    text = _short(element.get(name, ""))
    try:
        number = float(text)
    except ValueError:
        return text
    return number if abs(number) <= MAX_NUMBER else text
