"""What an engine depends on, and the name that follows from it: another graph, driver, GPU or TensorRT is another engine."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from whyway.reason.engines.cuda import Gpu
from whyway.reason.export.recipe import Dialect, Precision, Recipe

SCHEMA = 1
"""Of `Key` and of the cache's files. Rises whenever engines built before must not be used any more."""
SIZES = (4, 16, 43, 72)
"""Positions of a pass that engines are built for: token by token; most passes by blocks; the scene's rows; the largest pass and some."""

_L4T = Path("/etc/nv_tegra_release")
_DRIVER = Path("/sys/module/nvidia/version")


@dataclass(frozen=True, slots=True)
class Machine:
    """What runs it: a plan is for exactly this, and nothing in the plan says so."""

    tensorrt: str
    """All parts of the version: 10.3.0.26"""
    gpu: Gpu
    driver: str
    """Of the kernel: 560.35.03; empty where it does not tell (Jetson's is part of L4T)."""
    system: str
    """Linux aarch64"""
    l4t: str
    """Jetson's release: "# R36 (release), REVISION: 4.0, ..."; empty elsewhere."""


@dataclass(frozen=True, slots=True)
class Building:
    """How the builder was set up. No plugins, no timing by a stranger's cache, no code of the engine's own on the host."""

    sizes: tuple[int, ...] = SIZES
    """Positions of a pass, a profile each; B is one scene."""
    level: int = 3
    """`builder_optimization_level`; 3 is TensorRT's own."""
    workspace_mib: int = 512


@dataclass(frozen=True, slots=True)
class Key:
    """Everything an engine depends on."""

    weights_sha256: str
    graph_sha256: str
    dialect: str
    precision: str
    machine: Machine
    building: Building
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        _ = self.recipe  # refuses what is none

    @property
    def recipe(self) -> Recipe:
        """Of the graph."""
        return Recipe("tensorrt", cast(Dialect, self.dialect), cast(Precision, self.precision))

    def digest(self) -> str:
        """The engine's name: sha256 of all of it."""
        return hashlib.sha256(canonical(dataclasses.asdict(self)).encode()).hexdigest()


def canonical(plain: object) -> str:
    """JSON, the same text for the same values."""
    return json.dumps(plain, sort_keys=True, separators=(",", ":"))


def machine(tensorrt: str, gpu: Gpu) -> Machine:
    """This machine.

    Args:
      tensorrt: `trt.__version__`.
      gpu: of the device that will run.
    """
    system = f"{platform.system()} {platform.machine()}"
    return Machine(tensorrt, gpu, _line(_DRIVER), system, _line(_L4T))


def timing_name(here: Machine) -> str:
    """The timing cache's name: timings hold for a TensorRT on a GPU, whatever the graph."""
    text = canonical([SCHEMA, here.tensorrt, dataclasses.asdict(here.gpu)])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _line(path: Path) -> str:
    """The first line of a file of the system; empty without it."""
    try:
        with path.open("rb") as file:
            return file.readline(512).decode("utf-8", "replace").strip()
    except OSError:
        return ""
