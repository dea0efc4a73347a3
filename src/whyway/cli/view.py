"""`whyway view`: look at a log, at two side by side, or at a suite; as an HTML page, or in the Rerun viewer."""

from __future__ import annotations

import json
import os
import sys
import webbrowser
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from whyway.cli.common import OK, no_dials, out_console, writable
from whyway.files import write_atomically
from whyway.log import Log, read_log
from whyway.types import InputError


@dataclass(frozen=True)
class View:
    """Show drives: writes one HTML file that needs no network, and opens it where there is a screen.

    Two logs of a scene (two drivers, or two versions of one) are shown side by side under one clock.
    """

    path: Annotated[Path, tyro.conf.Positional]
    """The .mcap of a drive, the folder it is in, or the folder of a suite."""
    against: Annotated[Path | None, tyro.conf.Positional] = None
    """Another drive, to be shown beside it."""
    out: Path | None = None
    """The page; beside the log otherwise."""
    open: bool = True
    """Open what was written, if there is a screen."""
    rerun: bool = False
    """Show it in the Rerun viewer instead of a page."""
    save: Path | None = None
    """With --rerun: write a recording (.rrd) instead of opening the viewer."""

    def run(self, overrides: Sequence[str]) -> int:
        """Read, write, open."""
        no_dials(overrides)
        if self.save is not None and not self.rerun:
            raise InputError("--save is for recordings: give --rerun, too, or --out for a page")
        if self.rerun:
            return self._in_rerun()
        page = self._suite() if self._is_suite() else self._drives()
        out_console.print(str(page), soft_wrap=True)
        if self.open and has_screen():
            webbrowser.open(page.resolve().as_uri())
        return OK

    def _is_suite(self) -> bool:
        return self.path.name == "summary.json" or (self.path / "summary.json").is_file()

    def _suite(self) -> Path:
        """The page of a suite, made anew from its summary; and what it loads, where other code wrote that."""
        from whyway.evaluate.report.page import renew
        from whyway.evaluate.report.suite_page import render_suite

        if self.against is not None:
            raise InputError("two suites are compared by whyway evaluate --baseline; give one here")
        path = self.path if self.path.name == "summary.json" else self.path / "summary.json"
        page = path.with_name("report.html") if self.out is None else self.out
        if page.resolve().parent != path.resolve().parent:
            raise InputError(
                f"--out {page}: a suite's page lies beside its scenes, in {path.parent}"
            )
        summary = _summary(path)
        baseline = summary.get("baseline") or {}
        renew([*summary["scenes"], *baseline.get("scenes", ())], path.parent)
        write_atomically(page, render_suite(summary))
        return page

    def _drives(self) -> Path:
        """The page of one drive, or of two."""
        from whyway.evaluate.report.page import judged, render

        logs = [read_log(_log_path(p)) for p in (self.path, self.against) if p is not None]
        page = self.out or _page_beside([log.path for log in logs])
        writable(page.parent)
        write_atomically(page, render([judged(log) for log in logs]))
        return page

    def _in_rerun(self) -> int:
        from whyway.evaluate.report import rerun_view

        if self.against is not None or self.out is not None:
            raise InputError("--rerun shows one log; leave out the second and --out")
        log: Log = read_log(_log_path(self.path))
        if self.save is None:
            rerun_view.spawn(log)
        else:
            writable(self.save.parent)
            rerun_view.save(log, self.save)
            out_console.print(str(self.save), soft_wrap=True)
        return OK


def has_screen() -> bool:
    """Whether a window could open here and somebody sits before it."""
    shows = sys.platform in ("darwin", "win32") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )
    return shows and sys.stdout.isatty()


def _log_path(path: Path) -> Path:
    return path / "drive.mcap" if path.is_dir() else path


def _page_beside(logs: Sequence[Path]) -> Path:
    """`drive.html` beside `drive.mcap`; of two logs named alike their folders tell them apart."""
    names = [p.stem for p in logs]
    if len(set(names)) < len(names):
        names = [p.resolve().parent.name for p in logs]
    return logs[0].with_name(f"{'-against-'.join(names)}.html")


def _summary(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if not {"scenes", "summary", "driver", "provenance"} <= found.keys():
            raise ValueError("no suite's summary")
    except (ValueError, AttributeError) as error:
        raise InputError(f"{path}: {error}; give the folder that whyway evaluate wrote") from error
    return dict(found)
