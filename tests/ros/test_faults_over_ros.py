"""Whatever fails while driving, the car is brought to a stand without touching anything, and drives on when it can."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from whyway.config import Config
from whyway.drives import drive as drive_here
from whyway.evaluate import score
from whyway.log import Log, read_log
from whyway.types import Event, Fault, SafetyState, Truth, Verdict, same
from whyway.worlds.faults import parse

pytestmark = pytest.mark.ros
Drive = Callable[..., Any]
FAST_MPS = 8.0
NODES = ("perception", "reasoner", "planner", "control")


def speeds(log: Log) -> tuple[np.ndarray, np.ndarray]:
    truths = log.of(Truth)
    return np.array([t.stamp_ns * 1e-9 for t in truths]), np.array([t.ego.v_mps for t in truths])


def events(log: Log, fault: Fault) -> list[Event]:
    return [e for e in log.of(Event) if e.fault == fault]


@pytest.fixture(scope="module")
def killed(drive: Drive, tmp_path_factory: pytest.TempPathFactory, straight_road: Path) -> Log:
    """A drive in which every node is killed in turn, each while the car is fast."""
    kills = [text for node in NODES for text in ("--inject", f"kill:{node}={FAST_MPS}@1")]
    done = drive(
        tmp_path_factory.mktemp("killed"), "--world", str(straight_road), "--duration", "54", *kills
    )
    assert done.code == 0, done.output
    return done.log


@pytest.mark.parametrize("node", NODES)
def test_the_car_stops_and_drives_on_when_a_node_is_killed(killed: Log, node: str) -> None:
    (died,) = [e for e in events(killed, Fault.NODE_DIED) if e.source == node]
    (back,) = [e for e in events(killed, Fault.NODE_RESTARTED) if e.source == node]
    assert "SIGKILL" in died.detail and back.stamp_ns >= died.stamp_ns
    t_s, v_mps = speeds(killed)
    at_s = died.stamp_ns * 1e-9
    assert np.interp(at_s, t_s, v_mps) >= FAST_MPS
    after = v_mps[t_s > at_s]
    stood = int(np.argmax(after < 0.1))
    # from where it is fastest: the supervisor dates a death by the newest cycle it has seen, many cycles old on a busy machine
    fastest = int(np.argmax(after[: stood + 1]))
    assert after[stood] < 0.1 and stood - fastest < 60, "stands within 6 s"
    assert np.all(np.diff(after[fastest:stood]) < 0.0), "and only brakes on the way there"
    assert after[stood:].max() > 4.0, "and drives on"


def test_the_next_node_is_killed_only_when_the_last_is_back(killed: Log) -> None:
    marks = [e for e in killed.of(Event) if e.fault in (Fault.NODE_DIED, Fault.NODE_RESTARTED)]
    turns = [(e.source, e.fault) for e in marks]
    assert turns == [(n, f) for n in NODES for f in (Fault.NODE_DIED, Fault.NODE_RESTARTED)]


def test_safety_or_the_vehicle_itself_did_the_braking(killed: Log) -> None:
    assert any(e.source == "vehicle" for e in events(killed, Fault.COMMAND_TIMEOUT))
    stopping = [v for v in killed.of(Verdict) if v.state == SafetyState.MINIMAL_RISK]
    assert {v.fault for v in stopping} & {Fault.PLAN_STALE, Fault.SCENE_STALE}


def test_nothing_was_touched(killed: Log) -> None:
    assert not score(killed).driving.contacts


def test_bad_odometry_and_bad_plans_stop_the_car(
    drive: Drive, tmp_path: Path, straight_road: Path
) -> None:
    faults = {
        2.0: ("freeze:odometry=0.8@2", Fault.ODOMETRY_STALE),
        12.0: ("nan:odometry=1@12-12.3", Fault.ODOMETRY_INVALID),
        22.0: ("spoil:plan=1@22-22.3", Fault.PLAN_INVALID),
    }
    injected = [text for name, _ in faults.values() for text in ("--inject", name)]
    done = drive(tmp_path, "--world", str(straight_road), "--duration", "32", *injected)
    assert done.code == 0, done.output
    log = done.log
    assert [e.detail for e in log.of(Event)] == [f"injected: {name}" for name, _ in faults.values()]
    for at_s, (_, fault) in faults.items():
        verdicts = [v for v in log.of(Verdict) if at_s <= v.stamp_ns * 1e-9 < at_s + 1.0]
        assert fault in {v.fault for v in verdicts if v.state != SafetyState.NOMINAL}
    assert not events(log, Fault.NODE_DIED)
    assert log.of(Verdict)[-1].state == SafetyState.NOMINAL


def test_what_the_wire_does_is_what_it_does_in_one_process(
    drive: Drive, tmp_path: Path, straight_road: Path
) -> None:
    faults = (
        "drop:all=0.3@1-3",
        "duplicate:all=1@4-5",
        "reorder:all=0.5@5.5-6.5",
        "late:pose=0.2@8-8.3",
    )
    world = str(straight_road)
    injected = [text for name in faults for text in ("--inject", name)]
    done = drive(tmp_path, "--world", world, "--duration", "12", "--driver", "rules", *injected)
    assert done.code == 0, done.output
    here = tmp_path / "here.mcap"
    drive_here(world, "rules", 1, Config(), here, 12.0, None, [parse(name) for name in faults])
    over_ros, in_process = done.log, read_log(here)
    for kind in (Truth, Verdict):
        a, b = over_ros.of(kind), in_process.of(kind)
        assert len(a) == len(b)
        assert all(same(x, y, ignore_volatile=True) for x, y in zip(a, b, strict=True))


def test_a_node_that_hangs_is_killed_and_started_again(
    drive: Drive, tmp_path: Path, straight_road: Path
) -> None:
    done = drive(tmp_path, "--world", str(straight_road), "--inject", "hang:reasoner=5@0.1", "--duration", "30",
                 "--set", "nodes.stage_deadline_s=0.5")  # fmt: skip
    assert done.code == 0, done.output
    assert [e.source for e in events(done.log, Fault.NODE_DIED)] == ["reasoner"]
    assert speeds(done.log)[1].min() < 0.1


def test_without_its_world_a_drive_ends_and_says_so(
    drive: Drive, tmp_path: Path, straight_road: Path
) -> None:
    done = drive(tmp_path, "--world", str(straight_road), "--inject", "kill:world@2")
    assert done.code == 1 and "without its world" in done.output
    assert [e.source for e in events(done.log, Fault.NODE_DIED)] == ["world"]
    assert not done.log.truncated
