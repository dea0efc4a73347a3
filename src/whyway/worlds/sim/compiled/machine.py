"""What a processor can do in one go and Python has no word for; each a function that only compiled functions call.

`jit`, which whoever uses these imports first, says what to install where numba is missing.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

_types: Any = importlib.import_module("numba").types
_cgutils: Any = importlib.import_module("numba.core.cgutils")
_ir: Any = importlib.import_module("llvmlite.ir")
_intrinsic: Any = importlib.import_module("numba.extending").intrinsic


def _lowest_bit(_: Any, bits: Any) -> Any:
    """Of a whole number other than 0: the place of its lowest bit that is set."""

    def code(_: Any, builder: Any, __: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], _cgutils.true_bit)

    return _types.int64(_types.int64), code


def _natural(_: Any, number: Any) -> Any:
    """A whole number that is not negative; who indexes with it is spared counting from the end for negative ones."""

    def code(_: Any, builder: Any, __: Any, arguments: Any) -> Any:
        builder.assume(builder.icmp_signed(">=", arguments[0], arguments[0].type(0)))
        return arguments[0]

    return _types.int64(_types.int64), code


def _fetch(_: Any, array: Any, at: Any) -> Any:
    """Ask for the cache line that stands so many bytes behind an array's beginning; nothing happens where there is none."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        pointer, number = _cgutils.voidptr_t, _ir.IntType(32)
        kind = _ir.FunctionType(_ir.VoidType(), [pointer, number, number, number])
        prefetch = _cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        place = _cgutils.pointer_add(builder, data, arguments[1], pointer)
        to_read, second_level, of_data = number(0), number(2), number(1)
        builder.call(prefetch, [place, to_read, second_level, of_data])
        return context.get_dummy_value()

    return _types.void(array, _types.int64), code


lowest_bit: Callable[[int], int] = _intrinsic(_lowest_bit)
natural: Callable[[int], int] = _intrinsic(_natural)
fetch: Callable[[Any, int], None] = _intrinsic(_fetch)
