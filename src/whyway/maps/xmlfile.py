"""XML from strangers: size limited, no entities, no network; every fault is a `SceneError` of one line."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from lxml import etree

from whyway.files import read_bytes
from whyway.types import Floats, InputError

MAX_BYTES = 64 * 1024 * 1024
"""Largest file read, unpacked; twenty times the largest of the maps and scenes we know (3.4 MB)."""

MAX_MARKS = 10_000_000
"""Most `<` and `=` in a file: each may become a node of some hundred bytes, whatever the file's size. 64 MiB of map have half."""

MAX_NUMBER = 1e8
"""Largest magnitude of a number in a file: map projections stay below 4e7 m, times far below."""


class SceneError(InputError):
    """A scene or map file that cannot be used; its text is one line with the remedy."""


def read_xml(path: Path) -> etree._Element:
    """The root element of an XML file, plain or gzipped.

    Raises:
      SceneError: not there, cut off, too large (a gzip bomb is unpacked to the limit and no further), nested deeper than
        256, not XML, or with a document type (entities).
    """
    data = read_bytes(path, "an XML file, plain or gzipped", SceneError, MAX_BYTES)
    if data.count(b"<") + data.count(b"=") > MAX_MARKS:
        raise SceneError(
            f"{path}: more than {MAX_MARKS} elements and attributes; cut out what is needed"
        )
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        reason = " ".join(str(error.msg).split())[:160]
        raise SceneError(f"{path}: not well-formed XML ({reason}); fetch the file again") from None
    info: Any = root.getroottree().docinfo
    if info.doctype:
        raise SceneError(
            f"{path}: has a document type declaration, which no map or scene needs; remove the <!DOCTYPE ...>"
        )
    return root


def number(element: etree._Element | None, tag: str | None = None) -> float:
    """The number an element (or its child `tag`) holds.

    Raises:
      SceneError: it is missing or holds something else.
    """
    found = element if tag is None or element is None else element.find(tag)
    if found is None:
        where = "" if element is None else f" in <{element.tag}> line {element.sourceline}"
        raise SceneError(f"<{tag or 'element'}> is missing{where}")
    try:
        value = float(found.text or "")
    except ValueError:
        value = math.nan
    if not abs(value) <= MAX_NUMBER:
        raise SceneError(
            f"<{found.tag}> line {found.sourceline} holds {(found.text or '')[:40]!r}, not a number up to {MAX_NUMBER:g}"
        )
    return value


def attribute(element: etree._Element, name: str, default: float | None = None) -> float:
    """The number an attribute holds; the default where it is missing.

    Raises:
      SceneError: it is missing and has no default, or it holds something else.
    """
    text = element.get(name)
    if text is None and default is not None:
        return default
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not abs(value) <= MAX_NUMBER:
        raise SceneError(
            f"<{element.tag}> line {element.sourceline}: {name} is {(text or '')[:40]!r}, not a number up to {MAX_NUMBER:g}"
        )
    return value


def integer(text: str | None, what: str, element: etree._Element) -> int:
    """The 63-bit integer in a text.

    Raises:
      SceneError: it is missing or holds something else.
    """
    try:
        value = int(text or "")
    except ValueError:
        value = 1 << 63
    if abs(value) >= 1 << 63:
        raise SceneError(
            f"<{element.tag}> line {element.sourceline}: {what} is {(text or '')[:40]!r}, not an integer"
        )
    return value


def numbers(elements: list[etree._Element]) -> Floats:
    """The numbers that many elements hold, in one go.

    Raises:
      SceneError: one of them holds something else.
    """
    try:
        values = np.array([e.text for e in elements], dtype=np.float64)
    except (TypeError, ValueError):
        values = np.array([np.nan])
    if not (np.abs(values) <= MAX_NUMBER).all():
        for element in elements:
            number(element)
    return values


def points(element: etree._Element | None, what: str, at_least: int = 2) -> tuple[Floats, Floats]:
    """x, y of the `<point>`s of an element.

    Raises:
      SceneError: fewer than `at_least`, or a coordinate that is no number.
    """
    if element is None:
        raise SceneError(f"{what} is missing")
    xs, ys = element.findall("point/x"), element.findall("point/y")
    if len(xs) != len(ys) or len(xs) < at_least:
        raise SceneError(
            f"{what} line {element.sourceline} has {len(xs)} points, needs at least {at_least} with x and y"
        )
    return numbers(xs), numbers(ys)
