"""Files from strangers, read up to a limit; and our own, which are whole or not there: whoever reads meanwhile never sees a part."""

from __future__ import annotations

import gzip
import os
import zlib
from pathlib import Path

from whyway.types import InputError


def read_bytes(path: Path, what: str, error: type[InputError], most_bytes: int) -> bytes:
    """A file's bytes, unpacked if it is gzipped.

    Args:
      path: the file; nothing in it is trusted.
      what: what it should be, with its article, for the message.
      error: what is raised.
      most_bytes: more is refused; a gzip bomb is unpacked that far and no further.

    Raises:
      InputError: of the kind asked for: not there, unreadable, damaged or too large; one line.
    """
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else path.open("rb") as file:
            data = file.read(most_bytes + 1)
    except FileNotFoundError:
        raise error(f"{path}: no such file; give the path of {what}") from None
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise error(f"{path}: the gzip data is cut off or damaged; fetch the file again") from None
    except (OSError, ValueError) as wrong:  # ValueError: a path with a zero in it
        why = getattr(wrong, "strerror", None) or wrong
        raise error(
            f"{path}: cannot be read: {why}; check its permissions, or give the path of {what}"
        ) from None
    if len(data) > most_bytes:
        raise error(f"{path}: larger than {most_bytes >> 20} MiB unpacked; cut out what is needed")
    return data


def write_atomically(path: Path, text: str) -> None:
    """Write a file so that whoever reads it sees the old one or the new one, never a part."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)
