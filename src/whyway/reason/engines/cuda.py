"""The device behind a small seam: memory, copies, one stream, captured graphs. `Cuda` is NVIDIA's driver API by ctypes.

The driver's library lies wherever there is a GPU, and its functions keep their signatures; the runtime's library need be nowhere. The
device's primary context is the one that TensorRT uses. Every call is asynchronous on the one stream, but for allocations and `synchronise`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from ctypes import POINTER, byref, c_char_p, c_int, c_size_t, c_ubyte, c_uint, c_ulonglong, c_void_p
from dataclasses import dataclass
from typing import Any, Protocol

from whyway.reason.backends import BackendError
from whyway.types import InputError

LIBRARY = "libcuda.so.1"


class DeviceError(BackendError):
    """The GPU or its driver refused a call."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """What an engine depends on of a GPU."""

    name: str
    compute_capability: str
    """8.7"""
    multiprocessors: int
    memory_gib: int
    """Rounded: what a driver keeps for itself changes."""
    cuda: str
    """The newest CUDA that the driver knows: 12.6"""


class Device(Protocol):
    """One GPU, one stream. Addresses are numbers; 0 is none."""

    @property
    def stream(self) -> int:
        """The stream's handle."""
        ...

    def gpu(self) -> Gpu:
        """What it is."""
        ...

    def use(self) -> None:
        """Make it the calling thread's device."""
        ...

    def allocate(self, size: int) -> int:
        """Bytes on the device."""
        ...

    def allocate_host(self, size: int) -> int:
        """Bytes here that the device copies from and to without waiting (pinned)."""
        ...

    def free(self, address: int) -> None:
        """Of `allocate`."""
        ...

    def free_host(self, address: int) -> None:
        """Of `allocate_host`."""
        ...

    def clear(self, address: int, size: int) -> None:
        """Zero bytes on the device."""
        ...

    def upload(self, to: int, source: int, size: int) -> None:
        """Host to device."""
        ...

    def download(self, to: int, source: int, size: int) -> None:
        """Device to host."""
        ...

    def synchronise(self) -> None:
        """Wait for the stream."""
        ...

    def begin_capture(self) -> None:
        """From here on calls are written down instead of made."""
        ...

    def end_capture(self) -> int:
        """What was written down, as a graph to launch; 0 if something in it cannot be."""
        ...

    def launch(self, graph: int) -> None:
        """Make all calls of a graph."""
        ...

    def free_graph(self, graph: int) -> None:
        """Of `end_capture`."""
        ...

    def close(self) -> None:
        """Give the stream and the device back."""
        ...


_HANDLE, _ADDRESS, _OUT = c_void_p, c_ulonglong, POINTER(c_void_p)
SIGNATURES: Mapping[str, tuple[Any, ...]] = {
    "cuInit": (c_uint,),
    "cuDriverGetVersion": (POINTER(c_int),),
    "cuDeviceGet": (POINTER(c_int), c_int),
    "cuDeviceGetName": (c_char_p, c_int, c_int),
    "cuDeviceGetAttribute": (POINTER(c_int), c_int, c_int),
    "cuDeviceTotalMem_v2": (POINTER(c_size_t), c_int),
    "cuDevicePrimaryCtxRetain": (_OUT, c_int),
    "cuDevicePrimaryCtxRelease_v2": (c_int,),
    "cuCtxSetCurrent": (_HANDLE,),
    "cuMemAlloc_v2": (POINTER(c_ulonglong), c_size_t),
    "cuMemFree_v2": (_ADDRESS,),
    "cuMemHostAlloc": (_OUT, c_size_t, c_uint),
    "cuMemFreeHost": (_HANDLE,),
    "cuMemcpyHtoDAsync_v2": (_ADDRESS, _HANDLE, c_size_t, _HANDLE),
    "cuMemcpyDtoHAsync_v2": (_HANDLE, _ADDRESS, c_size_t, _HANDLE),
    "cuMemsetD8Async": (_ADDRESS, c_ubyte, c_size_t, _HANDLE),
    "cuStreamCreate": (_OUT, c_uint),
    "cuStreamDestroy_v2": (_HANDLE,),
    "cuStreamSynchronize": (_HANDLE,),
    "cuStreamBeginCapture_v2": (_HANDLE, c_int),
    "cuStreamEndCapture": (_HANDLE, _OUT),
    "cuGraphInstantiateWithFlags": (_OUT, _HANDLE, c_ulonglong),
    "cuGraphLaunch": (_HANDLE, _HANDLE),
    "cuGraphExecDestroy": (_HANDLE,),
    "cuGraphDestroy": (_HANDLE,),
    "cuGetErrorString": (c_int, POINTER(c_char_p)),
}
"""Every function that is called, with its arguments, as cuda.h has them; all return a CUresult, 0 for success. In drivers since CUDA 11.4."""

_MULTIPROCESSORS, _MAJOR, _MINOR = 16, 75, 76
"""CU_DEVICE_ATTRIBUTE_..."""
_NON_BLOCKING = 1
"""CU_STREAM_NON_BLOCKING: waits for no other library's default stream."""
_THREAD_LOCAL = 1
"""CU_STREAM_CAPTURE_MODE_THREAD_LOCAL: what other threads do meanwhile does not spoil a capture."""


class Cuda:
    """`Device` over the driver.

    Raises:
      InputError: there is no driver or no GPU; says what to do.
    """

    def __init__(self, ordinal: int = 0, library: str = LIBRARY) -> None:
        try:
            self._library = ctypes.CDLL(library)
            for name, arguments in SIGNATURES.items():
                getattr(self._library, name).argtypes = arguments
        except (OSError, AttributeError) as wrong:
            raise InputError(
                f"no NVIDIA driver of CUDA 11.4 or newer here ({wrong}); install one, or take --reason.backend=onnxruntime"
            ) from None
        device, context, stream = c_int(), c_void_p(), c_void_p()
        try:
            self._call("cuInit", 0)
            self._call("cuDeviceGet", byref(device), ordinal)
            self._device = device.value
            self._call("cuDevicePrimaryCtxRetain", byref(context), self._device)
            self._context = context.value
            self.use()
            self._call("cuStreamCreate", byref(stream), _NON_BLOCKING)
        except DeviceError as wrong:
            raise InputError(
                f"no GPU to be had: {wrong}; see nvidia-smi, or take --reason.backend=onnxruntime"
            ) from None
        self._stream: int = stream.value or 0

    @property
    def stream(self) -> int:
        """The stream's handle."""
        return self._stream

    def gpu(self) -> Gpu:
        """What it is."""
        name, memory, version = ctypes.create_string_buffer(256), c_size_t(), c_int()
        self._call("cuDeviceGetName", name, len(name), self._device)
        self._call("cuDeviceTotalMem_v2", byref(memory), self._device)
        self._call("cuDriverGetVersion", byref(version))
        return Gpu(
            name.value.decode(errors="replace"),
            f"{self._attribute(_MAJOR)}.{self._attribute(_MINOR)}",
            self._attribute(_MULTIPROCESSORS),
            round(memory.value / 2**30),
            f"{version.value // 1000}.{version.value % 1000 // 10}",
        )

    def use(self) -> None:
        """Make it the calling thread's device."""
        self._call("cuCtxSetCurrent", self._context)

    def allocate(self, size: int) -> int:
        """Bytes on the device."""
        address = c_ulonglong()
        self._call("cuMemAlloc_v2", byref(address), size)
        return address.value

    def allocate_host(self, size: int) -> int:
        """Pinned bytes."""
        address = c_void_p()
        self._call("cuMemHostAlloc", byref(address), size, 0)
        return address.value or 0

    def free(self, address: int) -> None:
        """Of `allocate`."""
        self._call("cuMemFree_v2", address)

    def free_host(self, address: int) -> None:
        """Of `allocate_host`."""
        self._call("cuMemFreeHost", address)

    def clear(self, address: int, size: int) -> None:
        """Zero bytes on the device."""
        self._call("cuMemsetD8Async", address, 0, size, self._stream)

    def upload(self, to: int, source: int, size: int) -> None:
        """Host to device."""
        self._call("cuMemcpyHtoDAsync_v2", to, source, size, self._stream)

    def download(self, to: int, source: int, size: int) -> None:
        """Device to host."""
        self._call("cuMemcpyDtoHAsync_v2", to, source, size, self._stream)

    def synchronise(self) -> None:
        """Wait for the stream; what went wrong in it is raised here."""
        self._call("cuStreamSynchronize", self._stream)

    def begin_capture(self) -> None:
        """From here on calls are written down instead of made."""
        self._call("cuStreamBeginCapture_v2", self._stream, _THREAD_LOCAL)

    def end_capture(self) -> int:
        """What was written down, as a graph to launch; 0 if something in it cannot be captured."""
        graph, executable = c_void_p(), c_void_p()
        try:
            self._call("cuStreamEndCapture", self._stream, byref(graph))
            self._call("cuGraphInstantiateWithFlags", byref(executable), graph, 0)
        except DeviceError:
            return 0
        finally:
            if graph.value:
                self._call("cuGraphDestroy", graph)
        return executable.value or 0

    def launch(self, graph: int) -> None:
        """Make all calls of a graph."""
        self._call("cuGraphLaunch", graph, self._stream)

    def free_graph(self, graph: int) -> None:
        """Of `end_capture`."""
        self._call("cuGraphExecDestroy", graph)

    def close(self) -> None:
        """Give the stream and the context back."""
        self._call("cuStreamDestroy_v2", self._stream)
        self._call("cuDevicePrimaryCtxRelease_v2", self._device)

    def _attribute(self, which: int) -> int:
        value = c_int()
        self._call("cuDeviceGetAttribute", byref(value), which, self._device)
        return value.value

    def _call(self, name: str, *arguments: object) -> None:
        result: int = getattr(self._library, name)(*arguments)
        if result:
            text = c_char_p()
            self._library.cuGetErrorString(result, byref(text))
            raise DeviceError(f"{name}: {(text.value or b'?').decode()} ({result})")
