"""Parameters of OpenSCENARIO files: declarations, constraints, `$name` and `${arithmetic}`, and draws from distributions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

import numpy as np
from lxml import etree

from whyway.maps.xmlfile import MAX_NUMBER, SceneError
from whyway.worlds.scenes.expression import ExpressionError, evaluate

_TRIES = 200
"""Draws until one meets the constraints: the files' grids hold points that do not."""
_MOST = 100_000
_NAME = re.compile(r"\$([A-Za-z_]\w*)")


class Values:
    """Attributes with parameters put in."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.texts = dict(texts)
        self._numbers: dict[str, float] = {}
        for name, text in texts.items():
            try:
                self._numbers[name] = float(text)
            except ValueError:
                continue

    def resolve(self, raw: str) -> str:
        """A literal, `$name`, or `${arithmetic}`.

        Raises:
          ExpressionError: it names what there is not, or is no arithmetic.
        """
        raw = raw.strip()
        if raw.startswith("${") and raw.endswith("}"):
            return repr(evaluate(raw[2:-1], self._numbers))
        if (found := _NAME.fullmatch(raw)) is not None:
            if found[1] not in self.texts:
                raise ExpressionError(f"there is no parameter {raw}")
            return self.texts[found[1]]
        return raw

    def text(self, element: etree._Element, attribute: str) -> str:
        """An attribute.

        Raises:
          SceneError: it is missing or names a parameter that is not declared.
        """
        raw = element.get(attribute)
        if raw is None:
            raise SceneError(f"<{element.tag}> line {element.sourceline} has no {attribute!r}")
        try:
            return self.resolve(raw)
        except ExpressionError as error:
            raise SceneError(f"<{element.tag}> line {element.sourceline}: {error}") from None

    def number(self, element: etree._Element, attribute: str) -> float:
        """An attribute that is a number.

        Raises:
          SceneError: it is missing, no number, or beyond all bounds.
        """
        text = self.text(element, attribute)
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not abs(value) <= MAX_NUMBER:
            raise SceneError(
                f"<{element.tag}> line {element.sourceline}: {attribute} is {text[:40]!r}, not a number up to {MAX_NUMBER:g}"
            )
        return value


def declared(root: etree._Element, given: Mapping[str, str] | None = None) -> Values:
    """The parameters a file declares, those `given` in place of its own values.

    Raises:
      SceneError: a value that is given is not declared, or a constraint does not hold.
    """
    declarations = root.findall("ParameterDeclarations/ParameterDeclaration")
    texts = {d.get("name", ""): d.get("value", "") for d in declarations}
    for name in given or {}:
        if name not in texts:
            raise SceneError(f"parameter {name!r} is given but not declared")
    values = Values({**texts, **(given or {})})
    for declaration in declarations:
        groups = declaration.findall("ConstraintGroup")
        # one of the groups must hold, and in it every constraint
        if groups and not any(all(_holds(c, declaration, values) for c in g) for g in groups):
            name = declaration.get("name", "")
            raise SceneError(f"parameter {name} = {values.texts[name]!r} breaks its constraints")
    return values


def _holds(constraint: etree._Element, declaration: etree._Element, values: Values) -> bool:
    rule = constraint.get("rule", "")
    name = declaration.get("name", "")
    limit = values.text(constraint, "value")
    if rule in ("equalTo", "notEqualTo"):
        return _same(values.texts[name], limit) == (rule == "equalTo")
    bound = values.number(constraint, "value")
    try:
        value = float(values.texts[name])
    except ValueError:
        raise SceneError(f"parameter {name} = {values.texts[name][:40]!r} is no number") from None
    if rule not in _RULES:
        raise SceneError(
            f"<ValueConstraint> line {constraint.sourceline}: rule {rule!r} is not supported"
        )
    return _RULES[rule](value, bound)


def _same(a: str, b: str) -> bool:
    try:
        return float(a) == float(b)
    except ValueError:
        return a == b


_RULES: Mapping[str, Callable[[float, float], bool]] = {
    "lessThan": lambda a, b: a < b,
    "lessOrEqual": lambda a, b: a <= b,
    "greaterThan": lambda a, b: a > b,
    "greaterOrEqual": lambda a, b: a >= b,
}


# ----------------------------------------------------------------------------------------------------- distributions


def drawn(
    logical: etree._Element, template: etree._Element, rng: np.random.Generator
) -> dict[str, str]:
    """Values for the parameters of a logical scenario, drawn until they meet the template's constraints.

    Raises:
      SceneError: a distribution that is not supported, or no draw of 200 meets the constraints.
    """
    choices = list(_choices(logical))
    reason = ""
    for _ in range(_TRIES):
        given = {
            k: v for options in choices for k, v in options[int(rng.integers(len(options)))].items()
        }
        try:
            declared(template, given)
        except SceneError as error:
            reason = str(error)
            continue
        return given
    raise SceneError(f"none of {_TRIES} draws meets the constraints; the last: {reason}")


def _choices(logical: etree._Element) -> Iterator[list[dict[str, str]]]:
    """For each distribution the sets of values it may give."""
    for part in logical:
        if part.tag == "ScenarioFile":
            continue
        if part.tag != "Deterministic":
            raise SceneError(f"<{part.tag}> line {part.sourceline} is not supported")
        for distribution in part:
            if len(distribution) != 1:
                raise SceneError(f"<{distribution.tag}> line {distribution.sourceline} is empty")
            inner = distribution[0]
            name = distribution.get("parameterName", "")
            if inner.tag == "DistributionSet":
                found = [{name: e.get("value", "")} for e in inner.findall("Element")]
            elif inner.tag == "DistributionRange":
                found = [{name: text} for text in _steps(inner)]
            elif inner.tag == "ValueSetDistribution":
                found = [
                    {a.get("parameterRef", ""): a.get("value", "") for a in s}
                    for s in inner.findall("ParameterValueSet")
                ]
            else:
                raise SceneError(f"<{inner.tag}> line {inner.sourceline} is not supported")
            if not found:
                raise SceneError(f"<{inner.tag}> line {inner.sourceline} holds no value")
            yield found


def _steps(element: etree._Element) -> list[str]:
    """Every value of a range."""
    limits = element.find("Range")
    if limits is None:
        raise SceneError(f"<Range> is missing in <{element.tag}> line {element.sourceline}")
    plain = Values({})
    low, high = plain.number(limits, "lowerLimit"), plain.number(limits, "upperLimit")
    step = plain.number(element, "stepWidth")
    if not step > 0.0 or high < low or (high - low) / step > _MOST:
        raise SceneError(
            f"<{element.tag}> line {element.sourceline}: {low:g} to {high:g} by {step:g} is no range"
        )
    return [repr(round(low + step * k, 9)) for k in range(int((high - low) / step + 1e-9) + 1)]
