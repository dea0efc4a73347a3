"""Scenes to compare backends on, and tapes: all that an engine asked one backend, to be asked of another word for word.

A tape is teacher forcing as it happens in the car: the reference decodes, and the candidate gets the same passes, with the reference's
values in its cache whatever it would have said itself.

Legend: B scenes of a group, S positions of a pass, n answers, V vocabulary.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from whyway.reason.backends import Backend, BackendInfo, Bools, Ints
from whyway.reason.engine import Engine
from whyway.reason.spec import PREFIX_ROWS, ROWS, Float32s, ModelSpec, SceneTokens
from whyway.trace.sequence import MASK
from whyway.trace.slots import MAX_LINES, MAX_MODES, MAX_OBJECTS, Slots
from whyway.trace.vocabulary import allowed_mask
from whyway.types import CauseKind, InputError, LaneRelation

GOLDEN = "golden.npz"
"""Recorded scenes in a model's folder."""
MOST_BYTES = 16 << 20
"""Of golden scenes, unpacked; a scene has 5 kB."""
PAD_FIELD = 0
"""Of positions that only fill a pass."""


# ---------------------------------------------------------------------------------------------------------- tapes


@dataclass(frozen=True, slots=True, eq=False)
class Pass:
    """The arguments of one `Backend.step`."""

    tokens: Ints
    fields: Ints
    slots: Ints
    rows: Ints
    mask: Bools

    def asked(self) -> Bools:
        """(B, S) which positions are questions."""
        asked: Bools = (self.tokens == MASK) & (self.fields != PAD_FIELD)
        return asked

    def filled(self, size: int) -> Pass:
        """The same with padding behind it, for a backend that takes only passes of one size."""
        b, s = self.tokens.shape
        more = size - s
        width = ((0, 0), (0, more))
        rows = self.rows[:, :1] + np.arange(size)
        mask = np.pad(self.mask, (*width, (0, 0)))
        mask[:, s:, 0] = True
        tokens = np.pad(self.tokens, width, constant_values=MASK)
        return Pass(tokens, np.pad(self.fields, width), np.pad(self.slots, width), rows, mask)


@dataclass(slots=True, eq=False)
class Group:
    """Scenes decoded together, and every pass that took."""

    scenes: tuple[SceneTokens, ...]
    passes: list[Pass] = field(default_factory=list)


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """All that a backend answered to a tape's questions."""

    logits: Float32s
    """(n, V)"""
    allowed: Bools
    """(n, V) the tokens that each question's field may hold: nobody looks at the others, and nothing was learnt about them."""


class _Recorder:
    """A backend that writes down what it is asked."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.groups: list[Group] = []

    @property
    def info(self) -> BackendInfo:
        return self._backend.info

    @property
    def spec(self) -> ModelSpec:
        return self._backend.spec

    @property
    def step_sizes(self) -> tuple[int, ...]:
        return self._backend.step_sizes

    def prefill(self, batch: Sequence[SceneTokens]) -> None:
        self.groups.append(Group(tuple(batch)))
        self._backend.prefill(batch)

    def step(self, tokens: Ints, fields: Ints, slots: Ints, rows: Ints, mask: Bools) -> Float32s:
        arrays = (tokens.copy(), fields.copy(), slots.copy(), rows.copy(), mask.copy())
        self.groups[-1].passes.append(Pass(*arrays))
        return self._backend.step(tokens, fields, slots, rows, mask)

    def close(self) -> None:
        self._backend.close()


def record(
    backend: Backend, scenes: Sequence[SceneTokens], *, together: int = 1, plain: bool = False
) -> list[Group]:
    """Let an engine decode scenes over a backend, and keep what it asked.

    Args:
      backend: the reference.
      scenes: to decode.
      together: how many at once.
      plain: token by token instead of by blocks.
    """
    recorder = _Recorder(backend)
    engine = Engine(recorder, lambda: 0.0)
    for first in range(0, len(scenes), together):
        engine.decode(scenes[first : first + together], plain=plain)
    return recorder.groups


def replay(backend: Backend, tape: Sequence[Group]) -> Answers:
    """Ask a backend all that stands on a tape."""
    logits, allowed = [], []
    for group in tape:
        backend.prefill(group.scenes)
        for p in group.passes:
            said = backend.step(*_arrays(p, backend.step_sizes))[:, : p.tokens.shape[1]]
            logits.append(said[p.asked()])
            allowed.append(allowed_mask()[p.fields[p.asked()]])
    return Answers(np.concatenate(logits), np.concatenate(allowed))


def _arrays(p: Pass, sizes: Sequence[int]) -> tuple[Ints, Ints, Ints, Ints, Bools]:
    size = next((s for s in sizes if s >= p.tokens.shape[1]), None)
    p = p if size is None else p.filled(size)
    return p.tokens, p.fields, p.slots, p.rows, p.mask


# --------------------------------------------------------------------------------------------------------- scenes


def generated_scenes(
    spec: ModelSpec, count: int, rng: np.random.Generator
) -> tuple[SceneTokens, ...]:
    """Scenes nobody has seen: any number of road users and lines, features anywhere in [-1, 1]."""
    return tuple(_generated(spec, rng) for _ in range(count))


def _generated(spec: ModelSpec, rng: np.random.Generator) -> SceneTokens:
    used = {"ego": 1, "path": ROWS["path"], "side": int(rng.integers(ROWS["side"] + 1))}
    used |= {"line": int(rng.integers(MAX_LINES + 1)), "object": int(rng.integers(MAX_OBJECTS + 1))}
    features, valid = {}, []
    for kind, count in spec.feature_counts:
        here = np.arange(ROWS[kind]) < used[kind]
        features[kind] = (rng.uniform(-1.0, 1.0, (ROWS[kind], count)) * here[:, None]).astype(
            np.float32
        )
        valid.append(here)
    n = used["object"]
    slots = Slots(
        tuple(range(1, n + 1)),
        tuple(LaneRelation(int(k)) for k in rng.integers(len(LaneRelation), size=n)),
        tuple(rng.integers(1, MAX_MODES + 1, size=n).tolist()),
        tuple((CauseKind.TRAFFIC_LIGHT, k) for k in range(used["line"])),
    )
    return SceneTokens(features, np.concatenate(valid), slots)


def scenes_to_bytes(scenes: Sequence[SceneTokens]) -> bytes:
    """Scenes as a file: arrays without pickle, the same bytes for the same scenes."""
    slots = [s.slots for s in scenes]
    arrays = {f"features.{kind}": np.stack([s.features[kind] for s in scenes]) for kind in ROWS}
    arrays["valid"] = np.stack([s.valid for s in scenes])
    arrays["counts"] = np.array([[len(s.object_ids), len(s.lines)] for s in slots], np.int64)
    columns = [(s.object_ids, s.relations, s.mode_counts) for s in slots]
    arrays["objects"] = np.concatenate([np.array(c, np.int64).reshape(3, -1) for c in columns], axis=1)  # fmt: skip
    arrays["lines"] = np.concatenate([np.array(s.lines, np.int64).reshape(-1, 2) for s in slots])
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


def scenes_from_bytes(data: bytes, where: str) -> tuple[SceneTokens, ...]:
    """The scenes in a file; nothing in it is trusted.

    Raises:
      InputError: damaged, too large, or not of this layout.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > MOST_BYTES:
            raise ValueError(f"{size} bytes unpacked")
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        return _scenes(arrays)
    except (zipfile.BadZipFile, KeyError, ValueError, IndexError, EOFError, OSError) as wrong:
        raise InputError(
            f"{where}: not golden scenes of this version ({wrong}); leave the file out, or make it anew"
        ) from None


def _scenes(arrays: dict[str, np.ndarray]) -> tuple[SceneTokens, ...]:
    counts, valid = arrays["counts"], arrays["valid"]
    ends = np.cumsum(counts, axis=0)
    scenes = []
    for i, ((n, m), (n_end, m_end)) in enumerate(zip(counts.tolist(), ends.tolist(), strict=True)):
        ids, relations, modes = arrays["objects"][:, n_end - n : n_end].tolist()
        lines = arrays["lines"][m_end - m : m_end].tolist()
        slots = Slots(
            tuple(ids), tuple(LaneRelation(r) for r in relations), tuple(modes),
            tuple((CauseKind(kind), id_) for kind, id_ in lines),
        )  # fmt: skip
        features = {kind: arrays[f"features.{kind}"][i].astype(np.float32) for kind in ROWS}
        if valid[i].shape != (PREFIX_ROWS,) or any(len(features[k]) != ROWS[k] for k in ROWS):
            raise ValueError("another number of rows")
        scenes.append(SceneTokens(features, valid[i].astype(np.bool_), slots))
    return tuple(scenes)
