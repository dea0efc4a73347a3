"""Jobs -> outcomes, over the processes of this machine. A job that takes its process along costs no other job."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

DIED = "the process died: killed, or out of memory"

Outcome = dict[str, Any] | BaseException
"""What a job says of itself as JSON, or why it says nothing."""


class DeadError(RuntimeError):
    """A job whose process is gone; it cannot say why."""


class Work(Protocol):
    """A job: it is sent away by pickling, and done in another process or on another machine."""

    @property
    def written(self) -> Path:
        """A file that is there once it is done."""

    def do(self) -> dict[str, Any]:
        """Do it; what came of it, as JSON."""


W = TypeVar("W", bound=Work)


class Pool(Protocol):
    """Runs jobs somewhere and gives each with its outcome, as they are done."""

    def __call__(self, jobs: Sequence[W]) -> Generator[tuple[W, Outcome], None, None]:
        """Every job exactly once. Who asks closes it: a job under way ends with it, or nobody would ever wait for that job's end."""


THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Where every core has a process, threads of linear algebra wait for each other: they cost 25 to 50 % more CPU time (four scenes, two cores)."""


def processes(count: int) -> Pool:
    """A pool of so many processes of this machine."""

    def run(jobs: Sequence[W]) -> Generator[tuple[W, Outcome], None, None]:
        suspects = []
        with closing(_submitted(jobs, min(count, len(jobs)))) as submitted:
            for job, future in submitted:
                if isinstance(future.exception(), BrokenProcessPool):
                    suspects.append(job)
                else:
                    yield job, future.exception() or future.result()
        # a process that dies takes all of its pool along: find out which job it was, one at a time
        for suspect in suspects:
            with closing(_submitted([suspect], 1)) as submitted:
                for job, future in submitted:
                    died = isinstance(future.exception(), BrokenProcessPool)
                    yield job, DeadError(DIED) if died else future.exception() or future.result()

    return run


def _submitted(
    jobs: Sequence[W], count: int
) -> Generator[tuple[W, Future[dict[str, Any]]], None, None]:
    """Every job with its future, as they are done."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, mp_context=context, initializer=_worker) as pool:
        try:
            with _one_thread_each():
                futures = {pool.submit(_do, job): job for job in jobs}
            for future in as_completed(futures):
                yield futures[future], future
        except BaseException:  # interrupted: the pool would first wait for every job
            for child in multiprocessing.active_children():
                child.terminate()
            raise


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """What is started meanwhile does its linear algebra in one thread, unless the user has said otherwise."""
    added = [name for name in THREADS if name not in os.environ]
    os.environ.update(dict.fromkeys(added, "1"))
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]


def _do(job: Work) -> dict[str, Any]:
    return job.do()


def _worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a traceback
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A pool's process waits for jobs for ever, also when nobody is left to give it one."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
