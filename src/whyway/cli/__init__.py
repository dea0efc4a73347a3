"""`whyway`: drive, replay, judge, look, explain. Each command is one class in a file of its own; its fields are its options.

Exit codes: 0 success; 1 it ran, and the answer is no; 2 wrong input, one line says what to do; 130 interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import tyro
from rich.markup import escape

from whyway.cli.common import INTERRUPTED, NO, OK, WRONG_INPUT, err_console
from whyway.cli.convert import Convert
from whyway.cli.data import Data
from whyway.cli.drive import Drive
from whyway.cli.evaluate import Evaluate
from whyway.cli.explain import Explain
from whyway.cli.export import Export
from whyway.cli.faith import Faith
from whyway.cli.faults import Faults
from whyway.cli.gate import Gate
from whyway.cli.model import Model
from whyway.cli.override import Override
from whyway.cli.prepare import Prepare
from whyway.cli.realism import Realism
from whyway.cli.replay import Replay
from whyway.cli.score import Score
from whyway.cli.tools import Bench, Doctor, Map, Messages
from whyway.cli.view import View
from whyway.types import InputError

__all__ = ["INTERRUPTED", "NO", "OK", "WRONG_INPUT", "main"]

Command = (
    Annotated[Drive, tyro.conf.subcommand("drive")]
    | Annotated[Replay, tyro.conf.subcommand("replay")]
    | Annotated[Evaluate, tyro.conf.subcommand("evaluate")]
    | Annotated[Faith, tyro.conf.subcommand("faith")]
    | Annotated[Faults, tyro.conf.subcommand("faults")]
    | Annotated[Gate, tyro.conf.subcommand("gate")]
    | Annotated[Score, tyro.conf.subcommand("score")]
    | Annotated[Explain, tyro.conf.subcommand("explain")]
    | Annotated[Export, tyro.conf.subcommand("export")]
    | Annotated[Prepare, tyro.conf.subcommand("prepare")]
    | Annotated[Convert, tyro.conf.subcommand("convert")]
    | Annotated[Data, tyro.conf.subcommand("data")]
    | Annotated[Model, tyro.conf.subcommand("model")]
    | Annotated[Override, tyro.conf.subcommand("override")]
    | Annotated[Realism, tyro.conf.subcommand("realism")]
    | Annotated[View, tyro.conf.subcommand("view")]
    | Annotated[Map, tyro.conf.subcommand("map")]
    | Annotated[Bench, tyro.conf.subcommand("bench")]
    | Annotated[Messages, tyro.conf.subcommand("messages")]
    | Annotated[Doctor, tyro.conf.subcommand("doctor")]
)


def main(argv: Sequence[str] | None = None) -> int:
    """The console script: parse, run, and turn what goes wrong into one line and an exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    # `--key=value` with a dotted key is a dial of the configuration, checked by name where it is laid over the tree
    overrides = [
        w[2:] for w in words if w.startswith("--") and "." in w.partition("=")[0] and "=" in w
    ]
    words = [w for w in words if w[2:] not in overrides]
    try:
        command = tyro.cli(
            Command, args=words, prog="whyway", description=__doc__, use_underscores=False
        )
        code: int = command.run(overrides)
        return code
    except (InputError, OSError) as error:
        err_console.print(f"[red]whyway:[/] {escape(' '.join(str(error).split()))}", soft_wrap=True)
        return WRONG_INPUT
    except KeyboardInterrupt:
        err_console.print("[yellow]whyway:[/] interrupted; what was logged until now is readable")
        return INTERRUPTED
