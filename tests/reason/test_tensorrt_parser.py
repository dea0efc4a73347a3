"""Our graphs through NVIDIA's own parser and builder: TensorRT-RTX, whose wheels need no GPU to build. Skipped where they are not installed.

    pip install tensorrt_rtx_cu13_libs==1.7.1.116 tensorrt_rtx_cu13_bindings==1.7.1.116      # NVIDIA's licence; 95 MB

It is a near relative of TensorRT 10.16 and 11: what it reads they should read. It says nothing of 10.3, of numbers or of speed.
"""

from __future__ import annotations

from collections import Counter

import pytest
from fake_tensorrt import FakeDevice
from made_graphs import graph, made

from whyway.reason.engines.build import BuildError, build_plan, logger_of
from whyway.reason.engines.key import SIZES, Building
from whyway.reason.engines.run import PlanError, Runner
from whyway.reason.export.recipe import Recipe

real = pytest.importorskip("tensorrt_rtx_bindings", reason="the TensorRT-RTX wheels are not installed")  # fmt: skip

SMALL = Building(sizes=SIZES[:2])
DEPTH = made().spec.depth


class Rtx:
    """The real module, under the version of the TensorRT whose parser it has."""

    __version__ = "11.0.0.0"

    def __getattr__(self, name):
        return getattr(real, name)


def layers(recipe: Recipe) -> Counter:
    """Kinds of layers that the parser made of a graph."""
    said: list[str] = []
    logger = logger_of(real, said)
    builder = real.Builder(logger)
    network = builder.create_network(1 << int(real.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = real.OnnxParser(network, logger)
    assert parser.parse(graph(recipe)), said
    assert network.num_outputs == 1 + 2 * DEPTH
    kinds = (network.get_layer(k).type for k in range(network.num_layers))
    return Counter(str(kind).removeprefix("LayerType.") for kind in kinds)


def test_dialect_a_becomes_caches_and_attention_of_tensorrts_own():
    found = layers(Recipe("tensorrt", "A", "fp16"))
    assert found["KV_CACHE_UPDATE"] == 2 * DEPTH
    assert found["ATTENTION_INPUT"] == found["ATTENTION_OUTPUT"] == DEPTH
    assert not found["SOFTMAX"] and not found["SCATTER"]


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_dialect_b_is_of_plain_layers(precision):
    found = layers(Recipe("tensorrt", "B", precision))
    assert found["SCATTER"] == 2 * DEPTH and found["SOFTMAX"] == DEPTH
    assert not found["KV_CACHE_UPDATE"] and not found["PLUGIN_V3"]
    assert bool(found["QUANTIZE"]) == (precision == "int8")


@pytest.mark.parametrize(
    "recipe", [Recipe("tensorrt", "A", "fp16"), Recipe("tensorrt", "B", "fp16"), Recipe("tensorrt", "B", "int8")], ids=str,
)  # fmt: skip
def test_plans_are_built_by_our_builder(recipe):
    built = build_plan(Rtx(), graph(recipe), made().spec, recipe, SMALL, b"")
    assert len(built.plan) > 100_000


def test_what_is_no_graph_is_refused_with_the_parsers_words():
    with pytest.raises(BuildError, match="does not read this graph"):
        build_plan(Rtx(), b"no graph", made().spec, Recipe("tensorrt", "B", "fp16"), SMALL, b"")


def test_a_plan_that_cannot_be_loaded_is_a_plan_error_and_no_crash():
    for plan in (b"", b"no plan", bytes(100_000)):
        with pytest.raises(PlanError, match="TensorRT does not take the engine"):
            Runner(Rtx(), plan, FakeDevice(), made().spec, Recipe("tensorrt", "B", "fp16"), SIZES)
