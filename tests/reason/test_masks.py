from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from whyway.reason.masks import (
    CACHE_ROWS,
    HIDDEN,
    PREFIX_BLOCK,
    attention_mask,
    prefix_blocks,
    step_mask,
    visible,
)
from whyway.reason.spec import PREFIX_ROWS
from whyway.trace.grammar import MAX_POSITIONS

BLOCKS = st.lists(st.one_of(st.integers(PREFIX_BLOCK, 6), st.just(HIDDEN)), min_size=1, max_size=9)


def sees(reader: int, asks: bool, key: int, key_asks: bool) -> bool:
    """The rule in words."""
    if key == HIDDEN:
        return False
    if key_asks:
        return asks and key == reader  # questions hear only those asked at the same time
    return key < reader if asks else key <= reader  # no answer of its own block for a question


@given(BLOCKS, BLOCKS, st.randoms(use_true_random=False))
def test_a_mask_says_what_the_rule_says(readers, keys, draw):
    reader_asks = np.array([draw.random() < 0.5 for _ in readers])
    key_asks = np.array([draw.random() < 0.5 for _ in keys])
    found = visible(np.array(readers), reader_asks, np.array(keys), key_asks)
    said = [
        [sees(r, ra, k, ka) for k, ka in zip(keys, key_asks, strict=True)]
        for r, ra in zip(readers, reader_asks, strict=True)
    ]
    np.testing.assert_array_equal(found, said)


SAID = st.lists(st.one_of(st.integers(0, 6), st.just(HIDDEN)), min_size=1, max_size=9)


@given(SAID, SAID)
def test_everybody_reads_the_scene_and_the_scene_reads_nothing_else(values, queries):
    valid = np.arange(PREFIX_ROWS) < 11
    mask = attention_mask(valid, np.array(values), np.array(queries))
    assert mask[:, :11].all() and not mask[:, 11:PREFIX_ROWS].any()
    assert not mask[:11, PREFIX_ROWS:].any()


def test_with_every_position_a_block_of_its_own_a_question_hears_no_other():
    n = 7
    mask = attention_mask(np.ones(PREFIX_ROWS, bool), np.arange(n - 1), np.arange(n))
    asked = mask[-n:, PREFIX_ROWS:]
    np.testing.assert_array_equal(asked[:, n - 1 :], np.eye(n, dtype=bool))
    np.testing.assert_array_equal(asked[:, : n - 1], np.tri(n, n - 1, -1, dtype=bool))


def test_a_pass_against_the_cache_reads_what_training_reads():
    valid = np.arange(PREFIX_ROWS) < 20
    values, queries = np.array([0, 0, 1, 1, 1]), np.array([2, 2])
    whole = attention_mask(valid, values, queries)
    # the pass: block 0 lies in the cache, block 1 is committed, block 2 asked; an old question lies behind
    cache = np.full(CACHE_ROWS, HIDDEN)
    cache[:PREFIX_ROWS] = prefix_blocks(valid)
    end = PREFIX_ROWS + len(values) + len(queries)
    cache[PREFIX_ROWS:end] = [*values, *queries]
    asks = np.zeros(CACHE_ROWS, bool)
    asks[end - 2 : end] = True
    found = step_mask(
        cache[None],
        asks[None],
        cache[None, PREFIX_ROWS + 2 : end],
        asks[None, PREFIX_ROWS + 2 : end],
    )
    np.testing.assert_array_equal(found[0, :, :end], whole[PREFIX_ROWS + 2 :])
    assert not found[..., end:].any()


def test_the_cache_holds_every_trace():
    assert CACHE_ROWS - PREFIX_ROWS >= MAX_POSITIONS - 1  # the last value is read by nobody
