"""Each shared scene, read by commonroad-io and by us; skipped with a reason where either is absent."""

from __future__ import annotations

import gzip
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from whyway.maps.commonroad import CommonRoadScene, read_scene

DATA = Path(__file__).parents[3] / "shared/data/commonroad_bsd"
SCENES = sorted(DATA.glob("*/*.xml.gz"))


COMPARED: Counter[str] = Counter()
"""How many verdicts were compared, by what they are about; told at the end."""


def pytest_terminal_summary(terminalreporter: Any) -> None:
    for what, count in COMPARED.items():
        terminalreporter.write_line(f"compared: {count} {what}")


@dataclass(frozen=True)
class Pair:
    """A scene as we read it and as commonroad-io does."""

    path: Path

    ours: CommonRoadScene
    scenario: Any
    problem: Any


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "pair" in metafunc.fixturenames:
        if SCENES:
            metafunc.parametrize(
                "pair", SCENES, indirect=True, scope="module", ids=lambda p: p.name[:-7]
            )
        else:
            reason = pytest.mark.skip(reason=f"no scenes in {DATA}")
            metafunc.parametrize("pair", [pytest.param(None, marks=reason)], indirect=True)


@pytest.fixture(scope="module")
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    reader = pytest.importorskip(
        "commonroad.common.file_reader", reason="needs commonroad-io: run `make oracles`"
    )
    path: Path = request.param
    plain = tmp_path_factory.mktemp("scene") / path.name[:-3]
    plain.write_bytes(gzip.decompress(path.read_bytes()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scenario, problems = reader.CommonRoadFileReader(str(plain)).open()
    plain.unlink()
    problem = next(iter(problems.planning_problem_dict.values()))
    return Pair(path, read_scene(path), scenario, problem)
