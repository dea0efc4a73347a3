"""`whyway explain`: the black box. Why the car did what it did, at an instant, or why it did not do something else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from whyway.cli.common import OK, no_dials, out_console
from whyway.log import Log, read_log


@dataclass(frozen=True)
class Explain:
    """Tell from a log what the car perceived, decided and did, and why: at one instant, or the moments that matter.

    Without --at and --why-not: collisions, interventions, faults, stands and changes of mind, in the order of time.
    """

    log: Annotated[Path, tyro.conf.Positional]
    """The .mcap of a drive, or the folder it is in."""
    at: float | None = None
    """Seconds since the log's beginning."""
    why_not: str | None = None
    """An alternative, e.g. LANE_CHANGE_LEFT, STOP, NUDGE: when was it weighed, and why was it left?"""
    interventions: bool = False
    """Test the words: take causes away, edit decisions, and see whether decision and plan follow. Takes a second per 10 s of drive."""
    json: bool = False
    """Print JSON."""

    def run(self, overrides: Sequence[str]) -> int:
        """Read, look, tell."""
        no_dials(overrides)
        log = read_log(self.log / "drive.mcap" if self.log.is_dir() else self.log)
        values, show = self._found(log)
        if self.json:
            print(json.dumps(values.to_json(), indent=1))
        else:
            show(values, log, out_console)
        return OK

    def _found(self, log: Log) -> tuple[Any, Any]:
        """What is asked for, and how it is shown."""
        from whyway.cli import explain_view as view

        if self.interventions:
            from whyway.evaluate.traces.interventions import intervene

            return intervene(log), view.show_interventions
        if self.why_not is not None:
            from whyway.evaluate.black_box.why_not import alternative, why_not

            return why_not(log, alternative(self.why_not), self.at), view.show_why_not
        if self.at is not None:
            from whyway.evaluate.black_box.explain import account

            return account(log, self.at), view.show_account
        from whyway.evaluate.black_box.story import story

        return story(log), view.show_story
