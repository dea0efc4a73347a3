"""Every logged topic into an MCAP file, byte for byte as it crossed.

Readers are reliable and deep, so nothing is lost while a disk or a scheduler hesitates. A message is logged at its own stamp. The supervisor
records by itself; for launch files there is a node of its own here.
"""

from __future__ import annotations

import contextlib
import struct
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import rclpy
from rclpy.node import Node
from std_msgs.msg import String

from whyway import topics
from whyway.black_box import BlackBox
from whyway.log import LogWriter
from whyway.topics import Topic
from whyway_nodes import graph
from whyway_nodes.process import ros_process, spin
from whyway_nodes.wires import advertise, listen

DEPTH = 2000
"""Messages a reader may hold back: minutes of driving."""
CHECK_EVERY_S, MATCHED_WITHIN_S = 0.05, 20.0
"""How often it is looked whether all who write are known, and when that is given up."""
EVERY_CYCLE = tuple(t for t in topics.logged() if t.rate_hz)
"""Topics that hold one message per cycle."""


def stamp_of(data: bytes) -> int:
    """The stamp [ns] in the header a message begins with, from its CDR bytes."""
    sec, nanosec = struct.unpack_from("<iI" if data[1] & 1 else ">iI", data, 4)
    return int(sec * 1_000_000_000 + nanosec)


class Recorder:
    """Subscribes to what is logged and writes it, if there is a writer; `watch` may look at each message too."""

    def __init__(
        self,
        node: Node,
        writer: LogWriter | None,
        watch: Callable[[Topic, int, bytes], None] | None = None,
    ) -> None:
        self._node, self._writer, self._watch = node, writer, watch
        self._counts = {topic.name: 0 for topic in EVERY_CYCLE}
        self.newest_ns: dict[str, int] = {}
        self._readers = [
            listen(node, topic, self._taker(topic), depth=DEPTH, raw=True)
            for topic in topics.logged()
        ]
        self._ready = advertise(node, graph.READY)
        self._since_s = time.monotonic()
        self._timer = node.create_timer(CHECK_EVERY_S, self._check_ready)

    def _check_ready(self) -> None:
        """A writer may know its reader before the reader knows it, and what it then writes is lost: the reader has to say so itself."""
        matched = all(reader.get_publisher_count() for reader in self._readers)
        # what is lost when it is given up is counted as missing
        if matched or time.monotonic() - self._since_s > MATCHED_WITHIN_S:
            self._ready.publish(String(data=graph.RECORDER))
            self._node.destroy_timer(self._timer)

    def _taker(self, topic: Topic) -> Callable[[Any], None]:
        return lambda data: self.take(topic, data)

    def take(self, topic: Topic, data: bytes) -> None:
        """Log one message."""
        stamp_ns = stamp_of(data)
        if self._writer is not None:
            self._writer.write_cdr(topic.name, data, stamp_ns)
        self.newest_ns[topic.name] = stamp_ns
        if topic.name in self._counts:
            self._counts[topic.name] += 1
        if self._watch is not None:
            self._watch(topic, stamp_ns, data)

    @property
    def level(self) -> bool:
        """Whether a drive that has ended is here to its end: every topic has come as far as the observations, truth further."""
        end = self.newest_ns.get(topics.OBSERVATION.name)
        return end is not None and all(
            self.newest_ns.get(t.name, end) > end
            if t is topics.TRUTH
            else self.newest_ns.get(t.name) == end
            for t in EVERY_CYCLE
        )

    def missing(self) -> dict[str, int]:
        """How many messages each topic has fewer than there were observations."""
        cycles = self._counts[topics.OBSERVATION.name]
        return {name: cycles - n for name, n in self._counts.items() if n < cycles}


DEFAULTS = {"out": "drive.mcap", "black_box": "", "driver": "", "world": "", "seed": 0}


def run() -> int:
    """The recorder as a node: writes all to the parameter `out`, what goes wrong to `black_box`, until it is told to end."""
    with ros_process() as told, contextlib.ExitStack() as stack:
        node = rclpy.create_node("whyway_recorder")
        given = {
            name: node.declare_parameter(name, value).value for name, value in DEFAULTS.items()
        }
        out, folder = given.pop("out"), given.pop("black_box")
        writer = stack.enter_context(LogWriter(out, given)) if out else None
        if folder:
            box = BlackBox(Path(folder), given)
            stack.callback(box.close)
            Recorder(node, writer, partial(_keep, box))
            _serve(node, box)
        else:
            Recorder(node, writer)
        spin(node, told)
    return 0


def _keep(box: BlackBox, topic: Topic, stamp_ns: int, data: bytes) -> None:
    box.add(topic.name, data, stamp_ns)


def _serve(node: Node, box: BlackBox) -> None:
    """Files on request."""
    from whyway_msgs.srv import SaveBlackBox

    def save(request: Any, response: Any) -> Any:
        response.message = box.request(request.why)
        response.ok = not box.trouble
        return response

    node.create_service(SaveBlackBox, graph.SAVE_SERVICE, save)
