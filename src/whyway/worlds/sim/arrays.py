"""What the step needs of arrays beyond the array API, for numpy and torch: gathers, clamps, nearest others, luck by counting.

The step is dense: fixed shapes, no loop over worlds or agents, no boolean indexing. Pairs of an agent and one of its K neighbours have
shape `[K, W, A]`: the short axis first, so that reductions over it run along memory and `[W, A]` broadcasts as it stands.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = Any

NOBODY = 1e9
"""A score beyond which there is nobody."""

_KEYS = {
    size: (int(np.array(NOBODY, dtype=real).view(whole)), int(np.iinfo(whole).max))
    for size, real, whole in ((4, np.float32, np.int32), (8, np.float64, np.int64))
}
"""By size of a number: `NOBODY`'s bits read as an integer, and the largest integer."""

_EXTRACT_UP_TO = 64
"""Torch: so many candidates are searched by repeated minima, which is several times quicker than its `topk` on short rows."""


def clamp(array: Array, low: Array | float | None, high: Array | float | None) -> Array:
    """The array between two bounds (numbers or arrays); several times quicker than `xp.clip` on small arrays."""
    if isinstance(array, np.ndarray):
        if low is not None:
            array = np.maximum(array, low)
        return array if high is None else np.minimum(array, high)
    if low is not None:
        array = array.clamp(min=low) if isinstance(low, int | float) else array.maximum(low)
    if high is not None:
        array = array.clamp(max=high) if isinstance(high, int | float) else array.minimum(high)
    return array


def to(array: Array, dtype: Any) -> Array:
    """The array in another type."""
    return (
        array.astype(dtype, copy=False) if isinstance(array, np.ndarray) else array.to(dtype=dtype)
    )


def chosen(mask: Array, new: Array, old: Array) -> Array:
    """`new` where the mask holds, else `old`, in `old`'s type; shorter masks count for whole rows."""
    for _ in range(old.ndim - mask.ndim):
        mask = mask[..., None]
    if isinstance(old, np.ndarray):
        return np.where(mask, np.asarray(new, dtype=old.dtype), old)
    new = new.to(dtype=old.dtype) if hasattr(new, "to") else new
    return old.where(~mask, new)


def pick(array: Array, index: Array) -> Array:
    """Elements by flat index, in the index's shape."""
    if isinstance(array, np.ndarray):
        return array.reshape(-1).take(index)
    return array.reshape(-1).index_select(0, index.reshape(-1)).reshape(index.shape)


def pick_rows(array: Array, index: Array) -> Array:
    """Rows of a matrix by index, in the index's shape and one axis more."""
    if isinstance(array, np.ndarray):
        return array.take(index, axis=0)
    return array.index_select(0, index.reshape(-1)).reshape(*index.shape, array.shape[-1])


def leading(array: Array) -> Array:
    """`[W, A, K]` as `[K, W, A]`, laid out anew."""
    if isinstance(array, np.ndarray):
        return np.ascontiguousarray(np.moveaxis(array, -1, 0))
    return array.movedim(-1, 0).contiguous()


def trailing(array: Array) -> Array:
    """`[K, W, A]` as `[W, A, K]`, laid out anew."""
    if isinstance(array, np.ndarray):
        return np.ascontiguousarray(np.moveaxis(array, 0, -1))
    return array.movedim(0, -1).contiguous()


def smallest(xp: Any, score: Array, count: int) -> Array:
    """Indices `[W, A, K]` of the least non-negative scores `[W, A, B]`, rising, -1 for scores from `NOBODY` on.

    The scores' last bits carry the index: so keys are unique, and every library finds the same order.
    """
    candidates = score.shape[-1]
    low = (1 << max(1, (candidates - 1).bit_length())) - 1
    nobody, most = _KEYS[score.itemsize]
    limit = nobody & ~low
    integer = xp.int32 if score.itemsize == 4 else xp.int64
    index = xp.arange(candidates, dtype=integer, device=score.device)
    key = (score.view(integer) & ~low) | index
    if isinstance(score, np.ndarray):
        found = np.sort(key, axis=-1)[..., :count]
    elif candidates > _EXTRACT_UP_TO or score.is_cuda:
        found = key.topk(count, dim=-1, largest=False, sorted=True).values
    else:
        least = []
        key = key.movedim(-1, 0)
        for _ in range(count):
            least.append(key.amin(0))
            key = key.masked_fill(key == least[-1], most)
        found = xp.stack(least, axis=-1)
    return xp.where(found < limit, xp.astype(found & low, xp.int64), -1)


def luck(*counters: Array) -> Array:
    """Whole numbers in [0, 2^31) that look random and depend on nothing but the counters (whole numbers of any shapes).

    A hash by multiplication and shifts (Mueller) in 64-bit integers below 2^62, so that nothing overflows anywhere.
    """
    h: Array = 0
    for counter in counters:
        h = (h * 31 + counter + 0x9E3779B9) & 0xFFFFFFFF
        for _ in range(2):
            h = (((h >> 16) ^ h) * 0x45D9F3B) & 0xFFFFFFFF
        h = (h >> 16) ^ h
    return h & 0x7FFFFFFF
