"""What TensorRT's Python API offers, version by version, read from NVIDIA's real binding wheels on a machine without TensorRT or a GPU.

    python tools/tensorrt_surface.py            # writes tests/reason/tensorrt_surface/<version>.txt

The bindings (1 MB each, on PyPI) load TensorRT's own libraries, which are not there. Libraries of the same names with nothing but the
few symbols the bindings ask for satisfy the loader: then every class, method and enum can be listed, and nothing can be called. The
lists are committed: a test holds the names our runner uses against them. Needs: gcc, network, Linux on x86_64.
"""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from pathlib import Path

WHEELS = {
    "8.6.1": "tensorrt_bindings==8.6.1",
    "10.3.0": "tensorrt_cu12_bindings==10.3.0",
    "10.7.0": "tensorrt_cu12_bindings==10.7.0",
    "10.13.3": "tensorrt_cu12_bindings==10.13.3.9",
    "10.15.1": "tensorrt_cu12_bindings==10.15.1.29",
    "11.0.0": "tensorrt_cu13_bindings==11.0.0.114",
    "11.4.0": "tensorrt_cu13_bindings==11.4.0.106",
}
"""JetPack 6 has 10.3, JetPack 7.0 and 7.1 have 10.13, JetPack 7.2.2 has 11.4; the others lie between."""

OUT = Path(__file__).parents[1] / "tests/reason/tensorrt_surface"

_CLASSES = (
    "Builder", "BuilderFlag", "DataType", "EngineInspector", "ExecutionContextAllocationStrategy", "HardwareCompatibilityLevel",
    "IBuilderConfig", "ICudaEngine", "IExecutionContext", "IHostMemory", "ILogger", "INetworkDefinition", "IOptimizationProfile",
    "ITensor", "ITimingCache", "LayerInformationFormat", "Logger", "MemoryPoolType", "NetworkDefinitionCreationFlag", "OnnxParser",
    "OnnxParserFlag", "OnnxParserRefitter", "ParserError", "PreviewFeature", "ProfilingVerbosity", "Refitter", "Runtime",
    "SerializationConfig", "TacticSource", "TensorIOMode", "TensorLocation",
)  # fmt: skip
"""Whose members are listed: what building and running an engine needs."""

_LIST = f"""
import inspect
import tensorrt_bindings as trt
for name in sorted(vars(trt)):
    thing = getattr(trt, name)
    if name.startswith("_") or inspect.ismodule(thing):
        continue
    print(name)
    if name in {_CLASSES!r}:
        for member in sorted(dir(thing)):
            if not member.startswith("_"):
                print(name + "." + member)
"""

_OURS = re.compile(r"^(getNv|create(Infer|Nv)|getBuilder|getPlugin|initLib|_ZN\d+nv\w*)")


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _empty_libraries(binding: Path, folder: Path) -> None:
    """Libraries of the names the binding needs, with the symbols it wants from them; calling any ends the process."""
    needed = re.findall(r"NEEDED.*\[(libnv[^\]]+)\]", _output("readelf", "-d", str(binding)))
    undefined = {
        row.split()[7].split("@")[0]
        for row in _output("readelf", "-W", "--dyn-syms", str(binding)).splitlines()
        if len(row.split()) >= 8 and row.split()[6] == "UND"
    }
    wanted = sorted(name for name in undefined if _OURS.match(name))
    source = folder / "empty.c"
    source.write_text(
        "#include <stdlib.h>\n" + "".join(f"void {name}(void) {{ abort(); }}\n" for name in wanted)
    )
    for k, library in enumerate(needed):
        own = str(source) if k == 0 else "/dev/null"
        _output(
            "gcc", "-shared", "-fPIC", f"-Wl,-soname,{library}", "-x", "c", own, "-o", str(folder / library),
        )  # fmt: skip


def surface(requirement: str, folder: Path) -> list[str]:
    """Every public name of a binding wheel: classes, their members, functions."""
    tag = f"{sys.version_info.major}{sys.version_info.minor}"
    _output(
        sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--disable-pip-version-check",
        "--python-version", tag, "--only-binary", ":all:", "-d", str(folder), requirement,
    )  # fmt: skip
    (wheel,) = folder.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder)
    _empty_libraries(next(folder.glob("tensorrt_bindings/tensorrt*.so")), folder)
    environment = {"PYTHONPATH": str(folder), "LD_LIBRARY_PATH": str(folder), "PATH": "/usr/bin"}
    done = subprocess.run(
        [sys.executable, "-c", _LIST], env=environment, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"{requirement}: {done.stderr.strip().splitlines()[-1]}")
    return done.stdout.splitlines()


def main() -> None:
    """Write the lists."""
    if sysconfig.get_platform() != "linux-x86_64":
        raise SystemExit("needs Linux on x86_64: the wheels are read there")
    OUT.mkdir(parents=True, exist_ok=True)
    for version, requirement in WHEELS.items():
        with tempfile.TemporaryDirectory() as folder:
            names = surface(requirement, Path(folder))
        (OUT / f"{version}.txt").write_text("\n".join(names) + "\n")
        print(f"{version}: {len(names)} names")


if __name__ == "__main__":
    main()
