"""Models with random weights, for tests of everything around them: what they say is whole and grounded, and foolish."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from whyway.config import Config, override
from whyway.plan.waypoint_head import HEAD_SHAPES, VERSION
from whyway.reason.checkpoint import Made, save_model
from whyway.reason.parameters import parameter_shapes
from whyway.reason.scene_tokens import FEATURE_COUNTS
from whyway.reason.spec import ModelSpec


def made_model(folder: Path, *, seed: int = 0, depth: int = 1, head: bool = True) -> Path:
    """A model's folder."""
    rng = np.random.default_rng(seed)
    spec = ModelSpec(depth, FEATURE_COUNTS)
    weights = {name: _random(rng, shape) for name, shape in parameter_shapes(spec).items()}
    weights = {
        name: np.ones_like(w) if name.endswith("norm.weight") else w for name, w in weights.items()
    }
    drawn = {name: _random(rng, shape) for name, shape in HEAD_SHAPES.items()}
    return save_model(
        folder, spec, weights, {**VERSION, **drawn} if head else {}, Made("random", seeds=(seed,))
    )


def configured(folder: Path, **reason: object) -> Config:
    """A configuration for a model, computed by numpy."""
    dials = {f"reason.{name}": value for name, value in reason.items()}
    return override(Config(), {"reason.backend": "numpy", "reason.model": str(folder), **dials})


def _random(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    scale = 0.5 / np.sqrt(shape[-1])
    return (scale * rng.standard_normal(shape)).astype(np.float32)
