"""The driver seam: signatures as cuda.h has them, errors told, nothing leaked. Over a FAKE driver in C: memory is the host's, streams wait for nobody."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from whyway.reason.engines.cuda import LIBRARY, SIGNATURES, Cuda, DeviceError
from whyway.reason.engines.run import Block
from whyway.types import InputError

FAKE = r"""
#include <stdlib.h>
#include <string.h>
typedef unsigned long long u64;
static int live = 0, capturing = 0, fail_capture = 0, out_of_memory = 0, retained = 0;
int fake_live(void) { return live; }
int fake_retained(void) { return retained; }
void fake_fail(int capture, int memory) { fail_capture = capture; out_of_memory = memory; }
int cuInit(unsigned f) { return f ? 1 : 0; }
int cuDriverGetVersion(int *v) { *v = 12060; return 0; }
int cuDeviceGet(int *d, int ordinal) { *d = 7; return ordinal ? 101 : 0; }
int cuDeviceGetName(char *n, int len, int d) { strncpy(n, "Orin (fake)", len); return d == 7 ? 0 : 1; }
int cuDeviceGetAttribute(int *v, int a, int d) { *v = a == 16 ? 16 : a == 75 ? 8 : a == 76 ? 7 : -1; return d == 7 ? 0 : 1; }
int cuDeviceTotalMem_v2(size_t *b, int d) { *b = 65873715200ULL; return d == 7 ? 0 : 1; }
int cuDevicePrimaryCtxRetain(void **c, int d) { *c = (void*)0x7f0000001234; retained++; return d == 7 ? 0 : 1; }
int cuDevicePrimaryCtxRelease_v2(int d) { retained--; return d == 7 ? 0 : 1; }
int cuCtxSetCurrent(void *c) { return c == (void*)0x7f0000001234 ? 0 : 201; }
int cuMemAlloc_v2(u64 *p, size_t n) { if (out_of_memory) return 2; *p = (u64)malloc(n); live++; return 0; }
int cuMemFree_v2(u64 p) { free((void*)p); live--; return 0; }
int cuMemHostAlloc(void **p, size_t n, unsigned f) { *p = malloc(n); live++; return f; }
int cuMemFreeHost(void *p) { free(p); live--; return 0; }
int cuMemcpyHtoDAsync_v2(u64 d, const void *s, size_t n, void *q) { memcpy((void*)d, s, n); return q == (void*)0x7f00000055aa ? 0 : 400; }
int cuMemcpyDtoHAsync_v2(void *d, u64 s, size_t n, void *q) { memcpy(d, (void*)s, n); return q == (void*)0x7f00000055aa ? 0 : 400; }
int cuMemsetD8Async(u64 d, unsigned char c, size_t n, void *q) { memset((void*)d, c, n); return q == (void*)0x7f00000055aa ? 0 : 400; }
int cuStreamCreate(void **q, unsigned f) { *q = (void*)0x7f00000055aa; live++; return f == 1 ? 0 : 1; }
int cuStreamDestroy_v2(void *q) { live--; return 0; }
int cuStreamSynchronize(void *q) { return capturing ? 900 : 0; }
int cuStreamBeginCapture_v2(void *q, int mode) { capturing = 1; return mode == 1 ? 0 : 1; }
int cuStreamEndCapture(void *q, void **g) { capturing = 0; if (fail_capture) { *g = 0; return 901; } *g = malloc(1); live++; return 0; }
int cuGraphInstantiateWithFlags(void **e, void *g, u64 f) { *e = malloc(1); live++; return f ? 1 : 0; }
int cuGraphLaunch(void *e, void *q) { return q == (void*)0x7f00000055aa ? 0 : 400; }
int cuGraphExecDestroy(void *e) { free(e); live--; return 0; }
int cuGraphDestroy(void *g) { free(g); live--; return 0; }
int cuGetErrorString(int e, const char **s) { *s = e == 2 ? "out of memory" : "something"; return 0; }
"""
HEADERS = [Path("/usr/local/cuda/include/cuda.h"), *Path("/usr/local").glob("cuda-*/include/cuda.h")]  # fmt: skip


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    if shutil.which("gcc") is None:
        pytest.skip("no C compiler")
    folder = tmp_path_factory.mktemp("cuda")
    (folder / "fake.c").write_text(FAKE)
    path = folder / "libcuda_fake.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", path, folder / "fake.c"], check=True)
    return path


@pytest.fixture
def fake(library):
    found = ctypes.CDLL(str(library))
    found.fake_fail(0, 0)
    return found


def test_a_gpu_is_what_the_driver_says(library, fake):
    cuda = Cuda(library=str(library))
    gpu = cuda.gpu()
    assert (gpu.name, gpu.compute_capability, gpu.multiprocessors) == ("Orin (fake)", "8.7", 16)
    assert (gpu.memory_gib, gpu.cuda, cuda.stream) == (61, "12.6", 0x7F00000055AA)
    cuda.close()
    assert fake.fake_live() == 0 and fake.fake_retained() == 0


def test_arrays_go_up_and_come_down(library, fake):
    cuda = Cuda(library=str(library))
    block = Block(cuda, {"a": ((3, 5), np.dtype("f4")), "b": ((7,), np.dtype("i8"))})
    assert block.address["b"] - block.address["a"] == 256
    block.host["a"][...], block.host["b"][...] = np.arange(15).reshape(3, 5), -1
    block.upload()
    block.host["a"][...], block.host["b"][...] = 0, 0
    block.download()
    assert block.host["a"].sum() == 105 and block.host["b"].tolist() == [-1] * 7
    cuda.clear(block.address["a"], block.size)
    block.download()
    cuda.synchronise()
    assert not block.host["a"].any() and not block.host["b"].any()
    block.free()
    cuda.close()
    assert fake.fake_live() == 0


def test_a_capture_becomes_a_graph_or_nothing(library, fake):
    cuda = Cuda(library=str(library))
    cuda.begin_capture()
    with pytest.raises(DeviceError, match="cuStreamSynchronize: something .900."):
        cuda.synchronise()
    graph = cuda.end_capture()
    cuda.launch(graph)
    cuda.free_graph(graph)
    fake.fake_fail(1, 0)
    cuda.begin_capture()
    assert cuda.end_capture() == 0
    cuda.close()
    assert fake.fake_live() == 0


def test_what_the_driver_refuses_is_told_in_its_words(library, fake):
    cuda = Cuda(library=str(library))
    fake.fake_fail(0, 1)
    with pytest.raises(DeviceError, match=r"cuMemAlloc_v2: out of memory \(2\)"):
        cuda.allocate(1 << 40)
    with pytest.raises(InputError, match="no GPU to be had: cuDeviceGet"):
        Cuda(1, str(library))


def test_without_a_driver_the_remedy_is_told(tmp_path):
    with pytest.raises(InputError, match="no NVIDIA driver .*--reason.backend=onnxruntime"):
        Cuda(library="libcuda_that_is_not_there.so.1")
    old = tmp_path / "old.so"
    if shutil.which("gcc"):
        (tmp_path / "old.c").write_text("int cuInit(unsigned f) { return 0; }")
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", old, tmp_path / "old.c"], check=True)
        with pytest.raises(InputError, match="CUDA 11.4 or newer"):
            Cuda(library=str(old))
    assert LIBRARY == "libcuda.so.1"


def test_signatures_are_those_of_cudas_own_header():
    header = next((path for path in HEADERS if path.is_file()), None)
    if header is None:
        pytest.skip("no cuda.h here")
    text = header.read_text()
    for name, arguments in SIGNATURES.items():
        plain = name.removesuffix("_v2").removesuffix("WithFlags")
        if name != plain:
            assert re.search(rf"#define {plain}\s+(__CUDA_API_PTSZ\()?{name}\b|{name}\b", text), (
                name
            )
        declared = re.search(rf"^CUresult CUDAAPI {plain}\(([^)]*)\)", text, re.MULTILINE)
        assert declared, name
        kinds = [_kind(part) for part in declared[1].split(",")]
        assert kinds == [_size(kind) for kind in arguments], (name, declared[1])


_WIDTHS = {"int": 4, "unsigned int": 4, "CUdevice": 4, "CUdevice_attribute": 4, "CUresult": 4, "CUstreamCaptureMode": 4, "unsigned char": 1}  # fmt: skip


def _kind(declared: str) -> int:
    """Bytes of an argument: pointers, handles, sizes and addresses have 8."""
    words = declared.replace("*", " * ").replace("const", "").split()
    return 8 if "*" in words else _WIDTHS.get(" ".join(words[:-1]), 8)


def _size(kind: type) -> int:
    return ctypes.sizeof(kind)
