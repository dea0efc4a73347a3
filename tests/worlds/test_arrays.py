"""What the step needs of arrays: the few pairs that numpy takes mean the same as all of them, as torch takes them."""

from __future__ import annotations

import importlib.util

import array_api_compat.numpy as xp
import numpy as np
import pytest

from whyway.worlds.sim.arrays import (
    Pairs,
    few,
    first,
    in_row,
    leading,
    pairs,
    pick,
    pick_quads,
)

K, W, A = 5, 3, 8


@pytest.fixture
def rng():
    return np.random.default_rng(4)


def dense(flat, mask):
    """All pairs, as torch has them."""
    return Pairs(flat, mask)


def test_a_few_pairs_mean_what_all_of_them_mean(rng):
    flat = rng.integers(0, W * A, (K, W, A))
    mask, again = rng.random((K, W, A)) < 0.4, rng.random((K, W, A)) < 0.5
    values, of_agents = rng.normal(size=(K, W, A)), rng.normal(size=(W, A))
    found = []
    for p in (pairs(flat, mask), dense(flat, mask)):
        worth = p.of(values) * p.own(of_agents) - p.others(of_agents)
        q, some = p.only(p.of(again), worth)
        found.append(
            (p.least(xp, worth, 9.0), q.least(xp, some, 9.0), p.any(xp, worth > 0.5), q.any(xp, some > 0.5))
        )  # fmt: skip
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(a, b)
    assert (found[0][0] == 9.0).any()  # somebody has none
    assert (found[0][0] < 9.0).any()


def test_pairs_spread_a_mask_to_where_they_came_from(rng):
    flat, mask = rng.integers(0, W * A, (K, W, A)), rng.random((K, W, A)) < 0.3
    p = pairs(flat, mask)
    np.testing.assert_array_equal(p.spread(np.ones(p.theirs.shape, dtype=bool)), mask)


@pytest.mark.parametrize("shape", [(1, 1, 8), (2, 3, 1), (2, 3, 4)])
def test_what_is_laid_out_anew_may_be_written_to(rng, shape):
    array = rng.normal(size=shape)
    kept, anew = array.copy(), leading(array)
    np.testing.assert_array_equal(anew, np.moveaxis(array, -1, 0))
    anew += 1.0
    np.testing.assert_array_equal(array, kept)


@pytest.mark.parametrize("count", [1, 4])
def test_the_first_mask_that_holds_or_how_many_there_are(rng, count):
    masks = rng.random((count, W, A)) < 0.3
    for w in range(W):
        for a in range(A):
            held = np.flatnonzero(masks[:, w, a])
            assert first(xp, masks)[w, a] == (held[0] if len(held) else count)


def test_a_row_of_each_column_is_found_by_flat_index(rng):
    array, row = rng.normal(size=(K, W, A)), rng.integers(0, K, (W, A))
    expected = np.take_along_axis(array, row[None], axis=0)[0]
    np.testing.assert_array_equal(pick(array, in_row(xp, row)), expected)
    rows = rng.integers(0, K, (2, W, A))
    expected = np.take_along_axis(array, rows, axis=0)
    np.testing.assert_array_equal(pick(array, in_row(xp, rows)), expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("quad", [0, 1])
def test_four_columns_at_once_are_the_four_columns(rng, dtype, quad):
    table, index = rng.normal(size=(20, 8)).astype(dtype), rng.integers(0, 20, (4, 3))
    for k, column in enumerate(pick_quads(table, index, quad)):
        np.testing.assert_array_equal(column, table[index, 4 * quad + k])


def test_a_few_are_less_than_half():
    assert few(np.array([True, False, False])).tolist() == [0]
    assert few(np.array([True, True, False])) is None


def test_torch_has_the_same_of_them(rng):
    if importlib.util.find_spec("torch") is None:
        pytest.skip("torch is not installed: pip install 'whyway[train]'")
    import array_api_compat.torch as txp
    import torch

    flat, mask = rng.integers(0, W * A, (K, W, A)), rng.random((K, W, A)) < 0.4
    values = rng.normal(size=(W, A))
    numpy, dense = pairs(flat, mask), pairs(torch.tensor(flat), torch.tensor(mask))
    least = numpy.least(xp, numpy.others(values), 5.0)
    other = dense.least(txp, dense.others(torch.tensor(values)), 5.0)
    np.testing.assert_array_equal(least, other.numpy())
    np.testing.assert_array_equal(first(xp, mask), first(txp, torch.tensor(mask)).numpy())
