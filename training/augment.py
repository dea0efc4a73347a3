"""Keyframes as they might also have been: who is not cited is not there, road users in other slots, features a little off.

Nobody who is not cited changes what the expert says (measured: 605 of 605 removed), and no road user's features depend on another's, so
the label stays true without anybody being asked. Slots only number the road users, so any order says the same.

Legend: B keyframes, N positions, O object slots.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.tables import Ints, Table
from whyway.reason.scene_tokens import FEATURE_NAMES, SAID
from whyway.reason.spec import ROW_OF_SLOT
from whyway.trace.slots import MAX_OBJECTS, OBJECT_0, SCENE_SLOT
from whyway.trace.vocabulary import NOT_CITED, Field

Bools = NDArray[np.bool_]
_OBJECTS = slice(int(ROW_OF_SLOT[OBJECT_0]), int(ROW_OF_SLOT[OBJECT_0]) + MAX_OBJECTS)
_SAID = [FEATURE_NAMES["ego"].index(name) for name in SAID]


@dataclass(frozen=True, slots=True)
class Augment:
    """How far keyframes are changed; all zero: not at all."""

    drop: float = 0.4
    """Chance of each road user who is not cited to be left out, on average: each keyframe draws its own, so that some are nearly empty."""
    permute: bool = True
    """Whether road users are numbered anew."""
    noise: float = 0.003
    """Relative error of features that are numbers, one sigma."""
    forget: float = 0.5
    """Chance of a keyframe to know nothing of what was said last: the expert does not look at it, so nobody should learn to repeat it."""


USUAL = Augment()
NOTHING = Augment(0.0, False, 0.0, 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Keyframes:
    """A batch for training. Padding is 0; N is the longest trace's."""

    features: Mapping[str, NDArray[np.float32]]
    """Kind -> (B, rows, features)."""
    valid: Bools
    """(B, P)"""
    fields: Ints
    """(B, N)"""
    slots: Ints
    """(B, N)"""
    tokens: Ints
    """(B, N)"""
    blocks: Ints
    """(B, N)"""
    order: Ints
    """(B, O) which slot each object slot in use was before."""

    def __len__(self) -> int:
        return len(self.valid)


def augmented(table: Table, how: Augment, rng: np.random.Generator) -> Keyframes:
    """A batch of keyframes, changed."""
    order, count = _who_stays(table, how, rng)
    valid = table.valid.copy()
    valid[:, _OBJECTS] = np.arange(MAX_OBJECTS) < count[:, None]
    b, k = np.nonzero(valid[:, _OBJECTS])
    features = {
        kind: x.astype(np.float32) for kind, x in table.features.items() if kind != "object"
    }
    # most object rows are not in use, and are left alone
    objects = table.features["object"][b, order[b, k]].astype(np.float32)
    for x in (*features.values(), objects) if how.noise > 0.0 else ():
        _blur(x, how.noise, rng)
    features["object"] = np.zeros(table.features["object"].shape, dtype=np.float32)
    features["object"][b, k] = objects
    if how.forget > 0.0:
        forgets = np.flatnonzero(rng.random(len(table)) < how.forget)
        features["ego"][np.ix_(forgets, [0], _SAID)] = 0.0
    return Keyframes(features, valid, *_renumbered(table, order, count), order)


def _who_stays(table: Table, how: Augment, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Old slot behind each new one (B, O), and how many are in use (B,)."""
    shape = len(table), MAX_OBJECTS
    stays = table.valid[:, _OBJECTS].copy()
    if how.drop > 0.0:
        odds = rng.random((len(table), 1)) ** (1.0 / how.drop - 1.0)  # its mean is how.drop
        stays &= cited(table) | (rng.random(shape) >= odds)
    rank = rng.random(shape) if how.permute else np.broadcast_to(np.arange(MAX_OBJECTS), shape)
    order = np.argsort(np.where(stays, rank, np.inf), axis=1, kind="stable")
    return order, stays.sum(axis=1)


def cited(table: Table) -> Bools:
    """(B, O) which objects the traces cite."""
    found = np.zeros((len(table), MAX_OBJECTS), dtype=np.bool_)
    row, at = np.nonzero((table.fields == Field.ROLE) & (table.tokens != NOT_CITED))
    found[row, table.slots[row, at] - OBJECT_0] = True
    return found


def _renumbered(table: Table, order: Ints, count: Ints) -> tuple[Ints, Ints, Ints, Ints]:
    """Fields, slots, tokens and blocks (B, N) with objects in their new slots, in the order of the grammar."""
    b, n = table.fields.shape
    new = np.empty_like(order)
    np.put_along_axis(new, order, np.arange(MAX_OBJECTS)[None, :], axis=1)
    slots = table.slots.astype(np.int64)
    about = slots - OBJECT_0
    is_object = (about >= 0) & (about < MAX_OBJECTS)
    moved = np.take_along_axis(new, np.where(is_object, about, 0), axis=1)
    stays = (table.fields != Field.PAD) & (~is_object | (moved < count[:, None]))
    slots = np.where(is_object, OBJECT_0 + moved, slots)
    # within a block: what is about the whole scene, then slot by slot, each slot's fields as they were
    key = (table.blocks.astype(np.int64) * 2 + (slots != SCENE_SLOT)) * (SCENE_SLOT + 1) + slots
    key = np.where(stays, key * n + np.arange(n), np.iinfo(np.int64).max)
    longest = int(stays.sum(axis=1).max(initial=1))
    by = np.argsort(key, axis=1, kind="stable")[:, :longest]
    kept = np.take_along_axis(stays, by, axis=1)

    def sorted_(x: Ints) -> Ints:
        return np.where(kept, np.take_along_axis(x, by, axis=1), 0)

    return sorted_(table.fields), sorted_(slots), sorted_(table.tokens), sorted_(table.blocks)


def _blur(x: NDArray[np.float32], sigma: float, rng: np.random.Generator) -> None:
    """Multiply numbers by about 1; flags and what is at the end of its scale stay."""
    number = (x != 0.0) & (np.abs(x) != 1.0) & (np.abs(x) < 2.99)
    x *= np.where(number, 1.0 + sigma * rng.standard_normal(x.shape, dtype=np.float32), 1.0)
