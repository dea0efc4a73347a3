"""The model that comes along: small, whole, and what drives if nobody says otherwise."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from whyway.cli import OK, main
from whyway.config import Config
from whyway.driver import DEFAULT_DRIVER
from whyway.drives import drive
from whyway.log import read_log
from whyway.reason.checkpoint import DEFAULT_MODEL, MODELS, load_model
from whyway.reason.export.recipe import SHIPPED
from whyway.reason.parameters import parameter_count
from whyway.types import Trace

FOLDER = MODELS / DEFAULT_MODEL


def test_it_is_small_and_has_a_graph_for_every_onnxruntime() -> None:
    model = load_model()
    assert parameter_count(model.spec) <= 5_000_000
    assert sum(f.stat().st_size for f in FOLDER.iterdir()) <= 12_000_000
    graphs = {dataclasses.replace(SHIPPED, dialect=d).file_name for d in ("A", "B")}
    assert graphs | {"card.md", "head.safetensors"} <= set(model.files)


def test_its_files_graphs_and_answers_are_those_it_was_saved_with(capsys) -> None:
    assert main(["model", "verify"]) == OK, capsys.readouterr().err


def test_it_drives_with_8_bits_and_nobody_stands_in(tmp_path: Path) -> None:
    drive("town", DEFAULT_DRIVER, 7, Config(), tmp_path / "drive.mcap", 5.0)
    said = [t.integrity for t in read_log(tmp_path / "drive.mcap").of(Trace)]
    assert len(said) == 50 and all(i.grammar_ok and not i.fallback_used for i in said)
    assert {i.validator.split(" ")[0] for i in said} == {DEFAULT_MODEL}
    assert all("int8" in i.validator for i in said)
