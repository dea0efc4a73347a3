"""What the process of every node does: it starts rclpy, turns until it is told to end, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator, Sequence

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

LOOK_S = 0.2
"""How often it is looked whether the process has been told to end."""


class Told:
    """Whether SIGINT or SIGTERM has come."""

    def __init__(self) -> None:
        self.to_end = False

    def __call__(self, number: int, frame: object) -> None:
        """Take note, as a signal handler."""
        self.to_end = True


@contextlib.contextmanager
def ros_process(argv: Sequence[str] | None = None) -> Iterator[Told]:
    """Have rclpy for the time being.

    Its own signal handlers shut its context down from a thread: a node that is only half made then dies with a traceback, and a recorder
    on a busy machine was seen that never ended. Ours only take note.
    """
    told = Told()
    before = {n: signal.signal(n, told) for n in (signal.SIGINT, signal.SIGTERM)}
    rclpy.init(
        args=None if argv is None else list(argv), signal_handler_options=SignalHandlerOptions.NO
    )
    try:
        yield told
    finally:
        rclpy.try_shutdown()
        for number, handler in before.items():
            signal.signal(number, handler)


def spin(node: Node, told: Told) -> None:
    """Serve a node until the process is told to end."""
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        while not told.to_end:
            executor.spin_once(timeout_sec=LOOK_S)
    finally:
        executor.shutdown(timeout_sec=0.1)
