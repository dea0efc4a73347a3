"""Asks the reasoner of a drive under way to say something else for a while: what `whyway override` starts.

    python -m whyway_nodes.override planning.longitudinal=STOP --for 2.0

Exit codes: 0 it will be done; 1 nobody answers; 2 the words are not understood.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from whyway_nodes import dds, graph

ANSWER_S = 5.0


def main(argv: Sequence[str] | None = None) -> int:
    """Ask; the exit code."""
    parser = argparse.ArgumentParser(prog="whyway_nodes.override", description=__doc__)
    parser.add_argument("edits", nargs="+", metavar="FIELD=VALUE")
    parser.add_argument("--for", type=float, default=2.0, dest="duration_s", help="seconds")
    asked = parser.parse_args(argv)
    domain = int(os.environ.get("ROS_DOMAIN_ID", "0"))
    os.environ.update(dds.environment(domain, Path(tempfile.gettempdir())))

    import rclpy
    from whyway_msgs.srv import Override

    rclpy.init(args=[], domain_id=domain)
    node = rclpy.create_node("whyway_override")
    try:
        client = node.create_client(Override, graph.OVERRIDE_SERVICE)
        if not client.wait_for_service(timeout_sec=ANSWER_S):
            print(
                f"nobody serves {graph.OVERRIDE_SERVICE} in ROS domain {domain}: set ROS_DOMAIN_ID to the"
                " drive's, it says its number when it starts",
                file=sys.stderr,
            )
            return 1
        request = Override.Request(edits=asked.edits, duration_s=asked.duration_s)
        future = client.call_async(request)
        rclpy.spin_until_future_complete(node, future, timeout_sec=ANSWER_S)
        answer = future.result()
        if answer is None:
            print("the reasoner does not answer: is it active?", file=sys.stderr)
            return 1
        print(answer.message, file=sys.stdout if answer.ok else sys.stderr)
        return 0 if answer.ok else 2
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


if __name__ == "__main__":
    sys.exit(main())
