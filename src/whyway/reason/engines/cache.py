"""Engines on disk: whole or not there, in a folder of our own, checked before a byte of them is used. A plan is code.

    ~/.cache/whyway/engines/   $XDG_CACHE_HOME is followed; the folder and all in it are its owner's alone
      <key>.engine             a line of JSON (the header), then the plan
      <key>.lock               held by whoever builds it
      <gpu and version>.timing a line of JSON, then TensorRT's timing cache

Files come by a rename, so that header and plan belong together whatever happens meanwhile. What is damaged is deleted: it can be built again.
"""

from __future__ import annotations

import dataclasses
import fcntl
import hashlib
import json
import os
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from whyway.reason.engines.key import SCHEMA, Key, Machine, canonical, timing_name
from whyway.typed_yaml import Typed
from whyway.types import InputError

MOST_BYTES = 2 << 30
"""Of a plan; 100 M parameters in float32 are 400 MB, and some versions store more than the weights."""
MOST_HEADER = 64 << 10


class CacheError(InputError):
    """The cache cannot be used, or has not what is asked for; says what to do."""


class DamagedError(CacheError):
    """An engine's file is not what was written."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says of the plan behind it."""

    key: Key
    digest: str
    plan_sha256: str
    plan_bytes: int
    built_s: float
    """Unix time."""
    drift: Mapping[str, float]
    """How its answers to golden scenes differed from numpy's when it was built, by the gates' names: builds differ among each other."""


class EngineCache:
    """The folder. `folder` is for tests; the car has one.

    Raises:
      CacheError: it cannot be made, or others can write to it.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = _default() if folder is None else folder
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            status = self.folder.lstat()
        except OSError as wrong:
            raise CacheError(f"{self.folder}: {wrong.strerror}; set XDG_CACHE_HOME to a folder of yours") from None  # fmt: skip
        if not stat.S_ISDIR(status.st_mode):
            raise CacheError(f"{self.folder}: no folder but a link or file; remove it")
        _check_ours(status, self.folder, "chmod 700")

    # ------------------------------------------------------------------------------------------------- engines

    def headers(self) -> list[Header]:
        """Of all engines that could be read, the one built last first; what is no engine is passed over."""
        found = []
        for path in sorted(self.folder.glob("*.engine")):
            try:
                found.append(self._header(path))
            except CacheError:
                continue  # `load` says why, and deletes it, if it is ever asked for
        return sorted(found, key=lambda h: h.built_s, reverse=True)

    def load(self, key: Key) -> tuple[Header, bytes]:
        """An engine.

        Raises:
          DamagedError: it was not what was written, and is deleted now.
          CacheError: there is none, or others can write to it.
        """
        path = self._path(key)
        try:
            header = self._header(path)
            if header.key != key:
                raise DamagedError(f"{path.name}: the header is of another engine")
            plan = _read(path, MOST_HEADER + header.plan_bytes).partition(b"\n")[2]
            if (len(plan), hashlib.sha256(plan).hexdigest()) != (
                header.plan_bytes,
                header.plan_sha256,
            ):
                raise DamagedError(f"{path.name}: the plan is not the one that was written")
        except DamagedError as wrong:
            self.discard(key)
            raise DamagedError(f"{wrong}; it was deleted, whyway prepare builds it anew") from None
        return header, plan

    def publish(self, key: Key, plan: bytes, drift: Mapping[str, float]) -> Header:
        """Put an engine there, in the place of an earlier one."""
        if not 0 < len(plan) <= MOST_BYTES:
            raise CacheError(f"a plan of {len(plan)} bytes; expected 1 to {MOST_BYTES}")
        sha = hashlib.sha256(plan).hexdigest()
        header = Header(key, key.digest(), sha, len(plan), time.time(), dict(drift))
        _write(self._path(key), canonical(dataclasses.asdict(header)).encode() + b"\n" + plan)
        return header

    def discard(self, key: Key) -> None:
        """Delete an engine, if it is there."""
        self._path(key).unlink(missing_ok=True)

    @contextmanager
    def building(self, key: Key) -> Iterator[None]:
        """Only one process at a time builds an engine; the others wait here, and then find it."""
        path = self.folder / f"{key.digest()}.lock"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)  # the kernel lets go when the process ends
            self._sweep(key)
            yield
        finally:
            os.close(descriptor)

    def _sweep(self, key: Key) -> None:
        """What builders left behind that were killed while they wrote."""
        for path in self.folder.glob(f".{key.digest()}.engine.*"):
            path.unlink(missing_ok=True)

    # ------------------------------------------------------------------------------------------------- timings

    def timings(self, here: Machine) -> bytes:
        """The timing cache of this TensorRT and GPU; empty if there is none that is whole."""
        path = self.folder / f"{timing_name(here)}.timing"
        try:
            line, _, data = _read(path, MOST_HEADER + MOST_BYTES).partition(b"\n")
            whole = json.loads(line) == _timing_header(data)
        except (CacheError, ValueError, RecursionError):
            return b""
        return data if whole else b""

    def keep_timings(self, here: Machine, data: bytes) -> None:
        """Put a timing cache there."""
        line = canonical(_timing_header(data)).encode()
        _write(self.folder / f"{timing_name(here)}.timing", line + b"\n" + data)

    # --------------------------------------------------------------------------------------------------- parts

    def _path(self, key: Key) -> Path:
        return self.folder / f"{key.digest()}.engine"

    def _header(self, path: Path) -> Header:
        line = _read(path, MOST_HEADER, only_line=True)
        try:
            plain = json.loads(line)
        except (ValueError, RecursionError):
            raise DamagedError(f"{path.name}: its header is no JSON") from None
        header = Typed(DamagedError).read(Header, plain, path.name)
        if header.key.schema != SCHEMA or header.digest != header.key.digest():
            raise DamagedError(f"{path.name}: its header is of another version or was changed")
        if path.stem != header.digest or not 0 < header.plan_bytes <= MOST_BYTES:
            raise DamagedError(f"{path.name}: its header is of another engine")
        return header


def _timing_header(data: bytes) -> dict[str, object]:
    return {"schema": SCHEMA, "sha256": hashlib.sha256(data).hexdigest()}


def _default() -> Path:
    try:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    except RuntimeError:  # nobody's process
        raise CacheError("this user has no home; set XDG_CACHE_HOME to a folder of yours") from None
    return Path(base) / "whyway" / "engines"


def _check_ours(status: os.stat_result, path: Path, remedy: str) -> None:
    if status.st_uid != os.geteuid():
        raise CacheError(f"{path}: belongs to another user; engines are code: build your own (whyway prepare)")  # fmt: skip
    if status.st_mode & 0o077:
        raise CacheError(f"{path}: open to others ({stat.S_IMODE(status.st_mode):o}), engines are code; if it is yours: {remedy} {path}")  # fmt: skip


def _read(path: Path, most: int, *, only_line: bool = False) -> bytes:
    """A file of ours, or its first line; never a link, never more than asked for."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise CacheError(f"{path.name}: no such engine; whyway prepare builds it") from None
    except OSError as wrong:
        raise CacheError(f"{path}: {wrong.strerror}; remove it") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise CacheError(f"{path}: no file; remove it")
        _check_ours(status, path, "chmod 600")
    except CacheError:
        os.close(descriptor)
        raise
    with os.fdopen(descriptor, "rb") as file:
        data = file.readline(most + 1) if only_line else file.read(most + 1)
    if len(data) > most:
        raise DamagedError(f"{path.name}: longer than its header says")
    return data


def _write(path: Path, data: bytes) -> None:
    """The whole file or none: written beside, on the disk before it has its name."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
