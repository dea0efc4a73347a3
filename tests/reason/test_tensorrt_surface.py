"""Every name of TensorRT that our sources use stands in the real bindings of seven versions, or is asked for as optional and declared here."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from fake_tensorrt import SURFACE, FakeTensorRT, surface

SOURCES = Path(__file__).parents[2] / "src/whyway/reason"
FILES = [SOURCES / "engines/build.py", SOURCES / "engines/run.py"]
"""The others call nothing of TensorRT's (a test says so)."""
VERSIONS = sorted(path.stem for path in SURFACE.glob("*.txt"))

OBJECTS = {
    "builder": "Builder", "config": "IBuilderConfig", "network": "INetworkDefinition", "parser": "OnnxParser", "profile": "IOptimizationProfile",
    "tensor": "ITensor", "cache": "ITimingCache", "runtime": "Runtime", "engine": "ICudaEngine", "context": "IExecutionContext",
    "error": "ParserError", "kinds": "NetworkDefinitionCreationFlag",
}  # fmt: skip
"""What our sources call TensorRT's objects, in build.py and run.py."""

OPTIONAL = {
    "NetworkDefinitionCreationFlag.STRONGLY_TYPED": {"8.6.1"},
    "NetworkDefinitionCreationFlag.EXPLICIT_BATCH": {"11.0.0", "11.4.0"},
    "BuilderFlag.FP16": {"11.0.0", "11.4.0"},
    "BuilderFlag.INT8": {"11.0.0", "11.4.0"},
    "DataType.INT64": {"8.6.1"},
    "ICudaEngine.get_aliased_input_tensor": {"8.6.1", "10.3.0", "10.7.0", "10.13.3"},
}
"""Asked for by `optional`, with the versions that lack it."""


def owner(node: ast.expr) -> str:
    """trt.X -> X, an object of ours -> its class, self._engine -> ICudaEngine; else nothing."""
    if isinstance(node, ast.Attribute):
        name = node.attr.removeprefix("_")
        if isinstance(node.value, ast.Name) and node.value.id == "self":
            return "" if name == "trt" else OBJECTS.get(name, "")
        if is_module(node.value):
            return node.attr
    if isinstance(node, ast.Name):
        return OBJECTS.get(node.id, "")
    return ""


def is_module(node: ast.expr) -> bool:
    if isinstance(node, ast.Name):
        return node.id == "trt"
    return isinstance(node, ast.Attribute) and node.attr in ("trt", "_trt")


def names(source: str, which: str) -> tuple[set[str], set[str]]:
    """(used plainly, asked for as optional)"""
    plain, asked = set(), set()
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "optional"
        ):
            of, name = node.args
            assert isinstance(name, ast.Constant) and owner(of), f"{which}:{node.lineno}"
            asked.add(f"{owner(of)}.{name.value}")
        elif isinstance(node, ast.Attribute):
            if is_module(node.value) and not node.attr.startswith("__"):
                plain.add(node.attr)
            elif owner(node.value) and not node.attr.startswith("__"):
                plain.add(f"{owner(node.value)}.{node.attr}")
    return plain, asked


def used() -> tuple[set[str], set[str]]:
    plain, asked = set(), set()
    for path in FILES:
        some = names(path.read_text(), path.name)
        plain, asked = plain | some[0], asked | some[1]
    return plain, asked


def test_the_lists_are_of_seven_versions():
    assert (
        sorted(["8.6.1", "10.3.0", "10.7.0", "10.13.3", "10.15.1", "11.0.0", "11.4.0"]) == VERSIONS
    )
    assert all(len(surface(v)) > 500 for v in VERSIONS)


def test_names_used_plainly_exist_in_every_version():
    plain, _ = used()
    missing = {name: [v for v in VERSIONS if name not in surface(v)] for name in plain}
    assert {name: v for name, v in missing.items() if v} == {}
    # the extraction sees what is there
    for name in ("Builder", "Runtime.deserialize_cuda_engine", "IBuilderConfig.clear_flag", "BuilderFlag.TF32", "DataType.HALF",
                 "IExecutionContext.execute_async_v3", "ICudaEngine.num_io_tensors", "OnnxParser.parse", "INetworkDefinition.get_input"):  # fmt: skip
        assert name in plain
    assert len(plain) > 35


def test_the_other_files_call_nothing_of_tensorrt():
    for path in (SOURCES / "backends/tensorrt.py", *(SOURCES / "engines").glob("*.py")):
        if path not in FILES:
            of_module = [
                node.attr
                for node in ast.walk(ast.parse(path.read_text()))
                if isinstance(node, ast.Attribute) and is_module(node.value)
            ]
            assert set(of_module) <= {"__version__"}, path


def test_names_that_some_version_lacks_are_declared_and_guarded():
    _, asked = used()
    assert asked == set(OPTIONAL)
    for name, lacking in OPTIONAL.items():
        assert {v for v in VERSIONS if name not in surface(v)} == lacking
    # one of the two kinds of networks is always there
    first, second = list(OPTIONAL.values())[:2]
    assert not first & second


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("trt.BuilderFlag.FP16", "BuilderFlag.FP16"),
        ("engine.num_bindings", "ICudaEngine.num_bindings"),
        ("self._engine.max_batch_size", "ICudaEngine.max_batch_size"),
        ("context.execute_async_v2(0)", "IExecutionContext.execute_async_v2"),
        ("config.int8_calibrator = 1", "IBuilderConfig.int8_calibrator"),
    ],
)
def test_a_name_that_was_removed_would_be_seen(line, name):
    plain, _ = names(line, "here")
    assert name in plain and any(name not in surface(v) for v in VERSIONS)


def test_the_fake_has_no_name_that_the_real_one_lacks():
    old, new = FakeTensorRT("8.6.1"), FakeTensorRT("11.4.0")
    assert old.BuilderFlag.FP16 == "FP16" and new.NetworkDefinitionCreationFlag.STRONGLY_TYPED == 0
    for trt, flag in (
        (old.NetworkDefinitionCreationFlag, "STRONGLY_TYPED"),
        (new.BuilderFlag, "FP16"),
    ):
        with pytest.raises(AttributeError):
            getattr(trt, flag)
