"""OSM XML as Lanelet2 uses it: nodes with a place in metres, ways of nodes, relations of ways. Says nothing about roads.

Format: github.com/fzi-forschungszentrum-informatik/Lanelet2, "Lanelet Primitives"; Autoware adds `local_x` and `local_y`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from lxml import etree

from whyway.maps.projection import TransverseMercator
from whyway.maps.xmlfile import MAX_NUMBER, SceneError, integer
from whyway.types import Floats

Tags: TypeAlias = Mapping[str, str]

_DELETED = "delete"
"""What the editor JOSM writes into `action` of a thing that it takes for gone."""


@dataclass(frozen=True, slots=True, eq=False)
class Way:
    """A line through points: their ids and x, y, z (n each, n >= 2)."""

    id: int
    tags: Tags
    node_ids: tuple[int, ...]
    x_m: Floats
    y_m: Floats
    z_m: Floats


@dataclass(frozen=True, slots=True)
class Member:
    """What a relation is made of: a `way` or another `relation`, and the part it plays."""

    type: str
    ref: int
    role: str


@dataclass(frozen=True, slots=True)
class Relation:
    """A lanelet or a regulatory element; `line` is where in the file it stands."""

    id: int
    tags: Tags
    members: tuple[Member, ...]
    line: int | None

    def refs(self, type_: str, *roles: str) -> tuple[int, ...]:
        """Ids of the members of a type that play one of some parts."""
        return tuple(m.ref for m in self.members if m.type == type_ and m.role in roles)


class OsmMap:
    """All ways and relations of a file.

    Coordinates are the file's `local_x`, `local_y` where its nodes have them; otherwise latitude and longitude projected
    about the middle of the map (`TransverseMercator`): no grid number is then needed, and north is up.

    Raises:
      SceneError: what is wrong, without the file's name.
    """

    def __init__(self, root: etree._Element) -> None:
        elements: dict[str, dict[int, etree._Element]] = {"node": {}, "way": {}, "relation": {}}
        for element in root:
            found = elements.get(str(element.tag))
            if found is None or element.get("action") == _DELETED:
                continue
            id_ = integer(element.get("id"), "id", element)
            if id_ in found:
                raise SceneError(f"two {element.tag}s have the id {id_}")
            found[id_] = element
        self._ways = elements["way"]
        self._index = {id_: i for i, id_ in enumerate(elements["node"])}
        self._place = _places(elements["node"])
        self._read: dict[int, Way] = {}
        self.relations: dict[int, Relation] = {
            id_: _relation(id_, element) for id_, element in elements["relation"].items()
        }

    def way(self, id_: int, user: str) -> Way:
        """A way; `user` says who asks for it, should it not be there.

        Raises:
          SceneError: it is missing, short of points, or one of its points is missing or has no place.
        """
        if id_ not in self._read:
            if id_ not in self._ways:
                raise SceneError(f"{user} names way {id_}, which is not there")
            self._read[id_] = self._way(id_, self._ways[id_], user)
        return self._read[id_]

    def _way(self, id_: int, element: etree._Element, user: str) -> Way:
        ids = [integer(nd.get("ref"), "ref", nd) for nd in element.findall("nd")]
        missing = [i for i in ids if i not in self._index]
        if missing:
            raise SceneError(f"way {id_} of {user} names node {missing[0]}, which is not there")
        if len(ids) < 2:
            raise SceneError(f"way {id_} of {user} has {len(ids)} points, needs at least 2")
        place = self._place[:, [self._index[i] for i in ids]]
        if not np.isfinite(place).all():
            bad = ids[int(np.argmin(np.isfinite(place).all(axis=0)))]
            raise SceneError(f"node {bad} of way {id_} has no place: its coordinates are no numbers up to {MAX_NUMBER:g}")  # fmt: skip
        # a point named twice in a row is one point
        keep = [k for k, i in enumerate(ids) if k == 0 or i != ids[k - 1]]
        if len(keep) < 2:
            raise SceneError(f"way {id_} of {user} is a single point")
        x, y, z = place[:, keep]
        return Way(id_, _tags(element), tuple(ids[k] for k in keep), x, y, z)


def _tags(element: etree._Element) -> dict[str, str]:
    return {t.get("k", ""): (t.get("v") or "").strip() for t in element.iterfind("tag")}


def _relation(id_: int, element: etree._Element) -> Relation:
    members = tuple(
        Member(m.get("type", ""), integer(m.get("ref"), "ref", m), m.get("role", ""))
        for m in element.iterfind("member")
    )
    line: Any = element.sourceline
    return Relation(id_, _tags(element), members, line)


def _places(nodes: Mapping[int, etree._Element]) -> Floats:
    """(3, nodes) x, y, z; not a number where the file does not say (an unused node may be anything)."""
    local = np.full((3, len(nodes)), np.nan)
    globe = np.full((2, len(nodes)), np.nan)
    for i, node in enumerate(nodes.values()):
        tags = _tags(node)
        local[:, i] = [_float(tags.get(k)) for k in ("local_x", "local_y", "ele")]
        globe[:, i] = _float(node.get("lat")), _float(node.get("lon"))
    local[2] = np.nan_to_num(local[2])  # without a height the road is flat
    has_local = np.isfinite(local[:2]).all(axis=0)
    if has_local.any():
        return local  # those without it have no place among these
    on_globe = (np.abs(globe[0]) < 89.0) & (np.abs(globe[1]) <= 180.0)
    globe[:, ~on_globe] = np.nan
    if on_globe.any():
        low, high = np.nanmin(globe, axis=1), np.nanmax(globe, axis=1)
        if (high - low).max() > 2.0:
            raise SceneError(f"the nodes lie {(high - low).max():.4g} degrees apart; a map is at most 2 wide")  # fmt: skip
        local[:2] = TransverseMercator(*((low + high) / 2).tolist()).forward(*globe)
    return local


def _float(text: str | None) -> float:
    try:
        value = float(text or "nan")
    except ValueError:
        return float("nan")
    return value if abs(value) <= MAX_NUMBER else float("nan")
