"""Lanelets: which way they go, what they are for, how fast one drives on them, and where one may leave them.

Rules and names: Lanelet2's documentation "Lanelet and Area Tagging", "Regulatory Elements" and its traffic rules of Germany,
whose limits stand in where a lanelet has none; Autoware's "Vector Map creation requirement specifications" (vm-01).
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from whyway.maps.lanelet2_osm import OsmMap, Relation, Tags, Way
from whyway.maps.xmlfile import SceneError
from whyway.types import Floats, LaneKind, MarkingKind

_KINDS = {
    "road": LaneKind.DRIVING, "highway": LaneKind.DRIVING, "play_street": LaneKind.DRIVING, "exit": LaneKind.DRIVING,
    "bicycle_lane": LaneKind.BIKE, "road_shoulder": LaneKind.SHOULDER, "emergency_lane": LaneKind.SHOULDER,
    "bus_lane": LaneKind.SHOULDER, "parking": LaneKind.PARKING, "crosswalk": LaneKind.CROSSWALK,
    "walkway": LaneKind.SIDEWALK, "shared_walkway": LaneKind.SIDEWALK, "pedestrian_lane": LaneKind.SIDEWALK,
    "stairs": LaneKind.SIDEWALK,
}  # fmt: skip

_DEFAULT_LIMITS_KMH = {"highway": 130.0, "play_street": 7.0, "crosswalk": 5.0, "walkway": 5.0}
_URBAN_KMH, _RURAL_KMH = 50.0, 100.0
"""Where no tag says: Lanelet2's `GermanVehicle` and `GermanPedestrian`."""

_UNITS_MPS = {"": 1 / 3.6, "km/h": 1 / 3.6, "kmh": 1 / 3.6, "kph": 1 / 3.6, "mph": 0.44704, "m/s": 1.0, "mps": 1.0}  # fmt: skip
_MAX_LIMIT_MPS = 120.0

_UNPAINTED = frozenset({"virtual", "zebra_marking", "pedestrian_marking", "bike_marking"})

_MAX_POINTS = 5000
_MAX_RULES = 50

Joint = tuple[int, int]
"""The left and the right point at which a lanelet begins or ends: lanelets that share both follow each other."""


@dataclass(frozen=True, slots=True, eq=False)
class Border:
    """A way as one lanelet sees it: `reversed` if the lanelet goes against it."""

    way: Way
    reversed: bool

    @property
    def xyz(self) -> Floats:
        """(3, n) points in the lanelet's direction."""
        points = np.stack([self.way.x_m, self.way.y_m, self.way.z_m])
        return points[:, ::-1] if self.reversed else points

    @property
    def ends(self) -> tuple[int, int]:
        """Ids of the first and the last point."""
        ids = self.way.node_ids
        return (ids[-1], ids[0]) if self.reversed else (ids[0], ids[-1])

    def turned(self) -> Border:
        """The same way, seen from a lanelet that goes the other way."""
        return Border(self.way, not self.reversed)


@dataclass(frozen=True, slots=True, eq=False)
class Lanelet:
    """One lanelet in one direction; `relation_id` is its id in the file, `id` its lane's."""

    id: int
    relation_id: int
    tags: Tags
    kind: LaneKind
    left: Border
    right: Border
    center: Way | None
    rules: tuple[int, ...]
    two_way: bool
    """Whether there is another one for the other direction."""

    @property
    def entry(self) -> Joint:
        """Where it begins."""
        return self.left.ends[0], self.right.ends[0]

    @property
    def exit(self) -> Joint:
        """Where it ends."""
        return self.left.ends[1], self.right.ends[1]


# ---------------------------------------------------------------------------------------------------------- reading


def read_lanelets(osm: OsmMap) -> tuple[Lanelet, ...]:
    """Every lanelet of a map; one that may be used in both directions gives two.

    The lane of a lanelet has the lanelet's id. The second direction and ids that are not positive get the lowest free ids.

    Raises:
      SceneError: a lanelet lacks a border.
    """
    found = [r for r in osm.relations.values() if r.tags.get("type") == "lanelet"]
    if not found:
        raise SceneError("there is no lanelet, so no road")
    free = _free_ids({r.id for r in found})
    lanelets = []
    for relation in found:
        forward = _lanelet(osm, relation, relation.id if relation.id > 0 else next(free))
        both = relation.tags.get("one_way", "yes").lower() in ("no", "false", "0")
        if both and forward.kind in (LaneKind.DRIVING, LaneKind.BIKE):
            forward = dataclasses.replace(forward, two_way=True)
            left, right = forward.right.turned(), forward.left.turned()
            lanelets += [forward, dataclasses.replace(forward, id=next(free), left=left, right=right)]  # fmt: skip
        else:
            lanelets.append(forward)
    return tuple(lanelets)


def _free_ids(used: set[int]) -> Iterator[int]:
    return (i for i in range(1, 1 << 62) if i not in used)


def _lanelet(osm: OsmMap, relation: Relation, id_: int) -> Lanelet:
    name = f"lanelet {relation.id}"
    ways = {}
    for role in ("left", "right", "centerline"):
        refs = relation.refs("way", role)
        if len(refs) != 1 and (role != "centerline" or refs):
            raise SceneError(f"{name} (line {relation.line}) has {len(refs)} ways for its {role}, needs one")  # fmt: skip
        if refs:
            ways[role] = osm.way(refs[0], name)
            if len(ways[role].node_ids) > _MAX_POINTS:
                raise SceneError(f"way {refs[0]} of {name} has more than {_MAX_POINTS} points")
    left, right = _aligned(ways["left"], ways["right"], name)
    rules = tuple(dict.fromkeys(relation.refs("relation", "regulatory_element")))
    if len(rules) > _MAX_RULES:
        raise SceneError(f"{name} names {len(rules)} rules, more than {_MAX_RULES}")
    for rule in rules:
        if rule not in osm.relations:
            raise SceneError(f"{name} names relation {rule}, which is not there")
        if osm.relations[rule].tags.get("type") != "regulatory_element":
            raise SceneError(f"{name} names relation {rule} as a rule, which is no regulatory_element")  # fmt: skip
    return Lanelet(
        id_, relation.id, relation.tags, _kind(relation.tags), left, right, ways.get("centerline"), rules, two_way=False,
    )  # fmt: skip


def _aligned(left: Way, right: Way, name: str) -> tuple[Border, Border]:
    """The borders side by side, so that the left one is on the left: this is what gives a lanelet its direction."""
    (lx, ly), (rx, ry) = (left.x_m, left.y_m), (right.x_m, right.y_m)
    same = np.hypot(lx[0] - rx[0], ly[0] - ry[0]) + np.hypot(lx[-1] - rx[-1], ly[-1] - ry[-1])
    crossed = np.hypot(lx[0] - rx[-1], ly[0] - ry[-1]) + np.hypot(lx[-1] - rx[0], ly[-1] - ry[0])
    flip = bool(crossed < same)
    if not flip:
        rx, ry = rx[::-1], ry[::-1]
    # out along the left border and back along the right one: clockwise
    x, y = np.concatenate([lx, rx]), np.concatenate([ly, ry])
    x, y = x - x[0], y - y[0]
    area = float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum()) / 2
    if abs(area) < 1e-3:
        raise SceneError(f"{name} has no area: its borders lie on each other")
    back = area > 0.0
    return Border(left, back), Border(right, flip != back)


def _kind(tags: Tags) -> LaneKind:
    """What a lanelet is for; tags that name its users say more than its subtype."""
    kind = _KINDS.get(tags.get("subtype", ""), LaneKind.OTHER)
    users = {k.split(":", 1)[1]: v.lower() in ("yes", "true", "1") for k, v in tags.items() if k.startswith("participant:")}  # fmt: skip
    if kind != LaneKind.DRIVING or not users or users.get("vehicle", users.get("vehicle:car")):
        return kind
    if users.get("bicycle"):
        return LaneKind.BIKE
    return LaneKind.SIDEWALK if users.get("pedestrian") else LaneKind.OTHER


# ------------------------------------------------------------------------------------------------------------ rules


def speed_limit_mps(lanelet: Lanelet, signs: Iterable[str] = ()) -> float:
    """The lowest of the lanelet's tag and its signs; without either, the default for its kind and location.

    Raises:
      SceneError: a limit that is no speed.
    """
    texts = [t for t in (lanelet.tags.get("speed_limit"), *signs) if t]
    limits = [_speed_mps(t, f"lanelet {lanelet.relation_id}") for t in texts]
    if limits:
        return min(limits)
    rural = lanelet.tags.get("location") == "nonurban"
    default = _RURAL_KMH if rural else _URBAN_KMH
    return _DEFAULT_LIMITS_KMH.get(lanelet.tags.get("subtype", ""), default) / 3.6


def _speed_mps(text: str, name: str) -> float:
    match = re.fullmatch(r"(\d{1,4}(?:\.\d{1,9})?) ?([a-z/]{0,4})", text.strip().lower())
    unit = None if match is None else _UNITS_MPS.get(match[2])
    value = float(match[1]) * unit if match and unit else 0.0
    if not 0.0 < value <= _MAX_LIMIT_MPS:
        raise SceneError(f"{name} has the speed limit {text[:40]!r}; write a number of km/h, or with its unit km/h, mph, m/s")  # fmt: skip
    return value


def marking(border: Border, to_left: bool) -> MarkingKind:
    """What a border means for who wants to cross it to the left (or right): DASHED may, SOLID may not, NONE is unpainted.

    A `lane_change` tag goes before the paint, as in Lanelet2: a solid line that may be crossed counts as dashed.
    """
    tags = border.way.tags
    # the tags' left and right, dashed_solid's too, are those of the way's own direction
    towards_left = to_left != border.reversed
    rule = tags.get("lane_change", tags.get(f"lane_change:{'left' if towards_left else 'right'}"))
    type_, subtype = tags.get("type", ""), tags.get("subtype", "")
    if rule is not None:
        allowed = rule.lower() in ("yes", "true", "1")
    else:
        one_side = "solid_dashed" if towards_left else "dashed_solid"
        allowed = type_ in ("line_thin", "line_thick") and subtype in ("dashed", one_side)
    if type_ in _UNPAINTED and not allowed:
        return MarkingKind.NONE
    return MarkingKind.DASHED if allowed else MarkingKind.SOLID
