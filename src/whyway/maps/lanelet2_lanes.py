"""Lanelets -> lanes: which way they go, their three lines, what they are for, how fast, and what they join.

Rules and names: Lanelet2's documentation "Lanelet and Area Tagging", "Regulatory Elements" and its traffic rules of Germany,
whose limits stand in where a lanelet has none; Autoware's "Vector Map creation requirement specifications" (vm-01).
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from whyway.geometry import points_in_polygon
from whyway.maps.lanelet2_osm import OsmMap, Relation, Tags, Way
from whyway.maps.lanes import arc_length
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
_MAX_LENGTH_M, _MAX_WIDTH_M = 50_000.0, 200.0
_SECTION_M, _MAX_SECTIONS = 1.0, 1000
_MERGED_M = 0.05
"""Corners of the two borders that are nearer than this (along the lane) share a cross-section."""
_BLEND_M = 10.0
"""Where lanes with and without a centre line of their own meet, the one without moves over on this stretch."""
_STICK_OUT_M = 0.1
_TWO_LANES_M = 4.5
"""A road for both directions narrower than this has one lane."""

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


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """The three lines (2, n) of a lane, and the height of its middle; `halved` if it is one half of its lanelet."""

    left: Floats
    right: Floats
    center: Floats
    z_m: Floats
    halved: bool


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


def keeps_left(lanelets: Sequence[Lanelet]) -> bool:
    """Whether traffic keeps to the left: no tag says so, but oncoming lanes then share their right borders."""
    driving = [one for one in lanelets if one.kind == LaneKind.DRIVING and not one.two_way]
    left = {(one.left.way.id, one.left.reversed) for one in driving}
    right = {(one.right.way.id, one.right.reversed) for one in driving}
    oncoming_left = sum((way, not turned) in left for way, turned in left)
    return sum((way, not turned) in right for way, turned in right) > oncoming_left


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


# --------------------------------------------------------------------------------------------------------- geometry


def shapes(lanelets: Sequence[Lanelet]) -> list[Shape]:
    """The lines of every lane. Lanes that follow each other meet in one point of their centre lines.

    A centre line the file gives is used where it lies inside its lanelet, and goes on at its place between the borders to
    both ends; others are the middle between the borders, points at the same share of either border's length opposite each other.
    A wide lanelet for both directions is two lanes, each on its own half; on a narrow one they lie on each other.

    Raises:
      SceneError: a lane without length, wider than a road, or left by its centre line.
    """
    on_left = keeps_left(lanelets)
    cuts = [_sections(lanelet) for lanelet in lanelets]
    shares = [
        _share(lanelet, left, right, on_left)
        for lanelet, (left, right) in zip(lanelets, cuts, strict=True)
    ]
    # where several lanes meet: the mean of those that have a centre line of their own
    wishes: dict[Joint, list[float]] = {}
    for lanelet, share in zip(lanelets, shares, strict=True):
        if share is not None:
            wishes.setdefault(lanelet.entry, []).append(float(share[0]))
            wishes.setdefault(lanelet.exit, []).append(float(share[-1]))
    joints = {joint: float(np.mean(values)) for joint, values in wishes.items()}
    return [
        _shape(lanelet, left, right, share, joints, on_left)
        for lanelet, (left, right), share in zip(lanelets, cuts, shares, strict=True)
    ]


def _sections(lanelet: Lanelet) -> tuple[Floats, Floats]:
    """Points of both borders (3, n), opposite each other."""
    left, right = lanelet.left.xyz, lanelet.right.xyz
    sl, sr = arc_length(left[0], left[1]), arc_length(right[0], right[1])
    length = float(max(sl[-1], sr[-1]))
    if not 1e-2 < length < _MAX_LENGTH_M:
        raise SceneError(f"lanelet {lanelet.relation_id} is {length:.4g} m long")
    u = np.unique(np.concatenate([sl / max(sl[-1], 1e-9), sr / max(sr[-1], 1e-9)]))
    if lanelet.center is not None:
        n = min(round(length / _SECTION_M), _MAX_SECTIONS)
        u = np.unique(np.concatenate([u, np.linspace(0.0, 1.0, max(n, 4) + 1)]))
    # np.unique leaves what differs in the last digit: no lane needs points that close
    kept = [0.0]
    for value in u.tolist():
        if (value - kept[-1]) * length > _MERGED_M:
            kept.append(value)
    kept[-1 if len(kept) > 1 and (1.0 - kept[-1]) * length <= _MERGED_M else len(kept) :] = [1.0]
    at = np.array(kept)
    left = np.stack([np.interp(at * sl[-1], sl, v) for v in left])
    right = np.stack([np.interp(at * sr[-1], sr, v) for v in right])
    width = float(np.hypot(*(left - right)[:2]).max())
    if not 1e-2 < width < _MAX_WIDTH_M:
        raise SceneError(f"lanelet {lanelet.relation_id} is {width:.4g} m wide")
    return left, right


def _share(lanelet: Lanelet, left: Floats, right: Floats, on_left: bool) -> Floats | None:
    """(n,) where a centre line passes between the borders, 0 on the left one, 1 on the right one; None: in the middle."""
    if _halved(lanelet, left, right):
        return np.full(left.shape[1], 0.25 if on_left else 0.75)
    if lanelet.center is None:
        return None
    x, y = lanelet.center.x_m, lanelet.center.y_m
    _check_inside(lanelet, x, y, left, right)
    # every section against every piece of the line: left + a * (right - left) = start + b * (end - start)
    ax, ay = (right - left)[:2, :, None]
    bx, by = np.diff(x), np.diff(y)
    dx, dy = x[:-1] - left[0][:, None], y[:-1] - left[1][:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        cross = ax * by - ay * bx
        a, b = (dx * by - dy * bx) / cross, (dx * ay - dy * ax) / cross
    met = (a >= 0.0) & (a <= 1.0) & (b >= 0.0) & (b <= 1.0)
    rows = np.flatnonzero(met.any(axis=1))
    if len(rows) == 0:
        raise SceneError(f"the centerline {lanelet.center.id} of lanelet {lanelet.relation_id} does not run along it")  # fmt: skip
    share = a[rows, met[rows].argmax(axis=1)]
    result: Floats = np.interp(np.arange(left.shape[1]), rows, share)
    return result


def _halved(lanelet: Lanelet, left: Floats, right: Floats) -> bool:
    """Whether a lanelet for both directions is wide enough for a lane each."""
    width = float(np.hypot(*(left - right)[:2]).min())
    return lanelet.two_way and lanelet.kind == LaneKind.DRIVING and width >= _TWO_LANES_M


def _check_inside(lanelet: Lanelet, x: Floats, y: Floats, left: Floats, right: Floats) -> None:
    """Only its first and last point may lie outside: Autoware's test maps for vm-01-10 to 12, and its validator's
    `mapping.lane.centerline_geometry` (which asks it of the ends, too).
    """
    assert lanelet.center is not None
    outline_x = np.concatenate([left[0], right[0][::-1]])
    outline_y = np.concatenate([left[1], right[1][::-1]])
    inner = slice(1, len(x) - 1)
    out = ~points_in_polygon(x[inner], y[inner], outline_x, outline_y)
    for k in np.flatnonzero(out).tolist():
        away = _distance(float(x[k + 1]), float(y[k + 1]), outline_x, outline_y)
        if away > _STICK_OUT_M:
            raise SceneError(
                f"the centerline {lanelet.center.id} of lanelet {lanelet.relation_id} leaves the lanelet by {away:.2f} m at its "
                f"point {lanelet.center.node_ids[k + 1]}; only its first and last point may stick out"
            )


def _distance(x: float, y: float, outline_x: Floats, outline_y: Floats) -> float:
    ex, ey = np.roll(outline_x, -1) - outline_x, np.roll(outline_y, -1) - outline_y
    rx, ry = x - outline_x, y - outline_y
    u = np.clip((rx * ex + ry * ey) / np.maximum(ex * ex + ey * ey, 1e-12), 0.0, 1.0)
    return float(np.hypot(rx - u * ex, ry - u * ey).min())


def _shape(
    lanelet: Lanelet,
    left: Floats,
    right: Floats,
    share: Floats | None,
    joints: dict[Joint, float],
    on_left: bool,
) -> Shape:
    middle = 0.5
    at_start = joints.get(lanelet.entry, middle)
    at_end = joints.get(lanelet.exit, middle)
    if share is None and (at_start, at_end) != (middle, middle):
        # a lane of two points has none in between that could move back to the middle
        left, right = _finer(left), _finer(right)
    center = (left + right) / 2
    s = arc_length(center[0], center[1])
    length = float(s[-1])
    if not 1e-3 < length < _MAX_LENGTH_M:
        raise SceneError(f"lanelet {lanelet.relation_id} is {length:.4g} m long")
    base = np.full(len(s), middle) if share is None else share
    blend = min(_BLEND_M, length)
    base = base + (at_start - base[0]) * np.maximum(1.0 - s / blend, 0.0)
    base = base + (at_end - base[-1]) * np.maximum(1.0 - (length - s) / blend, 0.0)
    center = left + np.clip(base, 0.0, 1.0) * (right - left)
    halved = _halved(lanelet, left, right)
    if halved:
        middle_line = (left + right) / 2
        left, right = (left, middle_line) if on_left else (middle_line, right)
    return Shape(left[:2], right[:2], center[:2], center[2], halved)


def _finer(points: Floats) -> Floats:
    """(3, m) the same line with points in between, as many for lines of as many points."""
    n = points.shape[1]
    at = np.linspace(0.0, n - 1.0, (n - 1) * 8 + 1)
    return np.stack([np.interp(at, np.arange(n), v) for v in points])
