"""XML from strangers, whatever it describes: bounded memory and time, one clear line."""

from __future__ import annotations

import gzip
import time
import tracemalloc
from pathlib import Path

import pytest
from lxml import etree

from whyway.maps import xmlfile
from whyway.maps.xmlfile import SceneError, attribute, read_xml


def _refused(path: Path, what: str) -> None:
    with pytest.raises(SceneError, match=what) as caught:
        read_xml(path)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)


def test_a_gzip_bomb_of_ten_gigabytes_stops_at_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.setattr(xmlfile, "MAX_BYTES", 8 << 20)
    member = gzip.compress(b" " * (64 << 20))
    path = tmp_path / "bomb.xml.gz"
    path.write_bytes(member * 160)  # gzip files one behind the other are one
    tracemalloc.start()
    start = time.process_time()
    _refused(path, "larger than 8 MiB unpacked; cut")
    assert tracemalloc.get_traced_memory()[1] < 64 << 20 and time.process_time() - start < 20.0
    tracemalloc.stop()


def test_a_small_file_of_very_many_elements_is_refused_before_it_is_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.setattr(xmlfile, "MAX_MARKS", 1000)
    path = tmp_path / "many.xml"
    path.write_text("<a>" + "<b/>" * 2000 + "</a>")
    _refused(path, "more than 1000 elements and attributes; cut")
    path.write_text("<a " + " ".join(f'b{i}=""' for i in range(2000)) + "/>")
    _refused(path, "more than 1000 elements and attributes; cut")


@pytest.mark.parametrize("where", ["<a>&z;</a>", '<a b="&z;"/>'])
def test_entity_bombs_do_not_go_off(tmp_path: Path, where: str) -> None:
    entities = '<!ENTITY a "aaaaaaaaaa">'
    for one, two in zip("abcdefghijklmno", "bcdefghijklmnoz", strict=True):
        entities += f'<!ENTITY {two} "{f"&{one};" * 10}">'
    path = tmp_path / "bomb.xml"
    path.write_text(f"<!DOCTYPE a [{entities}]>{where}")
    tracemalloc.start()
    start = time.process_time()
    _refused(path, "document type declaration|not well-formed")
    assert (
        time.process_time() - start < 5.0
        and tracemalloc.get_traced_memory()[1] < 2 * xmlfile.MAX_BYTES
    )
    tracemalloc.stop()


def test_deep_nesting_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "deep.xml"
    path.write_text("<a>" * 100_000 + "</a>" * 100_000)
    _refused(path, "not well-formed")


def test_a_file_in_another_encoding_is_read(tmp_path: Path) -> None:
    path = tmp_path / "wide.xml"
    path.write_bytes('<?xml version="1.0" encoding="UTF-16"?><a b="ä"/>'.encode("utf-16"))
    assert read_xml(path).get("b") == "ä"


@pytest.mark.parametrize("text", ["", "x", "nan", "inf", "1e9", "-1e308", "0x10", "1,5"])
def test_an_attribute_that_is_no_number_is_refused_with_its_line(text: str) -> None:
    element = etree.fromstring("<a/>")
    element.set("b", text)
    with pytest.raises(SceneError, match="<a> line 1: b is .*, not a number"):
        attribute(element, "b", 1.0)


def test_a_missing_attribute_has_its_default_or_is_refused() -> None:
    element = etree.fromstring('<a c=" -2.5e0 "/>')
    assert attribute(element, "b", 1.0) == 1.0 and attribute(element, "c") == -2.5
    with pytest.raises(SceneError, match="b is ''"):
        attribute(element, "b")
