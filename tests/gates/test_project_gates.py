"""The project's own gates: three short bags, replayed by what is in this checkout, against the references committed with it."""

from __future__ import annotations

import sys
from itertools import count
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # tests are no package

from replayed import BAGS, GATES, replay

from whyway.evaluate.gates.results import Outcome
from whyway.evaluate.gates.run import run_gates
from whyway.evaluate.gates.schema import read_gates
from whyway.log import read_log
from whyway.topics import TOPICS


@pytest.mark.parametrize("bag", BAGS, ids=lambda bag: bag.stem)
def test_this_checkout_passes_its_own_gates(bag, tmp_path):
    # latency is gated on the clock of whoever runs `make gates`; a test must not depend on how busy a machine is
    ticks = count()
    log = replay(bag, tmp_path, clock=lambda: next(ticks) * 1e-3)
    report = run_gates(read_gates(GATES), [log])
    bad = [f"{r.name}: {r.text}\n{r.detail}" for r in report.logs[0].results if r.outcome is not Outcome.PASSED]  # fmt: skip
    assert not bad, "\n".join([*bad, "if this is meant: make gates ARGS=--update-refs"])


def test_bags_are_small_and_hold_only_what_a_driver_is_given():
    assert len(BAGS) == 3
    for bag in BAGS:
        assert bag.stat().st_size < 300_000
        assert read_log(bag).topics.keys() == {
            f"/whyway/{name}" for name in ("observation", "truth", "lane_map", "route")
        }


def test_references_hold_what_the_gates_look_at_and_say_how_it_read():
    assert sum(f.stat().st_size for f in GATES.parent.rglob("*.mcap")) < 1_500_000
    for bag in BAGS:
        log = read_log(GATES.parent / "refs" / bag.name)
        assert log.topics.keys() <= TOPICS.keys()
        assert {"/whyway/trace", "/whyway/plan", "/whyway/command"} <= log.topics.keys()
        assert log.info["sentences"] and not Path(log.info["world"]).is_absolute()
