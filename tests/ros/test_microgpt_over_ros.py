"""The learnt driver as nodes: the same words as in one process, and the rules when it cannot speak; none of it moves the car wrongly."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from made_models import made_model

from whyway import topics
from whyway.config import load
from whyway.drives import drive as drive_here
from whyway.evaluate import score
from whyway.log import Log, read_log, same_log
from whyway.messages import to_cdr
from whyway.types import Command, Event, Fault, Trace, Truth, Verdict, differences

pytestmark = pytest.mark.ros
Drive = Callable[..., Any]
TOWN = ("--world", "town", "--seed", "3", "--duration", "4")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_model(tmp_path_factory.mktemp("models") / "tiny")


def learnt(folder: Path, **reason: object) -> list[str]:
    """Arguments for a drive with a model."""
    dials = {"model": folder, "backend": "numpy", **reason}
    sets = [part for name, value in dials.items() for part in ("--set", f"reason.{name}={value}")]
    return ["--driver", "microgpt", *sets]


def validators(log: Log) -> set[str]:
    return {trace.integrity.validator for trace in log.of(Trace)}


def test_the_traces_over_ros_are_those_of_one_process(
    drive: Drive, folder: Path, tmp_path: Path
) -> None:
    done = drive(tmp_path, *TOWN, *learnt(folder))
    assert done.code == 0, done.output
    config = load(None, [f"reason.model={folder}", "reason.backend=numpy"])
    drive_here("town", "microgpt", 3, config, tmp_path / "here.mcap", 4.0)
    assert same_log(done.log, tmp_path / "here.mcap") == []
    assert any(v.startswith("tiny on numpy") for v in validators(done.log))


def test_with_a_budget_of_a_millisecond_the_rules_drive(
    drive: Drive, folder: Path, tmp_path: Path
) -> None:
    done = drive(tmp_path, *TOWN, *learnt(folder, budget_ms=1))
    assert done.code == 0, done.output
    assert validators(done.log) == {"rules: no whole trace within 1 ms"}
    drive_here("town", "rules", 3, load(), tmp_path / "rules.mcap", 4.0)
    mine, theirs = done.log.of(Command), read_log(tmp_path / "rules.mcap").of(Command)
    assert not any(differences(a, b) for a, b in zip(mine, theirs, strict=True))
    assert [e.fault for e in done.log.of(Event)] == [Fault.FALLBACK]


def corrupt(folder: Path) -> None:
    path = folder / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-5] ^= 0xFF
    path.write_bytes(data)


def other_vocabulary(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["versions"]["vocabulary_sha256"] = "0" * 64
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize("spoil", [corrupt, other_vocabulary])
def test_a_bad_model_ends_the_drive_before_it_begins_or_the_rules_drive(
    spoil: Callable[[Path], None], drive: Drive, tmp_path: Path
) -> None:
    bad = made_model(tmp_path / "bad")
    spoil(bad)
    done = drive(tmp_path / "refused", *TOWN, *learnt(bad))
    assert done.code == 2 and "Traceback" not in done.output
    (line,) = [t for t in done.output.splitlines() if "--reason.rules_if_bad_model=true" in t]
    assert str(bad) in line
    assert not done.log.of(Command)
    done = drive(tmp_path / "rules", *TOWN[:-1], "2", *learnt(bad, rules_if_bad_model="true"))
    assert done.code == 0, done.output
    assert all(t.integrity.fallback_used for t in done.log.of(Trace))


def test_when_the_reasoner_is_killed_the_car_stops_and_drives_on(
    drive: Drive, folder: Path, tmp_path: Path, straight_road: Path
) -> None:
    done = drive(tmp_path, "--world", str(straight_road), "--duration", "18", *learnt(folder, budget_ms=1),
                 "--inject", "kill:reasoner=8@1")  # fmt: skip
    assert done.code == 0, done.output
    log: Log = done.log
    assert [e.source for e in log.of(Event) if e.fault == Fault.NODE_DIED] == ["reasoner"]
    v_mps = np.array([t.ego.v_mps for t in log.of(Truth)])
    stood = int(np.argmax(v_mps < 0.1))
    assert v_mps[stood] < 0.1 and v_mps[stood:].max() > 2.0
    assert not score(log).driving.contacts


# ------------------------------------------------------------------------------------------------------- services


@pytest.fixture(scope="module")
def ros(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Our own node in a domain of its own."""
    import rclpy
    from whyway_nodes import dds

    with dds.domain({}) as number:
        os.environ |= dds.environment(number, tmp_path_factory.mktemp("ros"))
        rclpy.init(args=[], domain_id=number)
        node = rclpy.create_node("whyway_person")
        yield rclpy, node, str(number)
        node.destroy_node()
        rclpy.shutdown()


def call(ros: Any, kind: Any, name: str, **request: Any) -> Any:
    """A service's answer."""
    rclpy, node, _ = ros
    client = node.create_client(kind, name)
    assert client.wait_for_service(timeout_sec=40.0)
    future = client.call_async(kind.Request(**request))
    rclpy.spin_until_future_complete(node, future, timeout_sec=20.0)
    return future.result()


def test_a_person_s_word_is_driven_and_logged(
    ros: Any, supervisor: Drive, straight_road: Path, tmp_path: Path
) -> None:
    from whyway_msgs.srv import Override
    from whyway_nodes.graph import OVERRIDE_SERVICE

    process = supervisor(
        tmp_path, "--world", str(straight_road), "--duration", "45", ROS_DOMAIN_ID=ros[2]
    )
    for line in process.stdout:
        if " because " in line:
            break
    wrong = call(
        ros, Override, OVERRIDE_SERVICE, edits=["planning.longitudnal=STOP"], duration_s=9.0
    )
    assert not wrong.ok and "did you mean 'planning.longitudinal'" in wrong.message
    edits = ["planning.longitudinal=STOP", "planning.stop_distance_m=30"]
    right = call(ros, Override, OVERRIDE_SERVICE, edits=edits, duration_s=12.0)
    assert right.ok and right.message == "for 12 s: longitudinal=STOP, stop_distance_m=30"
    output, _ = process.communicate(timeout=100)
    assert process.returncode == 0, output
    log = read_log(tmp_path / "drive.mcap")
    (told,) = [e for e in log.of(Event) if e.fault == Fault.OVERRIDDEN]
    said = [t for t in log.of(Trace) if t.integrity.validator.startswith("override: ")]
    assert len(said) == 120 and said[0].stamp_ns == told.stamp_ns
    at = [t for t in log.of(Truth) if said[0].stamp_ns <= t.stamp_ns <= said[-1].stamp_ns]
    assert at[-1].ego.v_mps < 0.1 and at[-1].ego.x_m - at[0].ego.x_m < 31.0
    assert {v.fault for v in log.of(Verdict) if v.stamp_ns < said[-1].stamp_ns} == {Fault.NONE}
    assert log.of(Truth)[-1].ego.v_mps > 3.0


def test_the_recorder_keeps_the_last_seconds_when_asked(ros: Any, tmp_path: Path) -> None:
    from whyway_msgs.srv import SaveBlackBox
    from whyway_nodes.graph import SAVE_SERVICE
    from whyway_nodes.wires import advertise

    arguments = ["--ros-args", "-p", "out:=''", "-p", f"black_box:={tmp_path}"]
    code = "from whyway_nodes.recorder import run; run()"
    process = subprocess.Popen([sys.executable, "-c", code, *arguments], env=os.environ | {
        "PYTHONPATH": os.pathsep.join(sys.path)})  # fmt: skip
    try:
        publisher = advertise(ros[1], topics.COMMAND)
        deadline = time.monotonic() + 40.0
        while not publisher.get_subscription_count() and time.monotonic() < deadline:
            time.sleep(0.05)
        for k in range(30):
            publisher.publish(to_cdr(Command(k * 100_000_000, 0.1, 0.0)))
            time.sleep(0.02)
        time.sleep(0.5)
        answer = call(ros, SaveBlackBox, SAVE_SERVICE, why="a near miss")
        assert answer.ok and answer.message.endswith("-a_near_miss.mcap")
        kept = [c.stamp_ns for c in read_log(answer.message).of(Command)]
        # commands keep their place in line one deep: a busy recorder misses some, never the last, and turns none around
        assert len(kept) > 5 and kept == sorted(set(kept)) and kept[-1] == 2_900_000_000
        assert list(tmp_path.iterdir()) == [Path(answer.message)]  # and no whole log beside it
    finally:
        process.terminate()
        assert process.wait(timeout=10) == 0
