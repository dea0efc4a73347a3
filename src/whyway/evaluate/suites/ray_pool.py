"""Jobs -> outcomes, over a Ray cluster: the same job function, one CPU each; results come back as JSON.

What a job writes is written by the node that did it, so the folder of the results and the scenes have to lie on a file system that all nodes
share, under the same path; and whyway has to be installed there in the same state. Both are checked, not trusted.
"""

from __future__ import annotations

import importlib
import json
import os
import socket
from collections.abc import Generator, Sequence
from typing import Any

from whyway.evaluate.suites.job import code_hash
from whyway.evaluate.suites.pools import DIED, DeadError, Outcome, Pool, W, Work
from whyway.evaluate.suites.schema import SuiteError

NEEDS = "--ray needs: pip install 'whyway[ray]'"
PER_CPU = 4
"""Jobs that wait on the cluster for each of its CPUs; the others wait here."""


REACHED_WITHIN_S = 5.0


class NodeError(RuntimeError):
    """A node that cannot give the results that were asked for; its text names the remedy."""


def ray_cluster(address: str, ray: Any = None) -> Pool:
    """A pool of the nodes of a Ray cluster.

    Args:
      address: of the cluster's head ("10.0.0.1:6379", "ray://..."), "auto" for the one this machine belongs to, or "local" for one that
        is started here and ends with the suite.
      ray: the library, or what stands for it in a test.

    Raises:
      SuiteError: Ray is not installed, or there is no such cluster.
    """
    ray = _ray() if ray is None else ray
    # nothing is reported to anybody unless its user asks for it
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    options = {} if address == "local" else {"address": address}
    try:
        _reach(address)
        ray.init(**options, log_to_driver=False, logging_level="error", **_local(address))
    except (ConnectionError, ValueError, RuntimeError, OSError) as error:
        raise SuiteError(
            f"--ray {address}: no cluster that takes us ({' '.join(str(error).split())[:100]}); start one with ray start --head, "
            "set RAY_AUTH_MODE=token if it asks for one (ray get-auth-token), or give local"
        ) from None

    def run(jobs: Sequence[W]) -> Generator[tuple[W, Outcome], None, None]:
        try:
            yield from _run(ray, jobs)
        finally:
            ray.shutdown()

    return run


def _reach(address: str) -> None:
    """Knock at the door of a cluster: Ray itself waits for minutes where nobody is."""
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=REACHED_WITHIN_S).close()


def _local(address: str) -> dict[str, Any]:
    return {"include_dashboard": False} if address == "local" else {}


def _ray() -> Any:
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise SuiteError(NEEDS) from error


def _run(ray: Any, jobs: Sequence[W]) -> Generator[tuple[W, Outcome], None, None]:
    # a job is not tried again: what takes its process along once does so twice
    remote = ray.remote(num_cpus=1, max_retries=0)(on_node)
    code = code_hash()
    waiting = list(reversed(jobs))
    running: dict[Any, W] = {}
    most = max(1, int(PER_CPU * ray.cluster_resources().get("CPU", 1)))
    try:
        while waiting or running:
            while waiting and len(running) < most:
                job = waiting.pop()
                running[remote.remote(job, code)] = job
            done, _ = ray.wait(list(running), num_returns=1)
            for reference in done:
                job = running.pop(reference)
                yield job, _outcome(ray, reference, job)
    finally:
        for reference in running:
            ray.cancel(reference, force=True)


def _outcome(ray: Any, reference: Any, job: Work) -> Outcome:
    """What came of a job, as the pool of processes would say it."""
    try:
        result = json.loads(ray.get(reference))
    except ray.exceptions.RayTaskError as error:  # what the job raised, with its traceback there
        cause = error.cause if isinstance(error.cause, BaseException) else error
        cause.__cause__ = RuntimeError(str(error))
        return cause
    except ray.exceptions.RayError:
        return DeadError(DIED)
    if not job.written.is_file():
        return NodeError(
            f"{job.written}: written on another machine; give --out on a file system that all nodes share"
        )
    return dict(result)


def on_node(job: Work, code: str) -> str:
    """Do a job where it was sent; what it says, as JSON.

    Raises:
      NodeError: whyway is another there than here.
    """
    if code_hash() != code:
        raise NodeError("a node has other whyway code than this machine; install the same on both")
    return json.dumps(job.do())
