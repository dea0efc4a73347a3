"""A plan -> passes: device memory made once, an execution context for each size of a pass, every pass a captured CUDA graph.

The cache goes in and out of the network. Where TensorRT writes it in place (input and output alias: dialect A) there is one buffer; else
there are two that change places after each pass. Either way nothing is copied but what is new: the ids and the mask of a pass go up in one
piece, its logits come down in one. A scene's features go up once.

Legend: S positions of a pass, T cache rows, V vocabulary.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whyway.reason.backends import Bools, Ints
from whyway.reason.engines.build import input_shapes, logger_of, optional
from whyway.reason.engines.cuda import Device
from whyway.reason.export.recipe import Recipe, cache_names, cache_shape
from whyway.reason.masks import CACHE_ROWS
from whyway.reason.spec import Float32s, ModelSpec
from whyway.types import InputError

ALIGNED = 256
"""Bytes; what TensorRT asks of an address."""
PASS = ("tokens", "fields", "slots", "rows", "mask")
"""The inputs that every pass has anew."""
SIDES = (0, 1)
"""Which of a lane's two caches is read."""


class PlanError(InputError):
    """The plan is not one that this TensorRT and GPU run, or not one of this model."""


class Block:
    """Some arrays in one piece of pinned memory, and their twin on the device: one copy moves them all."""

    def __init__(self, device: Device, arrays: Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]]) -> None:  # fmt: skip
        self._device = device
        starts, end = {}, 0
        for name, (shape, dtype) in arrays.items():
            starts[name] = end
            end += -(-int(np.prod(shape)) * dtype.itemsize // ALIGNED) * ALIGNED
        self.size = end
        self._at, self._host_at = device.allocate(end), device.allocate_host(end)
        raw = memoryview((ctypes.c_ubyte * end).from_address(self._host_at)).cast("B")
        self.host: dict[str, NDArray[Any]] = {
            name: np.frombuffer(raw, dtype, int(np.prod(shape)), starts[name]).reshape(shape)
            for name, (shape, dtype) in arrays.items()
        }
        for array in self.host.values():
            array[...] = 0
        self.address = {name: self._at + start for name, start in starts.items()}

    def upload(self) -> None:
        """Host to device."""
        self._device.upload(self._at, self._host_at, self.size)

    def download(self) -> None:
        """Device to host."""
        self._device.download(self._host_at, self._at, self.size)

    def free(self) -> None:
        """Give the memory back; the arrays are gone."""
        self.host.clear()
        self._device.free(self._at)
        self._device.free_host(self._host_at)


@dataclass(slots=True)
class _Lane:
    """One scene: its features, its cache, which side of it was written last, and the graphs over these addresses."""

    scene: Block
    caches: tuple[dict[str, int], dict[str, int]]
    """Part -> address, both sides; the same addresses where the cache is written in place."""
    side: int
    graphs: dict[tuple[int, int], int]
    """(S, side read) -> captured graph; none where TensorRT cannot be captured."""


class Runner:
    """One engine and all its memory. Not thread-safe.

    Args:
      trt: the module.
      plan: of `build.build_plan`, on this machine.
      device: where it runs; the runner closes it.
      spec: of the model.
      recipe: of the graph.
      sizes: positions of a pass, in the order of the engine's profiles.

    Raises:
      PlanError: TensorRT does not take the plan, or it is not of this model.
    """

    def __init__(
        self, trt: Any, plan: bytes, device: Device, spec: ModelSpec, recipe: Recipe, sizes: Sequence[int]
    ) -> None:  # fmt: skip
        self._trt, self._device, self._spec, self._recipe = trt, device, spec, recipe
        self.sizes = tuple(sizes)
        self._said: list[str] = []
        device.use()
        self._runtime, self._engine = self._deserialised(plan)
        self._dtypes = self._tensors()
        self._in_place = self._aliased()
        self._contexts: dict[int, Any] = {}
        self._passes: dict[int, tuple[Block, Block]] = {}
        """S -> (ids and mask, logits)"""
        self._lanes: list[_Lane] = []
        for profile, size in enumerate(self.sizes):
            self._contexts[size] = self._context(profile, size)
            self._passes[size] = self._pass_blocks(size)
        self.lanes(1)

    # ------------------------------------------------------------------------------------------------- passes

    @property
    def captured(self) -> bool:
        """Whether passes are launched as CUDA graphs."""
        return all(lane.graphs for lane in self._lanes)

    def lanes(self, count: int) -> None:
        """Have memory for so many scenes at least: what is there stays."""
        self._device.use()
        while len(self._lanes) < count:
            self._lanes.append(self._lane())

    def scene(self, lane: int, features: Mapping[str, Float32s], valid: Bools) -> None:
        """Begin a scene: its features go up, nothing is left of the last one.

        Args:
          lane: which.
          features: kind -> (rows, features).
          valid: (P,) rows in use.
        """
        self._device.use()
        here = self._lanes[lane]
        for kind, rows in features.items():
            here.scene.host[f"features.{kind}"][0] = rows
        here.scene.host["valid"][0] = valid
        here.scene.upload()
        # rows written by an earlier scene are masked, but nothing times not-a-number is not nothing
        for past, _ in cache_names(self._spec.depth):
            self._device.clear(here.caches[here.side][past], self._cache_bytes())
        self._device.synchronise()  # the next scene may overwrite the host's side

    def run(self, lane: int, tokens: Ints, fields: Ints, slots: Ints, rows: Ints, mask: Bools) -> Float32s:  # fmt: skip
        """One pass of one scene.

        Args:
          lane: which scene.
          tokens: (S,), and so are fields, slots and rows; S is one of `sizes`.
          fields: see above.
          slots: see above.
          rows: see above.
          mask: (S, T); columns beyond those given are not read.

        Returns:
          (S, V), a view that the next pass overwrites.
        """
        size, here = tokens.shape[0], self._lanes[lane]
        given, answered = self._passes[size]
        for name, values in zip(PASS, (tokens, fields, slots, rows), strict=False):
            given.host[name][0] = values
        given.host["mask"][0] = False
        given.host["mask"][0, :, : mask.shape[1]] = mask
        self._device.use()
        graph = here.graphs.get((size, here.side))
        if graph:
            self._device.launch(graph)
        else:
            self._enqueue(here, size)
        self._device.synchronise()
        here.side = 1 - here.side
        logits: Float32s = answered.host["logits"][0]
        return logits

    def _enqueue(self, lane: _Lane, size: int) -> None:
        """Up, through the network, down."""
        given, answered = self._passes[size]
        context, read = self._contexts[size], lane.caches[lane.side]
        written = lane.caches[1 - lane.side]
        addresses = {**given.address, **lane.scene.address, **answered.address, **read}
        addresses |= {present: written[past] for past, present in cache_names(self._spec.depth)}
        for name in self._dtypes:
            context.set_tensor_address(name, addresses[name])
        given.upload()
        if not context.execute_async_v3(self._device.stream):
            raise PlanError(f"TensorRT runs no pass of {size} positions ({self._why()})")
        answered.download()

    # -------------------------------------------------------------------------------------------------- parts

    def _deserialised(self, plan: bytes) -> tuple[Any, Any]:
        try:
            runtime = self._trt.Runtime(logger_of(self._trt, self._said))
            runtime.engine_host_code_allowed = False
            engine = runtime.deserialize_cuda_engine(plan)
        except (RuntimeError, TypeError) as wrong:  # TypeError: the library gave no runtime
            raise PlanError(f"TensorRT does not take the engine ({wrong})") from None
        if engine is None:
            raise PlanError(f"TensorRT does not take the engine ({self._why()})")
        return runtime, engine

    def _why(self) -> str:
        return " | ".join(self._said) or "it does not say why"

    def _tensors(self) -> dict[str, np.dtype[Any]]:
        """Name -> type of all inputs and outputs, which must be those of `recipe`'s table."""
        engine, caches = self._engine, cache_names(self._spec.depth)
        found = [engine.get_tensor_name(k) for k in range(engine.num_io_tensors)]
        wanted = {"logits", *input_shapes(self._spec, self._recipe, 1), *(p for _, p in caches)}
        if set(found) != wanted or engine.num_optimization_profiles != len(self.sizes):
            raise PlanError("the engine is of another model; whyway prepare builds one")
        known = _dtypes(self._trt)
        return {name: known[engine.get_tensor_dtype(name)] for name in found}

    def _aliased(self) -> bool:
        """Whether the engine writes the cache in place."""
        aliased = optional(self._engine, "get_aliased_input_tensor")
        if aliased is None:
            return False
        return all(aliased(present) == past for past, present in cache_names(self._spec.depth))

    def _context(self, profile: int, size: int) -> Any:
        context = self._engine.create_execution_context()
        if context is None:
            raise PlanError(f"the GPU has no memory for the engine ({self._why()})")
        context.set_optimization_profile_async(profile, self._device.stream)
        self._device.synchronise()
        for name, shape in input_shapes(self._spec, self._recipe, size).items():
            if not context.set_input_shape(name, shape):
                raise PlanError(f"the engine takes no {name} of {shape}; whyway prepare builds one that does")  # fmt: skip
        return context

    def _pass_blocks(self, size: int) -> tuple[Block, Block]:
        shapes = input_shapes(self._spec, self._recipe, size)
        given = {name: (shapes[name], self._dtypes[name]) for name in PASS}
        answered = {"logits": ((1, size, self._spec.vocabulary_size), self._dtypes["logits"])}
        return Block(self._device, given), Block(self._device, answered)

    def _cache_bytes(self) -> int:
        shape = cache_shape(self._spec, 1, CACHE_ROWS, self._recipe.heads_apart)
        return int(np.prod(shape)) * self._dtypes["past.0.key"].itemsize

    def _lane(self) -> _Lane:
        """Memory for one more scene, and the graphs of all its passes: nothing is captured while driving."""
        shapes = input_shapes(self._spec, self._recipe, 1)
        of_scene = {n: (s, self._dtypes[n]) for n, s in shapes.items() if n == "valid" or n.startswith("features.")}  # fmt: skip
        parts = [past for past, _ in cache_names(self._spec.depth)]
        one = {past: self._device.allocate(self._cache_bytes()) for past in parts}
        other = one
        if not self._in_place:
            other = {past: self._device.allocate(self._cache_bytes()) for past in parts}
        lane = _Lane(Block(self._device, of_scene), (one, other), 0, {})
        for address in {*one.values(), *other.values()}:
            self._device.clear(address, self._cache_bytes())
        lane.scene.upload()
        for size in self.sizes:
            for lane.side in SIDES:
                graph = self._captured(lane, size)
                if not graph:
                    self._free_graphs(lane)
                    return lane
                lane.graphs[size, lane.side] = graph
        return lane

    def _captured(self, lane: _Lane, size: int) -> int:
        """A pass as a graph. One uncaptured pass goes first: TensorRT does there what it puts off until shapes are known."""
        given, _ = self._passes[size]
        given.host["mask"][...] = True
        self._enqueue(lane, size)
        self._device.synchronise()
        self._device.begin_capture()
        try:
            self._enqueue(lane, size)
        except PlanError:
            graph = self._device.end_capture()
            if graph:
                self._device.free_graph(graph)
            return 0
        return self._device.end_capture()

    def _free_graphs(self, lane: _Lane) -> None:
        for graph in lane.graphs.values():
            self._device.free_graph(graph)
        lane.graphs.clear()

    def close(self) -> None:
        """Give everything back, what was made last first."""
        self._device.use()
        self._device.synchronise()
        for lane in self._lanes:
            self._free_graphs(lane)
            lane.scene.free()
            for address in {*lane.caches[0].values(), *lane.caches[1].values()}:
                self._device.free(address)
        for given, answered in self._passes.values():
            given.free()
            answered.free()
        self._lanes.clear()
        self._passes.clear()
        self._contexts.clear()
        del self._engine, self._runtime
        self._device.close()


def _dtypes(trt: Any) -> dict[Any, np.dtype[Any]]:
    """TensorRT's types as numpy's. 8.6 has no INT64: ids are int32 there. (`trt.nptype` of 8.6 wants a numpy before 1.24.)"""
    known: dict[Any, np.dtype[Any]] = {
        trt.DataType.FLOAT: np.dtype(np.float32),
        trt.DataType.HALF: np.dtype(np.float16),
        trt.DataType.INT32: np.dtype(np.int32),
        trt.DataType.BOOL: np.dtype(np.bool_),
    }
    wide = optional(trt.DataType, "INT64")
    return known if wide is None else known | {wide: np.dtype(np.int64)}
