"""How functions of this package are compiled: parts into whoever calls them, entries to be kept on disk from run to run."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from whyway.types import InputError

try:
    _njit: Any = importlib.import_module("numba").njit
except ImportError as error:  # pragma: no cover
    raise InputError("the compiled simulator needs numba: pip install 'whyway[sim]'") from error

F = TypeVar("F", bound=Callable[..., Any])

# neither fast math nor threads: the same input gives the same bits; a division by zero is no exception, as in numpy.
# `_nrt` off: nothing is allocated, and so nobody counts references; counting took nine tenths of the time
_HOW = {"nogil": True, "fastmath": False, "error_model": "numpy", "_nrt": False}


def part(function: F) -> F:
    """A function that only compiled functions call."""
    made: F = _njit(forceinline=True, **_HOW)(function)
    return made


def entry(function: F) -> F:
    """A function that Python calls. Its code, parts included, is kept on disk where there is a place for that.

    numba looks at nothing but the function's own file to see whether what is kept is stale. It looks at what the function closes over,
    too: so an entry must close over `sources()`.
    """
    try:
        made: F = _njit(cache=True, **_HOW)(function)
    except RuntimeError:  # nowhere to keep it: a read-only installation without a home
        made = _njit(**_HOW)(function)
    return made


def sources() -> int:
    """A fingerprint of the simulator's files, here and next door, from which constants come."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.parent.glob("*.py")) + sorted(
        Path(__file__).parent.glob("*.py")
    ):
        digest.update(path.read_bytes())
    return int.from_bytes(digest.digest()[:7], "big")
