"""Arithmetic over named numbers, as scenario files write it: `2 * ($speed_mps + 1.5) / 3.6`. A parser of its own, no `eval`."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping

from whyway.types import InputError

_MOST_CHARACTERS, _DEEPEST = 400, 40
"""A longer or deeper text is nobody's formula."""

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|\$(?P<name>[A-Za-z_]\w*)"
    r"|(?P<function>[a-z]+)(?=\s*\()|(?P<sign>[-+*/%(),]))"
)
_FUNCTIONS: Mapping[str, tuple[int, Callable[..., float]]] = {
    "abs": (1, abs), "ceil": (1, math.ceil), "floor": (1, math.floor), "round": (1, round), "sqrt": (1, math.sqrt),
    "max": (2, max), "min": (2, min), "pow": (2, math.pow),
}  # fmt: skip
"""Name to number of arguments and meaning; OpenSCENARIO 1.1 knows all but `abs`, `max` and `min`."""


class ExpressionError(InputError):
    """A text that is not arithmetic, or names a number that is not there; one line."""


def evaluate(text: str, numbers: Mapping[str, float]) -> float:
    """The value of a text such as `$a * (3 - $b)`.

    Args:
      text: numbers, `$names`, + - * / %, brackets, and the functions abs, ceil, floor, round, sqrt, max, min, pow.
      numbers: what the names stand for.

    Raises:
      ExpressionError: it cannot be read, names what `numbers` does not have, or has no finite value.
    """
    try:
        value = _Reader(text, numbers).value()
    except (ArithmeticError, ValueError, OverflowError) as error:
        if isinstance(error, ExpressionError):
            raise
        raise ExpressionError(f"{text[:80]!r} has no value: {error}") from None
    if isinstance(value, complex) or not math.isfinite(value):
        raise ExpressionError(f"{text[:80]!r} has no finite value")
    return float(value)


class _Reader:
    """Recursive descent: sum of products of signed atoms."""

    def __init__(self, text: str, numbers: Mapping[str, float]) -> None:
        self._text, self._numbers, self._depth = text, numbers, 0
        if len(text) > _MOST_CHARACTERS:
            raise ExpressionError(f"{text[:40]!r}...: more than {_MOST_CHARACTERS} characters")
        self._tokens: list[tuple[str, str]] = []
        at, end = 0, len(text.rstrip())
        while at < end:
            found = _TOKEN.match(text, at, end)
            if found is None or found.lastgroup is None:
                raise self._wrong(
                    f"{text[at:].strip()[:20]!r} is no number, $name, sign or function"
                )
            self._tokens.append((found.lastgroup, found[found.lastgroup]))
            at = found.end()
        self._at = 0

    def value(self) -> float:
        """Of the whole text."""
        result = self._sum()
        if self._at < len(self._tokens):
            raise self._wrong(f"{self._tokens[self._at][1]!r} is one too many")
        return result

    def _sum(self) -> float:
        result = self._product()
        while (sign := self._take("+", "-")) is not None:
            term = self._product()
            result = result + term if sign == "+" else result - term
        return result

    def _product(self) -> float:
        result = self._atom()
        while (sign := self._take("*", "/", "%")) is not None:
            factor = self._atom()
            result = (
                result * factor
                if sign == "*"
                else result / factor
                if sign == "/"
                else math.fmod(result, factor)
            )
        return result

    def _atom(self) -> float:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._wrong(f"nested more than {_DEEPEST} deep")
        result = self._inner()
        self._depth -= 1
        return result

    def _inner(self) -> float:
        if (sign := self._take("+", "-")) is not None:
            return -self._atom() if sign == "-" else self._atom()
        if self._at >= len(self._tokens):
            raise self._wrong("something is missing at the end")
        kind, word = self._tokens[self._at]
        self._at += 1
        if kind == "number":
            return float(word)
        if kind == "name":
            if word not in self._numbers:
                known = ", ".join(sorted(self._numbers)) or "none"
                raise self._wrong(f"there is no number ${word}; known: {known}")
            return float(self._numbers[word])
        if kind == "function":
            return self._call(word)
        if word == "(":
            result = self._sum()
            self._expect(")")
            return result
        raise self._wrong(f"{word!r} stands where a number should")

    def _call(self, name: str) -> float:
        if name not in _FUNCTIONS:
            raise self._wrong(f"no function {name!r}; known: {', '.join(_FUNCTIONS)}")
        count, function = _FUNCTIONS[name]
        self._expect("(")
        arguments = [self._sum()]
        for _ in range(count - 1):
            self._expect(",")
            arguments.append(self._sum())
        self._expect(")")
        return float(function(*arguments))

    def _take(self, *signs: str) -> str | None:
        if self._at < len(self._tokens):
            kind, word = self._tokens[self._at]
            if kind == "sign" and word in signs:
                self._at += 1
                return word
        return None

    def _expect(self, sign: str) -> None:
        if self._take(sign) is None:
            raise self._wrong(f"{sign!r} is missing")

    def _wrong(self, what: str) -> ExpressionError:
        return ExpressionError(f"{self._text[:80]!r}: {what}")
