"""A node's process ends when it is told to, whenever that is."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytest.importorskip("rclpy")

PROCESS = """
import os, signal
import rclpy
from std_msgs.msg import String
from whyway_nodes.process import ros_process, spin

def tell(): os.kill(os.getpid(), signal.{name})

before = signal.getsignal(signal.{name})
with ros_process([]) as told:
    {early}
    node = rclpy.create_node("short_lived")
    node.create_subscription(String, "said", lambda _: None, 1)
    if not told.to_end:
        calls = []
        node.create_timer(0.01, lambda: (calls.append(1), len(calls) == 3 and tell()))
    spin(node, told)
    assert rclpy.ok()
assert not rclpy.ok() and signal.getsignal(signal.{name}) is before
print("ended")
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("early", ["tell()", ""])
def test_it_ends_in_order_while_it_is_made_and_while_it_serves(name: str, early: str) -> None:
    path = os.pathsep.join(sys.path)
    code = PROCESS.format(name=name, early=early)
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": path},
                          capture_output=True, text=True, timeout=60, check=False)  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "ended\n", "")
