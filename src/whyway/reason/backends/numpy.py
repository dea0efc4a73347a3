"""microgpt in numpy: the oracle of all other backends, and the one that runs everywhere. Needs nothing but numpy.

Legend: B scenes, P prefix rows, S positions of a pass, T cache rows, W width, H heads, D width of a head, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from whyway.reason.backends import BackendInfo, Bools, Ints, Model, stacked
from whyway.reason.masks import CACHE_ROWS, prefix_mask
from whyway.reason.parameters import NORM_EPS, check_parameters, weights_sha256
from whyway.reason.spec import (
    HEAD_WIDTH,
    PREFIX_ROWS,
    ROW_OF_SLOT,
    ROWS,
    Float32s,
    SceneTokens,
)

Weights = Mapping[str, Float32s]


class NumpyBackend:
    """Buffers and the forward pass below."""

    step_sizes: tuple[int, ...] = ()

    def __init__(self, model: Model) -> None:
        check_parameters(model.spec, model.weights)
        self.spec = model.spec
        self._weights = {n: np.ascontiguousarray(w, np.float32) for n, w in model.weights.items()}
        sha = weights_sha256(self._weights)
        self.info = BackendInfo("numpy", np.__version__, "cpu", "fp32", sha)
        self._scene: Float32s = np.zeros((0, PREFIX_ROWS + 1, self.spec.width), np.float32)
        self._keys = self._values = self._empty(0)

    def _empty(self, scenes: int) -> Float32s:
        """(layers, B, H, T, D)"""
        shape = (self.spec.depth, scenes, self.spec.heads, CACHE_ROWS, HEAD_WIDTH)
        return np.zeros(shape, np.float32)

    def prefill(self, batch: Sequence[SceneTokens]) -> None:
        """Forget everything and read scenes."""
        features, valid = stacked(batch)
        if len(batch) != self._keys.shape[1]:
            self._keys, self._values = self._empty(len(batch)), self._empty(len(batch))
        # what an earlier scene left is masked, but nothing times not-a-number is not nothing
        self._values[..., PREFIX_ROWS:, :] = 0.0
        self._scene, x = encode_scene(self._weights, features, valid)
        rows = np.tile(np.arange(PREFIX_ROWS), (len(batch), 1))
        self._layers(x, rows, np.broadcast_to(prefix_mask(valid), (*x.shape[:2], PREFIX_ROWS)))

    def step(self, tokens: Ints, fields: Ints, slots: Ints, rows: Ints, mask: Bools) -> Float32s:
        """One pass: see `Backend.step`."""
        x = embed(self._weights, tokens, fields, slots, self._scene)
        read = int(mask.any(axis=(0, 1)).nonzero()[0][-1]) + 1  # nobody reads what lies behind
        x = self._layers(x, rows, mask[..., :read])
        logits: Float32s = (
            norm(x, self._weights["final_norm.weight"]) @ self._weights["lm_head.weight"].T
        )
        return logits

    def _layers(self, x: Float32s, rows: Ints, mask: Bools) -> Float32s:
        scenes, read = np.arange(len(x))[:, None], mask.shape[-1]
        for n in range(self.spec.depth):
            q, k, v = queries_keys_values(self._weights, n, x)
            # (B, S, H, D) into rows of (B, H, T, D)
            self._keys[n].swapaxes(1, 2)[scenes, rows] = k
            self._values[n].swapaxes(1, 2)[scenes, rows] = v
            k, v = self._keys[n, :, :, :read], self._values[n, :, :, :read]
            x = mlp(self._weights, n, x + attention(self._weights, n, q, k, v, mask))
        return x

    def close(self) -> None:
        """Give back the buffers."""
        self._keys = self._values = self._empty(0)


# -------------------------------------------------------------------------------------------------- the forward pass


def encode_scene(
    w: Weights, features: Mapping[str, Float32s], valid: Bools
) -> tuple[Float32s, Float32s]:
    """(B, P + 1, W) what positions carry of the row behind their slot, and (B, P, W) what goes into the first layer."""
    kinds = []
    for kind in ROWS:
        hidden = linear(w, f"encoders.{kind}.up", features[kind])
        kinds.append(linear(w, f"encoders.{kind}.down", np.maximum(hidden, 0.0)))
    rows = np.concatenate(kinds, axis=1) * valid[..., None]
    scene = np.pad(rows, ((0, 0), (0, 1), (0, 0)))
    slots = np.flatnonzero(ROW_OF_SLOT < PREFIX_ROWS)
    rows[:, ROW_OF_SLOT[slots]] += w["slot_embedding.weight"][slots]
    return scene, rows


def embed(w: Weights, tokens: Ints, fields: Ints, slots: Ints, scene: Float32s) -> Float32s:
    """(B, S, W) token + field + slot + the scene row behind the slot."""
    behind = np.take_along_axis(scene, ROW_OF_SLOT[slots][..., None], axis=1)
    named = w["token_embedding.weight"][tokens] + w["field_embedding.weight"][fields]
    x: Float32s = named + w["slot_embedding.weight"][slots] + behind
    return x


def queries_keys_values(w: Weights, layer: int, x: Float32s) -> tuple[Float32s, Float32s, Float32s]:
    """(B, S, H, D) each."""
    normed = norm(x, w[f"blocks.{layer}.attention_norm.weight"])
    qkv = normed @ w[f"blocks.{layer}.qkv.weight"].T
    q, k, v = np.moveaxis(qkv.reshape(*x.shape[:2], 3, -1, HEAD_WIDTH), 2, 0)
    return q, k, v


def attention(
    w: Weights, layer: int, q: Float32s, k: Float32s, v: Float32s, mask: Bools
) -> Float32s:
    """Queries (B, S, H, D), keys and values (B, H, T, D), mask (B, S, T) -> (B, S, W)."""
    scores = (q.swapaxes(1, 2) * np.float32(1.0 / math.sqrt(HEAD_WIDTH))) @ k.swapaxes(2, 3)
    scores = np.where(mask[:, None], scores, np.float32(-np.inf))
    p = np.exp(scores - scores.max(axis=-1, keepdims=True))
    mixed = (p / p.sum(axis=-1, keepdims=True)) @ v  # (B, H, S, D)
    out: Float32s = (
        mixed.swapaxes(1, 2).reshape(*q.shape[:2], -1) @ w[f"blocks.{layer}.proj.weight"].T
    )
    return out


def mlp(w: Weights, layer: int, x: Float32s) -> Float32s:
    """(B, S, W) -> x + the feed-forward layer with squared ReLU."""
    up = norm(x, w[f"blocks.{layer}.mlp_norm.weight"]) @ w[f"blocks.{layer}.up.weight"].T
    out: Float32s = x + np.square(np.maximum(up, 0.0)) @ w[f"blocks.{layer}.down.weight"].T
    return out


def norm(x: Float32s, gain: Float32s) -> Float32s:
    """RMSNorm."""
    mean = np.mean(np.square(x), axis=-1, keepdims=True)
    out: Float32s = gain * x / np.sqrt(mean + np.float32(NORM_EPS))
    return out


def linear(w: Weights, name: str, x: NDArray[np.float32]) -> Float32s:
    """A layer with a bias."""
    out: Float32s = x @ w[f"{name}.weight"].T + w[f"{name}.bias"]
    return out


def make(model: Model) -> NumpyBackend:
    """See `backends.make_backend`."""
    return NumpyBackend(model)
