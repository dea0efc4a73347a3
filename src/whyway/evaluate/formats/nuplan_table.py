"""nuPlan's metric tables -> the closed-loop score anew: of every scenario, scenario type and planner.

nuPlan's engine writes one table a metric (nuplan-devkit, `nuplan/planning/metrics/metric_engine.py`, `metric_file_callback.py`): a row a scenario
with log_name, scenario_name, scenario_type, planner_name, metric_statistics_name and metric_score among its columns. They are read as
Parquet (where pyarrow is installed), CSV, or JSON by rows or by columns, as pandas writes them.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from whyway.evaluate.formats.jsonfile import MAX_BYTES, FormatError, read_json
from whyway.evaluate.metrics.nuplan import GATES, WEIGHTS, closed_loop_score
from whyway.files import read_bytes

WHAT = "a metric table of nuPlan's (.parquet, .csv or .json)"
KEYS = ("planner_name", "scenario_type", "log_name", "scenario_name")
SCORE, METRIC = "metric_score", "metric_statistics_name"
MAX_ROWS = 200_000
NO_VALUE = ("", "None", "none", "null", "NaN", "nan", "<NA>")

Table = Mapping[tuple[str, ...], Mapping[str, float]]
"""Scores by metric, for each scenario by `KEYS`."""


# ------------------------------------------------------------------------------------------------------- reading


def read_nuplan_tables(paths: Sequence[Path]) -> Table:
    """Read metric tables; a folder stands for the tables in it.

    Raises:
      FormatError: one line that says what is wrong with which file.
    """
    found: dict[tuple[str, ...], dict[str, float]] = {}
    for path in _files(paths):
        for i, row in enumerate(_rows(path)):
            where = f"{path}: row {i + 1}"
            if i >= MAX_ROWS:
                raise FormatError(f"{path}: more than {MAX_ROWS} rows; split it")
            key = tuple(_text(row, name, where) for name in KEYS)
            metric = str(row.get(METRIC) or path.name.split(".")[0])[:200]
            score = _score(row, where)
            scores = found.setdefault(key, {})
            if metric in scores:
                raise FormatError(
                    f"{where}: a second {metric} of scenario {key[-1]!r}; give each table once"
                )
            if score is not None:
                scores[metric] = score
    if not any(found.values()):
        raise FormatError(f"no {SCORE} in {', '.join(map(str, paths))}; give nuPlan's metric tables")  # fmt: skip
    return found


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        inside = sorted(p for p in path.iterdir() if p.suffix in (".parquet", ".csv", ".json"))
        if not inside:
            raise FormatError(f"{path}: holds no .parquet, .csv or .json; give nuPlan's metrics folder")  # fmt: skip
        yield from inside


def _rows(path: Path) -> Iterator[Mapping[str, Any]]:
    if path.suffix == ".parquet":
        return _parquet_rows(path)
    if path.suffix == ".csv":
        return _csv_rows(path)
    if path.suffix == ".json":
        return _json_rows(path)
    raise FormatError(f"{path}: give {WHAT}")


def _csv_rows(path: Path) -> Iterator[Mapping[str, Any]]:
    data = read_bytes(path, WHAT, FormatError, MAX_BYTES)
    try:
        # the header is read with the first row
        reader = csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True)
        for row in reader:
            yield {key: value for key, value in row.items() if isinstance(key, str)}
    except (UnicodeDecodeError, csv.Error) as error:
        reason = " ".join(str(error).split())[:80]
        raise FormatError(f"{path}: not CSV ({reason}); write it again") from None


def _json_rows(path: Path) -> Iterator[Mapping[str, Any]]:
    """A list of objects, or an object of columns, each a list or an object by row (pandas' orients records, list, columns)."""
    value = read_json(path, WHAT)
    if isinstance(value, dict):
        columns = {k: list(c.values()) if isinstance(c, dict) else c for k, c in value.items()}
        if not all(isinstance(c, list) for c in columns.values()):
            raise FormatError(f"{path}: its columns are no lists; give {WHAT}")
        if len({len(c) for c in columns.values()}) > 1:
            raise FormatError(f"{path}: its columns differ in length; write it again")
        value = [
            dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)
        ]
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise FormatError(f"{path}: neither a list of rows nor an object of columns; give {WHAT}")
    yield from value


def _parquet_rows(path: Path) -> Iterator[Mapping[str, Any]]:
    if find_spec("pyarrow") is None:
        raise FormatError(
            f"{path}: reading Parquet needs: pip install pyarrow; or give the table as CSV or JSON"
        )
    pyarrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    try:
        file = parquet.ParquetFile(io.BytesIO(read_bytes(path, WHAT, FormatError, MAX_BYTES)))
        if file.metadata.num_rows > MAX_ROWS:
            raise FormatError(f"{path}: more than {MAX_ROWS} rows; split it")
        # time series stand in other columns, and are long
        wanted = [c for c in (*KEYS, METRIC, SCORE) if c in file.schema_arrow.names]
        for batch in file.iter_batches(batch_size=4096, columns=wanted):
            yield from batch.to_pylist()
    except (pyarrow.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())[:80]
        raise FormatError(f"{path}: not Parquet ({reason}); write it again") from None


def _text(row: Mapping[str, Any], name: str, where: str) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not value:
        there = ", ".join(sorted(str(k) for k in row))[:120] or "none"
        raise FormatError(f"{where} has no {name} (columns: {there}); give {WHAT}")
    return value[:200].encode("utf-8", "replace").decode()


def _score(row: Mapping[str, Any], where: str) -> float | None:
    """None where the metric only tells and does not score."""
    if SCORE not in row:
        raise FormatError(f"{where} has no {SCORE}; give {WHAT}")
    value = row[SCORE]
    if value is None or value in NO_VALUE or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, str):
        value = {"True": 1.0, "False": 0.0}.get(value, value)
    try:
        score = float(value)
    except (TypeError, ValueError, OverflowError):
        score = math.nan
    if not 0.0 <= score <= 1.0:
        raise FormatError(f"{where}: {SCORE} is {str(value)[:40]!r}, not a number from 0 to 1")
    return score


# ------------------------------------------------------------------------------------------------------- scoring


def score_nuplan_tables(table: Table) -> dict[str, Any]:
    """The closed-loop score of every scenario, and means over scenarios by planner and by scenario type, as nuPlan's aggregator has them.

    Returns:
      Plain values: `records`, `summary` (a planner each), `notes`.
    """
    records: list[dict[str, Any]] = [
        {**dict(zip(KEYS, key, strict=True)), "score": float(closed_loop_score(scores)), "metrics": dict(scores)}
        for key, scores in sorted(table.items())
    ]  # fmt: skip
    planners = dict.fromkeys(r["planner_name"] for r in records)
    summary = [_summary(p, [r for r in records if r["planner_name"] == p]) for p in planners]
    return {"records": records, "summary": summary, "notes": _notes(table)}


def _summary(planner: str, records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    types = dict.fromkeys(r["scenario_type"] for r in records)
    names = dict.fromkeys(name for r in records for name in r["metrics"])
    return {
        "planner_name": planner,
        "score": _mean([r["score"] for r in records]),
        "scenarios": len(records),
        "metrics": {
            name: _mean([r["metrics"][name] for r in records if name in r["metrics"]])
            for name in names
        },
        "scenario_types": {
            kind: _mean([r["score"] for r in records if r["scenario_type"] == kind])
            for kind in types
        },
    }


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _notes(table: Table) -> list[str]:
    """Metrics that scenarios lack, and metrics nuPlan's closed-loop score does not name."""
    known = (*GATES, *WEIGHTS)
    notes = []
    for name in known:
        if missing := sum(name not in scores for scores in table.values()):
            what = "does not gate" if name in GATES else "does not weigh"
            notes.append(
                f"{name} is missing of {missing} of {len(table)} scenarios and {what} there"
            )
    others = dict.fromkeys(name for scores in table.values() for name in scores)
    return notes + [f"{name} is none of nuPlan's own and weighs 1" for name in others if name not in known]  # fmt: skip
