"""`whyway convert`: data of others as a recording that can be replayed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from whyway.cli.common import OK, no_dials, out_console


@dataclass(frozen=True)
class Convert:
    """Turn data of others into a rosbag2 recording, to replay with `whyway replay`."""

    dataset: Annotated[Literal["comma2k19"], tyro.conf.Positional]
    """Whose data."""
    source: Annotated[Path, tyro.conf.Positional]
    """A segment's folder: it holds global_pose and processed_log."""
    out: Annotated[Path, tyro.conf.Positional]
    """The folder to make."""

    def run(self, overrides: Sequence[str]) -> int:
        """Convert."""
        no_dials(overrides)
        from whyway.worlds.bags.comma2k19 import convert_comma2k19

        out_console.print(str(convert_comma2k19(self.source, self.out)), soft_wrap=True)
        return OK
