"""Suite -> the drives it asks for: which world with which seed, how long, under which dials and which name.

A suite is a YAML file (`schema.py`), the name of one that comes along ("families", "held_out", "faith", "smoke"), a folder of scenes, a scene, a file
of leaderboard routes or one of its routes ("longest6.xml#3"), or a recorded drive.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whyway.evaluate.suites.schema import Row, Suite, SuiteError, read_suite
from whyway.maps.leaderboard import is_route_spec, read_routes
from whyway.worlds.scenes.family_read import find_family

SCENES = (".xml", ".xml.gz")
BAGS = (".mcap", ".bag", ".db3")
YAML = (".yaml", ".yml")
READY = Path(__file__).parent
"""Where the suites are that come with the package."""
MOST_DRIVES = 100_000


@dataclass(frozen=True, slots=True)
class Item:
    """One drive of a suite.

    `world` is what `make_world` takes; `dials` are laid over the configuration, later ones over earlier ones.
    """

    world: str
    seed: int
    name: str
    duration_s: float | None = None
    dials: tuple[Mapping[str, Any], ...] = ()


def find_suite(path: Path) -> Suite:
    """The suite of a path or a name.

    Raises:
      SuiteError: there is none, or its file says what no suite may.
    """
    if not path.exists() and (ready := READY / f"{path}.yaml").is_file():
        path = ready
    if path.suffix in YAML and path.is_file():
        return read_suite(path)
    if path.is_dir() and not _is_bag(path):
        return Suite(name=path.name, rows=(Row(folder=(str(path),)),))
    if not path.exists() and not is_route_spec(str(path)):
        names = ", ".join(sorted(p.stem for p in READY.glob("*.yaml")))
        raise SuiteError(
            f"{path}: no such suite; give a folder of CommonRoad files, a leaderboard route file, a YAML file, or one of: {names}"
        )
    return Suite(name=path.name.partition(".")[0], rows=(Row(world=(str(path),)),))


def drives_of(suite: Suite, path: Path, seeds: int) -> tuple[Item, ...]:
    """Every drive of a suite.

    Args:
      suite: what is driven.
      path: what it was found by; relative paths are relative to its folder, names of drives to it.
      seeds: 1 to this where neither suite nor row say.

    Raises:
      SuiteError: nothing to drive, an unknown family, two drives of one name.
    """
    folder = path.parent if path.suffix in YAML and path.is_file() else Path()
    root = path if path.is_dir() else path.parent
    found: dict[str, Item] = {}
    for row in suite.all_rows:
        worlds = tuple(_worlds(row, folder))
        for world in worlds:
            once = row.kind == "bag" or _is_bag(Path(world))  # a recording has no seed
            for seed in row.seeds or suite.seeds or ((1,) if once else range(1, seeds + 1)):
                name = f"{row.name}-" if row.name else ""
                item = Item(
                    world, seed, re.sub(r"[^\w.+-]+", "-", name) + drive_name(world, seed, root),
                    suite.duration_s if row.duration_s is None else row.duration_s, (suite.set, row.set),
                )  # fmt: skip
                if item.name in found:
                    raise SuiteError(
                        f"{path}: two drives are called {item.name!r}; give one of their rows a name:"
                    )
                found[item.name] = item
                if len(found) > MOST_DRIVES:
                    raise SuiteError(f"{path}: more than {MOST_DRIVES} drives; split the suite")
    return tuple(found.values())


def drive_name(world: str, seed: int, root: Path) -> str:
    """A name for files: the world's path below the suite, or what is special of it, and the seed."""
    file, mark, number = world.rpartition("#") if "#" in world else (world, "", "")
    path = Path(file)
    within = path.relative_to(root) if path.is_relative_to(root) else path
    stem = "__".join(within.parts).replace("/", "").removesuffix(".gz").removesuffix(".xml")
    return re.sub(r"[^\w.+-]+", "-", f"{stem}-{number}" if mark else stem) + f"-seed{seed}"


def _worlds(row: Row, folder: Path) -> Iterator[str]:
    """The worlds of a row, by what `make_world` takes."""
    for name in row.family:
        family = str(folder / name) if name.endswith(YAML) else name
        find_family(family)
        for place in row.map or ("",):
            where = place if place in ("", "town") else str(folder / place)
            yield f"family:{family}@{where}" if where else f"family:{family}"
    for world in row.world:
        yield from _routes(world if _is_name(world) else str(folder / world))
    for below in row.folder:
        yield from _below(folder / below)
    for file in row.routes:
        yield from _chosen(folder / file, row.ids)
    yield from (str(folder / bag) for bag in row.bag)


def _below(folder: Path) -> Iterator[str]:
    """Scenes, routes and bags below a folder."""
    if not folder.is_dir():
        raise SuiteError(f"{folder}: no such folder")
    bags = [p.parent for p in folder.rglob("metadata.yaml")]
    files = [
        p for p in folder.rglob("*")
        if p.name.endswith((*SCENES, *BAGS)) and p.is_file() and not any(b in p.parents for b in bags)
    ]  # fmt: skip
    if not bags and not files:
        raise SuiteError(
            f"{folder}: holds no CommonRoad file, leaderboard route (.xml, .xml.gz) or bag"
        )
    for path in sorted([*bags, *files]):
        yield from _routes(str(path))


def _is_bag(path: Path) -> bool:
    """Whether a path is of a recording: rosbag2 writes a folder with this file in it, others a file."""
    if path.is_dir():
        return (path / "metadata.yaml").is_file()
    return path.name.endswith(BAGS)


def _is_name(world: str) -> bool:
    """Whether a world is no file."""
    return world == "town" or world.startswith("family:")


def _routes(world: str) -> tuple[str, ...]:
    """Every route of a leaderboard file; the world itself if it is anything else, or one route."""
    if "#" in world or not is_route_spec(world):
        return (world,)
    return tuple(f"{world}#{route.id}" for route in read_routes(Path(world)))


def _chosen(file: Path, ids: tuple[str, ...]) -> tuple[str, ...]:
    """Routes of a leaderboard file by their numbers; all of them if none is named."""
    found = tuple(f"{file}#{route.id}" for route in read_routes(file))
    unknown = [i for i in ids if f"{file}#{i}" not in found]
    if unknown:
        known = ", ".join(spec.rpartition("#")[2] for spec in found[:20])
        raise SuiteError(f"{file}: has no route {unknown[0]!r}; known: {known}")
    return tuple(f"{file}#{i}" for i in ids) or found
