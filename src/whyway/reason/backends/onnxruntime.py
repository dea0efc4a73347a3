"""microgpt in onnxruntime, on one core: the back end of the car. Buffers, bindings and one graph (`reason.export.recipe` names its inputs).

The cache is bound as input and output of the same memory, so that passes write to it in place. A single scene's cache, (1, T, W), is
bound only as far as it is in use: attention costs what is there, not what could be there.

Facts of onnxruntime 1.31 on x86-64 this rests on: TensorScatter and ScatterElements copy nothing where input and output are the same
memory (TensorScatter: from 1.25); If runs only the branch it takes; more threads than one make passes of this size slower, and spinning threads steal
the core from the rest of the car; denormal numbers of almost unread rows cost a hundred times a normal one's time.

Legend: B scenes, S positions of a pass, T cache rows bound, P prefix rows, V vocabulary.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import onnxruntime as ort  # type: ignore[import-untyped]
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort_state  # type: ignore[import-untyped]

from whyway.reason.backends import BackendError, BackendInfo, Bools, Ints, Model, stacked
from whyway.reason.backends.denormals import CAN_RESTORE, Environment, restored
from whyway.reason.export.recipe import (
    SHIPPED,
    Dialect,
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

DIALECT_A_SINCE = (1, 25)
"""TensorScatter on CPUs: tried with 1.24.4, which lacks it, 1.25.0 and 1.31.1; dialect B with 1.22.1 to 1.31.1."""
MOST_BYTES = 1 << 30
"""Of a graph; a model of 100 M parameters has 400 MB in float32."""
GRAIN = 16
"""Cache rows are bound in steps of this: fewer different shapes."""
MOST_BOUND = 2048
"""Shapes whose bindings are kept at once; there are about 60 sizes of passes by 11 of caches."""
_NOBODY = Slots((), (), (), ())
ORT_ERRORS: tuple[type[Exception], ...] = tuple(
    kind for kind in vars(ort_state).values() if isinstance(kind, type) and issubclass(kind, Exception)
)  # fmt: skip
"""onnxruntime raises these; their only common base is Exception."""
RUN_ERRORS: tuple[type[Exception], ...] = (*ORT_ERRORS, RuntimeError, ValueError)
"""And these, when shapes or names are not what a graph wants."""


@runtime_checkable
class _WithFiles(Protocol):
    """A model that came from a folder (`reason.checkpoint.Model`)."""

    @property
    def files(self) -> Mapping[str, Any]: ...

    def file(self, name: str) -> bytes: ...


def make(model: Model) -> OnnxRuntime:
    """The backend of a model: its 8-bit graph if one lies in its folder, else a graph in float32, built here.

    An onnxruntime older than dialect A (Python 3.10 has no newer one) takes the 8-bit graph of dialect B instead.

    Raises:
      InputError: the graph is damaged or of other weights, or there is none and onnx is not installed to build one.
    """
    sha = weights_sha256(model.weights)
    version = tuple(int(part) for part in ort.__version__.split(".")[:2])
    dialect: Dialect = "A" if version >= DIALECT_A_SINCE else "B"
    name = dataclasses.replace(SHIPPED, dialect=dialect).file_name
    if isinstance(model, _WithFiles) and name in model.files:
        return OnnxRuntime(model.file(name), name, sha)
    from whyway.reason.export.build import build

    graph = build(model.spec, model.weights, Recipe(dialect=dialect))
    return OnnxRuntime(graph, "graph in memory", sha)


class _Buffers:
    """All memory that a graph reads and writes, for one number of scenes."""

    def __init__(self, spec: ModelSpec, recipe: Recipe, batch: int) -> None:
        half = np.dtype(np.float16 if recipe.precision == "fp16" else np.float32)
        most, prefix = batch * CACHE_ROWS, (batch, PREFIX_ROWS)
        self.batch = batch
        self.ids = {n: np.zeros(most, np.int64) for n in ("tokens", "fields", "slots", "rows")}
        self.mask = np.zeros(most * CACHE_ROWS, np.bool_)
        self.logits = np.zeros(most * spec.vocabulary_size, np.float32)
        self.features = {
            kind: np.zeros((batch, ROWS[kind], count), np.float32) for kind, count in spec.feature_counts
        }  # fmt: skip
        self.valid = np.zeros(prefix, np.bool_)
        self.scene = np.zeros((batch, PREFIX_ROWS + 1, spec.width), half)
        self.fresh = {True: np.array(True), False: np.array(False)}
        shape = cache_shape(spec, batch, CACHE_ROWS, recipe.heads_apart)
        self.caches: NDArray[Any] = np.zeros((2 * spec.depth, *shape), half)
        self.rows_of_caches = self.caches.swapaxes(2, 3) if recipe.heads_apart else self.caches
        self.prefix_ids = (
            np.full(prefix, prefix_token(spec)), np.full(prefix, prefix_field(spec)),
            np.broadcast_to(prefix_slots(spec), prefix), np.broadcast_to(np.arange(PREFIX_ROWS), prefix),
        )  # fmt: skip
        self.prefix_mask = np.zeros((*prefix, CACHE_ROWS), np.bool_)


@dataclass(frozen=True, slots=True, eq=False)
class _Bound:
    """Passes of one shape: the binding, and views of the buffers it is bound to."""

    binding: Any
    ids: tuple[Ints, ...]
    """(B, S) tokens, fields, slots, rows."""
    mask: Bools
    """(B, S, T)"""
    logits: Float32s
    """(B, S, V)"""


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
        with restored():
            self.session, self._flushing = _session(graph, where, threads)
        metadata = self.session.get_modelmeta().custom_metadata_map
        self._stamp: Stamp = stamp_from_metadata(metadata, where)
        if weights_sha is not None and self._stamp.weights_sha256 != weights_sha:
            raise InputError(
                f"{where}: built from the weights {self._stamp.weights_sha256[:12]}, the model has {weights_sha[:12]}"
                "; run whyway export again"
            )
        self._graph_sha256 = hashlib.sha256(graph).hexdigest()
        if self._stamp.recipe.positions is not None:
            raise InputError(
                f"{where}: a graph for passes of one size; this back end runs those for any"
            )
        self._bound: dict[tuple[int, int, bool], _Bound] = {}
        self._end = PREFIX_ROWS
        self._allocate(self._stamp.recipe.batch or 1)
        try:
            self._warm_up()
        except RUN_ERRORS as wrong:
            raise InputError(
                f"{where}: does not run ({_line(wrong)}); whyway export writes it anew"
            ) from None

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
        """Any."""
        return ()

    def prefill(self, batch: Sequence[SceneTokens]) -> None:
        """Read scenes: a pass over the prefix rows, which read the rows in use."""
        features, valid = stacked(batch)
        if len(batch) != self._buffers.batch:
            self._allocate(len(batch))
        mine = self._buffers
        # rows written by an earlier decode are masked, but nothing times not-a-number is not nothing
        mine.rows_of_caches[:, :, PREFIX_ROWS : self._end] = 0.0
        self._end = PREFIX_ROWS
        for kind, buffer in mine.features.items():
            buffer[...] = features[kind]
        mine.valid[...] = valid
        mine.prefix_mask[..., :PREFIX_ROWS] = valid[:, None]
        self._run(mine.prefix_ids, mine.prefix_mask, PREFIX_ROWS, True)

    def step(self, tokens: Ints, fields: Ints, slots: Ints, rows: Ints, mask: Bools) -> Float32s:
        """One pass; see `Backend.step`."""
        assert tokens.shape == fields.shape == slots.shape == rows.shape == mask.shape[:2]
        end = int(rows[0, -1]) + 1
        if end < self._end and mask[..., end : self._end].any():
            end = self._end
        self._end = max(self._end, end)
        logits: Float32s = self._run((tokens, fields, slots, rows), mask, end, False).copy()
        return logits

    def close(self) -> None:
        """Give the memory back."""
        self._bound.clear()
        del self._buffers, self.session

    def _run(self, ids: Sequence[Ints], mask: Bools, end: int, fresh: bool) -> Float32s:
        """Fill the buffers, run; the logits are a view of a buffer.

        Args:
          ids: tokens, fields, slots and rows, (B, S) each.
          mask: (B, S, `CACHE_ROWS`)
          end: no row of the cache from here on is read or written.
          fresh: whether there are new scenes to encode.
        """
        rows = CACHE_ROWS if self._whole else min(-(-end // GRAIN) * GRAIN, CACHE_ROWS)
        key = (ids[0].shape[1], rows, fresh)
        bound = self._bound.get(key)
        if bound is None:
            if len(self._bound) >= MOST_BOUND:
                self._bound.clear()
            bound = self._bound[key] = self._bind(*key)
        for buffer, given in zip(bound.ids, ids, strict=True):
            buffer[...] = given
        bound.mask[...] = mask[..., :rows]
        with restored():
            self._flushing.enter()
            try:
                self.session.run_with_iobinding(bound.binding)
            except RUN_ERRORS as wrong:
                raise BackendError(_line(wrong)) from wrong
        return bound.logits

    def _allocate(self, batch: int) -> None:
        """Buffers for a number of scenes; bindings to the old ones are forgotten."""
        recipe = self._stamp.recipe
        self._buffers = _Buffers(self.spec, recipe, batch)
        self._bound.clear()
        self._end = PREFIX_ROWS
        self._whole = batch > 1 or recipe.cache_rows is not None

    def _bind(self, s: int, t: int, fresh: bool) -> _Bound:
        """All inputs and outputs of passes of one shape, bound to the buffers' memory."""
        mine, spec, recipe = self._buffers, self.spec, self._stamp.recipe
        binding, b, v = self.session.io_binding(), mine.batch, spec.vocabulary_size

        def give(name: str, buffer: NDArray[Any], *shape: int) -> None:
            binding.bind_input(name, "cpu", 0, buffer.dtype.type, shape, buffer.ctypes.data)

        def take(name: str, buffer: NDArray[Any], *shape: int) -> None:
            binding.bind_output(name, "cpu", 0, buffer.dtype.type, shape, buffer.ctypes.data)

        for name, ids in mine.ids.items():
            give(name, ids, b, s)
        give("mask", mine.mask, b, s, t)
        for kind, features in mine.features.items():
            give(f"features.{kind}", features, *features.shape)
        give("valid", mine.valid, *mine.valid.shape)
        if recipe.conditional:
            give("fresh", mine.fresh[fresh])
            give("scene", mine.scene, *mine.scene.shape)
            take("next_scene", mine.scene, *mine.scene.shape)
        shape = cache_shape(spec, b, t, recipe.heads_apart)
        for i, (past, present) in enumerate(cache_names(spec.depth)):
            give(past, mine.caches[i], *shape)
            take(present, mine.caches[i], *shape)
        take("logits", mine.logits, b, s, v)
        return _Bound(
            binding,
            tuple(ids[: b * s].reshape(b, s) for ids in mine.ids.values()),
            mine.mask[: b * s * t].reshape(b, s, t),
            mine.logits[: b * s * v].reshape(b, s, v),
        )

    def _warm_up(self) -> None:
        """An empty scene and a pass, so that the first real one is as fast as the others and a graph that cannot run is refused here."""
        counts, b = self.spec.feature_counts, self._buffers.batch
        features = {kind: np.zeros((ROWS[kind], n), np.float32) for kind, n in counts}
        scene = SceneTokens(features, np.arange(PREFIX_ROWS) < 1, _NOBODY)
        ids, mask = np.zeros((b, 1), np.int64), np.zeros((b, 1, CACHE_ROWS), np.bool_)
        mask[..., 0] = True
        self.prefill([scene] * b)
        self.step(ids, ids, ids, ids + PREFIX_ROWS, mask)


def _session(graph: bytes, where: str, threads: int) -> tuple[ort.InferenceSession, Environment]:
    """A session, and the floating-point environment it wants; the thread's own is changed on return."""
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 3  # errors only: what can be mended is raised as InputError
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.set_denormal_as_zero", str(int(CAN_RESTORE)))
    try:
        session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except ORT_ERRORS as wrong:
        raise InputError(
            f"{where}: onnxruntime {ort.__version__} does not take this graph ({_line(wrong)}); dialect A needs onnxruntime >= 1.25"
            " (pip install -U onnxruntime), dialect B any: whyway export --dialect B"
        ) from None
    return session, Environment()


def _line(wrong: Exception) -> str:
    """What went wrong, in one line."""
    return " ".join(str(wrong).split())[:200]
