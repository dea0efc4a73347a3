"""A cluster runs the same jobs as processes do: by a stand-in for Ray everywhere, by Ray itself where it is installed."""

import json
import os
import pickle
import socket
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # also in the processes a cluster starts

from test_suite import QUIET, drive, here

from whyway.evaluate.suites.job import Job
from whyway.evaluate.suites.pools import DIED
from whyway.evaluate.suites.ray_pool import PER_CPU, ray_cluster
from whyway.evaluate.suites.run import Order, evaluate
from whyway.evaluate.suites.schema import SuiteError


class RayTaskError(Exception):
    """As Ray's: what the job raised is its `cause`."""

    def __init__(self, cause):
        super().__init__(f"ray::on_node() {cause!r}")
        self.cause = cause


class FakeRay:
    """Stands for Ray: whatever is sent to it is pickled and unpickled, as on the way to a node, and runs here when it is waited for."""

    exceptions = SimpleNamespace(RayTaskError=RayTaskError, RayError=Exception)

    def __init__(self):
        self.said, self.most, self.cancelled = [], 0, []
        self._running = {}

    def init(self, **options):
        self.said.append(options)
        if options.get("address") == "nowhere":
            raise ConnectionError("could not\nconnect")

    def shutdown(self):
        self.said.append("shutdown")

    def cluster_resources(self):
        return {"CPU": 2.0}

    def remote(self, **options):
        assert options == {"num_cpus": 1, "max_retries": 0}

        def wrap(function):
            def send(*arguments):
                reference = len(self._running) + len(self.said) * 1000
                while reference in self._running:
                    reference += 1
                self._running[reference] = pickle.dumps((function, arguments))
                self.most = max(self.most, len(self._running))
                return reference

            return SimpleNamespace(remote=send)

        return wrap

    def wait(self, references, num_returns):
        return references[:num_returns], references[num_returns:]

    def get(self, reference):
        function, arguments = pickle.loads(self._running.pop(reference))
        if Path(arguments[0].item.world).read_text() == "die":
            raise Exception("the worker is gone")
        try:
            return function(*arguments)
        except Exception as error:
            raise RayTaskError(error) from error

    def cancel(self, reference, force):
        self.cancelled.append(reference)


def suite_of(tmp_path, *texts):
    folder = tmp_path / "scenes"
    folder.mkdir()
    for i, text in enumerate(texts):
        (folder / f"s{i}.xml").write_text(text)
    return folder


def told(summary):
    return [(s["name"], s["verdict"], s.get("metrics", {}).get("pdms")) for s in summary["scenes"]]


def test_a_cluster_gives_what_processes_give_a_few_jobs_at_a_time(tmp_path):
    folder, fake = suite_of(tmp_path, *["fine", "collide", "crash", "die"] * 3), FakeRay()
    pool = ray_cluster("auto", fake)
    far, code = evaluate(Order(folder, tmp_path / "far", drive), pool, QUIET)
    assert fake.said[0]["address"] == "auto" and fake.said[-1] == "shutdown"
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
    assert fake.most <= 2 * PER_CPU
    assert code == 1
    errors = {s["name"]: s["error"] for s in far["scenes"] if "error" in s}
    assert errors["s3-seed1"] == DIED and errors["s2-seed1"].startswith("RuntimeError:")
    assert "cannot go on" in (tmp_path / "far/scenes/s2-seed1.error.txt").read_text()

    for path in folder.glob("s*.xml"):
        if path.read_text() == "die":
            path.write_text("crash")  # `here` would die of it
    near, _ = evaluate(Order(folder, tmp_path / "near", drive), here, QUIET)
    assert told(far) == told(near)


def test_who_interrupts_cancels_what_is_under_way(tmp_path):
    class Interrupted(FakeRay):
        waits = 0

        def wait(self, references, num_returns):
            self.waits += 1
            if self.waits == 3:
                raise KeyboardInterrupt
            return super().wait(references, num_returns)

    fake, folder = Interrupted(), suite_of(tmp_path, *["fine"] * 12)
    with pytest.raises(KeyboardInterrupt):
        evaluate(Order(folder, tmp_path / "out", drive), ray_cluster("auto", fake), QUIET)
    summary = json.loads((tmp_path / "out/summary.json").read_text())
    assert summary["state"] == "interrupted" and summary["drives"]["done"] == 2
    assert len(fake.cancelled) == 2 * PER_CPU and fake.said[-1] == "shutdown"


def test_a_node_with_other_code_or_its_own_disk_says_so(tmp_path, monkeypatch):
    folder = suite_of(tmp_path, "fine")
    monkeypatch.setattr(Job, "do", lambda job: {"name": job.name})
    found, code = evaluate(Order(folder, tmp_path / "a", drive), ray_cluster("auto", FakeRay()), QUIET)  # fmt: skip
    assert code == 1 and "file system that all nodes share" in found["scenes"][0]["error"]

    class OtherCode(FakeRay):
        def get(self, reference):
            function, (job, _) = pickle.loads(self._running[reference])
            self._running[reference] = pickle.dumps((function, (job, "other")))
            return super().get(reference)

    found, _ = evaluate(Order(folder, tmp_path / "b", drive), ray_cluster("auto", OtherCode()), QUIET)  # fmt: skip
    assert "other whyway code" in found["scenes"][0]["error"]


def test_without_ray_or_a_cluster_one_line_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(SuiteError, match=r"needs: pip install 'whyway\[ray\]'"):
        ray_cluster("auto")
    with pytest.raises(SuiteError, match=r"takes us \(could not connect\); start one"):
        ray_cluster("nowhere", FakeRay())
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert callable(ray_cluster(f"127.0.0.1:{port}", FakeRay()))
    fake = FakeRay()
    with pytest.raises(SuiteError, match="refused") as error:
        ray_cluster(f"ray://127.0.0.1:{port}", fake)
    assert "\n" not in str(error.value) and fake.said == [], "nobody is waited for for minutes"


def test_ray_itself_gives_what_processes_give(tmp_path, monkeypatch):
    pytest.importorskip("ray", reason="needs: pip install 'whyway[ray]'")
    paths = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(p for p in paths if p))
    folder = suite_of(tmp_path, "fine", "collide", "crash", "die")
    far, code = evaluate(Order(folder, tmp_path / "far", drive), ray_cluster("local"), QUIET)
    near, _ = evaluate(Order(folder, tmp_path / "near", drive), 2, QUIET)
    assert code == 1
    assert told(far) == told(near)
    assert [s.get("error") for s in far["scenes"]] == [s.get("error") for s in near["scenes"]]
