"""What the commands share: consoles, exit codes, folders, progress."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from whyway.types import InputError

OK, NO, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 130

out_console = Console(highlight=False)
err_console = Console(stderr=True, highlight=False)


def no_dials(overrides: Sequence[str]) -> None:
    """Refuse dials where a command has none."""
    if overrides:
        raise InputError(f"--{overrides[0]}: this command has no use for dials; leave it out")


def cores() -> int:
    """Cores this process may use, as far as the system says; at most 8."""
    usable = getattr(os, "sched_getaffinity", None)
    return min(len(usable(0)) if usable else os.cpu_count() or 1, 8)


def run_folder(kind: str, name: str) -> Path:
    """A folder for what one run leaves, by the time it began."""
    stamp = datetime.now(timezone.utc).strftime("%Y%m%d-%H%M%S")
    return Path("out") / kind / f"{name}-{stamp}"


def short_name(world: str) -> str:
    """A name for files: "family:cut_in@maps/Town04.xodr" -> "cut_in-Town04", "routes/longest6.xml#3" -> "longest6-3"."""
    words, _, number = world.removeprefix("family:").partition("#")
    parts = [Path(word).name.split(".")[0] for word in words.split("@")]
    return "-".join(part for part in [*parts, number] if part) or "suite"


def writable(folder: Path) -> None:
    """Make a folder, or say which other one to choose."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"cannot write to {folder}: {error.strerror}; choose another folder with --out"
        ) from error


def progress_bar() -> Progress:
    """A bar on stderr, gone when its work is done; its one field is `doing`."""
    return Progress(
        TextColumn("{task.fields[doing]}"), BarColumn(), TextColumn("{task.completed:.0f}"), TimeElapsedColumn(),
        console=err_console, transient=True,
    )  # fmt: skip
