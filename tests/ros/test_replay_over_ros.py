"""A recording replayed over five processes is the one replayed in one: the same words, plans and commands, handover included."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "worlds"))  # tests are no package

import made_bags as made

from whyway.config import load
from whyway.drives import drive as drive_in_process
from whyway.log import same_log
from whyway.types import Observation

pytestmark = pytest.mark.ros
Drive = Callable[..., Any]


@pytest.mark.parametrize("dials", [{}, {"handover_s": 1.5}])
def test_over_ros_a_recording_gives_the_log_of_one_process(
    drive: Drive, tmp_path: Path, dials: dict[str, Any]
) -> None:
    bag = made.write_bag(tmp_path / "bag", made.straight(3.0))
    (tmp_path / "table.yaml").write_text("odometry: /odom\nbase_link: {x_m: -0.5}\n")
    given = {"topics": str(tmp_path / "table.yaml"), **dials}
    texts = [f"replay.{key}={json.dumps(value)}" for key, value in given.items()]
    words = ("--world", str(bag), "--driver", "rules")
    done = drive(tmp_path / "ros", *words, *(p for t in texts for p in ("--set", t)))
    assert done.code == 0, done.output
    drive_in_process(str(bag), "rules", 1, load(None, texts), tmp_path / "here.mcap")
    assert same_log(done.log, tmp_path / "here.mcap") == []
    assert len(done.log.of(Observation)) == 30
    # what a judge must know goes into the log this way, too
    notes = done.log.info["notes"]
    assert notes.get("handover_s") == ("1.5" if dials else None)
    assert notes.get("open_loop") == (None if dials else "yes")


def test_a_recording_that_is_none_gives_one_clear_line(drive: Drive, tmp_path: Path) -> None:
    (tmp_path / "broken.mcap").write_bytes(b"hello")
    done = drive(tmp_path / "ros", "--world", str(tmp_path / "broken.mcap"))
    assert done.code == 2 and "is not an MCAP file" in done.output
    assert "Traceback" not in done.output
