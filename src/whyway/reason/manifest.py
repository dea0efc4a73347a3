"""What a model says of itself: the versions it was made for, how it was made, and the hash of every file. JSON; nothing in it is trusted."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from whyway.files import read_bytes, write_atomically
from whyway.messages import definition
from whyway.reason.scene_tokens import FEATURES_VERSION
from whyway.trace.vocabulary import vocabulary_hash
from whyway.typed_yaml import Typed
from whyway.types import (
    Cause,
    CriticalObject,
    InputError,
    ObjectPrediction,
    PerceptionTrace,
    PlanningTrace,
    PredictionTrace,
    Rejected,
)

FORMAT = 1
"""Layout of model folders; a reader of another layout refuses."""
MANIFEST = "manifest.json"
MOST_JSON_BYTES = 1 << 20
MOST_FILE_BYTES = 1 << 30
"""A model of 100 M parameters has 400 MB; more than this is none of ours."""
SAID = (
    PerceptionTrace, CriticalObject, PredictionTrace, ObjectPrediction, PlanningTrace, Cause, Rejected,
)  # fmt: skip
"""The types whose fields a model fills; what else a trace holds is copied or computed."""

_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")

T = TypeVar("T")


class ModelError(InputError):
    """A model that is not there, damaged, or made for other versions; one line with the remedy."""


@dataclass(frozen=True, slots=True)
class Versions:
    """What a model and the code that runs it must agree on."""

    vocabulary_sha256: str
    features: str
    """Version of the scene tokens."""
    schema_sha256: str
    """Of the fields of the types a model fills."""


@dataclass(frozen=True, slots=True)
class File:
    """What a file beside the manifest must be."""

    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Made:
    """How a model came to be; everything here was written by the program that made it."""

    stage: str
    """The last one, e.g. "reasoning"."""
    data_sha256: str = ""
    """Of the card of the data it learnt from."""
    git: str = ""
    """Commit of the code that trained it; ends in "+" where files had been changed since."""
    parent: str = ""
    """Hash of the weights it began from; empty: random ones."""
    seeds: tuple[int, ...] = ()
    recipe: Mapping[str, Any] = field(default_factory=dict)
    """The arguments it was trained with."""
    scores: Mapping[str, Any] = field(default_factory=dict)
    """Measured on data it did not learn from."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """`manifest.json` of a model folder."""

    format: int
    weights_sha256: str
    """`parameters.weights_sha256` of the backbone."""
    head_sha256: str
    """The same of the waypoint head; empty: it has none."""
    versions: Versions
    made: Made
    files: Mapping[str, File]

    def __post_init__(self) -> None:
        check_format(self.format)


def check_format(number: int) -> None:
    """Refuse a layout that is not ours.

    Raises:
      ValueError: it is of another one; one line.
    """
    if number != FORMAT:
        raise ValueError(f"layout {number}, this code reads layout {FORMAT}; {_again()}")


@cache
def schema_sha256() -> str:
    """Of the names and types of all fields a model fills, comments aside."""
    lines = [
        line.partition("#")[0].split() for cls in SAID for line in definition(cls).splitlines()
    ]
    return hashlib.sha256(
        "\n".join(" ".join(words) for words in lines if words).encode()
    ).hexdigest()


def versions_here() -> Versions:
    """Of the code that is running."""
    return Versions(vocabulary_hash(), FEATURES_VERSION, schema_sha256())


def check_versions(found: Versions, here: Versions, where: Path) -> None:
    """Refuse a model made for other versions.

    Raises:
      ModelError: says which one differs.
    """
    for name, what in (
        ("vocabulary_sha256", "vocabulary"),
        ("features", "version of scene tokens"),
        ("schema_sha256", "trace schema"),
    ):
        theirs, ours = getattr(found, name), getattr(here, name)
        if theirs != ours:
            raise ModelError(
                f"{where}: its {what} ({theirs[:12]}) is not the one here ({ours[:12]}); {_again()}"
            )


def _again() -> str:
    return "train it anew (make model), or run the commit named in its manifest under made.git"


# --------------------------------------------------------------------------------------------------------- files


def read_json(path: Path, cls: type[T], what: str) -> T:
    """A dataclass from a JSON file.

    Raises:
      ModelError: not there, too large, not JSON, or not of this kind.
    """
    data = read_bytes(path, what, ModelError, MOST_JSON_BYTES)
    try:
        plain = json.loads(data)
    except (ValueError, RecursionError) as wrong:
        raise ModelError(
            f"{path}: is not JSON ({wrong}); fetch the model again, or make it (make model)"
        ) from None
    return Typed(ModelError).read(cls, plain, str(path))


def write_json(path: Path, value: Any) -> None:
    """A dataclass as a JSON file, the same every time."""
    text = json.dumps(dataclasses.asdict(value), indent=1, sort_keys=True, allow_nan=False)
    write_atomically(path, text + "\n")


def file_of(data: bytes) -> File:
    """What a manifest says of a file."""
    return File(hashlib.sha256(data).hexdigest(), len(data))


def read_listed(folder: Path, name: str, listed: Mapping[str, File]) -> bytes:
    """A file's bytes as its manifest promises them.

    Raises:
      ModelError: it is not listed, not there, or its hash is another one.
    """
    if name not in listed:
        raise ModelError(f"{folder}: its manifest lists no {name}; fetch the model again")
    if not _PLAIN_NAME.fullmatch(name):
        raise ModelError(f"{folder}: {name[:60]!r} is no plain file name; fetch the model again")
    data = read_bytes(folder / name, "the model's file", ModelError, MOST_FILE_BYTES)
    if file_of(data) != listed[name]:
        raise ModelError(
            f"{folder / name}: not the file its manifest names (sha256 differs): changed or damaged;"
            " fetch the model again, or make it (make model)"
        )
    return data
