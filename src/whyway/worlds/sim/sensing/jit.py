"""Compiled functions where numba is installed, one clear line where it is not."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from typing import Any, TypeVar

from whyway.types import InputError

F = TypeVar("F", bound=Callable[..., Any])

REMEDY = "the simulated camera needs numba: pip install 'whyway[sim]'"


def available() -> bool:
    """Whether functions can be compiled here."""
    return importlib.util.find_spec("numba") is not None


def require() -> None:
    """Say what is missing, if anything is.

    Raises:
      InputError: numba is not installed; one line with the remedy.
    """
    if not available():
        raise InputError(REMEDY)


def compiled(function: F) -> F:
    """The function as machine code, kept on disk from run to run; without numba the function itself, far too slow (see `require`).

    Neither fast math nor threads: the same input gives the same bits.
    """
    if not available():
        return function
    njit = importlib.import_module("numba").njit
    try:
        kept: F = njit(cache=True, nogil=True)(function)
    except RuntimeError:  # nowhere to keep it: a read-only installation without a home
        kept = njit(nogil=True)(function)
    return kept
