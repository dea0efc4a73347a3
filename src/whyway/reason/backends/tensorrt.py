"""microgpt in TensorRT: engines from the cache, tried against the numpy twin before they are used. The one place that imports tensorrt.

`make` never builds: it takes an engine that `prepare` (`whyway prepare`) has built on this device, or says that there is none. What an
engine depends on, where it lies and how it is run, `reason.engines` says.
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from whyway.reason.backends import Backend, BackendInfo, Bools, Ints, Model, stacked
from whyway.reason.backends.numpy import NumpyBackend
from whyway.reason.engines.build import build_plan, check_recipe, version_of
from whyway.reason.engines.cache import EngineCache, Header
from whyway.reason.engines.cuda import Cuda, Device, DeviceError
from whyway.reason.engines.key import Building, Key, Machine, machine
from whyway.reason.engines.run import PlanError, Runner
from whyway.reason.export.gates import gate
from whyway.reason.export.golden import (
    RECORDED,
    Golden,
    generated,
    golden_from_bytes,
    record,
    replay,
)
from whyway.reason.export.recipe import Precision, Recipe, prefix_field, prefix_slots, prefix_token
from whyway.reason.manifest import File
from whyway.reason.parameters import weights_sha256
from whyway.reason.spec import Float32s, ModelSpec, SceneTokens
from whyway.types import InputError

GRAPH_SCENES = 8
"""So many a graph is compared on that was not exported before."""
GOLDEN_SCENES = 3
"""So many an engine is tried on, when it is built and whenever it is loaded."""
_SEED = 8
"""Of made scenes, where a model has no recorded ones."""


class WrongAnswerError(InputError):
    """An engine that does not answer as the model does."""


@runtime_checkable
class _WithFiles(Protocol):
    """A model that came from a folder (`reason.checkpoint.Model`)."""

    @property
    def files(self) -> Mapping[str, File]: ...

    def file(self, name: str) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Prepared:
    """What became of `prepare`."""

    header: Header
    built: bool
    """Now; else it was there already."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """What is here: TensorRT, a GPU, a cache. Tests put others in their places."""

    trt: Any
    open_device: Callable[[], Device]
    cache: EngineCache


def runtime_here() -> Runtime:
    """TensorRT, the first GPU, this user's cache.

    Raises:
      InputError: TensorRT is not installed, or the cache is not to be trusted.
    """
    try:
        trt = importlib.import_module("tensorrt")
        version_of(trt)
    except (ImportError, OSError, RuntimeError, AttributeError) as missing:
        raise InputError(
            f"TensorRT's Python package does not load ({missing}). On a Jetson it comes with JetPack (apt-get install python3-libnvinfer;"
            " make the virtual environment with --system-site-packages); elsewhere: pip install 'whyway[tensorrt]'"
        ) from None
    return Runtime(trt, Cuda, EngineCache())


def make(model: Model, here: Runtime | None = None) -> TensorRT:
    """The backend of a model, over an engine that was built here before. Never builds.

    Raises:
      InputError: no TensorRT, no GPU, no engine of this model for this device, or one that is damaged or does not answer as the model does.
    """
    here = here or runtime_here()
    return _opened(model, _prepared(model, here.cache, _machine(here)), here)


def prepare(
    model: Model, graph: bytes, recipe: Recipe, here: Runtime | None = None, *, anew: bool = False
) -> Prepared:
    """An engine of a model in the cache, built if there is none that answers as the model does; that takes minutes on a small device.

    Args:
      model: spec and weights.
      graph: its graph for TensorRT (`graph_of`).
      recipe: of the graph.
      here: what runs it.
      anew: build even if there is an engine.

    Raises:
      InputError: it cannot be built here, or does not answer as the model does; then nothing is kept.
    """
    here = here or runtime_here()
    check_recipe(recipe, version_of(here.trt))
    sha = hashlib.sha256(graph).hexdigest()
    key = Key(
        weights_sha256(model.weights), sha, recipe.dialect, recipe.precision, _machine(here), Building()
    )  # fmt: skip
    with here.cache.building(key):
        if anew:
            here.cache.discard(key)
        try:
            _opened(model, key, here).close()
            return Prepared(here.cache.load(key)[0], False)
        except InputError:  # none, or not to be used any more
            return Prepared(_built(model, graph, key, recipe, here), True)


def graph_of(model: Model, recipe: Recipe) -> bytes:
    """A model's graph for TensorRT: of its folder (`whyway export --backend tensorrt`), or else built and compared with the model here.

    Raises:
      InputError: the one in the folder is damaged or of other weights; there is none, and onnx is not installed; or a graph of this
        recipe does not answer as the model does.
    """
    from whyway.reason.backends.onnxruntime import OnnxRuntime
    from whyway.reason.export.make import export

    if isinstance(model, _WithFiles) and recipe.file_name in model.files:
        graph = model.file(recipe.file_name)
        OnnxRuntime(graph, recipe.file_name, weights_sha256(model.weights)).close()
        return graph
    made = export(model, recipe, _golden(model, GRAPH_SCENES))
    if not made.passed:
        raise WrongAnswerError(f"a graph of dialect {recipe.dialect} in {recipe.precision} does not answer as the model does; take --precision fp32")  # fmt: skip
    return made.graph


class TensorRT:
    """`backends.Backend` over one engine. Not thread-safe. Several scenes are decoded in turn: an engine is for one."""

    def __init__(self, runner: Runner, info: BackendInfo, spec: ModelSpec) -> None:
        self._runner, self._info, self._spec = runner, info, spec
        self._batch = 0

    @property
    def info(self) -> BackendInfo:
        """What really computes."""
        return self._info

    @property
    def spec(self) -> ModelSpec:
        """The size of the model."""
        return self._spec

    @property
    def step_sizes(self) -> tuple[int, ...]:
        """The sizes that there are profiles for."""
        return self._runner.sizes

    def prefill(self, batch: Sequence[SceneTokens]) -> None:
        """Read scenes: a pass over the prefix rows, which read the rows in use."""
        features, valid = stacked(batch)
        self._runner.lanes(len(batch))
        self._batch = len(batch)
        ids = _prefix_ids(self._spec)
        for lane in range(len(batch)):
            self._runner.scene(lane, {kind: rows[lane] for kind, rows in features.items()}, valid[lane])  # fmt: skip
            self._runner.run(lane, *ids, np.broadcast_to(valid[lane], (len(ids[0]), valid.shape[1])))  # fmt: skip

    def step(self, tokens: Ints, fields: Ints, slots: Ints, rows: Ints, mask: Bools) -> Float32s:
        """One pass, scene by scene; see `Backend.step`. S is one of `step_sizes`."""
        assert len(tokens) == self._batch and tokens.shape[1] in self.step_sizes
        answers = [
            self._runner.run(b, tokens[b], fields[b], slots[b], rows[b], mask[b]).copy()
            for b in range(self._batch)
        ]
        return np.stack(answers)

    def close(self) -> None:
        """Give the device back."""
        self._runner.close()


# -------------------------------------------------------------------------------------------------------- parts


def _machine(here: Runtime) -> Machine:
    device = here.open_device()
    try:
        return machine(here.trt.__version__, device.gpu())
    except DeviceError as wrong:
        raise InputError(f"the GPU does not answer: {wrong}; see nvidia-smi") from None
    finally:
        device.close()


def _prepared(model: Model, cache: EngineCache, on: Machine) -> Key:
    """The engine of this model for this machine that was built last."""
    sha = weights_sha256(model.weights)
    for header in cache.headers():
        key = header.key
        if key.machine == on and key.weights_sha256 == sha and not _outdated(model, key):
            return key
    raise InputError(
        f"no engine of the model {sha[:12]} for TensorRT {on.tensorrt} on {on.gpu.name} in {cache.folder}; whyway prepare builds it"
    )


def _outdated(model: Model, key: Key) -> bool:
    """Whether the model's folder has another graph now than the engine was built from."""
    if not isinstance(model, _WithFiles):
        return False
    file = model.files.get(key.recipe.file_name)
    return file is not None and file.sha256 != key.graph_sha256


def _opened(model: Model, key: Key, here: Runtime) -> TensorRT:
    """The engine from the cache, tried. One that TensorRT does not take, or that answers otherwise, is deleted."""
    _, plan = here.cache.load(key)
    try:
        backend = _running(model, key, plan, here)
    except PlanError as wrong:
        here.cache.discard(key)
        raise PlanError(f"{wrong}; the engine was deleted, whyway prepare builds it anew") from None
    try:
        self_test(model, backend, key.recipe.precision)
    except WrongAnswerError:
        here.cache.discard(key)
        backend.close()
        raise
    except BaseException:
        backend.close()
        raise
    return backend


def _built(model: Model, graph: bytes, key: Key, recipe: Recipe, here: Runtime) -> Header:
    """Build, try, and only then publish."""
    timings = here.cache.timings(key.machine)
    built = build_plan(here.trt, graph, model.spec, recipe, key.building, timings)
    here.cache.keep_timings(key.machine, built.timings)
    backend = _running(model, key, built.plan, here)
    try:
        drift = self_test(model, backend, recipe.precision)
    finally:
        backend.close()
    return here.cache.publish(key, built.plan, drift)


def _running(model: Model, key: Key, plan: bytes, here: Runtime) -> TensorRT:
    """A plan on the device."""
    device = here.open_device()
    try:
        runner = Runner(here.trt, plan, device, model.spec, key.recipe, key.building.sizes)
        info = BackendInfo(
            "tensorrt", here.trt.__version__, f"cuda:0 {key.machine.gpu.name}", key.precision,
            key.weights_sha256, key.graph_sha256,
        )  # fmt: skip
        return TensorRT(runner, info, model.spec)
    except DeviceError as wrong:
        device.close()
        raise InputError(f"the GPU does not run the engine: {wrong}; take --reason.backend=onnxruntime") from None  # fmt: skip
    except BaseException:
        device.close()
        raise


def self_test(model: Model, backend: Backend, precision: Precision) -> dict[str, float]:
    """Compare with the numpy twin on golden scenes; gives what the gates measured.

    Raises:
      WrongAnswerError: a gate does not hold.
    """
    twin: Backend = NumpyBackend(model)
    tape = record(twin, _golden(model, GOLDEN_SCENES))
    try:
        rows = gate(replay(twin, tape), replay(backend, tape).logits, precision)
    except (DeviceError, PlanError) as wrong:
        raise WrongAnswerError(f"the engine does not run: {wrong}; take --reason.backend=onnxruntime") from None  # fmt: skip
    failed = [
        f"{row.what} {row.measured:.3g}, limit {row.limit:g}" for row in rows if not row.passed
    ]
    if failed:
        raise WrongAnswerError(f"the engine does not answer as the model does ({'; '.join(failed)}); take --reason.backend=onnxruntime")  # fmt: skip
    return {row.what: row.measured for row in rows}


def _golden(model: Model, count: int) -> Sequence[Golden]:
    """Recorded scenes of the model's folder, or made ones."""
    if isinstance(model, _WithFiles) and RECORDED in model.files:
        return golden_from_bytes(model.file(RECORDED), RECORDED)[:count]
    return generated(model.spec, count, np.random.default_rng(_SEED))


def _prefix_ids(spec: ModelSpec) -> tuple[Ints, Ints, Ints, Ints]:
    """(P,) tokens, fields, slots and rows of the pass that reads a scene."""
    slots = prefix_slots(spec)
    tokens, fields = np.full_like(slots, prefix_token(spec)), np.full_like(slots, prefix_field(spec))  # fmt: skip
    return tokens, fields, slots, np.arange(len(slots))
