"""The environment of a drive's processes: shared memory for Fast DDS, this machine only, a domain of our own. No ROS import.

Two drives at the same time must not hear each other, so each holds a lock on the domain number it uses. What killed processes leave in
/dev/shm is swept at the end: segments whose owner and ports whose every reader and writer are gone.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

PROFILE = Path(__file__).with_name("shm.xml")
SHM = Path("/dev/shm")
DOMAINS = range(1, 101)
"""Numbers whose ports lie below Linux's ephemeral ones; 0 is everybody's default and left alone."""


def environment(domain: int, log_dir: Path) -> dict[str, str]:
    """Variables for this process and its children; a profile or range that the user has set stays."""
    profile = str(PROFILE)
    wanted = {
        "FASTRTPS_DEFAULT_PROFILES_FILE": profile,  # Jazzy
        "FASTDDS_DEFAULT_PROFILES_FILE": profile,  # Kilted and later
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        # our matrices are small, the processes many: helper threads of the linear algebra only take cores from each other
        "OPENBLAS_NUM_THREADS": "1",
    }
    kept = {key: os.environ.get(key, value) for key, value in wanted.items()}
    return kept | {"ROS_DOMAIN_ID": str(domain), "ROS_LOG_DIR": str(log_dir)}


@contextlib.contextmanager
def domain(environ: Mapping[str, str] = os.environ) -> Iterator[int]:
    """A ROS domain for one run: the user's ROS_DOMAIN_ID, or a number no other run on this machine holds.

    Raises:
      RuntimeError: every number is taken.
    """
    if environ.get("ROS_DOMAIN_ID", "").isdigit():
        yield int(environ["ROS_DOMAIN_ID"])
        return
    folder = Path(tempfile.gettempdir()) / f"whyway-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    for offset in range(len(DOMAINS)):
        number = DOMAINS[(os.getpid() + offset) % len(DOMAINS)]
        with (folder / f"domain-{number}").open("w") as lock:
            if _lock(lock):
                yield number
                return
    raise RuntimeError(
        f"all ROS domains are in use; end a drive, or set ROS_DOMAIN_ID (locks: {folder})"
    )


def _lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def shm_files() -> set[str]:
    """Names of Fast DDS' files in shared memory now."""
    return {p.name for p in SHM.glob("*fastrtps_*")} if SHM.is_dir() else set()


def sweep(before: set[str]) -> int:
    """Remove what dead processes have left since `before`; how many files went.

    Who owns a segment `fastrtps_<id>` or reads a port `fastrtps_port<n>` holds a lock on a file of the same name with `_el` or `_sl`. Who
    writes to a port only maps it: were it removed, a node that outlives the drive would write into the removed one for good, unheard by
    whoever opens the port next.
    """
    left = sorted(shm_files() - before)
    written = {name for name in _mapped() if "port" in name} if left else set()
    removed = 0
    for name in left:
        what = re.fullmatch(r"(?:sem\.)?(fastrtps_(?:port\d+|[0-9a-f]+))(?:_el|_sl|_mutex)?", name)
        if what is None or what[1] in written:
            continue
        if all(_is_free(SHM / f"{what[1]}{end}") for end in ("_el", "_sl")):
            with contextlib.suppress(OSError):
                (SHM / name).unlink()
                removed += 1
    return removed


def _mapped() -> set[str]:
    """Names in shared memory that a process has mapped, as far as we may look: those of other users and containers stay unseen."""
    ours, names = re.compile(rf" {re.escape(str(SHM))}/(\S+)$", re.M), set[str]()
    for maps in Path("/proc").glob("[0-9]*/maps"):
        with contextlib.suppress(OSError):  # gone meanwhile, or not ours to read
            names |= set(ours.findall(maps.read_text(errors="replace")))
    return names


def _is_free(lock_file: Path) -> bool:
    try:
        with lock_file.open("r+") as lock:
            return _lock(lock)
    except FileNotFoundError:
        return True
    except OSError:
        return False
