"""The project's own gates: replays three short bags through the driver and holds the logs to tests/gates/gates.yaml.

    make gates                          # exit code 0: passed, 1: failed, 2: could not judge
    make gates ARGS=--update-refs       # a change that is meant: take what was logged for the new references

Logs, result.jsonl and junit.xml go to out/gates. Latencies are CPU time of the deciding thread: a stage that computes longer is caught,
a machine that others keep busy is not blamed on it.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from whyway.cli import main as whyway
from whyway.config import Config
from whyway.drives import drive

ROOT = Path(__file__).resolve().parents[1]
GATES = Path("tests/gates/gates.yaml")
OUT = Path("out/gates")


def main(arguments: list[str]) -> int:
    """Replay, then judge."""
    os.chdir(ROOT)  # logs and reports name files as a clone has them
    OUT.mkdir(parents=True, exist_ok=True)
    logs = []
    for bag in sorted((GATES.parent / "bags").glob("*.mcap")):
        logs.append(OUT / bag.name)
        drive(str(bag), "rules", 1, Config(), logs[-1], clock=time.thread_time)
    return whyway(["gate", str(GATES), *map(str, logs), "--out", str(OUT), *arguments])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
