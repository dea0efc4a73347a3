"""Runs a drive over ROS 2: starts the nodes as processes, records, tells, restarts what dies, and ends everything in order.

`python -m whyway_nodes.supervisor --world town --out out/drive/run` is what `whyway drive` starts. It leaves DIR/drive.mcap (whole, however the drive
ended), DIR/params.yaml (what every node was given) and DIR/nodes/*.log (what they printed).

Exit codes: 0 the drive went to its end; 1 it could not (the world died, a node died too often); 2 wrong arguments or configuration;
130 ended by Ctrl-C or SIGTERM, or because who started it is gone.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from whyway import topics
from whyway.config import Config, as_dict, config_hash, load
from whyway.driver import DEFAULT_DRIVER, DRIVERS, driver_config
from whyway.log import LogWriter
from whyway.messages import from_cdr, to_cdr
from whyway.topics import Topic
from whyway.types import Event, Fault
from whyway_nodes import dds, graph
from whyway_nodes.children import Child, end_all
from whyway_nodes.faults import PROCESS_FAULTS, Injection, parse

HANG_S = 6.0
"""A node says how it is once a second; after so long without a word it hangs."""
START_WAIT_S = 60.0
"""How long all nodes together may take until the first observation."""
DRAIN_S = 2.0
"""How long messages under way are waited for after the world's end."""


@dataclass(frozen=True, slots=True)
class Drive:
    """What to drive."""

    world: str
    driver: str
    seed: int
    duration_s: float
    out: Path
    config: Config
    injections: tuple[Injection, ...]
    info: dict[str, Any]
    sensors: bool
    rig: Path | None
    """Raw sensors of this rig are published too; None is the default rig."""
    parent: int | None
    """Process without which there is nobody to drive for."""


def arguments(argv: Sequence[str] | None) -> Drive:
    """Read the command line.

    Raises:
      ValueError: a dial, driver or fault that is none, in one line.
    """
    parser = argparse.ArgumentParser(
        prog="whyway_nodes.supervisor", description="Drive over ROS 2."
    )
    parser.add_argument(
        "--world", default="town", help="town, or a CommonRoad file (.xml, .xml.gz)"
    )
    parser.add_argument("--driver", default=DEFAULT_DRIVER, help=", ".join(DRIVERS))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--duration", type=float, default=0.0, help="simulated seconds; 0: the world's own"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("out/drive/ros"), help="folder for drive.mcap"
    )
    parser.add_argument("--config", type=Path, default=None, help="YAML with dials to set")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="a dial to set"
    )
    parser.add_argument(
        "--inject", action="append", default=[], metavar="FAULT", help="e.g. kill:reasoner@12.0"
    )
    parser.add_argument(
        "--sensors", action="store_true", help="publish camera, lidar, IMU, GNSS and wheels too"
    )
    parser.add_argument("--rig", type=Path, default=None, help="YAML of those sensors")
    parser.add_argument(
        "--info", type=json.loads, default={}, help="more to note in the log (JSON)"
    )
    parser.add_argument("--parent", type=int, help="end when this process, our parent, is gone")
    a = parser.parse_args(argv)
    config = driver_config(a.driver, load(a.config, a.set))
    injections = tuple(parse(text, tuple(graph.NODES)) for text in a.inject)
    out = a.out.resolve()
    return Drive(
        a.world, a.driver, a.seed, a.duration, out, config, injections, a.info, a.sensors, a.rig, a.parent,
    )  # fmt: skip


class Supervisor:
    """One drive; `run` is its life."""

    def __init__(self, drive: Drive, domain: int) -> None:
        self.drive, self.domain = drive, domain
        self.children = [self._child(name) for name in graph.NODES]
        self.world = self.children[0]
        self.stamp_ns = 0
        self.v_mps = 0.0
        self.first_stamp_s = 0.0
        self._stop: int | None = None
        self._to_inject = [i for i in drive.injections if i.kind in PROCESS_FAULTS]
        self._waking: set[str] = set()
        self._world_says: dict[str, str] = {}
        self._heard_s: dict[str, float] = {}
        self._events: list[Event] = []

    def _child(self, name: str) -> Child:
        folder = self.drive.out / "nodes"
        parameters = [
            "--ros-args",
            "--params-file",
            str(self.drive.out / "params.yaml"),
            "--log-level",
            "warn",
        ]
        return Child(name, parameters, folder / f"{name}.log")

    def run(self) -> int:
        """Start, drive, end; the exit code."""
        started_s = time.monotonic()
        (self.drive.out / "nodes" / "ros").mkdir(parents=True, exist_ok=True)
        for child in self.children:
            child.log.unlink(missing_ok=True)
        self._write_parameters()
        os.environ.update(dds.environment(self.domain, self.drive.out / "nodes" / "ros"))
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)
        before = dds.shm_files()
        for child in self.children:
            child.start(os.environ)
        try:
            return self._drive(started_s)
        finally:
            end_all(self.children)
            dds.sweep(before)

    def _on_signal(self, number: int, _frame: object) -> None:
        self._stop = number

    def _write_parameters(self) -> None:
        """One file for all nodes, as a launch file would hand it out."""
        d = self.drive
        own = {
            "autostart": True, "recorder": True, "supervised": True, "world": d.world, "driver": d.driver, "seed": d.seed,
            "duration_s": float(d.duration_s), "inject": " ".join(str(i) for i in d.injections if i not in self._to_inject),
            "sensors": d.sensors, "rig": str(d.rig.resolve()) if d.rig else "",
        }  # fmt: skip
        tree = {"/**": {"ros__parameters": own | as_dict(d.config)}}
        (d.out / "params.yaml").write_text(yaml.safe_dump(tree, sort_keys=False))

    # ------------------------------------------------------------------------------------------------------- drive

    def _drive(self, started_s: float) -> int:
        # imported while the nodes start: they and we load ROS at the same time
        import rclpy
        from rclpy.executors import SingleThreadedExecutor
        from rclpy.signals import SignalHandlerOptions

        from whyway_nodes.narrator import Narrator, TransportTimes
        from whyway_nodes.recorder import Recorder
        from whyway_nodes.wires import advertise, listen

        rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
        node = rclpy.create_node(
            "whyway_supervisor", start_parameter_services=False, enable_rosout=False
        )
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        self._event_publisher = advertise(node, topics.EVENT)
        self._transport = TransportTimes()
        listen(node, graph.READY, self._on_ready, depth=16)
        listen(node, graph.CYCLE_TIME, self._on_cycle_time, depth=1000)
        listen(node, topics.DIAGNOSTICS, self._on_diagnostics)
        with (
            LogWriter(self.drive.out / "drive.mcap", self._info()) as writer,
            Narrator(self.drive.duration_s) as narrator,
        ):
            self._narrator, self._writer = narrator, writer
            narrator.say(
                f"ROS_DOMAIN_ID={self.domain}: {', '.join(graph.NODES)} start as processes of their own"
            )
            self.recorder = Recorder(node, writer, self._watch)
            code: int | None = None
            while code is None:
                executor.spin_once(timeout_sec=0.02)
                code = self._check(started_s)
            if code != 2:
                self._drain(executor)
            if code in (0, 1):
                self._sum_up(started_s)
        executor.shutdown(timeout_sec=0.1)
        node.destroy_node()
        rclpy.try_shutdown()
        return code

    def _info(self) -> dict[str, Any]:
        """The least a log must say of itself, and what `--info` adds: versions cost more time to find out than a start may take."""
        d = self.drive
        mine = {
            "driver": d.driver, "world": d.world, "seed": d.seed, "config_hash": config_hash(d.config), "config": as_dict(d.config),
            "middleware": "ROS 2, a process per node", "injected": [str(i) for i in d.injections],
        }  # fmt: skip
        return d.info | mine

    def _watch(self, topic: Topic, stamp_ns: int, data: bytes) -> None:
        """Look at what goes into the log."""
        if topic is topics.TRUTH:
            truth = from_cdr(data, topic.value)
            if not self.first_stamp_s:
                self.first_stamp_s = time.monotonic()
            self.stamp_ns, self.v_mps = stamp_ns, truth.ego.v_mps
            self._narrator.truth(truth)
            self._inject()
        elif topic is topics.TRACE:
            trace = from_cdr(data, topic.value)
            self._transport.trace(trace)
            self._narrator.trace(trace)
        elif topic is topics.VERDICT:
            verdict = from_cdr(data, topic.value)
            self._transport.verdict(verdict)
            self._narrator.verdict(verdict)
        elif topic is topics.EVENT:
            event = from_cdr(data, topic.value)
            self._events.append(event)
            self._narrator.event(event)

    def _on_cycle_time(self, message: Any) -> None:
        stamp, took = message.header.stamp, message.time_ref
        self._transport.cycle(
            stamp.sec * 1_000_000_000 + stamp.nanosec, took.sec * 1e3 + took.nanosec * 1e-6
        )

    def _on_diagnostics(self, message: Any) -> None:
        for status in message.status:
            name = status.name.removeprefix("whyway: ")
            self._heard_s[name] = time.monotonic()
            if name == "world":
                self._world_says = {pair.key: pair.value for pair in status.values}

    def _on_ready(self, message: Any) -> None:
        if message.data == graph.RECORDER:  # ourselves
            return
        # from here on silence counts: a node may hang before it has said the first time how it is
        self._heard_s[message.data] = time.monotonic()
        if message.data in self._waking:
            self._waking.discard(message.data)
            self._report(message.data, Fault.NODE_RESTARTED, f"{message.data} is back")

    def _report(self, source: str, fault: Fault, detail: str) -> None:
        # our own subscription brings it to log and terminal, like everybody's events
        self._event_publisher.publish(to_cdr(Event(self.stamp_ns, source, fault, detail)))

    def _inject(self) -> None:
        """One node at a time: the next fault waits until everybody is back."""
        due = [
            i for i in self._to_inject if self.stamp_ns * 1e-9 >= i.from_s and self.v_mps >= i.value
        ]
        if due and not self._waking and all(c.alive for c in self.children):
            self._to_inject.remove(due[0])
            self._waking.add(due[0].what)  # from now on: a process takes a moment to die
            child = next(c for c in self.children if c.name == due[0].what)
            child.signal(signal.SIGKILL if due[0].kind == "kill" else signal.SIGSTOP)

    # ------------------------------------------------------------------------------------------------- life, death

    def _check(self, started_s: float) -> int | None:
        """The exit code when the drive is over, for whatever reason."""
        if self._stop is not None:
            self._narrator.say("ended on request", "bold")
            return 130
        if self.drive.parent not in (None, os.getppid()):
            return 130
        for child in self.children:
            code = child.returncode
            if code is None:
                self._watch_over(child)
                continue
            if child is self.world and code == 0:
                return 0
            if code == 2:
                self._narrator.say(child.last_words(), "bold red")
                return 2
            if not self._revive(child):
                return 1
        if not self.first_stamp_s and time.monotonic() - started_s > START_WAIT_S:
            self._narrator.say(
                f"no observation within {START_WAIT_S:g} s; see {self.drive.out / 'nodes'}",
                "bold red",
            )
            return 1
        return None

    def _watch_over(self, child: Child) -> None:
        """A process that lives and says nothing is as good as dead: it is killed, and found dead the next time."""
        if time.monotonic() - self._heard_s.get(child.name, math.inf) > HANG_S:
            del self._heard_s[child.name]
            child.signal(signal.SIGKILL)

    def _revive(self, child: Child) -> bool:
        """Start a dead node again; False where that cannot save the drive."""
        how = f"{child.name} died ({child.end_of()})"
        words = f": {child.last_words()}" if (child.returncode or 0) > 0 else ""
        lost = child is self.world or child.starts > self.drive.config.nodes.restart_limit
        self._report(child.name, Fault.NODE_DIED, how + words)
        if lost:
            why = "without its world a drive cannot go on" if child is self.world else "too often"
            self._narrator.say(f"{how}: {why}; see {child.log}", "bold red")
            return False
        self._waking.add(child.name)
        self._heard_s.pop(child.name, None)
        child.start(os.environ, "recovering:=true")
        return True

    def _drain(self, executor: Any) -> None:
        """Take in what is under way: until every topic is level, at most `DRAIN_S`, or a moment if a drive was cut off."""
        whole = self.world.returncode == 0
        deadline = time.monotonic() + (DRAIN_S if whole else 0.2)
        while time.monotonic() < deadline and not (whole and self.recorder.level):
            executor.spin_once(timeout_sec=0.02)
        for _ in range(5):
            executor.spin_once(timeout_sec=0.01)

    def _sum_up(self, started_s: float) -> None:
        simulated_s, wall_s = (
            self.stamp_ns * 1e-9,
            time.monotonic() - (self.first_stamp_s or started_s),
        )
        say, figures = self._narrator.say, self._transport.figures()
        start_s = (self.first_stamp_s or time.monotonic()) - started_s
        say(
            f"{simulated_s:.1f} s driven in {wall_s:.1f} s; the nodes were ready after {start_s:.1f} s"
        )
        if figures:
            say(
                "between the processes: p50 {p50_ms:.1f} ms, p99 {p99_ms:.1f} ms a cycle".format(
                    **figures
                )
            )
        missing = self.recorder.missing()
        if missing and not self._events:
            say(f"missing from the log: {missing}", "yellow")
        self._writer.add_info(
            {"transport": figures, "start_s": round(start_s, 3), "wall_s": round(wall_s, 3)}
        )
        if "world_notes" in self._world_says:
            goal = {"reached": True, "not reached": False}.get(self._world_says["goal"])
            notes = json.loads(self._world_says["world_notes"])
            self._writer.add_info(
                {"name": self._world_says["name"], "goal_reached": goal, "notes": notes}
            )
        self._writer.add_info({"resources": self._resources(wall_s)})

    def _resources(self, wall_s: float) -> dict[str, float]:
        """What the drive cost: CPU of all processes, their start included, and the most memory that the largest of them held."""
        end_all(self.children)  # what a process has used is known once it has ended
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return {
            "cpu_s": round(sum(u.ru_utime + u.ru_stime for u in used), 3),
            "wall_s": round(wall_s, 3),
            "peak_rss_mib": round(max(u.ru_maxrss for u in used) / 1024, 1),
        }


def main(argv: Sequence[str] | None = None) -> int:
    """Drive; the exit code."""
    try:
        drive = arguments(argv)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    with dds.domain() as number:
        return Supervisor(drive, number).run()


if __name__ == "__main__":
    sys.exit(main())
