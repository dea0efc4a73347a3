"""microgpt in onnxruntime, on one core: the back end of the car. Buffers, bindings and one graph (`reason.export.recipe` names its inputs).

The cache is bound as input and output of the same memory, so that passes write to it in place. A single scene's cache, (1, T, W), is
bound only as far as it is in use: attention costs what is there, not what could be there.

Facts of onnxruntime 1.31 on x86-64 this rests on: TensorScatter and ScatterElements copy nothing where input and output are the same
memory (TensorScatter: from 1.25); If runs only the branch it takes; more threads than one make passes of this size slower, and spinning threads steal
the core from the rest of the car; denormal numbers of almost unread rows cost a hundred times a normal one's time.

Legend: B scenes, S positions of a pass, T cache rows bound, P prefix rows, V vocabulary.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import onnxruntime as ort  # type: ignore[import-untyped]
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort_state  # type: ignore[import-untyped]

from whyway.reason.backends import BackendInfo, Bools, Ints, Model, stacked
from whyway.reason.export.recipe import (
    SHIPPED,
    Recipe,
    Stamp,
    cache_names,
    cache_shape,
    prefix_field,
    prefix_slots,
    prefix_token,
    stamp_from_metadata,
)
from whyway.reason.masks import CACHE_ROWS
from whyway.reason.parameters import weights_sha256
from whyway.reason.spec import PREFIX_ROWS, ROWS, Float32s, ModelSpec, SceneTokens
from whyway.trace.slots import Slots
from whyway.types import InputError

MOST_BYTES = 1 << 30
"""Of a graph; a model of 100 M parameters has 400 MB in float32."""
GRAIN = 16
"""Cache rows are bound in steps of this: fewer different shapes, whose bindings are kept."""
MOST_BINDINGS = 2048
"""Kept at once; there are about 40 sizes of passes by 11 of caches."""
_NOBODY = Slots((), (), (), ())
ORT_ERRORS = tuple(
    kind for kind in vars(ort_state).values() if isinstance(kind, type) and issubclass(kind, Exception)
)  # fmt: skip
"""onnxruntime raises these; their only common base is Exception."""


@runtime_checkable
class _WithFiles(Protocol):
    """A model that came from a folder (`reason.checkpoint.Model`)."""

    @property
    def files(self) -> Mapping[str, Any]: ...

    def file(self, name: str) -> bytes: ...


def make(model: Model) -> OnnxRuntime:
    """The backend of a model: its 8-bit graph if one lies in its folder, else a graph in float32, built here.

    Raises:
      InputError: the graph is damaged or of other weights, or there is none and onnx is not installed to build one.
    """
    sha = weights_sha256(model.weights)
    if isinstance(model, _WithFiles) and SHIPPED.file_name in model.files:
        return OnnxRuntime(model.file(SHIPPED.file_name), SHIPPED.file_name, sha)
    from whyway.reason.export.build import build

    return OnnxRuntime(build(model.spec, model.weights, Recipe()), "graph in memory", sha)


class OnnxRuntime:
    """`backends.Backend` over one graph. Not thread-safe: buffers are reused by every call."""

    def __init__(
        self, graph: bytes, where: str, weights_sha: str | None = None, threads: int = 1
    ) -> None:
        """Load a graph and try it once.

        Args:
          graph: an ONNX file's bytes, as `reason.export.build` writes them. Nothing in it can load code: no library of custom
            operators is registered, and bytes have no folder to read outer data from.
          where: its name, for messages.
          weights_sha: the weights it must have been built from; None: any.
          threads: for one operator.

        Raises:
          InputError: too large, no graph of microgpt, of other weights, or not for this version of onnxruntime.
        """
        if len(graph) > MOST_BYTES:
            raise InputError(f"{where}: larger than {MOST_BYTES >> 20} MiB; export a smaller model")
        self.session = _session(graph, where, threads)
        metadata = self.session.get_modelmeta().custom_metadata_map
        self._stamp: Stamp = stamp_from_metadata(metadata, where)
        if weights_sha is not None and self._stamp.weights_sha256 != weights_sha:
            raise InputError(
                f"{where}: built from the weights {self._stamp.weights_sha256[:12]}, the model has {weights_sha[:12]}"
                "; run whyway export again"
            )
        self._graph_sha256 = hashlib.sha256(graph).hexdigest()
        self._half = np.dtype(np.float16 if self._stamp.recipe.precision == "fp16" else np.float32)
        self._batch, self._end = 0, 0
        self._warm_up()

    @property
    def info(self) -> BackendInfo:
        """What really computes."""
        return BackendInfo(
            "onnxruntime", ort.__version__, "cpu", self._stamp.recipe.precision,
            self._stamp.weights_sha256, self._graph_sha256,
        )  # fmt: skip

    @property
    def spec(self) -> ModelSpec:
        """The size of the model."""
        return self._stamp.spec

    @property
    def step_sizes(self) -> tuple[int, ...]:
        """The one size of a graph that fixes it; else any."""
        fixed = self._stamp.recipe.positions
        return () if fixed is None else (fixed,)

    def prefill(self, batch: Sequence[SceneTokens]) -> None:
        """Read scenes: a pass over the prefix rows, which read the rows in use."""
        features, valid = stacked(batch)
        if len(batch) != self._batch:
            self._allocate(len(batch))
        # rows written by an earlier decode are masked, but nothing times not-a-number is not nothing
        for cache in self._caches.values():
            _rows(cache, self._stamp.recipe)[:, PREFIX_ROWS : self._end] = 0.0
        self._end = PREFIX_ROWS
        for kind, buffer in self._features.items():
            buffer[...] = features[kind]
        self._valid[...] = valid
        spec, shape = self.spec, (len(batch), PREFIX_ROWS)
        self._run(
            np.full(shape, prefix_token(spec)), np.full(shape, prefix_field(spec)),
            np.broadcast_to(prefix_slots(spec), shape), np.broadcast_to(np.arange(PREFIX_ROWS), shape),
            np.broadcast_to(valid[:, None], (*shape, PREFIX_ROWS)), PREFIX_ROWS, True,
        )  # fmt: skip

    def step(self, tokens: Ints, fields: Ints, slots: Ints, rows: Ints, mask: Bools) -> Float32s:
        """One pass; see `Backend.step`. Rows that nobody reads beyond those written are not looked at."""
        assert tokens.shape == fields.shape == slots.shape == rows.shape == mask.shape[:2]
        seen = np.flatnonzero(mask.any(axis=(0, 1)))
        end = max(int(rows.max()), int(seen[-1]) if seen.size else 0) + 1
        self._end = max(self._end, end)
        logits: Float32s = self._run(tokens, fields, slots, rows, mask, end, False).copy()
        return logits

    def close(self) -> None:
        """Give the memory back."""
        self._bindings.clear()
        self._caches.clear()
        del self.session

    def _run(
        self, tokens: Ints, fields: Ints, slots: Ints, rows: Ints, mask: Bools, end: int, fresh: bool
    ) -> Float32s:  # fmt: skip
        """Fill the buffers, run; the logits are a view of a buffer."""
        (b, s), t = tokens.shape, self._bound_rows(end)
        for name, ids in (("tokens", tokens), ("fields", fields), ("slots", slots), ("rows", rows)):
            self._ids[name][: b * s].reshape(b, s)[...] = ids
        known = min(t, mask.shape[2])
        bound = self._mask[: b * s * t].reshape(b, s, t)
        bound[..., :known] = mask[..., :known]
        bound[..., known:] = False
        self.session.run_with_iobinding(self._binding(s, t, fresh))
        v = self.spec.vocabulary_size
        logits: Float32s = self._logits[: b * s * v].reshape(b, s, v)
        return logits

    def _bound_rows(self, end: int) -> int:
        """T for a pass that needs the cache's rows up to `end`."""
        if self._batch > 1 or self._stamp.recipe.cache_rows is not None:
            return CACHE_ROWS
        return min(-(-end // GRAIN) * GRAIN, CACHE_ROWS)

    def _allocate(self, batch: int) -> None:
        """Buffers for a number of scenes; bindings to the old ones are forgotten."""
        spec, recipe = self.spec, self._stamp.recipe
        most = batch * CACHE_ROWS
        self._batch = batch
        self._ids = {n: np.zeros(most, np.int64) for n in ("tokens", "fields", "slots", "rows")}
        self._mask = np.zeros(most * CACHE_ROWS, np.bool_)
        self._logits = np.zeros(most * spec.vocabulary_size, np.float32)
        self._features = {
            kind: np.zeros((batch, ROWS[kind], count), np.float32) for kind, count in spec.feature_counts
        }  # fmt: skip
        self._valid = np.zeros((batch, PREFIX_ROWS), np.bool_)
        self._scene = np.zeros((batch, PREFIX_ROWS + 1, spec.width), self._half)
        self._fresh = {True: np.array(True), False: np.array(False)}
        shape = cache_shape(spec, batch, CACHE_ROWS, recipe.heads_apart)
        self._caches = {past: np.zeros(shape, self._half) for past, _ in cache_names(spec.depth)}
        self._bindings: dict[tuple[int, int, bool], ort.IOBinding] = {}

    def _binding(self, s: int, t: int, fresh: bool) -> ort.IOBinding:
        """All inputs and outputs of passes of one shape, bound to the buffers' memory."""
        key = (s, t, fresh)
        if key not in self._bindings:
            if len(self._bindings) >= MOST_BINDINGS:
                self._bindings.clear()
            self._bindings[key] = self._bind(s, t, fresh)
        return self._bindings[key]

    def _bind(self, s: int, t: int, fresh: bool) -> ort.IOBinding:
        binding, spec, recipe, b = (
            self.session.io_binding(),
            self.spec,
            self._stamp.recipe,
            self._batch,
        )

        def give(name: str, buffer: NDArray[Any], shape: tuple[int, ...]) -> None:
            binding.bind_input(name, "cpu", 0, buffer.dtype.type, shape, buffer.ctypes.data)

        def take(name: str, buffer: NDArray[Any], shape: tuple[int, ...]) -> None:
            binding.bind_output(name, "cpu", 0, buffer.dtype.type, shape, buffer.ctypes.data)

        for name, ids in self._ids.items():
            give(name, ids, (b, s))
        give("mask", self._mask, (b, s, t))
        for kind, features in self._features.items():
            give(f"features.{kind}", features, features.shape)
        give("valid", self._valid, self._valid.shape)
        if recipe.conditional:
            give("fresh", self._fresh[fresh], ())
            give("scene", self._scene, self._scene.shape)
            take("next_scene", self._scene, self._scene.shape)
        for past, present in cache_names(spec.depth):
            shape = cache_shape(spec, b, t, recipe.heads_apart)
            give(past, self._caches[past], shape)
            take(present, self._caches[past], shape)
        take("logits", self._logits, (b, s, spec.vocabulary_size))
        return binding

    def _warm_up(self) -> None:
        """An empty scene and a pass, so that the first real one is as fast as the others and a graph that cannot run is refused here."""
        spec, s = self.spec, self._stamp.recipe.positions or 1
        b = self._stamp.recipe.batch or 1
        features = {kind: np.zeros((ROWS[kind], n), np.float32) for kind, n in spec.feature_counts}
        scene = SceneTokens(features, np.arange(PREFIX_ROWS) < 1, _NOBODY)
        ids = np.zeros((b, s), np.int64)
        mask = np.zeros((b, s, CACHE_ROWS), np.bool_)
        mask[..., 0] = True
        self.prefill([scene] * b)
        self.step(ids, ids, ids, ids + PREFIX_ROWS + np.arange(s), mask)


def _rows(cache: NDArray[Any], recipe: Recipe) -> NDArray[Any]:
    """A view of a cache with the rows on the second axis."""
    return cache.swapaxes(1, 2) if recipe.heads_apart else cache


def _session(graph: bytes, where: str, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 3  # errors only: what can be mended is raised as InputError
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    try:
        return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except ORT_ERRORS as wrong:
        why = " ".join(str(wrong).split())[:200]
        raise InputError(
            f"{where}: onnxruntime {ort.__version__} does not take this graph ({why}); dialect A needs onnxruntime >= 1.25"
            " (pip install -U onnxruntime), dialect B any: whyway export --dialect B"
        ) from None
