"""How long does a trace take? Every backend answers the same tapes in one process, in turn; CPU time of one thread, so that load cancels.

Tapes are led by what the expert said of scenes from dense town drives: random weights then cost what trained ones do.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

import numpy as np

from whyway.reason.backends import Backend, BackendInfo, Bools, Ints, Model, make_backend
from whyway.reason.backends.numpy import NumpyBackend
from whyway.reason.backends.onnxruntime import OnnxRuntime
from whyway.reason.engine import Engine
from whyway.reason.export.build import build
from whyway.reason.export.golden import (
    LOUD,
    UNKNOWN,
    Golden,
    Group,
    Pass,
    by_position,
    record,
)  # fmt: skip
from whyway.reason.export.recipe import SHIPPED, Recipe
from whyway.reason.masks import CACHE_ROWS
from whyway.reason.parameters import parameter_count, parameter_shapes
from whyway.reason.scene_tokens import FEATURE_COUNTS
from whyway.reason.spec import PREFIX_ROWS, Float32s, ModelSpec, SceneTokens

WAYS = {"blocks": False, "plain": True}
"""By name: whether traces are said token by token."""
PLAIN_SCENES = 6
"""So many scenes are timed token by token: that is about a hundred passes each."""
INT8, FP32, NUMPY = "onnxruntime int8", "onnxruntime fp32", "numpy fp32"
TORCH, UNCACHED = "torch fp32, eager, KV cache", "torch fp32, eager, no cache"
SLOW_ROUNDS = (1,)
"""In which the slowest takes part."""
SIZES = (1, 8, 32)
"""Positions of a pass whose time is compared."""


@dataclass(frozen=True, slots=True)
class RandomModel:
    """A model that has learnt nothing, and takes as long as one that has."""

    spec: ModelSpec
    weights: Mapping[str, Float32s]

    @staticmethod
    def of(depth: int, seed: int = 0) -> RandomModel:
        """Of a depth; matrices keep the size of what goes in."""
        spec, rng = ModelSpec(depth, FEATURE_COUNTS), np.random.default_rng(seed)
        shapes = parameter_shapes(spec)
        weights = {n: np.ones(s, np.float32) for n, s in shapes.items() if "norm" in n}
        for name, shape in shapes.items():
            if name not in weights:
                drawn = rng.standard_normal(shape) / np.sqrt(shape[-1])
                weights[name] = drawn.astype(np.float32)
        return RandomModel(spec, weights)


def bench_reason(
    model: Model,
    golden: Sequence[Golden],
    *,
    rounds: int = 4,
    progress: Callable[[int], None] = lambda _: None,
) -> list[dict[str, Any]]:
    """Time a model on every backend there is.

    Args:
      model: spec and weights; its 8-bit graph is taken from its folder if it has one.
      golden: scenes with what the expert said.
      rounds: how often every scene is decoded by every backend.
      progress: called with the number of rounds done.

    Returns:
      One row about the model, one for each backend, one of ratios; times in ms of CPU per trace (prefill and all passes).

    Raises:
      InputError: onnx is not installed, and the model's folder has no graph.
    """
    backends = _backends(model)
    twin = NumpyBackend(model)
    tapes = {
        "blocks": record(twin, golden),
        "plain": record(twin, golden[:PLAIN_SCENES], plain=True),
    }
    times: dict[tuple[str, str], list[float]] = {}
    for done in range(rounds + 1):  # the first round warms up, and is not counted
        for way, tape in tapes.items():
            for group in tape:
                for name, backend in backends.items():
                    if name == UNCACHED and done not in SLOW_ROUNDS:
                        continue
                    ms = _ms(lambda b=backend, g=group: _ask(b, g))  # type: ignore[misc]
                    if done:
                        times.setdefault((name, way), []).append(ms)
        progress(done)
    sizes = {name: _size_times(backend, tapes["blocks"][0]) for name, backend in backends.items()}
    engine = {way: _engine_ms(way, tape, backends[INT8]) for way, tape in tapes.items()}
    about = _about(model, tapes, engine, backends[INT8].info)
    for way, plain in WAYS.items():
        about[f"experts_words_{way}"] = experts_words(backends[INT8], golden, plain)
    rows = [about]
    rows += [_row(name, b, times, sizes[name]) for name, b in backends.items()]
    overhead = [_overhead(_onnxruntime(backends[INT8]), tapes["blocks"]) for _ in range(rounds)]
    return [*rows, _ratios(times, sizes, engine, float(np.median(overhead)))]


# -------------------------------------------------------------------------------------------------------- backends


def _backends(model: Model) -> dict[str, Backend]:
    made: dict[str, Backend] = {
        INT8: _int8(model),
        FP32: OnnxRuntime(build(model.spec, model.weights, Recipe()), "graph in memory"),
        NUMPY: NumpyBackend(model),
    }
    if find_spec("torch") is not None:
        made[TORCH] = make_backend("torch", model)
        made[UNCACHED] = Uncached(make_backend("torch", model))
    return made


def _int8(model: Model) -> Backend:
    shipped = make_backend("onnxruntime", model)
    if shipped.info.precision == "int8":
        return shipped
    return OnnxRuntime(build(model.spec, model.weights, SHIPPED), "graph in memory")


def _onnxruntime(backend: Backend) -> OnnxRuntime:
    assert isinstance(backend, OnnxRuntime)
    return backend


@dataclass(slots=True)
class Uncached:
    """A backend that remembers nothing: every pass reads the scene and says all earlier values again."""

    backend: Backend
    _scenes: Sequence[SceneTokens] = ()
    _said: list[Pass] = field(default_factory=list)

    @property
    def info(self) -> BackendInfo:
        """Of the backend below."""
        return self.backend.info

    @property
    def spec(self) -> ModelSpec:
        """Of the backend below."""
        return self.backend.spec

    @property
    def step_sizes(self) -> tuple[int, ...]:
        """Any."""
        return ()

    def prefill(self, batch: Sequence[SceneTokens]) -> None:
        """Only remembers which scenes."""
        self._scenes, self._said = batch, []

    def step(self, tokens: Ints, fields: Ints, slots: Ints, rows: Ints, mask: Bools) -> Float32s:
        """Everything from the beginning: rows that are written again take the place of the earlier ones."""
        begin = int(rows[0, 0])
        kept = [p for p in (_until(p, begin) for p in self._said) if p.tokens.size]
        self._said = [*kept, Pass(tokens, fields, slots, rows, mask)]
        self.backend.prefill(self._scenes)
        parts = [(p.tokens, p.fields, p.slots, p.rows, p.mask) for p in self._said]
        whole = (np.concatenate(columns, axis=1) for columns in zip(*parts, strict=True))
        return self.backend.step(*whole)[:, -tokens.shape[1] :]

    def close(self) -> None:
        """Closes the backend below."""
        self.backend.close()


def _until(p: Pass, row: int) -> Pass:
    """What of a pass lies in rows before a row."""
    n = int((p.rows[0] < row).sum())
    return Pass(p.tokens[:, :n], p.fields[:, :n], p.slots[:, :n], p.rows[:, :n], p.mask[:, :n])


# ---------------------------------------------------------------------------------------------------------- timing


def _ms(work: Callable[[], object]) -> float:
    """CPU time of this thread; `whyway` holds linear algebra to one."""
    begun = time.thread_time_ns()
    work()
    return (time.thread_time_ns() - begun) * 1e-6


def _ask(backend: Backend, *groups: Group) -> None:
    for group in groups:
        backend.prefill(group.scenes)
        for p in group.passes:
            backend.step(p.tokens, p.fields, p.slots, p.rows, p.mask)


def _size_times(backend: Backend, group: Group, repeats: int = 20) -> dict[int, float]:
    """Time of a pass in ms, by its number of positions, against a cache half full."""
    backend.prefill(group.scenes)
    at = (CACHE_ROWS - PREFIX_ROWS) // 2 + PREFIX_ROWS
    found: dict[int, list[float]] = {size: [] for size in SIZES}
    for _ in range(repeats):
        for size in SIZES:
            ids = np.ones((1, size), np.int64)
            rows = at + np.arange(size)[None]
            mask = np.tile(np.arange(CACHE_ROWS) < PREFIX_ROWS, (1, size, 1))
            found[size].append(_ms(lambda: backend.step(ids, ids, ids, rows, mask)))  # noqa: B023  called at once
    return {size: float(np.median(ms[1:])) for size, ms in found.items()}


class _Parrot:
    """A backend that computes nothing and says what the expert said: what remains is the engine's own time."""

    step_sizes: tuple[int, ...] = ()

    def __init__(self, group: Group, like: Backend) -> None:
        self.info, self.spec = like.info, like.spec
        self._answers = []
        for p in group.passes:
            true = group.true(p)
            logits = np.zeros((*true.shape, like.spec.vocabulary_size), np.float32)
            b, s = np.nonzero(true != UNKNOWN)
            logits[b, s, true[b, s]] = LOUD
            self._answers.append(logits)
        self._next = iter(self._answers)

    def prefill(self, batch: Sequence[SceneTokens]) -> None:
        self._next = iter(self._answers)

    def step(self, *_: Any) -> Float32s:
        return next(self._next)

    def close(self) -> None:
        pass


def _engine_ms(way: str, tape: Sequence[Group], like: Backend, repeats: int = 3) -> list[float]:
    """Masks, grammar and bookkeeping of each scene's trace, without a model."""
    found = []
    for group in tape:
        engine = Engine(_Parrot(group, like), lambda: 0.0)
        decode = lambda: engine.decode(group.scenes, plain=WAYS[way])  # noqa: E731, B023  called at once
        found.append(min(_ms(decode) for _ in range(repeats)))
    return found


class _Stopwatch:
    """A session that adds up the time it runs."""

    def __init__(self, session: Any) -> None:
        self.session, self.ns = session, 0

    def run_with_iobinding(self, binding: Any) -> None:
        begun = time.thread_time_ns()
        self.session.run_with_iobinding(binding)
        self.ns += time.thread_time_ns() - begun


def _overhead(backend: OnnxRuntime, tape: Sequence[Group]) -> float:
    """Our Python around the session, as a share of the session's time."""
    watch = _Stopwatch(backend.session)
    backend.session = watch
    whole_ms = _ms(lambda: _ask(backend, *tape))
    backend.session = watch.session
    return whole_ms / (watch.ns * 1e-6) - 1.0


def experts_words(backend: Backend, golden: Sequence[Golden], plain: bool) -> float:
    """Of the expert's words about some scenes, the share that the model says at the same place when it reads its own."""
    engine, hits, count = Engine(backend, lambda: 0.0), 0, 0
    for g in golden:
        (told,) = engine.decode([g.scene], plain=plain)
        if g.said is None or told.sequence is None:
            continue
        said = by_position(told.sequence)
        true = by_position(g.said)
        hits += sum(said.get(where) == token for where, token in true.items())
        count += len(true)
    return hits / max(count, 1)


# ------------------------------------------------------------------------------------------------------------ rows


def _about(
    model: Model, tapes: Mapping[str, Sequence[Group]], engine: Mapping[str, Sequence[float]], info: BackendInfo
) -> dict[str, Any]:  # fmt: skip
    blocks = tapes["blocks"]
    passes = [p for group in blocks for p in group.passes]
    return {
        "what": "model",
        "depth": model.spec.depth,
        "width": model.spec.width,
        "parameters": parameter_count(model.spec),
        "graph_sha256": info.graph_sha256,
        "scenes": len(blocks),
        "objects_median": float(np.median([len(g.scenes[0].slots.object_ids) for g in blocks])),
        "tokens_asked_median": float(np.median([sum(p.asked().sum() for p in g.passes) for g in blocks])),
        "positions_per_pass_median": float(np.median([p.tokens.shape[1] for p in passes])),
        "engine_blocks_ms": float(np.median(engine["blocks"])),
        "engine_plain_ms": float(np.median(engine["plain"])),
    }  # fmt: skip


def _row(
    name: str, backend: Backend, times: Mapping[tuple[str, str], Sequence[float]], sizes: Mapping[int, float]
) -> dict[str, Any]:  # fmt: skip
    blocks, plain = times[name, "blocks"], times[name, "plain"]
    return {
        "what": name,
        "version": backend.info.version,
        "blocks_p50_ms": float(np.median(blocks)),
        "blocks_p99_ms": float(np.percentile(blocks, 99)),
        "plain_p50_ms": float(np.median(plain)),
        "plain_p99_ms": float(np.percentile(plain, 99)),
        **{f"pass_of_{size}_ms": ms for size, ms in sizes.items()},
    }


def _ratios(
    times: Mapping[tuple[str, str], Sequence[float]],
    sizes: Mapping[str, Mapping[int, float]],
    engine: Mapping[str, Sequence[float]],
    overhead: float,
) -> dict[str, Any]:
    def ms(name: str, way: str) -> float:
        return float(np.median(times[name, way]))

    # of the scenes that were decoded both ways
    n, rounds = len(engine["plain"]), len(times[INT8, "plain"]) // len(engine["plain"])
    both = np.array(times[INT8, "blocks"]).reshape(rounds, -1)[:, :n]
    blocks_ms = float(np.median(both)) + float(np.median(engine["blocks"][:n]))
    found = {
        "what": "ratios",
        "blocks over plain, int8": ms(INT8, "plain") / float(np.median(both)),
        "blocks over plain, int8, with the engine": (ms(INT8, "plain") + float(np.median(engine["plain"]))) / blocks_ms,
        "int8 over own fp32, blocks": ms(FP32, "blocks") / ms(INT8, "blocks"),
        "pass of 8 / pass of 1, fp32": sizes[FP32][8] / sizes[FP32][1],
        "pass of 8 / pass of 1, int8": sizes[INT8][8] / sizes[INT8][1],
        "python around the session / session": overhead,
    }  # fmt: skip
    if (TORCH, "blocks") in times:
        found |= {
            f"{name} over torch with a cache, {way}": ms(TORCH, way) / ms(name, way)
            for name in (INT8, FP32)
            for way in WAYS
        }
        found["int8 by blocks over torch with a cache, plain"] = ms(TORCH, "plain") / float(np.median(both))  # fmt: skip
        found["fp32 with a cache over torch without, plain"] = ms(UNCACHED, "plain") / ms(FP32, "plain")  # fmt: skip
        found["torch with a cache over without, plain"] = ms(UNCACHED, "plain") / ms(TORCH, "plain")
    return found
