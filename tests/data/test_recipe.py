"""Dials, seeds and splits: what may not be is refused in one line, and a split is the same wherever the data are made."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whyway.data.recipe import SPLITS, TRAIN, VAL, DataError, Recipe, read_seeds, split_of


def test_seeds_are_read_as_people_write_them():
    assert read_seeds("1000..1003") == (1000, 1001, 1002, 1003)
    assert read_seeds("1000, 1007..1008,500") == (1000, 1007, 1008, 500)
    assert read_seeds("0") == (0,)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("1..40", "judged with seeds 1 to 100"), ("1000,100", "judged"), ("99..2000", "judged"),
        ("1000,1000", "one twice"), ("5000..4000", "names no seed"), ("many", "expected seeds like"), ("", "expected"),
        ("1000..", "expected"), ("-3", "expected"), ("1000..99999999", "more than"),
    ],
)  # fmt: skip
def test_seeds_that_cannot_be_are_refused_in_one_line(text, why):
    with pytest.raises(DataError, match=why) as error:
        read_seeds(text)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "dials",
    [{"removed": 1.1}, {"mix": -0.1, "driver": "idm"}, {"disturb": 2.0}, {"keyframes_per_s": 0.0}, {"edits": 9}, {"mix": 0.5}],
)  # fmt: skip
def test_dials_that_cannot_be_are_refused(dials):
    with pytest.raises(DataError):
        Recipe(**dials)


@given(seed=st.integers(101, 2**31), name=st.sampled_from(["cut_in", "jaywalker"]))
def test_a_split_does_not_depend_on_where_files_lie(seed, name):
    assert split_of(f"family:{name}", seed) in SPLITS
    assert split_of("/here/scene.xml", seed) == split_of("elsewhere/scene.xml", seed)
    assert split_of(f"family:{name}@maps/T.xodr", seed) == split_of(
        f"family:{name}@/m/T.xodr", seed
    )
    assert split_of(f"family:/mine/{name}.yaml", seed) == split_of(f"family:{name}.yaml", seed)


def test_about_one_drive_in_twelve_is_kept_to_check_with():
    worlds = ("town", "family:cut_in", "family:jaywalker", "family:cut_in@town")
    found = [split_of(world, seed) for world in worlds for seed in range(1000, 2000)]
    assert 0.07 < found.count(VAL) / len(found) < 0.09
    seeds = [{s for s in range(1000, 2000) if split_of(w, s) == VAL} for w in worlds]
    assert all(a != b for i, a in enumerate(seeds) for b in seeds[:i]), "worlds differ in theirs"
    assert split_of("town", 1000) == TRAIN, "as it was when this was written"
