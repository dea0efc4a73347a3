"""Build the messages into a wheel from PyPI parts: ROS's own generators, then g++. A PEP 517 backend.

The usual way (CMake, all eight generators, a compiler run for each file) takes minutes for thirty messages. rclpy over
Fast DDS needs the C half of the generators, and their output compiles as a handful of units. The libraries have the
names and the contents that the usual way gives them. colcon goes that way (CMakeLists.txt).

`tf2_msgs` comes along because no wheel of it exists. Machines with apt ROS 2 have theirs and never see this wheel.
"""

from __future__ import annotations

import base64
import hashlib
import json
import multiprocessing
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
NAME, VERSION = "whyway_msgs", "0.1.0"
FASTRTPS = "rosidl_typesupport_fastrtps_c"
INTROSPECTION = (
    "rosidl_typesupport_introspection_c"  # Fast DDS describes types to its peers from it
)
# messages are copied field by field: there is nothing in them to optimise, and -O1 halves the time of -O2
FLAGS = ["-O1", "-fPIC", "-w", "-pipe"]


@dataclass(frozen=True)
class Package:
    """One message package, and where its generated code goes.

    Attributes:
      name: of the package.
      source: directory that holds `msg/` and `srv/`.
      needs: packages whose messages it uses.
      work: directory to generate and compile in.
      interfaces: its messages and services, e.g. `msg/Trace.msg`.
    """

    name: str
    source: Path
    needs: tuple[str, ...]
    work: Path
    interfaces: tuple[Path, ...] = field(init=False)

    def __post_init__(self) -> None:
        found = [p for kind in ("msg", "srv") for p in (self.source / kind).glob(f"*.{kind}")]
        interfaces = tuple(sorted(p.relative_to(self.source) for p in found))
        object.__setattr__(self, "interfaces", interfaces)

    @property
    def kinds(self) -> tuple[str, ...]:
        """`msg`, and `srv` if it has services."""
        return tuple(dict.fromkeys(p.parent.name for p in self.interfaces))


# --------------------------------------------------------------------------------------------------- PEP 517 hooks


def build_wheel(
    wheel_directory: str, config_settings: object = None, metadata_directory: object = None
) -> str:
    """Build the wheel into a directory and give its file name."""
    del config_settings, metadata_directory
    name = f"{NAME}-{VERSION}-{_tag()}.whl"
    with tempfile.TemporaryDirectory(prefix="whyway_msgs_") as work:
        files = _build(Path(work))
    _write_wheel(Path(wheel_directory) / name, files)
    return name


def get_requires_for_build_wheel(config_settings: object = None) -> list[str]:
    """Nothing beyond what pyproject.toml names."""
    del config_settings
    return []


def build_sdist(sdist_directory: str, config_settings: object = None) -> str:
    """Refuse: the wheel is built from the repository."""
    raise NotImplementedError("whyway_msgs is built from the repository: make setup")


# ---------------------------------------------------------------------------------------------------------- build


def _build(work: Path) -> dict[str, bytes]:
    """Give every file of the wheel by its path in it."""
    packages = [
        Package(NAME, ROOT, ("builtin_interfaces", "service_msgs", "std_msgs"), work / NAME),
        Package(
            "tf2_msgs",
            HERE / "tf2_msgs",
            ("builtin_interfaces", "geometry_msgs", "std_msgs"),
            work / "tf2_msgs",
        ),
    ]
    # forked workers inherit what has been imported and parsed
    fork = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(mp_context=fork, initializer=_quiet) as pool:
        parsed = list(pool.map(_parse, *zip(*_idl_jobs(packages), strict=True)))
    _remember(parsed)
    for package in packages:
        _describe(package)
    with ProcessPoolExecutor(mp_context=fork, initializer=_quiet) as pool:
        generators = (_generate_c, _generate_fastrtps, _generate_introspection, _generate_py)
        for job in [pool.submit(generate, p) for p in packages for generate in generators]:
            job.result()
        list(pool.map(_run, [c for p in packages for c in _compile_commands(p)]))
    for command in [c for p in packages for c in _link_commands(p)]:
        _run(command)
    return {path: data for p in packages for path, data in _collect(p)}


def _idl_jobs(packages: Iterable[Package]) -> list[tuple[Package, Path]]:
    return [(package, path) for package in packages for path in package.interfaces]


def _parse(package: Package, path: Path) -> tuple[str, Any]:
    """Turn one .msg or .srv into .idl, and parse that (slow, and each generator would do it anew)."""
    from rosidl_adapter.msg import convert_msg_to_idl
    from rosidl_adapter.srv import convert_srv_to_idl
    from rosidl_parser.definition import IdlLocator
    from rosidl_parser.parser import parse_idl_file

    idl = path.with_suffix(".idl")
    (package.work / "idl" / path.parent).mkdir(parents=True, exist_ok=True)
    convert = convert_srv_to_idl if path.suffix == ".srv" else convert_msg_to_idl
    convert(package.source, package.name, path, package.work / "idl" / path.parent)
    locator = IdlLocator(str(package.work / "idl"), str(idl))
    return str(package.work / "idl" / idl), parse_idl_file(locator)


def _quiet() -> None:
    """Keep the generators' two lines a file off the screen (they own `sys.stdout`, so it is done below it)."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _remember(parsed: list[tuple[str, Any]]) -> None:
    """Let the generators find the parsed files instead of parsing them again."""
    import rosidl_generator_py.generate_py_impl
    import rosidl_generator_type_description
    import rosidl_pycommon

    known = dict(parsed)

    def parse_idl_file(locator: Any, *_: object, **__: object) -> Any:
        return known[str(locator.get_absolute_path())]

    for module in (
        rosidl_pycommon,
        rosidl_generator_type_description,
        rosidl_generator_py.generate_py_impl,
    ):
        module.parse_idl_file = parse_idl_file  # type: ignore[attr-defined]


def _arguments(package: Package, generator: str) -> str:
    """Write the generator's argument file as CMake would, and give its path."""
    path = package.work / f"{generator}.json"
    idls = [p.with_suffix(".idl") for p in package.interfaces]
    arguments = {
        "package_name": package.name,
        "idl_tuples": [f"{package.work / 'idl'}:{idl}" for idl in idls],
        "output_dir": str(package.work / generator / package.name),
        "template_dir": str(_prefix() / "share" / generator / "resource"),
        "target_dependencies": [],
        "include_paths": [f"{name}:{_prefix() / 'share' / name}" for name in package.needs],
        "type_description_tuples": [
            f"{idl}:{package.work / 'description' / package.name / idl.with_suffix('.json')}"
            for idl in idls
        ],
        "ros_interface_files": [str(package.source / p) for p in package.interfaces],
    }
    if generator != "rosidl_generator_c":  # only there are descriptions put into the code
        del arguments["type_description_tuples"]
    path.write_text(json.dumps(arguments), encoding="utf-8")
    for kind in package.kinds:
        (package.work / generator / package.name / kind).mkdir(parents=True, exist_ok=True)
    return str(path)


def _describe(package: Package) -> None:
    from rosidl_generator_type_description import generate_type_hash

    generate_type_hash(_arguments(package, "description"))


def _generate_c(package: Package) -> None:
    from rosidl_generator_c import generate_c

    generate_c(_arguments(package, "rosidl_generator_c"))
    _visibility(package, "rosidl_generator_c")


def _generate_fastrtps(package: Package) -> None:
    import rosidl_typesupport_c
    from rosidl_typesupport_fastrtps_c import generate_typesupport_fastrtps_c

    generate_typesupport_fastrtps_c(_arguments(package, FASTRTPS))
    _visibility(package, FASTRTPS)
    rosidl_typesupport_c.generate_c(
        _arguments(package, "rosidl_typesupport_c"), [FASTRTPS, INTROSPECTION]
    )


def _generate_introspection(package: Package) -> None:
    from rosidl_typesupport_introspection_c import generate_c

    generate_c(_arguments(package, INTROSPECTION))
    _visibility(package, INTROSPECTION)


def _generate_py(package: Package) -> None:
    from rosidl_generator_py.generate_py_impl import generate_py

    generate_py(_arguments(package, "rosidl_generator_py"), ["rosidl_typesupport_c"])


def _visibility(package: Package, generator: str) -> None:
    name = f"{generator}__visibility_control.h"
    text = (_prefix() / "share" / generator / "resource" / f"{name}.in").read_text(encoding="utf-8")
    text = text.replace("@PROJECT_NAME_UPPER@", package.name.upper())
    text = text.replace("@PROJECT_NAME@", package.name)
    (package.work / generator / package.name / "msg" / name).write_text(text, encoding="utf-8")


# -------------------------------------------------------------------------------------------------------- compile


def _compile_commands(package: Package) -> list[list[str]]:
    """Write the units and give a command for each, the slowest first."""
    work = package.work
    units = {
        f"{FASTRTPS}.cpp": (work / FASTRTPS).rglob("*__type_support_c.cpp"),
        "rosidl_generator_py.c": (work / "rosidl_generator_py").rglob("*.c"),
        "rosidl_generator_c.c": [
            *(work / "rosidl_generator_c").rglob("*__functions.c"),
            *(work / "rosidl_generator_c").glob("*/srv/**/*__type_support.c"),
        ],
        f"{INTROSPECTION}.c": (work / INTROSPECTION).rglob("*.c"),
        "rosidl_typesupport_c.cpp": (work / "rosidl_typesupport_c").rglob("*.cpp"),
    }
    commands = []
    for unit, parts in units.items():
        source = work / unit
        source.write_text("".join(f'#include "{p}"\n' for p in sorted(parts)), encoding="utf-8")
        commands.append(_compile(package, source, source.with_suffix(".o")))
    # descriptions define the same static names, so each is a unit of its own; plain data, quick
    for path in sorted((work / "rosidl_generator_c").rglob("*__description.c")):
        commands.append(_compile(package, path, work / f"description_{path.stem}.o"))
    return commands


def _compile(package: Package, source: Path, target: Path) -> list[str]:
    import numpy as np

    ours = ["rosidl_generator_c", FASTRTPS, INTROSPECTION, "rosidl_generator_py"]
    include = [package.work / directory for directory in ours]
    include += [p for p in sorted((_prefix() / "include").iterdir()) if p.is_dir()]
    include += [_prefix() / "include", Path(sysconfig.get_path("include")), Path(np.get_include())]
    compiler = (
        [_gxx(), "-std=c++17"] if source.suffix == ".cpp" else [_gxx(), "-x", "c", "-std=gnu11"]
    )
    return [*compiler, *FLAGS, *(f"-I{p}" for p in include), "-c", str(source), "-o", str(target)]


def _link_commands(package: Package) -> list[list[str]]:
    """Give the commands in the order in which they must run: later libraries need earlier ones."""
    dispatch = "rosidl_typesupport_c"
    parts = {  # what of ours and of ROS each needs, besides the same part of the packages it uses
        "rosidl_generator_c": ([], ["rosidl_runtime_c"]),
        FASTRTPS: (
            ["rosidl_generator_c"],
            [FASTRTPS, "rosidl_typesupport_fastrtps_cpp", "fastcdr"],
        ),
        INTROSPECTION: (["rosidl_generator_c"], [INTROSPECTION]),
        dispatch: (["rosidl_generator_c"], [dispatch]),
        "rosidl_generator_py": (["rosidl_generator_c", dispatch], ["rosidl_runtime_c"]),
    }
    commands = []
    for part, (ours, ros) in parts.items():
        objects = [package.work / f"{part}.o"]
        if part == "rosidl_generator_c":
            objects += sorted(package.work.glob("description_*.o"))
        target, rpath = package.work / _library(package, part), "$ORIGIN"
        if part == "rosidl_generator_py":  # the extension module, in site-packages/<package>
            target, rpath = package.work / _module(package), "$ORIGIN/../../.."
        libraries = [f"{package.name}__{name}" for name in ours]
        libraries += [f"{need}__{part}" for need in package.needs] + ros
        command = [
            _gxx(),
            "-shared",
            *map(str, objects),
            f"-L{package.work}",
            f"-L{_prefix() / 'lib'}",
        ]
        command += [f"-l{library}" for library in libraries]
        commands.append([*command, f"-Wl,-rpath,{rpath}", "-o", str(target)])
    return commands


def _library(package: Package, part: str) -> str:
    return f"lib{package.name}__{part}.so"


def _module(package: Package) -> str:
    return f"{package.name}_s__rosidl_typesupport_c{sysconfig.get_config_var('EXT_SUFFIX')}"


def _gxx() -> str:
    return os.environ.get("CXX", "g++")


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stderr[-4000:]}")


# ---------------------------------------------------------------------------------------------------------- wheel


def _collect(package: Package) -> Iterable[tuple[str, bytes]]:
    """Give the files of one package: its Python, and what tools look up in an ament prefix."""
    name = package.name
    yield f"{name}/__init__.py", b""
    for kind in package.kinds:
        for path in sorted((package.work / "rosidl_generator_py" / name / kind).glob("*.py")):
            yield f"{name}/{kind}/{path.name}", path.read_bytes()
    yield f"{name}/{_module(package)}", (package.work / _module(package)).read_bytes()
    for path in sorted(package.work.glob("lib*.so")):
        yield f"{NAME}-{VERSION}.data/data/lib/{path.name}", path.read_bytes()
    share = f"{NAME}-{VERSION}.data/data/share"
    yield f"{share}/ament_index/resource_index/packages/{name}", b""
    idls = [p.with_suffix(".idl") for p in package.interfaces]
    index = "\n".join(map(str, [*idls, *package.interfaces])).encode()
    yield f"{share}/ament_index/resource_index/rosidl_interfaces/{name}", index
    for path in package.interfaces:
        yield f"{share}/{name}/{path}", (package.source / path).read_bytes()
    for idl in idls:
        yield f"{share}/{name}/{idl}", (package.work / "idl" / idl).read_bytes()
        described = package.work / "description" / name / idl.with_suffix(".json")
        yield f"{share}/{name}/{idl.with_suffix('.json')}", described.read_bytes()
    if (package.source / "package.xml").exists():
        yield f"{share}/{name}/package.xml", (package.source / "package.xml").read_bytes()


def _write_wheel(path: Path, files: dict[str, bytes]) -> None:
    info = f"{NAME}-{VERSION}.dist-info"
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8").split("[project]")[1]
    needs = re.findall(r'^  "(.+)",$', project, re.MULTILINE)
    metadata = ["Metadata-Version: 2.1", "Name: whyway-msgs", f"Version: {VERSION}"]
    metadata += [f"Requires-Dist: {need}" for need in needs]
    wheel = ["Wheel-Version: 1.0", "Generator: whyway", "Root-Is-Purelib: false", f"Tag: {_tag()}"]
    files = files | {
        f"{info}/METADATA": "\n".join(metadata).encode() + b"\n",
        f"{info}/WHEEL": "\n".join(wheel).encode() + b"\n",
    }
    record = [f"{name},sha256={_digest(data)},{len(data)}" for name, data in files.items()]
    record.append(f"{info}/RECORD,,")
    files[f"{info}/RECORD"] = "\n".join(record).encode() + b"\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def _tag() -> str:
    python = f"cp{sys.version_info.major}{sys.version_info.minor}"
    return f"{python}-{python}-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"


def _prefix() -> Path:
    """Give the environment ROS's wheels are installed in."""
    import rosidl_adapter

    return Path(rosidl_adapter.__file__).resolve().parents[4]


if __name__ == "__main__":
    print(build_wheel(sys.argv[1]))
