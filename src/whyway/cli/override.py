"""`whyway override`: a person's word in the traces of a drive under way over ROS 2."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import tyro

from whyway import doctor as checks
from whyway.cli.common import no_dials
from whyway.trace.override import parse
from whyway.types import InputError

ROS_CLIENT = "whyway_nodes.override"


@dataclass(frozen=True)
class Override:
    """Replace fields of the decision for a while: the trajectory follows, and the trace says who said so.

    e.g. whyway override planning.longitudinal=STOP planning.stop_distance_m=12 --for 5
    """

    edits: tyro.conf.Positional[tuple[str, ...]]
    """FIELD=VALUE of the planning trace."""
    for_: Annotated[float, tyro.conf.arg(name="for")] = 2.0
    """Seconds for which it holds."""

    def run(self, overrides: Sequence[str]) -> int:
        """Ask the reasoner; its exit code."""
        no_dials(overrides)
        parse(self.edits)  # what is wrong with the words is known without a drive
        missing = checks.ros_missing()
        if missing is not None:
            raise InputError(f"no ROS 2 here ({missing}): a drive in one process takes no orders")
        command = [sys.executable, "-m", ROS_CLIENT, *self.edits, "--for", str(self.for_)]
        return subprocess.run(command, check=False).returncode
