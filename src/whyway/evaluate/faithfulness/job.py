"""One log, tested: a job that is done in another process, and whose result is kept for as long as log, code and dials are the same."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from whyway.evaluate.faithfulness.probe import Dials, Probe
from whyway.evaluate.faithfulness.tally import Tally
from whyway.evaluate.suites.job import code_hash, short_hash
from whyway.evaluate.traces.coverage import Expert
from whyway.evaluate.traces.rerun import again, logged_config, logged_driver
from whyway.files import write_atomically
from whyway.log import Log, read_log
from whyway.maps.road import Road
from whyway.reason.baselines import BlankReasoner
from whyway.reason.shuffled import ShuffledReasoner
from whyway.types import InputError, LaneMap, Route, Trace


@dataclass(frozen=True, slots=True)
class FaithJob:
    """The log of one drive of a suite.

    `written` is where what was found goes; `key` is the same only for the same log, tested in the same way by the same code.
    """

    name: str
    log_path: Path
    written: Path
    dials: Dials
    key: str

    def known(self) -> dict[str, Any] | None:
        """What an earlier run found."""
        try:
            found = json.loads(self.written.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, json.JSONDecodeError):
            return None
        same = isinstance(found, dict) and found.get("key") == self.key
        return found if same else None

    def do(self) -> dict[str, Any]:
        """Test it, and keep what was found."""
        tally = examined(read_log(self.log_path), self.dials)
        found = {"name": self.name, "key": self.key, "tests": tally.to_json()}
        write_atomically(self.written, json.dumps(found) + "\n")
        return found


def make_job(name: str, log_path: Path, written: Path, dials: Dials) -> FaithJob:
    """The job of a log."""
    log = hashlib.sha256(log_path.read_bytes()).hexdigest()
    key = short_hash("|".join([log, code_hash(), json.dumps(asdict(dials))]))
    return FaithJob(name, log_path, written, dials, key)


def examined(log: Log, dials: Dials) -> Tally:
    """Test every so many decisions of a log.

    Raises:
      InputError: it has no map and route, or no traces; or its driver cannot be run again (`rerun.logged_driver`).
    """
    maps, routes, said = log.of(LaneMap), log.of(Route), log.of(Trace)
    if not maps or not routes or not said:
        raise InputError(
            f"{log.path}: needs map, route and traces to run reasoner and planner again"
        )
    road, config = Road(maps[-1], routes[-1]), logged_config(log)
    rerun, planner = logged_driver(log, road)
    expert, tally = Expert(config, road), Tally()
    probe = Probe(
        road, planner, expert, said, BlankReasoner(config, road), ShuffledReasoner(config, road), dials,
    )  # fmt: skip
    for k, here in enumerate(again(log, rerun)):
        if k % dials.every == dials.every // 2:
            probe(here, k, tally)
        expert.go_on(here.scene, here.trace)
    return tally
