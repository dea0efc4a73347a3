"""TensorRT's backend over a fake runtime: right arithmetic proves that buffers, caches, graphs and sizes are right; the fake proves no more."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from fake_tensorrt import ORIN, FakeDevice, FakeTensorRT
from made_graphs import graph, made, scenes, tape

from whyway.reason.backends import make_backend
from whyway.reason.backends import tensorrt as backend_module
from whyway.reason.backends.onnxruntime import OnnxRuntime
from whyway.reason.backends.tensorrt import Runtime, TensorRT, WrongAnswerError, make, prepare
from whyway.reason.engine import LARGEST_PASS, Engine
from whyway.reason.engines.build import BuildError
from whyway.reason.engines.cache import CacheError, EngineCache
from whyway.reason.engines.cuda import DeviceError
from whyway.reason.engines.key import SIZES
from whyway.reason.engines.run import PlanError
from whyway.reason.export.golden import replay
from whyway.reason.export.recipe import Recipe
from whyway.reason.spec import PREFIX_ROWS, SceneTokens
from whyway.types import InputError

B32 = Recipe("tensorrt", "B", "fp32")


class Here:
    """A fake machine: every device that was opened is kept."""

    def __init__(self, folder, version="10.3.0", gpu=ORIN, capturable=True):
        self.trt = FakeTensorRT(version)
        self.devices, self._gpu, self._capturable = [], gpu, capturable
        self.runtime = Runtime(self.trt, self._open, EngineCache(folder / "engines"))

    def _open(self):
        self.trt.device = FakeDevice(self._gpu, self._capturable)
        self.devices.append(self.trt.device)
        return self.trt.device

    @property
    def device(self):
        return self.devices[-1]

    def prepare(self, recipe=B32, model=None, seed=0, **more):
        return prepare(model or made(seed), graph(recipe, seed), recipe, self.runtime, **more)

    def make(self, seed=0) -> TensorRT:
        return make(made(seed), self.runtime)

    def ready(self, recipe=B32) -> TensorRT:
        self.prepare(recipe)
        return self.make()


@pytest.fixture
def here(tmp_path):
    return Here(tmp_path)


def traces(backend, count=4, together=False, plain=False):
    engine = Engine(backend, lambda: 0.0)
    some = [g.scene for g in scenes()[:count]]
    groups = [some] if together else [[s] for s in some]
    return [d.sequence.tokens.tolist() for g in groups for d in engine.decode(g, plain=plain)]


# ------------------------------------------------------------------------------------------------------ arithmetic


@pytest.mark.parametrize("version", ["8.6.1", "10.3.0", "10.13.3", "11.4.0"])
def test_every_version_answers_as_onnxruntime_does(tmp_path, version):
    backend, (asked, truth) = Here(tmp_path, version).ready(), tape()
    answers = replay(backend, asked).logits
    assert np.abs(answers - replay(OnnxRuntime(graph(B32), "graph"), asked).logits).max() < 5e-5
    assert np.abs(answers - truth.logits).max() < 5e-5


@pytest.mark.parametrize(
    ("recipe", "version"),
    [(Recipe("tensorrt", "B", "fp16"), "10.3.0"), (Recipe("tensorrt", "A", "fp16"), "11.0.0")],
)
def test_half_precision_stays_within_its_gate(tmp_path, recipe, version):
    done = Here(tmp_path, version).prepare(recipe)
    assert done.built and done.header.drift["relative difference (L2)"] < 2e-2


@pytest.mark.parametrize("plain", [False, True])
def test_an_engine_says_the_same_traces_as_over_onnxruntime(here, plain):
    count = 1 if plain else 4
    backend = here.ready()
    truth = traces(OnnxRuntime(graph(B32), "graph"), count, plain=plain)
    assert traces(backend, count, plain=plain) == truth
    if not plain:
        assert traces(backend, count, together=True) == truth


def test_what_was_decoded_before_leaves_nothing_behind(here):
    backend, (asked, _) = here.ready(), tape()
    first = replay(backend, asked[:1]).logits
    sick = scenes()[1].scene
    broken = {kind: np.full_like(rows, np.nan) for kind, rows in sick.features.items()}
    backend.prefill([SceneTokens(broken, sick.valid, sick.slots)])
    p = asked[0].passes[0].filled(72)
    for _ in range(2):  # rows of no numbers on both sides of the cache
        assert np.isnan(backend.step(p.tokens, p.fields, p.slots, p.rows, p.mask)).any()
    assert np.array_equal(replay(backend, asked[:1]).logits, first)
    replay(backend, asked)
    assert np.array_equal(replay(backend, asked[:1]).logits, first)


def test_what_is_given_out_is_not_a_view_of_a_buffer(here):
    backend, (asked, _) = here.ready(), tape()
    p = asked[0].passes[0].filled(72)
    backend.prefill(asked[0].scenes)
    first = backend.step(p.tokens, p.fields, p.slots, p.rows, p.mask)
    kept = first.copy()
    backend.step(p.tokens, p.fields + 1, p.slots, p.rows, p.mask)
    assert np.array_equal(first, kept)


def test_a_cache_that_is_written_in_place_has_one_buffer(tmp_path):
    recipe, sizes = Recipe("tensorrt", "A", "fp16"), {}
    for in_place in (False, True):
        here = Here(tmp_path / str(in_place), "10.15.1")
        here.trt.in_place = in_place
        truth = traces(here.ready(recipe))
        sizes[in_place] = len(here.device.live)
        assert truth == traces(OnnxRuntime(graph(recipe), "graph"))
    assert sizes[False] - sizes[True] == 2 * made().spec.depth


def test_every_pass_fits_one_of_the_sizes():
    assert SIZES[-1] >= LARGEST_PASS and PREFIX_ROWS in SIZES and list(SIZES) == sorted(SIZES)


# ------------------------------------------------------------------------------------------------- graphs and memory


def test_passes_are_launched_as_captured_graphs_and_nothing_is_captured_later(here):
    backend = here.ready()
    graphs = set(here.device.graphs)
    assert len(graphs) == 2 * len(SIZES)
    before = here.device.launches
    asked, _ = tape()
    replay(backend, asked)
    passes = sum(1 + len(group.passes) for group in asked)
    assert here.device.launches - before == passes and set(here.device.graphs) == graphs


def test_what_cannot_be_captured_runs_nevertheless(tmp_path):
    here = Here(tmp_path, capturable=False)
    backend = here.ready()
    assert traces(backend) == traces(OnnxRuntime(graph(B32), "graph"))
    assert here.device.launches == 0 and not here.device.graphs


def test_memory_is_made_once_and_given_back(here):
    backend = here.ready()
    live = set(here.device.live)
    traces(backend)
    assert set(here.device.live) == live
    traces(backend, 3, together=True)  # two scenes more, and their caches
    more = set(here.device.live)
    traces(backend, 3, together=True)
    assert live < set(here.device.live) == more
    backend.close()
    assert all(not d.live and not d.graphs and d.closed for d in here.devices)


def test_a_backend_that_cannot_be_made_gives_everything_back(here):
    with pytest.raises(InputError):
        here.make()
    here.prepare()
    here.trt.refuses_plans = True
    with pytest.raises(PlanError):
        here.make()
    assert all(d.closed for d in here.devices)


def test_a_device_that_does_not_answer_is_a_reason_to_fall_back(here, monkeypatch):
    monkeypatch.setattr(backend_module, "runtime_here", lambda: here.runtime)
    here.prepare()

    def lost(*_):
        raise DeviceError("cuDeviceGetName: the device is lost (999)")

    for what in ("gpu", "allocate", "begin_capture"):
        with monkeypatch.context() as m:
            m.setattr(FakeDevice, what, lost)
            with pytest.raises(InputError, match="the GPU does not"):
                here.make()
            assert make_backend("auto", made()).info.name == "onnxruntime"
    assert here.make().info.name == "tensorrt"  # the engine was not to blame, and is still there


def test_a_lost_device_says_so(here):
    backend = here.ready()
    here.device.lost = True
    with pytest.raises(DeviceError, match="lost"):
        backend.prefill([scenes()[0].scene])


# ------------------------------------------------------------------------------------------------------- building


def test_networks_are_strongly_typed_where_there_is_such_a_thing(tmp_path):
    typed = {}
    for version in ("8.6.1", "10.3.0", "11.4.0"):
        here = Here(tmp_path / version, version)
        here.prepare(Recipe("tensorrt", "B", "fp16"))
        typed[version] = here.trt.builds[0]
    strongly, explicit = 1, 2
    assert [typed[v]["network"] for v in typed] == [explicit, strongly, strongly]
    assert [typed[v]["flags"] for v in typed] == [["FP16"], [], []]  # and TF32 nowhere


def test_an_engine_is_built_once_and_loaded_ever_after(here):
    assert here.prepare().built and not here.prepare().built and len(here.trt.builds) == 1
    assert here.prepare(anew=True).built and len(here.trt.builds) == 2
    here.make()
    assert len(here.trt.builds) == 2


def test_the_second_build_begins_with_the_timings_of_the_first(here):
    here.prepare()
    here.prepare(anew=True)
    (timings,) = here.runtime.cache.folder.glob("*.timing")
    assert timings.read_bytes().partition(b"\n")[2] == b"timedtimed"


def test_an_engine_that_answers_otherwise_is_not_published(here):
    here.trt.wrong_by = 0.01
    with pytest.raises(
        WrongAnswerError, match=r"largest difference of a logit 0\.0\d+, limit 5e-05"
    ):
        here.prepare()
    assert not list(here.runtime.cache.folder.glob("*.engine"))


def test_an_engine_that_answers_otherwise_some_day_is_deleted_and_built_anew(here):
    here.prepare()
    here.trt.wrong_by = 0.01
    with pytest.raises(WrongAnswerError):
        here.make()
    here.trt.wrong_by = 0.0
    with pytest.raises(InputError, match="whyway prepare builds it"):
        here.make()
    assert here.prepare().built


def test_what_tensorrt_said_is_told(here):
    here.trt.no_kernels = True
    with pytest.raises(BuildError, match=r"TensorRT 10\.3\.0\.1 builds no engine"):
        here.prepare()
    with pytest.raises(BuildError, match="does not read this graph .no graph."):
        prepare(made(), b"something else", B32, here.runtime)


@pytest.mark.parametrize(
    ("recipe", "version", "remedy"),
    [
        (Recipe("tensorrt", "A", "fp16"), "10.13.3", "take --dialect B"),
        (Recipe("tensorrt", "A", "fp32"), "11.4.0", "take --precision fp16, or --dialect B"),
    ],
)
def test_graphs_that_no_such_version_builds_are_refused_before(tmp_path, recipe, version, remedy):
    here = Here(tmp_path, version)
    with pytest.raises(InputError, match=remedy):
        here.prepare(recipe)
    assert not here.trt.builds


# ------------------------------------------------------------------------------------------------------- selection


def test_a_plan_that_tensorrt_does_not_take_is_deleted_and_the_car_falls_back(here, monkeypatch):
    monkeypatch.setattr(backend_module, "runtime_here", lambda: here.runtime)
    here.prepare()
    assert make_backend("auto", made()).info.name == "tensorrt"
    here.trt.refuses_plans = True
    assert make_backend("auto", made()).info.name == "onnxruntime"
    here.trt.refuses_plans = False
    with pytest.raises(InputError, match="whyway prepare builds it"):
        make_backend("tensorrt", made())
    assert len(here.trt.builds) == 1  # make_backend never builds
    assert here.prepare().built


def test_a_plan_that_tensorrt_does_not_take_is_built_anew_when_preparing(here):
    here.prepare()
    (path,) = here.runtime.cache.folder.glob("*.engine")
    header, _, plan = path.read_bytes().partition(b"\n")
    other = plan.replace(b"10.3.0.1", b"10.3.0.2", 1)
    key = here.runtime.cache.headers()[0].key
    here.runtime.cache.publish(key, other, {})
    with pytest.raises(PlanError, match="Version tag does not match"):
        here.make()
    assert here.prepare().built


@pytest.mark.parametrize(
    "other",
    [
        {"version": "10.7.0"},
        {"gpu": dataclasses.replace(ORIN, multiprocessors=14)},
        {"gpu": dataclasses.replace(ORIN, cuda="12.8")},
        {"gpu": dataclasses.replace(ORIN, memory_gib=30)},
    ],
    ids=str,
)
def test_an_engine_of_another_machine_is_not_looked_at(tmp_path, other):
    Here(tmp_path).prepare()
    with pytest.raises(InputError, match="no engine of the model"):
        Here(tmp_path, **other).make()
    Here(tmp_path).make()


def test_an_engine_of_other_weights_is_not_taken(here):
    here.prepare()
    with pytest.raises(InputError, match="no engine of the model"):
        here.make(seed=1)


def test_info_says_what_really_runs(here):
    info = here.ready().info
    assert (info.name, info.version, info.precision) == ("tensorrt", "10.3.0.1", "fp32")
    assert info.device == "cuda:0 Orin" and len(info.graph_sha256) == 64


def test_without_tensorrt_the_remedy_is_told():
    pytest.importorskip("numpy")
    try:
        import tensorrt  # noqa: F401
    except ImportError:
        with pytest.raises(InputError, match="apt-get install python3-libnvinfer"):
            make_backend("tensorrt", made())


def test_a_cache_open_to_others_is_not_used(here, monkeypatch):
    here.prepare()
    here.runtime.cache.folder.chmod(0o755)
    with pytest.raises(CacheError, match="chmod 700"):
        EngineCache(here.runtime.cache.folder)
