"""A scenario family as a world: numbers drawn from the seed, a site found, the cast put in its places, the lights set.

The same family, seed and map give the same world, bit for bit. Without a map it plays on a piece of the kit made for it.
"""

from __future__ import annotations

import inspect
import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from whyway.config import Config, override
from whyway.maps import pieces_junctions, pieces_roads
from whyway.maps.load import load_map
from whyway.maps.pieces import Piece
from whyway.maps.signalise import with_lights
from whyway.maps.signals import SignalPlan
from whyway.types import LaneMap
from whyway.worlds.scenes.cast import Part
from whyway.worlds.scenes.family import Family, FamilyError
from whyway.worlds.scenes.family_cast import Numbers, PlaceError, cast, draw, lights, needed, number
from whyway.worlds.scenes.family_lanes import Lanes
from whyway.worlds.scenes.family_read import find_family
from whyway.worlds.scenes.family_sites import Site, find_sites, no_site
from whyway.worlds.scenes.stage import Play, described, staged
from whyway.worlds.sim.world import SimWorld

PIECES: Mapping[str, Callable[..., Piece]] = {
    "road": pieces_roads.road, "bend": pieces_roads.bend, "lane_drop": pieces_roads.lane_drop,
    "zipper": pieces_roads.zipper, "merge_ramp": pieces_roads.merge_ramp, "narrows": pieces_roads.narrows,
    "junction": pieces_junctions.junction, "roundabout": pieces_junctions.roundabout,
}  # fmt: skip
"""Maps of the kit by the name a family file gives them."""

_SHARES = (1.0, 0.8, 0.6)
"""Of the room a family asks for: what a map with short roads may offer."""
_NEAR_M = 120.0
_MOST_SITES = 60
"""Places tried before a map is given up."""


def family_world(
    name: str,
    seed: int,
    config: Config,
    duration_s: float | None = None,
    map_file: Path | None = None,
    near: tuple[float, float] | None = None,
) -> SimWorld:
    """The world of a family.

    Args:
      name: of a family of the package (`family_names`), or the path of a family file (.yaml).
      seed: of the parameters, the site and the sensors.
      config: the whole tree; the family sets dials of its own in it.
      duration_s: when to end; None for the family's own end.
      map_file: the map to play on (OpenDRIVE, Lanelet2, CommonRoad, or "town" for the town of the seed); None for the family's own.
      near: take the places nearest to this point of the map; None: by luck.

    Raises:
      InputError: no such family or map, or the map has no place for it; one line.
    """
    family = find_family(name)
    numbers = draw(family, seed, config.vehicle)
    lanes, plan = _map(family, numbers, seed, map_file)
    site, parts, plan = _set(family, numbers, seed, lanes, plan, config, near)
    dials = {key: _plain(value, numbers) for key, value in family.config.items()}
    config = override(config, dials, f"family {family.name}: config")
    where = "" if map_file is None else f"@{map_file.name}"
    play = Play(
        name=f"{family.name}{where} {seed}",
        lane_map=lanes.lane_map,
        signals=plan,
        route=site.route,
        path=site.path,
        start_m=site.start_m,
        speed_mps=number(family.ego.speed_mps, numbers),
        parts=parts,
        duration_s=round(
            number(family.duration_s, numbers) if duration_s is None else duration_s, 6
        ),
        notes=_notes(family, numbers, seed, lanes.lane_map, dials),
        has_goal=family.passes.goal,
    )
    return staged(play, seed, config)


def _set(
    family: Family,
    numbers: Numbers,
    seed: int,
    lanes: Lanes,
    plan: SignalPlan,
    config: Config,
    near: tuple[float, float] | None,
) -> tuple[Site, tuple[Part, ...], SignalPlan]:
    """The first of the map's places at which everybody finds room."""
    need = replace(needed(family, numbers), near=near)
    rng = np.random.default_rng([seed, 23])
    speed, front = number(family.ego.speed_mps, numbers), config.vehicle.length_m / 2
    reason = ""
    rooms = [need.shorter(share) for share in _SHARES]
    # somewhat shorter but near is better than as asked for but far away
    reaches = (math.inf,) if near is None else (_NEAR_M, math.inf)
    for reach, room in itertools.product(reaches, rooms):
        for site in itertools.islice(find_sites(lanes, room, rng), _MOST_SITES):
            if _away(site, near) > reach:
                continue
            try:
                parts = cast(family, numbers, site)
                return site, parts, lights(family.lights, numbers, site, plan, speed, front)
            except PlaceError as error:
                reason = str(error)
    raise no_site(lanes, need, reason)


def _away(site: Site, near: tuple[float, float] | None) -> float:
    """From a point to the ego's start."""
    if near is None:
        return 0.0
    x, y, _, _ = site.path.center.at(site.start_m)
    return math.hypot(float(x) - near[0], float(y) - near[1])


def _map(
    family: Family, numbers: Numbers, seed: int, file: Path | None
) -> tuple[Lanes, SignalPlan]:
    if file is None:
        piece = kit_map(family, numbers)
        return Lanes(piece.lane_map), piece.signals
    if str(file) == "town":
        from whyway.maps.town import make_town

        town = make_town(seed)
        return Lanes(town.lane_map), town.signals
    return _loaded(file, file.stat().st_mtime_ns if file.is_file() else 0)


@lru_cache(maxsize=2)
def _loaded(file: Path, _changed_ns: int) -> tuple[Lanes, SignalPlan]:
    """A map and its lanes, kept for the next seed."""
    lane_map, plan = load_map(file)
    if (
        not lane_map.lights and not lane_map.stop_lines
    ):  # CARLA keeps its older towns' lights elsewhere
        lane_map, plan = with_lights(lane_map)
    return Lanes(lane_map), plan


def kit_map(family: Family, numbers: Numbers) -> Piece:
    """The family's own map.

    Raises:
      FamilyError: no such piece, or not an argument of its.
    """
    given = {key: _plain(value, numbers) for key, value in family.map.items()}
    name = given.pop("piece", None)
    if name not in PIECES:
        raise FamilyError(
            f"family {family.name}: map: piece {name!r}: give one of {', '.join(PIECES)}"
        )
    maker = PIECES[str(name)]
    known = inspect.signature(maker).parameters
    for key in given:
        if key not in known:
            raise FamilyError(
                f"family {family.name}: map: {name} has no {key!r}; known: {', '.join(known)}"
            )
    try:
        return maker(**given)
    except (TypeError, ValueError) as error:
        raise FamilyError(
            f"family {family.name}: map: {' '.join(str(error).split())[:200]}"
        ) from None


def _plain(value: Any, numbers: Numbers) -> Any:
    """A value of a map or a dial: arithmetic is worked out, the rest is taken as it stands."""
    return number(value, numbers) if isinstance(value, str) and "$" in value else value


def _notes(
    family: Family, numbers: Numbers, seed: int, lane_map: LaneMap, dials: Mapping[str, Any]
) -> dict[str, str]:
    drawn = {k: v for k, v in numbers.items() if k in family.parameters}
    notes = {
        "scene": f"family {family.name}",
        "family": family.name,
        "about": family.about,
        "seed": str(seed),
        "map": lane_map.name,
        "parameters": described(drawn),
        "goal_counts": "yes" if family.passes.goal else "no",
        "passes": _passes(family, numbers),
    }
    return {**notes, **({"dials": described(dials)} if dials else {})}


def _passes(family: Family, numbers: Numbers) -> str:
    """What a drive must do to pass, in words for the log."""
    spec = family.passes
    words = [name for name in ("goal", "no_contact", "stop_at_line") if getattr(spec, name)]
    if spec.limit_slack_mps is not None:
        words.append(f"limit_slack_mps={number(spec.limit_slack_mps, numbers):g}")
    return " ".join(words)
