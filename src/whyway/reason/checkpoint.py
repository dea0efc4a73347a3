"""Model folder <-> `Model`: every file's hash, every version and every parameter's shape is checked; what does not fit is refused.

    models/<name>/  config.json  model.safetensors  head.safetensors  golden.safetensors  manifest.json  card.md  microgpt-8bit.onnx
    <adapter>/      adapter_config.json  adapter_model.safetensors  meta.json  [head.safetensors]

Numpy and safetensors only: this runs in the car.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from whyway.reason import adapter as lora
from whyway.reason.manifest import (
    FORMAT,
    MANIFEST,
    File,
    Made,
    Manifest,
    ModelError,
    Versions,
    check_versions,
    file_of,
    read_json,
    read_listed,
    versions_here,
    write_json,
)
from whyway.reason.parameters import check_parameters, weights_sha256
from whyway.reason.probe import reference
from whyway.reason.spec import ROWS, ModelSpec
from whyway.reason.tensors import Float32s, Weights, read_tensors, tensor_bytes
from whyway.typed_yaml import Typed
from whyway.types import InputError

__all__ = ["Made", "Model", "ModelError", "add_file", "find_model", "load_model", "save_model"]

DEFAULT_MODEL = "microgpt-s"
"""The one that is shipped."""
MODELS = Path(__file__).parents[1] / "models"
"""In a checkout a link to its models/, installed a folder of the package."""
CONFIG, WEIGHTS, HEAD = "config.json", "model.safetensors", "head.safetensors"
GOLDEN = "golden.safetensors"
"""What the model answered to the made scene of `probe` when it was saved."""
MOST_DEPTH = 32


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A model that has passed every check, ready for a backend."""

    name: str
    folder: Path
    spec: ModelSpec
    weights: Weights
    """Of the backbone, by parameter; an adapter's are merged in."""
    head: Weights
    """Of the waypoint head; empty: it has none."""
    made: Made
    files: Mapping[str, File]
    """Beside the manifest, by name."""

    @property
    def weights_sha256(self) -> str:
        """Of the backbone's weights as they are used: what traces and logs name the model by."""
        return weights_sha256(self.weights)

    def file(self, name: str) -> bytes:
        """A file of the model, e.g. its 8-bit graph; its hash is checked again.

        Raises:
          ModelError: it has none of this name, or it has changed.
        """
        return read_listed(self.folder, name, self.files)


def is_model(folder: Path) -> bool:
    """Whether a folder says that it is a model or an adapter."""
    return (folder / MANIFEST).is_file() or (folder / lora.META).is_file()


def find_model(name_or_path: str | Path = "") -> Path:
    """The folder of a model.

    Args:
      name_or_path: a folder, or a name under `models/`; empty: the shipped one.

    Raises:
      ModelError: there is none; says which there are.
    """
    text = str(name_or_path) or DEFAULT_MODEL
    for folder in (Path(text), MODELS / text):
        if is_model(folder):
            return folder
    known = sorted(path.parent.name for path in MODELS.glob(f"*/{MANIFEST}"))
    there = f"models there are: {', '.join(known)}" if known else f"there are none in {MODELS}"
    raise ModelError(
        f"{text}: no model of this name and no model's folder; {there}; make the shipped one with"
        " `make model`, or give a folder, or drive without: --driver rules"
    )


def load_model(path: str | Path = "", versions: Versions | None = None) -> Model:
    """A model, or a backbone with an adapter merged into it.

    Args:
      path: a folder or a name, see `find_model`.
      versions: what it must have been made for; those of this code if None.

    Raises:
      ModelError: not there, damaged, or made for other versions; one line with the remedy.
    """
    folder = find_model(path)
    here = versions or versions_here()
    if (folder / lora.META).is_file():
        return _load_adapted(folder, here)
    manifest = read_json(folder / MANIFEST, Manifest, "a model's manifest")
    check_versions(manifest.versions, here, folder)
    data = {name: read_listed(folder, name, manifest.files) for name in sorted(manifest.files)}
    missing = {CONFIG, WEIGHTS} - set(data)
    if missing:
        raise ModelError(
            f"{folder}: its manifest lists no {sorted(missing)[0]}; fetch it again (make model)"
        )
    spec = _read_spec(data[CONFIG], folder / CONFIG)
    weights = read_tensors(data[WEIGHTS], folder / WEIGHTS)
    head = read_tensors(data[HEAD], folder / HEAD) if HEAD in data else {}
    _check_parameters(spec, weights, folder / WEIGHTS)
    for what, arrays, promised in (
        ("weights", weights, manifest.weights_sha256),
        ("head", head, manifest.head_sha256),
    ):
        if _sha256(arrays) != promised:
            raise ModelError(
                f"{folder}: its {what} are not those its manifest names; fetch it again (make model)"
            )
    return Model(folder.name, folder, spec, weights, head, manifest.made, manifest.files)


def _load_adapted(folder: Path, here: Versions) -> Model:
    """The backbone an adapter names, with the adapter in it."""
    adapter = lora.read_adapter(folder)
    meta = adapter.meta
    check_versions(meta.versions, here, folder)
    base = load_model(_base_folder(folder, meta.base_uri), here)
    if base.weights_sha256 != meta.base_sha256:
        raise ModelError(
            f"{folder}: trained on the backbone {meta.base_sha256[:12]}, but {base.folder} is"
            f" {base.weights_sha256[:12]}; fetch that backbone, or train the adapter on this one"
        )
    weights = lora.merged(base.weights, adapter, folder)
    head = base.head
    if HEAD in meta.files:
        head = read_tensors(read_listed(folder, HEAD, meta.files), folder / HEAD)
    return Model(folder.name, folder, base.spec, weights, head, meta.made, meta.files)


def _base_folder(folder: Path, uri: str) -> Path:
    """Where an adapter's backbone lies: by name, or seen from the adapter's folder."""
    if "://" in uri:
        raise ModelError(f"{folder}: its backbone is at {uri[:80]}; fetch it to {MODELS} yourself")
    beside = folder / uri
    base = beside if (beside / MANIFEST).is_file() else find_model(uri)
    if (base / lora.META).is_file():
        raise ModelError(f"{folder}: its backbone {base} is an adapter itself; merge that first")
    return base


def save_model(
    folder: Path,
    spec: ModelSpec,
    weights: Weights,
    head: Weights,
    made: Made,
    *,
    files: Mapping[str, bytes] | None = None,
    versions: Versions | None = None,
) -> Path:
    """Write a model's folder whole or not at all; a model that was there is replaced.

    Args:
      folder: where to; anything but a model that is there already is left alone.
      spec: its shape.
      weights: of the backbone, by parameter.
      head: of the waypoint head; may be empty.
      made: how it came to be.
      files: more files, by name: a card, graphs.
      versions: what it was made for; those of this code if None.

    Raises:
      ModelError: the weights do not fit the spec, or the folder holds something else.
    """
    _check_parameters(spec, weights, folder)
    contents = {CONFIG: _spec_bytes(spec), WEIGHTS: tensor_bytes(weights), **(files or {})}
    contents[GOLDEN] = tensor_bytes({"logits": reference(spec, weights)})
    if head:
        contents[HEAD] = tensor_bytes(head)
    listed = {name: file_of(data) for name, data in contents.items()}
    manifest = Manifest(
        FORMAT, _sha256(weights), _sha256(head), versions or versions_here(), made, listed
    )  # fmt: skip
    with replacing(folder) as fresh:
        for name, data in contents.items():
            (fresh / name).write_bytes(data)
        write_json(fresh / MANIFEST, manifest)
    return folder


def golden_of(model: Model) -> Float32s | None:
    """What a model answered when it was saved; None of an adapter: nothing was recorded of the merged one."""
    if GOLDEN not in model.files:
        return None
    return read_tensors(model.file(GOLDEN), model.folder / GOLDEN).get("logits")


def add_file(folder: Path, name: str, data: bytes) -> None:
    """Put one more file into a model's folder, e.g. a graph or a card: the manifest lists it afterwards."""
    manifest = read_json(folder / MANIFEST, Manifest, "a model's manifest")
    beside = folder / f".{name}.{os.getpid()}"
    beside.write_bytes(data)
    beside.replace(folder / name)
    files = {**manifest.files, name: file_of(data)}
    write_json(folder / MANIFEST, dataclasses.replace(manifest, files=files))


# --------------------------------------------------------------------------------------------------------- parts


def _sha256(weights: Weights) -> str:
    return weights_sha256(weights) if weights else ""


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """A fresh folder that takes the place of `folder` when all went well, and is gone otherwise.

    Raises:
      ModelError: the folder holds something else than a model.
    """
    if folder.exists() and not (is_model(folder) or not any(folder.iterdir())):
        raise ModelError(f"{folder}: holds something else than a model; choose another folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        fresh.chmod(0o755)  # mkdtemp's is for its owner alone
        yield fresh
        old = fresh.with_name(f"{fresh.name}-old")
        if folder.exists():
            folder.rename(old)
        fresh.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class _SpecFile:
    """`config.json`."""

    depth: int
    feature_counts: Mapping[str, int]
    vocabulary_size: int
    field_count: int
    slot_count: int

    def __post_init__(self) -> None:
        if not 1 <= self.depth <= MOST_DEPTH:
            raise ValueError(f"depth {self.depth}, expected 1 to {MOST_DEPTH}")
        if set(self.feature_counts) != set(ROWS):
            raise ValueError(f"feature_counts must name {', '.join(ROWS)}")
        sizes = (self.vocabulary_size, self.field_count, self.slot_count)
        if not all(1 <= n <= 4096 for n in (*self.feature_counts.values(), *sizes)):
            raise ValueError("a size is not within 1 to 4096")


def _read_spec(data: bytes, where: Path) -> ModelSpec:
    try:
        plain = json.loads(data)
    except (ValueError, RecursionError) as wrong:
        raise ModelError(f"{where}: is not JSON ({wrong}); fetch the model again") from None
    file = Typed(ModelError).read(_SpecFile, plain, str(where))
    counts = tuple((kind, file.feature_counts[kind]) for kind in ROWS)
    return ModelSpec(file.depth, counts, file.vocabulary_size, file.field_count, file.slot_count)


def _spec_bytes(spec: ModelSpec) -> bytes:
    plain = dataclasses.asdict(spec) | {"feature_counts": dict(spec.feature_counts)}
    return (json.dumps(plain, indent=1) + "\n").encode()


def _check_parameters(spec: ModelSpec, weights: Weights, where: Path) -> None:
    """Refuse parameters that are not those of the spec."""
    try:
        check_parameters(spec, weights)
    except InputError as wrong:
        raise ModelError(f"{where}: {wrong}") from None
