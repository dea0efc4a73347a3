"""microgpt's parameters by name and shape: the one table that torch, numpy, ONNX and checkpoints share. No torch here.

Every matrix is (out, in): y = x @ W.T, as torch.nn.Linear has it. `qkv` has the rows of all heads' queries, then keys, then values; head
h owns rows h * 32 to h * 32 + 31 of each third. Blocks have no biases; the encoders of the scene's rows do.

    encoders.<kind>.up.{weight, bias}      features -> 2 width, ReLU      one for every kind of scene token
    encoders.<kind>.down.{weight, bias}    2 width -> width
    {token, field, slot}_embedding.weight  a position's input is the sum of the three and of the scene row behind its slot
    blocks.<n>.attention_norm.weight       RMSNorm's gain
    blocks.<n>.qkv.weight                  width -> 3 width
    blocks.<n>.proj.weight                 width -> width
    blocks.<n>.mlp_norm.weight
    blocks.<n>.up.weight                   width -> 4 width, squared ReLU
    blocks.<n>.down.weight                 4 width -> width
    final_norm.weight
    lm_head.weight                         width -> vocabulary, not tied to the embedding
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from whyway.reason.spec import ROWS, ModelSpec
from whyway.types import InputError

Shape = tuple[int, ...]

NORM_EPS = 1e-6
"""RMSNorm(x) = gain * x / sqrt(mean(x^2) + NORM_EPS)."""


def parameter_shapes(spec: ModelSpec) -> dict[str, Shape]:
    """Name -> shape of every parameter, in a fixed order.

    Raises:
      InputError: the spec's kinds of scene tokens are not those of `spec.ROWS`.
    """
    kinds = [kind for kind, _ in spec.feature_counts]
    if kinds != list(ROWS):
        raise InputError(
            f"the model reads scene tokens {kinds}, this version has {list(ROWS)}; train it anew"
        )
    w, shapes = spec.width, dict[str, Shape]()
    for kind, features in spec.feature_counts:
        shapes |= _linear(f"encoders.{kind}.up", features, 2 * w)
        shapes |= _linear(f"encoders.{kind}.down", 2 * w, w)
    shapes["token_embedding.weight"] = (spec.vocabulary_size, w)
    shapes["field_embedding.weight"] = (spec.field_count, w)
    shapes["slot_embedding.weight"] = (spec.slot_count, w)
    for n in range(spec.depth):
        shapes[f"blocks.{n}.attention_norm.weight"] = (w,)
        shapes[f"blocks.{n}.qkv.weight"] = (3 * w, w)
        shapes[f"blocks.{n}.proj.weight"] = (w, w)
        shapes[f"blocks.{n}.mlp_norm.weight"] = (w,)
        shapes[f"blocks.{n}.up.weight"] = (spec.hidden, w)
        shapes[f"blocks.{n}.down.weight"] = (w, spec.hidden)
    shapes["final_norm.weight"] = (w,)
    shapes["lm_head.weight"] = (spec.vocabulary_size, w)
    return shapes


def _linear(name: str, inputs: int, outputs: int) -> dict[str, Shape]:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def parameter_count(spec: ModelSpec) -> int:
    """All parameters of a model of this size."""
    return sum(math.prod(shape) for shape in parameter_shapes(spec).values())


def check_parameters(spec: ModelSpec, weights: Mapping[str, NDArray[np.generic]]) -> None:
    """Refuse weights that are not those of a model of this size.

    Raises:
      InputError: a parameter is missing, unknown, of another shape, or not finite; it names the first.
    """
    shapes = parameter_shapes(spec)
    for name, shape in shapes.items():
        if name not in weights:
            raise InputError(f"the weights lack {name}; export the model again")
        if weights[name].shape != shape:
            raise InputError(
                f"{name} has the shape {weights[name].shape}, a model of depth {spec.depth} needs {shape}"
                "; take the weights and the config of the same model"
            )
        if not np.isfinite(weights[name]).all():
            raise InputError(f"{name} has numbers that are not finite; take another checkpoint")
    unknown = sorted(set(weights) - set(shapes))
    if unknown:
        raise InputError(f"the weights have an unknown {unknown[0]}; merge adapters before use")


def weights_sha256(weights: Mapping[str, NDArray[np.generic]]) -> str:
    """A name for exactly these numbers: sha256 over names, shapes and float32 values in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        values = np.ascontiguousarray(weights[name], dtype="<f4")
        digest.update(f"{name} {values.shape}\n".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()
