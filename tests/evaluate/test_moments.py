"""The moments that matter: one list, the same for the black box and for the page's buttons."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_drives import Made, Other, a_citation, a_plan, a_scene, a_trace, straight

from whyway.evaluate.black_box.story import story
from whyway.evaluate.drive import read_drive
from whyway.evaluate.moments import RANK, Moment, moments, stands
from whyway.evaluate.report.buttons import APART_S, MOST, buttons
from whyway.evaluate.score import score_drive
from whyway.evaluate.supervision import GAP_S, stretches
from whyway.types import Longitudinal

EGO = straight(20.0, 8.0)
WALL = Other(straight(62.0, 0.0))
HIT_S = 4.7
"""When the front of the ego reaches the wall's box: (62 - 20 - 4.5) / 8."""

TIMES = st.lists(st.floats(0.0, 3.0), max_size=30).map(sorted)


def found_in(log):
    drive = read_drive(log)
    score = score_drive(log, drive)
    driving = score.driving if score.open_loop is None else None
    return moments(log, int(drive.stamps_ns[0]), drive, driving, score.faithfulness)


def test_the_black_box_and_the_page_tell_the_same(made):
    log = made.drive(EGO, WALL, say=lambda t: a_trace(t, EGO) if not 1.0 < t < 2.0 else None)
    found = found_in(log)
    assert sorted(story(log).moments, key=str) == sorted(found, key=str)
    pressed = {b.text for b in buttons(found, read_drive(log))}
    assert {"ran into a car (actor 50), which stood still", "no decision for 1.0 s", "the start"} <= pressed  # fmt: skip


def test_what_happened_before_a_handover_was_not_our_driver(made):
    def told(**notes):
        log = made.drive(EGO, WALL, say=lambda t: a_trace(t, EGO), notes=notes)
        return [(m.kind, round(m.at_s, 1)) for m in story(log).moments]

    assert ("collision", HIT_S) in told()
    assert ("collision", HIT_S) in told(handover_s="3.0")
    assert not [m for m in told(handover_s="6.0") if m[0] == "collision"]


def test_the_same_decision_for_another_cause_is_told_by_its_sentence(made):
    def say(t):
        other = Other(straight(62.0, 0.0), id=50 if t < 2.0 else 51)
        if t >= 4.0:
            return a_trace(t, EGO)
        return a_trace(t, EGO, Longitudinal.KEEP_DISTANCE, cited=(a_citation(other, t),))

    mind = [m for m in story(made.drive(EGO, say=say)).moments if m.kind in ("start", "decision")]
    assert [(m.at_s, m.what) for m in mind] == [
        (0.0, ""), (pytest.approx(2.0), ""), (pytest.approx(4.0), "keep distance → resume speed"),
    ]  # fmt: skip
    assert ["car 50" in mind[0].said, "car 51" in mind[1].said] == [True, True]


def test_words_that_were_wrong_are_told_when_they_were_said(made):
    """Even where the driver began to speak later than the drive began."""
    log = made.drive(
        EGO,
        scene=lambda t: a_scene(t, EGO),
        plan=lambda t: a_plan(t, EGO, 1.0),
        say=lambda t: a_trace(t, EGO, Longitudinal.STOP) if t >= 3.0 else None,
    )
    (wrong,) = [m for m in found_in(log) if m.kind == "contradiction"]
    assert wrong.at_s == pytest.approx(3.0)
    assert score_drive(log, read_drive(log)).faithfulness.contradictions_at_s[0] == wrong.at_s


def test_who_came_how_close_is_told_unless_it_was_a_contact(made):
    beside = Other(straight(36.0, 6.0, y=3.5), id=51)
    (close,) = [m for m in found_in(made.drive(EGO, beside)) if m.kind == "close"]
    assert close.what == "closest to another road user: 1.7 m"
    assert not [m for m in found_in(made.drive(EGO, WALL)) if m.kind == "close"]


@pytest.fixture(scope="module")
def drive(tmp_path_factory):
    return read_drive(Made(tmp_path_factory.mktemp("made")).drive(EGO, duration_s=6.0))


@given(st.lists(st.tuples(st.floats(0.0, 6.0), st.sampled_from(sorted(RANK))), max_size=30))
def test_buttons_are_few_and_apart_and_the_most_telling_one_is_there(drive, drawn):
    found = [Moment(t, t, kind, kind, "") for t, kind in drawn]
    chosen = buttons(found, drive)
    assert len(chosen) <= MOST
    at = [b.index for b in chosen]
    assert all(b - a >= APART_S / drive.dt_s for a, b in zip(at, at[1:], strict=False))
    worst = min((m.rank for m in found), default=None)
    if worst is not None:
        first = next(m for m in found if m.rank == worst)
        assert drive.index(first.at_s) in at


@given(TIMES, st.data(), st.booleans())
def test_stretches_hold_every_instant_and_nothing_between_them(times, data, until_next):
    whats = data.draw(st.lists(st.sampled_from("ab"), min_size=len(times), max_size=len(times)))
    runs = stretches(zip(times, whats, strict=True), until_next)
    for t, what in zip(times, whats, strict=True):
        assert any(start <= t <= end and what == run for start, end, run in runs)
    assert [r[0] for r in runs] == sorted(r[0] for r in runs)
    assert {t for r in runs for t in r[:2]} <= set(times)
    for a, b in zip(runs, runs[1:], strict=False):
        assert a[2] != b[2] or b[0] - a[1] > GAP_S


@given(st.floats(0.0, 10.0), st.floats(0.0, 10.0))
def test_a_stand_is_as_long_as_it_was_slow(before_s, lasts_s):
    t = [k / 10 for k in range(200)]
    v = [0.0 if before_s <= x <= before_s + lasts_s else 5.0 for x in t]
    slow = [x for x in t if before_s <= x <= before_s + lasts_s]
    assert stands(t, v) == ([(slow[0], slow[-1])] if slow and slow[-1] - slow[0] >= 2.0 else [])
