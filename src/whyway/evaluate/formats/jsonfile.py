"""JSON from strangers: size and depth limited, plain or gzipped; every fault is a `FormatError` of one line."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from whyway.files import read_bytes
from whyway.types import InputError

MAX_BYTES = 32 * 1024 * 1024
"""Largest file read, unpacked; a leaderboard result of 220 routes has half a megabyte."""

MAX_MARKS = 4_000_000
"""Most `[`, `{` and `,` in a file: each may become an object of some sixty bytes, whatever the file's size."""


class FormatError(InputError):
    """A result file that cannot be used; its text is one line with the remedy."""


def read_json(path: Path, what: str) -> Any:
    """The value a JSON file holds.

    Raises:
      FormatError: as `files.read_bytes`, or not JSON, cut off, of too many values, or nested deeper than Python reads.
    """
    data = read_bytes(path, what, FormatError, MAX_BYTES)
    if sum(data.count(mark) for mark in (b"[", b"{", b",")) > MAX_MARKS:
        raise FormatError(f"{path}: more than {MAX_MARKS} values; split it into parts")
    try:
        return json.loads(data)
    except json.JSONDecodeError as error:
        cut = "it is cut off" if error.pos >= len(error.doc.rstrip()) - 1 else "it is damaged"
        raise FormatError(
            f"{path}: not JSON (line {error.lineno}: {error.msg}): {cut}, or not {what}; write it again"
        ) from None
    except RecursionError:
        raise FormatError(f"{path}: nested too deeply for {what}; give another file") from None
    except ValueError as error:  # bytes that are no text, an integer of thousands of digits
        reason = " ".join(str(error).split())[:80]
        raise FormatError(f"{path}: not JSON ({reason}); give {what}") from None


def mapping(value: Any, where: str) -> Mapping[str, Any]:
    """A value that must be an object.

    Raises:
      FormatError: it is something else.
    """
    if not isinstance(value, dict):
        raise FormatError(f"{where} is {_kind(value)}, not an object")
    return value


def sequence(value: Any, where: str) -> list[Any]:
    """A value that must be a list.

    Raises:
      FormatError: it is something else.
    """
    if not isinstance(value, list):
        raise FormatError(f"{where} is {_kind(value)}, not a list")
    return value


def real(value: Any, where: str, low: float = -1e12, high: float = 1e12) -> float:
    """A value that must be a finite number between two bounds.

    Raises:
      FormatError: it is something else.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FormatError(f"{where} is {_kind(value)}, not a number")
    if not (low <= value <= high and math.isfinite(value)):
        raise FormatError(f"{where} is {value:.6g}, not between {low:g} and {high:g}")
    return float(value)


def _kind(value: Any) -> str:
    if value is None:
        return "missing"
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false"}
    return names.get(type(value), "a number")
