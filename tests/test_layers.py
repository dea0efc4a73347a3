"""The contracts in pyproject.toml hold, and they catch what they are there to catch."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

PLANTED = {
    "ROS in a stage": ("geometry.py", "import rclpy", "No ROS in the driver"),
    "ROS behind a function": (
        "topics.py",
        "def f():\n    import std_msgs.msg",
        "No ROS in the driver",
    ),
    "torch in the car": ("motion.py", "import torch", "The car runs without torch"),
    "gymnasium in the car": ("motion.py", "import gymnasium", "The car runs without what only"),
    "numba in the car": ("motion.py", "import numba", "The car runs without what only"),
    "carla outside its world": ("geometry.py", "import carla", "carla is imported in its world"),
    "a lower floor using a higher one": ("types.py", "import whyway.log", "Floors"),
    "training in the car": ("config.py", "import training", "Nothing imports training"),
    "a module without a floor": ("stray.py", "", "Floors"),
}


def lint_imports(source: Path, cache: Path) -> subprocess.CompletedProcess[str]:
    """Run the contracts of this checkout over the package in `source`."""
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as f; f()"]
    command += ["--config", str(ROOT / "pyproject.toml"), "--cache-dir", str(cache)]
    path = {"PYTHONPATH": str(source), "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "200"}
    return subprocess.run(
        command, cwd=source, env=path, capture_output=True, text=True, check=False
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of src/ in which something may be planted."""
    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=ignore)
    return tmp_path / "src"


def test_the_floors_hold(tmp_path: Path) -> None:
    done = lint_imports(ROOT / "src", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("what", PLANTED)
def test_a_planted_import_is_found(what: str, copy: Path, tmp_path: Path) -> None:
    name, line, contract = PLANTED[what]
    path = copy / "whyway" / name
    text = path.read_text() if path.exists() else '"""Planted."""\n'
    path.write_text(f"{text}\n{line}\n")
    done = lint_imports(copy, tmp_path)
    broken = [text for text in done.stdout.splitlines() if " BROKEN" in text]
    assert done.returncode != 0
    assert any(text.startswith(contract) for text in broken), done.stdout + done.stderr
