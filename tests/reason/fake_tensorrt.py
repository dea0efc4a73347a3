"""A FAKE TensorRT and a FAKE GPU: the names and the order of calls are the real ones, the arithmetic is onnxruntime's. No NVIDIA code here.

`FakeTensorRT(version)` offers only names that the real bindings of that version have (`tensorrt_surface/`). Its plans are the ONNX graph behind a
line of JSON. `FakeDevice` puts off everything that is asynchronous until somebody waits: who reads too early reads what was there before.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnxruntime as ort

from whyway.reason.engines.cuda import DeviceError, Gpu

SURFACE = Path(__file__).parent / "tensorrt_surface"
ORIN = Gpu("Orin", "8.7", 16, 61, "12.6")
MAGIC = b"fake plan of "


@cache
def surface(version: str) -> frozenset[str]:
    """All names of a version's real bindings."""
    return frozenset((SURFACE / f"{version}.txt").read_text().split())


class FakeDevice:
    """Memory is the host's; the stream is a list of calls that `synchronise` makes."""

    def __init__(self, gpu: Gpu = ORIN, capturable: bool = True) -> None:
        self.stream = 4711
        self.live: dict[int, ctypes.Array] = {}
        self.graphs: dict[int, list] = {}
        self.launches = 0
        self.capturable, self.closed, self.lost = capturable, False, False
        self._gpu, self._queue, self._capture, self._count = gpu, [], None, 0

    def gpu(self) -> Gpu:
        return self._gpu

    def use(self) -> None:
        assert not self.closed
        if self.lost:
            raise DeviceError("cuCtxSetCurrent: the device is lost (999)")

    def allocate(self, size: int) -> int:
        block = (ctypes.c_ubyte * size)()
        ctypes.memset(block, 0xFF, size)  # not-a-number in every float
        self.live[ctypes.addressof(block)] = block
        return ctypes.addressof(block)

    allocate_host = allocate

    def free(self, address: int) -> None:
        del self.live[address]

    free_host = free

    def clear(self, address: int, size: int) -> None:
        self.enqueue(lambda: ctypes.memset(address, 0, size))

    def upload(self, to: int, source: int, size: int) -> None:
        self.enqueue(lambda: ctypes.memmove(to, source, size))

    download = upload

    def enqueue(self, call) -> None:
        (self._queue if self._capture is None else self._capture).append(call)

    def synchronise(self) -> None:
        assert self._capture is None, "the real one refuses to wait within a capture"
        queue, self._queue = self._queue, []
        for call in queue:
            call()

    def begin_capture(self) -> None:
        assert self._capture is None and not self._queue
        self._capture = []

    def end_capture(self) -> int:
        calls, self._capture = self._capture, None
        if not self.capturable:
            return 0
        self._count += 1
        self.graphs[self._count] = calls
        return self._count

    def launch(self, graph: int) -> None:
        self.launches += 1
        for call in self.graphs[graph]:
            self.enqueue(call)

    def free_graph(self, graph: int) -> None:
        del self.graphs[graph]

    def close(self) -> None:
        assert not self.closed
        self.closed = True


class _Only:
    """Attributes of a class of the real module, those of this version."""

    def __init__(self, trt, kind, **attributes):
        self.__dict__.update(_trt=trt, _kind=kind, _values=attributes)

    def __getattr__(self, name):
        if f"{self._kind}.{name}" not in self._trt.surface:
            raise AttributeError(f"TensorRT {self._trt.__version__} has no {self._kind}.{name}")
        return self._values[name]

    def __setattr__(self, name, value):
        getattr(self, name)
        self._values[name] = value


class FakeTensorRT:
    """The module."""

    def __init__(self, version: str = "10.3.0", device: FakeDevice | None = None) -> None:
        self.surface = surface(version)
        self.__version__ = f"{version}.1"
        self.device = device  # where execution contexts enqueue
        self.builds: list[dict] = []
        self.refuses_plans = self.no_kernels = False
        self.wrong_by = 0.0  # added to every logit of odd tokens
        self.in_place = False
        kinds = ("STRONGLY_TYPED", "EXPLICIT_BATCH")
        self._flags = {name: k for k, name in enumerate(kinds)}
        names = ("FLOAT", "HALF", "INT32", "INT64", "BOOL")
        self._known = {
            "ILogger": _Logger, "MemoryPoolType": _Only(self, "MemoryPoolType", WORKSPACE=0),
            "NetworkDefinitionCreationFlag": _Only(self, "NetworkDefinitionCreationFlag", **self._flags),
            "BuilderFlag": _Only(self, "BuilderFlag", TF32="TF32", FP16="FP16", INT8="INT8"),
            "DataType": _Only(self, "DataType", **{n: n for n in names}),
            "Builder": self._builder, "OnnxParser": self._parser, "Runtime": self._runtime,
        }  # fmt: skip

    def __getattr__(self, name):
        if name.startswith("_") or name not in self.surface:
            raise AttributeError(f"TensorRT has no {name}")
        return self._known[name]

    def _builder(self, logger):
        return _Only(
            self, "Builder", create_network=self._network, create_builder_config=self._config,
            create_optimization_profile=self._profile, build_serialized_network=self._build,
        )  # fmt: skip

    def _network(self, flags):
        return SimpleNamespace(flags=flags, graph=b"", num_inputs=0, get_input=None)

    def _parser(self, network, logger):
        def parse(graph):
            session = _session(graph)
            if session is None:
                return False
            tensors = [
                SimpleNamespace(name=i.name, shape=[d if isinstance(d, int) else -1 for d in i.shape])
                for i in session.get_inputs()
            ]  # fmt: skip
            network.graph, network.num_inputs, network.get_input = graph, len(tensors), tensors.__getitem__  # fmt: skip
            return True

        error = _Only(self, "ParserError", desc=lambda: "no graph")
        return _Only(self, "OnnxParser", parse=parse, num_errors=1, get_error=lambda k: error)

    def _config(self):
        made = SimpleNamespace(flags={"TF32"}, profiles=[], timings=None)

        def timing_cache(data):
            return _Only(self, "ITimingCache", serialize=lambda: bytes(data) + b"timed")

        def set_timing_cache(cache, ignore_mismatch):
            assert not ignore_mismatch
            made.timings = cache

        def add_profile(profile):
            made.profiles.append(profile._shapes)
            return len(made.profiles) - 1

        config = _Only(
            self, "IBuilderConfig", set_memory_pool_limit=lambda pool, size: None, builder_optimization_level=0,
            clear_flag=made.flags.discard, set_flag=made.flags.add, add_optimization_profile=add_profile,
            create_timing_cache=timing_cache, set_timing_cache=set_timing_cache, get_timing_cache=lambda: made.timings,
        )  # fmt: skip
        config.__dict__["made"] = made
        return config

    def _profile(self):
        shapes = {}

        def set_shape(name, least, usual, most):
            assert least == usual == most
            shapes[name] = list(least)

        profile = _Only(self, "IOptimizationProfile", set_shape=set_shape)
        profile.__dict__["_shapes"] = shapes
        return profile

    def _build(self, network, config):
        made = config.made
        self.builds.append({"flags": sorted(made.flags), "network": network.flags, "graph": network.graph})  # fmt: skip
        if self.no_kernels:
            return None
        about = {"profiles": made.profiles, "version": self.__version__}
        return MAGIC + json.dumps(about).encode() + b"\n" + network.graph

    def _runtime(self, logger):
        def deserialise(plan):
            assert runtime.engine_host_code_allowed is False
            line, _, graph = plan.partition(b"\n")
            about = json.loads(line.removeprefix(MAGIC)) if line.startswith(MAGIC) else {}
            if self.refuses_plans or about.get("version") != self.__version__:
                logger.log(1, "Version tag does not match.")
                return None
            return self._engine(about["profiles"], _session(graph))

        runtime = _Only(self, "Runtime", engine_host_code_allowed=True, deserialize_cuda_engine=deserialise)  # fmt: skip
        return runtime

    def _engine(self, profiles, session):
        kinds = {"tensor(float)": "FLOAT", "tensor(float16)": "HALF", "tensor(bool)": "BOOL", "tensor(int64)": "INT64"}  # fmt: skip
        tensors = {t.name: kinds[t.type] for t in (*session.get_inputs(), *session.get_outputs())}
        if "DataType.INT64" not in self.surface:  # as 8.6 does with ids
            tensors = {n: "INT32" if k == "INT64" else k for n, k in tensors.items()}
        aliases = {n: n.replace("present", "past") if self.in_place else None for n in tensors}
        return _Only(
            self, "ICudaEngine", num_io_tensors=len(tensors), get_tensor_name=list(tensors).__getitem__,
            get_tensor_dtype=tensors.__getitem__, num_optimization_profiles=len(profiles),
            create_execution_context=lambda: self._context(profiles, session, tensors), get_aliased_input_tensor=aliases.__getitem__,
        )  # fmt: skip

    def _context(self, profiles, session, tensors):
        chosen, addresses = {}, {}

        def choose(profile, stream):
            assert stream == self.device.stream
            chosen.update(profiles[profile])
            return True

        def set_shape(name, shape):
            return name not in chosen or chosen[name] == list(shape)

        def execute(stream):
            assert stream == self.device.stream
            now = dict(addresses)
            if any(address == 0 or address % 16 for address in now.values()):
                return False
            self.device.enqueue(lambda: _run(session, chosen, now, tensors, self.wrong_by))
            return True

        return _Only(
            self, "IExecutionContext", set_optimization_profile_async=choose, set_input_shape=set_shape,
            set_tensor_address=addresses.__setitem__, execute_async_v3=execute,
        )  # fmt: skip


class _Logger:
    ERROR = 1

    def log(self, severity, message):
        raise NotImplementedError


def _session(graph):
    options = ort.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    return _made(hashlib.sha256(graph).hexdigest(), graph, options)


_SESSIONS: dict[str, ort.InferenceSession] = {}


def _made(sha, graph, options):
    if sha not in _SESSIONS:
        try:
            _SESSIONS[sha] = ort.InferenceSession(
                graph, options, providers=["CPUExecutionProvider"]
            )
        except Exception:  # noqa: BLE001  onnxruntime's have no other base
            return None
    return _SESSIONS[sha]


_TYPES = {"FLOAT": "f4", "HALF": "f2", "BOOL": "?", "INT32": "i4", "INT64": "i8"}


def _array(address, kind, shape):
    size = int(np.prod(shape)) * np.dtype(_TYPES[kind]).itemsize
    raw = (ctypes.c_ubyte * size).from_address(address)
    return np.frombuffer(raw, _TYPES[kind]).reshape(shape)


def _run(session, shapes, addresses, tensors, wrong_by):
    feeds = {}
    for i in session.get_inputs():
        shape = shapes.get(i.name, i.shape)
        feeds[i.name] = _array(addresses[i.name], tensors[i.name], shape).copy()
        if tensors[i.name] == "INT32":
            feeds[i.name] = feeds[i.name].astype(np.int64)
    names = [o.name for o in session.get_outputs()]
    for name, value in zip(names, session.run(names, feeds), strict=True):
        if name == "logits":
            value[..., 1::2] += wrong_by
        _array(addresses[name], tensors[name], value.shape)[...] = value
