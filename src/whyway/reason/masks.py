"""Who reads whom: attention masks from block ids, by one rule for training, decoding by blocks, and token by token.

There are two kinds of positions. A *value* is a token that is known; a *query* asks what the token is. Either belongs to a block.
A value reads the values of blocks up to its own. A query reads the values of earlier blocks and the queries of its own block, never an
answer of its own block. Rows of the scene are values of the block before all others. A finer array of blocks (every position a block of
its own) makes the same weights a plain token-by-token model.

Legend: B scenes, P prefix rows, V values, Q queries, S positions of a pass, T rows of the cache.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from whyway.reason.spec import PREFIX_ROWS

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

PREFIX_BLOCK = -1
"""The block of the scene's rows."""
HIDDEN = 1 << 14
"""The block of what nobody reads: rows of the scene not in use, padding, cache rows with nothing or something stale in them."""
CACHE_ROWS = PREFIX_ROWS + 160
"""Rows of the static cache: the scene, then values and queries. No trace has more than 147 positions (`trace.grammar.MAX_POSITIONS`)."""


def visible(reader_blocks: Ints, reader_asks: Bools, key_blocks: Ints, key_asks: Bools) -> Bools:
    """Which keys each reader may attend to. Leading axes broadcast.

    Args:
      reader_blocks: (..., readers) block of each; `HIDDEN` ones may read all that is known, nobody reads what they make of it.
      reader_asks: (..., readers) True for queries.
      key_blocks: (..., keys) block of each.
      key_asks: (..., keys) True for queries.

    Returns:
      (..., readers, keys)
    """
    reader, asks = reader_blocks[..., :, None], reader_asks[..., :, None]
    key, key_asks = key_blocks[..., None, :], key_asks[..., None, :]
    known = ~key_asks & (key <= reader - asks)
    together = key_asks & asks & (key == reader)
    seen: Bools = (known | together) & (key != HIDDEN)
    return seen


def prefix_blocks(valid: Bools) -> Ints:
    """(..., P) `PREFIX_BLOCK` for rows in use, `HIDDEN` for the others."""
    return np.where(valid, PREFIX_BLOCK, HIDDEN).astype(np.int64)


def attention_mask(valid: Bools, value_blocks: Ints, query_blocks: Ints) -> Bools:
    """The mask of one whole sequence [prefix | values | queries], as in training.

    Args:
      valid: (..., P) rows of the scene in use; at least one (the ego's), so that everybody reads something.
      value_blocks: (..., V) block of each value, `HIDDEN` for padding.
      query_blocks: (..., Q) block of each query, `HIDDEN` for padding.

    Returns:
      (..., P + V + Q, P + V + Q): True where the row may attend to the column.
    """
    blocks = np.concatenate([prefix_blocks(valid), value_blocks, query_blocks], axis=-1)
    asks = np.zeros(blocks.shape[-1], dtype=np.bool_)
    asks[asks.size - query_blocks.shape[-1] :] = True
    return visible(blocks, asks, blocks, asks)


def prefix_mask(valid: Bools) -> Bools:
    """(..., 1, P): all rows of the scene read those in use."""
    return valid[..., None, :]


def step_mask(
    cache_blocks: Ints, cache_asks: Bools, reader_blocks: Ints, reader_asks: Bools
) -> Bools:
    """The mask of one pass against the static cache: the rule of training, on what lies where in the cache *during* the pass.

    Args:
      cache_blocks: (B, T) block of what each row holds once this pass has written its own; `HIDDEN` for free and stale rows.
      cache_asks: (B, T) rows that hold queries of this pass.
      reader_blocks: (B, S) block of each position of the pass, `HIDDEN` for padding.
      reader_asks: (B, S) its queries.

    Returns:
      (B, S, T)
    """
    return visible(reader_blocks, reader_asks, cache_blocks, cache_asks)
