"""Arithmetic in scenario files: Python's own answers, and one line for everything else."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whyway.types import InputError
from whyway.worlds.scenes.expression import ExpressionError, evaluate

numbers = st.floats(min_value=0.001, max_value=1e3).map(lambda v: round(v, 3))
trees = st.recursive(
    numbers.map(str) | st.sampled_from(["$a", "$b"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        inner.map(lambda t: f"-{t}"),
    ),
    max_leaves=8,
)


@given(trees, numbers, numbers)
def test_a_formula_has_the_value_python_gives_it(text: str, a: float, b: float) -> None:
    try:
        expected = eval(text.replace("$", ""), {"a": a, "b": b})
    except ZeroDivisionError:
        expected = math.nan
    try:
        found = evaluate(text, {"a": a, "b": b})
    except ExpressionError:
        assert not math.isfinite(expected) or text.count("(") + text.count("-") > 10
    else:
        assert found == pytest.approx(expected)


@given(st.text(max_size=60))
def test_any_text_is_a_number_or_one_line(text: str) -> None:
    try:
        assert math.isfinite(evaluate(text, {"a": 1.0}))
    except InputError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2 + 3 * 4", 14.0), ("-2 * -3", 6.0), ("7 % 4", 3.0), ("sqrt(16) + pow(2, 3)", 12.0),
        ("min(1, max(2, 3))", 1.0), ("round(2.6) - abs(-1)", 2.0), ("1e3 / .5", 2000.0),
    ],
)  # fmt: skip
def test_what_files_write(text: str, value: float) -> None:
    assert evaluate(text, {}) == value


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "missing at the end"), ("1 +", "missing at the end"), ("1 2", "one too many"), ("$c", "there is no number $c"),
        ("exit()", "no function"), ("__import__('os')", "no number, $name"), ("1 / 0", "no value"), ("(1", "')' is missing"),
        ("sqrt(-1)", "no value"), ("1e308 * 10", "no finite value"), ("(" * 60 + "1" + ")" * 60, "deep"), ("1+" * 300, "more than"),
    ],
)  # fmt: skip
def test_what_is_no_formula_says_why(text: str, says: str) -> None:
    with pytest.raises(ExpressionError, match=None) as error:
        evaluate(text, {"a": 1.0})
    assert says in str(error.value)
