"""The contact sheet is a PNG that says what the sensors saw."""

from __future__ import annotations

import struct
import zlib

import numpy as np

from whyway.types import Actor, EgoState, ObjectClass, Truth
from whyway.worlds.sim.sensing.camera import Frame
from whyway.worlds.sim.sensing.labels import Label, palette
from whyway.worlds.sim.sensing.lidar import Sweep
from whyway.worlds.sim.sensing.sheet import contact_sheet, depth_picture, png, richness, seen_from


def decoded(data: bytes) -> np.ndarray:
    """Pixels of a PNG without interlace, by the standard's own words (filters 0, 1, 2)."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, body, size = 8, b"", (0, 0)
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        content = data[at + 8 : at + 8 + length]
        (checksum,) = struct.unpack(">I", data[at + 8 + length : at + 12 + length])
        assert checksum == zlib.crc32(kind + content)
        if kind == b"IHDR":
            size = struct.unpack(">II", content[:8])
            assert content[8:] == bytes((8, 2, 0, 0, 0))
        elif kind == b"IDAT":
            body += content
        at += 12 + length
    width, height = size
    raw = np.frombuffer(zlib.decompress(body), np.uint8).reshape(height, 1 + 3 * width)
    rows = np.zeros((height, 3 * width), np.uint8)
    for y, line in enumerate(raw):
        for i, byte in enumerate(line[1:].tolist()):
            before = int(rows[y, i - 3]) if i >= 3 else 0
            above = int(rows[y - 1, i]) if y else 0
            rows[y, i] = (byte + {0: 0, 1: before, 2: above}[int(line[0])]) % 256
    return rows.reshape(height, width, 3)


def test_a_png_holds_the_pixels_it_was_made_of():
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (9, 7, 3)).astype(np.uint8)
    across = np.broadcast_to(np.arange(40, dtype=np.uint8)[None, :, None] * 6, (12, 40, 3))
    down = np.broadcast_to(np.arange(12, dtype=np.uint8)[:, None, None] * 20, (12, 40, 3))
    for pixels in (noise, across, down, np.vstack([across, down])):
        np.testing.assert_array_equal(decoded(png(pixels)), pixels)
    assert len(png(np.vstack([across] * 50))) < 1000  # an even picture is small


def test_depth_is_shown_warm_when_near_and_black_in_the_sky():
    picture = depth_picture(np.array([[2.0, 20.0, 200.0, np.inf]], dtype=np.float32)).astype(int)
    assert picture[0, 3].tolist() == [0, 0, 0]
    assert picture[0, 0].sum() > picture[0, 1].sum() > picture[0, 2].sum() > 0


def frame(label: np.ndarray, thing: np.ndarray) -> Frame:
    return Frame(
        np.zeros((*label.shape, 3), np.uint8), np.ones(label.shape, np.float32), label, thing
    )


def test_the_sheet_shows_colour_depth_semantics_and_points():
    label = np.full((40, 60), int(Label.ROAD), np.uint8)
    one = np.float32([[10.0, 0.0, -1.0]])
    sweep = Sweep(
        one,
        np.ones(1, np.float32),
        np.zeros(1, np.uint16),
        np.zeros(1, np.float32),
        np.uint8([Label.CAR]),
        np.int64([3]),
    )
    sheet = contact_sheet(frame(label, np.zeros((40, 60), np.int32)), sweep)
    assert sheet.shape == (84, 124, 3)
    assert (sheet[44:, :60] == palette()[Label.ROAD]).all()
    points = sheet[44:, 64:].astype(int)
    v, u = np.nonzero(points[..., 2] > 150)
    assert len(v) and (v < 20).all() and abs(u - 30).max() <= 1  # ahead is up


def test_more_to_see_is_richer_unless_one_thing_hides_the_rest():
    label, thing = np.full((100, 100), 1, np.uint8), np.zeros((100, 100), np.int32)
    bare = richness(frame(label, thing))
    thing[:20, :30] = 4
    label[:20, :30] = Label.CAR
    assert richness(frame(label, thing)) > bare
    assert richness(frame(label, np.full((100, 100), 4, np.int32))) < bare


def test_another_driver_sees_everybody_but_itself():
    a, b = (Actor(i, ObjectClass.CAR, 10.0 * i, 2.0, 0.5, 5.0, 4.5, 1.8, False) for i in (1, 2))
    truth = Truth(0, EgoState(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0), 4.5, 1.6, 1.3, (a, b))
    other = seen_from(truth, 2)
    assert [actor.id for actor in other.actors] == [1]
    middle = other.ego.x_m + 1.3 * np.cos(0.5), other.ego.y_m + 1.3 * np.sin(0.5)
    np.testing.assert_allclose(middle, (20.0, 2.0))
