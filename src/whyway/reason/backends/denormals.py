"""Denormal numbers count as zero while onnxruntime computes, and only then.

onnxruntime switches the thread that makes a session to flush denormals, for good: whatever numpy computes there later would be a little
different in a process that has a model than in one that has none. So the thread's floating-point environment (C99, fenv.h) is kept as it
was, and the session's is put in place for each of its runs.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_ENVIRONMENT_BYTES = 64
"""At least a `fenv_t`: 32 bytes on x86-64, 8 on aarch64, 16 on macOS."""


class Environment:
    """The floating-point environment of the thread that asks, at this moment."""

    def __init__(self) -> None:
        self._state = ctypes.create_string_buffer(_ENVIRONMENT_BYTES)
        if _LIBM is not None:
            _LIBM.fegetenv(self._state)

    def enter(self) -> None:
        """Make it the environment of the thread that calls; about a microsecond."""
        if _LIBM is not None:
            _LIBM.fesetenv(self._state)


@contextmanager
def restored() -> Iterator[None]:
    """Whatever is changed inside, the thread has its environment back afterwards."""
    before = Environment()
    try:
        yield
    finally:
        before.enter()


def _libm() -> ctypes.CDLL | None:
    """The C library's part for floating point; None where it is not found: sessions then do not flush at all."""
    try:
        library = ctypes.CDLL("libm.so.6" if sys.platform == "linux" else None)
        library.fegetenv.argtypes = library.fesetenv.argtypes = (ctypes.c_char_p,)
    except (OSError, AttributeError, TypeError):
        return None
    return library


_LIBM = _libm()
CAN_RESTORE = _LIBM is not None
"""Whether a session may be told to flush."""
