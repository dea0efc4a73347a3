"""Small random models, their graphs and tapes, for tests of exporting."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from whyway.reason.backends import Backend
from whyway.reason.backends.numpy import NumpyBackend
from whyway.reason.export.build import build
from whyway.reason.export.golden import Answers, Golden, Group, generated, record, replay
from whyway.reason.export.recipe import Recipe
from whyway.reason.parameters import parameter_shapes
from whyway.reason.spec import ROWS, ModelSpec


class Made(NamedTuple):
    """What backends need of a model."""

    spec: ModelSpec
    weights: dict[str, np.ndarray]


@cache
def made(seed: int = 0, depth: int = 2) -> Made:
    """A model whose layers all matter: matrices keep the size of what goes in."""
    rng = np.random.default_rng(seed)
    spec = ModelSpec(depth, tuple((kind, 5) for kind in ROWS))
    weights = {
        name: np.ones(shape, np.float32)
        if "norm" in name
        else (rng.standard_normal(shape) / np.sqrt(shape[-1])).astype(np.float32)
        for name, shape in parameter_shapes(spec).items()
    }
    return Made(spec, weights)


@cache
def graph(recipe: Recipe = Recipe(), seed: int = 0) -> bytes:  # noqa: B008  frozen
    """Of the model of a seed."""
    model = made(seed)
    ranges = dict.fromkeys(model.weights, 4.0)
    return build(model.spec, model.weights, recipe, ranges=ranges)


@cache
def scenes() -> tuple[Golden, ...]:
    """Golden scenes."""
    return generated(made().spec, 4, np.random.default_rng(1))


@cache
def tape(together: int = 1, plain: bool = False) -> tuple[list[Group], Answers]:
    """What an engine asks of the numpy twin, and what that answers."""
    twin: Backend = NumpyBackend(made())
    some = scenes()[:1] if plain else scenes()
    asked = record(twin, some, together=together, plain=plain)
    return asked, replay(twin, asked)
