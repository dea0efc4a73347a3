"""An ONNX graph -> a TensorRT plan, by one path for 8.6, 10 and 11. Minutes on a small device: never while driving.

Precision is in the graph (casts; QuantizeLinear and DequantizeLinear) and the network strongly typed, so TensorRT chooses no precision of
its own. 8.6 knows no such networks: it gets the flags that allow what the graph says. TF32 is off: float32 means float32.

    8.6     EXPLICIT_BATCH; BuilderFlag.FP16 or INT8 by the graph's precision
    10, 11  STRONGLY_TYPED; in 11 EXPLICIT_BATCH and those flags are gone

Names that some version lacks are asked for by `optional`, and only so (a test holds all others against seven versions).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from whyway.reason.engines.key import Building
from whyway.reason.export.recipe import Precision, Recipe, cache_names, cache_shape
from whyway.reason.masks import CACHE_ROWS
from whyway.reason.spec import PREFIX_ROWS, ROWS, ModelSpec
from whyway.types import InputError

OLDEST = (8, 6)
FUSED = (10, 15)
"""Since then TensorRT has TensorScatter and Attention as layers of its own: dialect A."""


class BuildError(InputError):
    """TensorRT does not build an engine of this graph."""


@dataclass(frozen=True, slots=True)
class Built:
    """What the builder gave."""

    plan: bytes
    timings: bytes
    """The timing cache afterwards: the next build is shorter, and chooses the same kernels."""


def version_of(trt: Any) -> tuple[int, ...]:
    """10.13.3.9 -> (10, 13, 3, 9).

    Raises:
      InputError: older than any that this code is for.
    """
    found = tuple(int(n) for n in re.findall(r"\d+", trt.__version__)[:4])
    if found < OLDEST:
        raise InputError(f"TensorRT {trt.__version__} is older than {OLDEST[0]}.{OLDEST[1]}; take --reason.backend=onnxruntime")  # fmt: skip
    return found


def optional(owner: Any, name: str) -> Any:
    """A name that not every version has, or None."""
    return getattr(owner, name, None)


def check_recipe(recipe: Recipe, version: tuple[int, ...]) -> None:
    """Refuse what no TensorRT of this version builds.

    Raises:
      InputError: says what to take instead.
    """
    if recipe.dialect == "A" and version < FUSED:
        raise InputError(f"dialect A needs TensorRT {FUSED[0]}.{FUSED[1]}, here is {'.'.join(map(str, version))}; take --dialect B")  # fmt: skip
    if recipe.dialect == "A" and recipe.precision != "fp16":
        # seen with TensorRT-RTX 1.7: no kernel for attention in float32, "may be marked as decomposable"
        raise InputError("TensorRT has fused attention in fp16 only; take --precision fp16, or --dialect B")  # fmt: skip


def logger_of(trt: Any, said: list[str]) -> Any:
    """A logger that keeps the last errors, for the one line that tells of a failure."""

    class Kept(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, severity: Any, message: str) -> None:
            if int(severity) <= int(trt.ILogger.ERROR):
                said.append(" ".join(str(message).split())[:300])
                del said[:-4]

    return Kept()


def input_shapes(spec: ModelSpec, recipe: Recipe, positions: int) -> dict[str, tuple[int, ...]]:
    """Every input of a graph for one scene and passes of so many positions."""
    shapes: dict[str, tuple[int, ...]] = {
        name: (1, positions) for name in ("tokens", "fields", "slots", "rows")
    }
    shapes["mask"] = (1, positions, CACHE_ROWS)
    shapes |= {f"features.{kind}": (1, ROWS[kind], n) for kind, n in spec.feature_counts}
    shapes["valid"] = (1, PREFIX_ROWS)
    cache = cache_shape(spec, 1, CACHE_ROWS, recipe.heads_apart)
    return shapes | {past: cache for past, _ in cache_names(spec.depth)}


def build_plan(
    trt: Any, graph: bytes, spec: ModelSpec, recipe: Recipe, building: Building, timings: bytes
) -> Built:
    """Parse and build.

    Args:
      trt: the module.
      graph: an ONNX file's bytes, of this recipe.
      spec: the size of the model.
      recipe: dialect and precision.
      building: the builder's dials.
      timings: a timing cache of this TensorRT on this GPU; empty: none yet.

    Raises:
      BuildError: TensorRT refuses; with what it said.
    """
    check_recipe(recipe, version_of(trt))
    said: list[str] = []
    logger = logger_of(trt, said)
    try:
        builder = trt.Builder(logger)
    except (RuntimeError, TypeError) as wrong:  # TypeError: the library gave no builder
        raise BuildError(_refused(trt, "gives no builder", said or [str(wrong)])) from None
    network = builder.create_network(_network_flags(trt))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(graph):
        errors = (parser.get_error(k) for k in range(parser.num_errors))
        why = [str(error.desc()) for error in errors]
        raise BuildError(_refused(trt, "does not read this graph", why or said))
    config = builder.create_builder_config()
    _configure(trt, config, recipe.precision, building)
    for size in building.sizes:
        profile = _profile(builder, network, input_shapes(spec, recipe, size))
        if config.add_optimization_profile(profile) < 0:
            raise BuildError(_refused(trt, f"takes no passes of {size} positions", said))
    cache = config.create_timing_cache(timings)
    config.set_timing_cache(cache, ignore_mismatch=False)
    try:
        plan = builder.build_serialized_network(network, config)
    except RuntimeError as wrong:
        raise BuildError(_refused(trt, "builds no engine", [str(wrong)])) from None
    if plan is None:
        raise BuildError(_refused(trt, "builds no engine", said))
    cache = config.get_timing_cache()
    return Built(bytes(plan), bytes(cache.serialize()))


def _refused(trt: Any, what: str, said: list[str]) -> str:
    why = " | ".join(said)[:400] or "no reason given"
    return f"TensorRT {trt.__version__} {what} ({why}); take --reason.backend=onnxruntime, or another --precision or --dialect"


def _network_flags(trt: Any) -> int:
    kinds = trt.NetworkDefinitionCreationFlag
    flag = optional(kinds, "STRONGLY_TYPED")
    if flag is None:
        flag = optional(kinds, "EXPLICIT_BATCH")
    return 1 << int(flag)


def _configure(trt: Any, config: Any, precision: Precision, building: Building) -> None:
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, building.workspace_mib << 20)
    config.builder_optimization_level = building.level
    config.clear_flag(trt.BuilderFlag.TF32)
    if optional(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED") is None:
        if precision == "fp16":
            config.set_flag(optional(trt.BuilderFlag, "FP16"))
        elif precision == "int8":
            config.set_flag(optional(trt.BuilderFlag, "INT8"))


def _profile(builder: Any, network: Any, shapes: Mapping[str, tuple[int, ...]]) -> Any:
    """One size of a pass: smallest, usual and largest shape are the same, so kernels are for exactly it."""
    profile = builder.create_optimization_profile()
    for k in range(network.num_inputs):
        tensor = network.get_input(k)
        if -1 in tuple(tensor.shape):
            shape = shapes[tensor.name]
            profile.set_shape(tensor.name, shape, shape, shape)
    return profile
