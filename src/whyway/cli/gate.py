"""`whyway gate`: logs against references and limits."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from whyway.cli.common import no_dials, out_console, run_folder, writable


@dataclass(frozen=True)
class Gate:
    """Hold logs to a file of gates: golden (field by field against a reference), semantic (on intervals), budget.

    Exit code 0: all passed; 1: one failed; 2: one could not be judged. Writes result.jsonl and junit.xml.
    """

    gates: Annotated[Path, tyro.conf.Positional]
    """The file of gates (YAML)."""
    logs: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Logs (.mcap), or folders of them."""
    out: Path | None = None
    """Folder for result.jsonl and junit.xml; out/gate/<gates>-<time> otherwise."""
    json: bool = False
    """Print JSON."""
    update_refs: bool = False
    """Take these logs for the new references, and say what has changed."""

    def run(self, overrides: Sequence[str]) -> int:
        """Judge, write, tell."""
        from whyway.evaluate.gates.jsonl import ResultLines
        from whyway.evaluate.gates.junit import write_junit
        from whyway.evaluate.gates.run import run_gates
        from whyway.evaluate.gates.schema import read_gates
        from whyway.evaluate.gates.terminal import rendered

        no_dials(overrides)
        gates = read_gates(self.gates)
        out = self.out or run_folder("gate", self.gates.stem)
        writable(out)
        now_s = time.time()
        with ResultLines(out, now_s) as lines:
            report = run_gates(gates, self.logs, update=self.update_refs, watch=lines.take)
            lines.end(report)
        files = [str(lines.path), str(write_junit(report, out, now_s))]
        if self.json:
            print(json.dumps(report.to_json() | {"files": files}, indent=1))
        else:
            out_console.print(rendered(report), soft_wrap=True)
            out_console.print("\n".join(files), soft_wrap=True, markup=False)
        return report.outcome.value
