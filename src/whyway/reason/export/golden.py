"""Scenes to compare backends on, and tapes: all that an engine asked one backend, to be asked of another word for word.

A tape is teacher forcing as it happens in the car: an engine decodes over the reference, led by what the expert said if that is known, and
the candidate gets the same passes, with the same values in its cache whatever it would have said itself.

Legend: B scenes of a group, S positions of a pass, n answers, V vocabulary.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from whyway.reason.backends import Backend, BackendInfo, Bools, Ints
from whyway.reason.engine import Engine
from whyway.reason.spec import PREFIX_ROWS, ROWS, Float32s, ModelSpec, SceneTokens
from whyway.trace.sequence import MASK, TokenSequence
from whyway.trace.slots import MAX_LINES, MAX_MODES, MAX_OBJECTS, Slots
from whyway.trace.vocabulary import allowed_mask
from whyway.types import CauseKind, InputError, LaneRelation

RECORDED = "scenes.npz"
"""Golden scenes in a model's folder, on which its graphs and engines are compared with it."""
MOST_BYTES = 16 << 20
"""Of golden scenes, unpacked; a scene has 5 kB."""
PAD_FIELD = 0
"""Of positions that only fill a pass."""
UNKNOWN = -1
"""In place of a true token that nobody knows."""
LOUD = np.float32(1e6)
"""Added to a logit, it wins."""


@dataclass(frozen=True, slots=True, eq=False)
class Golden:
    """A scene, and what the expert said of it."""

    scene: SceneTokens
    said: TokenSequence | None = None


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
    said: tuple[dict[tuple[int, int], int], ...]
    """Of each scene: the expert's token by (field, slot); empty if unknown."""
    passes: list[Pass] = field(default_factory=list)

    def true(self, p: Pass) -> Ints:
        """(B, S) the expert's token at each position of a pass, or `UNKNOWN`."""
        pairs = zip(p.fields.tolist(), p.slots.tolist(), self.said, strict=True)
        rows = [
            [said.get(pair, UNKNOWN) for pair in zip(fields, slots, strict=True)]
            for fields, slots, said in pairs
        ]
        return np.array(rows, dtype=np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """All that a backend answered to a tape's questions."""

    logits: Float32s
    """(n, V)"""
    allowed: Bools
    """(n, V) the tokens that each question's field may hold: nobody looks at the others, and nothing was learnt about them."""
    true: Ints
    """(n,) what the expert said, or `UNKNOWN`."""


class _Recorder:
    """A backend that writes down what it is asked, and answers what the expert said."""

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

    def begin(self, golden: Sequence[Golden]) -> None:
        said = [{} if g.said is None else by_position(g.said) for g in golden]
        self.groups.append(Group(tuple(g.scene for g in golden), tuple(said)))

    def prefill(self, batch: Sequence[SceneTokens]) -> None:
        self._backend.prefill(batch)

    def step(self, tokens: Ints, fields: Ints, slots: Ints, rows: Ints, mask: Bools) -> Float32s:
        group = self.groups[-1]
        p = Pass(tokens.copy(), fields.copy(), slots.copy(), rows.copy(), mask.copy())
        group.passes.append(p)
        logits: Float32s = self._backend.step(tokens, fields, slots, rows, mask).copy()
        true = group.true(p)
        b, s = np.nonzero(p.asked() & (true != UNKNOWN))
        logits[b, s, true[b, s]] += LOUD
        return logits

    def close(self) -> None:
        self._backend.close()


def by_position(said: TokenSequence) -> dict[tuple[int, int], int]:
    """(field, slot) -> token."""
    pairs = zip(said.fields.tolist(), said.slots.tolist(), strict=True)
    return dict(zip(pairs, said.tokens.tolist(), strict=True))


def record(
    backend: Backend, golden: Sequence[Golden], *, together: int = 1, plain: bool = False
) -> list[Group]:
    """Let an engine decode scenes over a backend, and keep what it asked.

    Args:
      backend: the reference.
      golden: scenes to decode; where it is known, what the expert said leads.
      together: how many at once.
      plain: token by token instead of by blocks.
    """
    recorder = _Recorder(backend)
    engine = Engine(recorder, lambda: 0.0)
    for first in range(0, len(golden), together):
        some = golden[first : first + together]
        recorder.begin(some)
        engine.decode([g.scene for g in some], plain=plain)
    return recorder.groups


def replay(backend: Backend, tape: Sequence[Group]) -> Answers:
    """Ask a backend all that stands on a tape."""
    logits, allowed, true = [], [], []
    for group in tape:
        backend.prefill(group.scenes)
        for p in group.passes:
            said = backend.step(*_arrays(p, backend.step_sizes))[:, : p.tokens.shape[1]]
            logits.append(said[p.asked()])
            allowed.append(allowed_mask()[p.fields[p.asked()]])
            true.append(group.true(p)[p.asked()])
    return Answers(np.concatenate(logits), np.concatenate(allowed), np.concatenate(true))


def _arrays(p: Pass, sizes: Sequence[int]) -> tuple[Ints, Ints, Ints, Ints, Bools]:
    size = next((s for s in sizes if s >= p.tokens.shape[1]), None)
    p = p if size is None else p.filled(size)
    return p.tokens, p.fields, p.slots, p.rows, p.mask


# --------------------------------------------------------------------------------------------------------- scenes


def generated(spec: ModelSpec, count: int, rng: np.random.Generator) -> tuple[Golden, ...]:
    """Scenes nobody has seen: any number of road users and lines, features anywhere in [-1, 1]."""
    return tuple(Golden(_generated(spec, rng)) for _ in range(count))


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


def golden_to_bytes(golden: Sequence[Golden]) -> bytes:
    """Golden scenes as a file: arrays without pickle, the same bytes for the same scenes."""
    scenes, slots = [g.scene for g in golden], [g.scene.slots for g in golden]
    arrays = {f"features.{kind}": np.stack([s.features[kind] for s in scenes]) for kind in ROWS}
    arrays["valid"] = np.stack([s.valid for s in scenes])
    objects = [(s.object_ids, s.relations, s.mode_counts) for s in slots]
    said = [
        () if (q := g.said) is None else (q.fields, q.slots, q.tokens, q.blocks) for g in golden
    ]
    for name, columns, parts in (
        ("objects", 3, objects), ("lines", 2, [tuple(zip(*s.lines, strict=True)) for s in slots]), ("said", 4, said),
    ):  # fmt: skip
        tables = [np.array(part, np.int64).reshape(columns, -1) for part in parts]
        arrays[name] = np.concatenate(tables, axis=1)
        arrays[f"{name}.counts"] = np.array([table.shape[1] for table in tables])
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


_DAMAGED = (
    zipfile.BadZipFile, zlib.error, EOFError, OSError, LookupError, ValueError, RuntimeError, MemoryError,
)  # fmt: skip
"""What zipfile and numpy raise over a damaged file."""


def golden_from_bytes(data: bytes, where: str) -> tuple[Golden, ...]:
    """The golden scenes in a file; nothing in it is trusted.

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
        return _golden(arrays)
    except _DAMAGED as wrong:
        raise InputError(
            f"{where}: not golden scenes of this version ({wrong}); leave the file out, or make it anew"
        ) from None


def _golden(arrays: dict[str, np.ndarray]) -> tuple[Golden, ...]:
    valid = arrays["valid"].astype(np.bool_)
    features = {kind: arrays[f"features.{kind}"].astype(np.float32) for kind in ROWS}
    n = len(valid)
    shaped = valid.shape == (n, PREFIX_ROWS) and all(
        features[kind].shape[:2] == (n, rows) for kind, rows in ROWS.items()
    )
    if not shaped:
        raise ValueError("another number of rows")
    found = []
    parts = (_parts(arrays, name, n) for name in ("objects", "lines", "said"))
    for i, (objects, lines, said) in enumerate(zip(*parts, strict=True)):
        ids, relations, modes = objects.tolist()
        slots = Slots(
            tuple(ids), tuple(LaneRelation(r) for r in relations), tuple(modes),
            tuple((CauseKind(kind), id_) for kind, id_ in lines.T.tolist()),
        )  # fmt: skip
        scene = SceneTokens({kind: features[kind][i] for kind in ROWS}, valid[i], slots)
        sequence = TokenSequence(*said.astype(np.int16)) if said.size else None
        found.append(Golden(scene, sequence))
    return tuple(found)


def _parts(arrays: dict[str, np.ndarray], name: str, n: int) -> list[np.ndarray]:
    """A table (columns, rows of all scenes) cut into those of each scene."""
    table, counts = arrays[name], arrays[f"{name}.counts"]
    if counts.shape != (n,) or (counts < 0).any() or counts.sum() != table.shape[1]:
        raise ValueError(f"{name}: another number of scenes")
    return np.split(table, np.cumsum(counts)[:-1], axis=1)
