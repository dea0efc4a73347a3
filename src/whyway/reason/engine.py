"""Scenes -> traces in tokens: prefill, decoding by blocks, the grammar, sampling and a budget, over any backend. Reads no clock of its own.

One engine answers in the car, in replay, in evaluation and in the rollouts of learning. A pass commits the values that the last one
decided and asks the next block's questions, both at once. The plain mode asks one position a pass, with the same weights.

Legend: B scenes, S positions of a pass, T rows of the cache, V vocabulary, n tokens of a trace.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from whyway.reason.backends import Backend, BackendError, Bools, Ints
from whyway.reason.masks import CACHE_ROWS, HIDDEN, prefix_blocks, step_mask
from whyway.reason.pace import Pace
from whyway.reason.spec import PREFIX_ROWS, Float32s, SceneTokens
from whyway.trace.grammar import PREDICTED, SEEN, Grammar, Limits, Position, Positions
from whyway.trace.sequence import MASK, TokenSequence
from whyway.trace.slots import MAX_CITED, Block
from whyway.trace.vocabulary import SILENT, allowed_mask

Clock = Callable[[], float]
"""Seconds of any monotonic clock."""

LARGEST_PASS = len(SEEN) + MAX_CITED + MAX_CITED * len(PREDICTED)
"""No pass has more positions: the values of what is perceived, and the questions about the objects cited."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What one call of `Engine.decode` may use, for all its scenes together."""

    ms: float
    tokens: int = 1 << 30
    """Tokens of each trace."""


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """What became of one scene."""

    sequence: TokenSequence | None
    """A whole valid trace, or nothing."""
    log_probabilities: Float32s
    """(n,) of every token among those that its field may ever hold, at temperature 1: what the loss of training is made of."""
    drawn_log_probability: float
    """Of the trace as it was drawn: at its temperature, among the tokens that the grammar left. 0 for the most probable one."""
    passes: int
    """Calls of the backend, prefill not counted."""
    elapsed_ms: float
    why: str = ""
    """Why there is no trace."""

    @property
    def complete(self) -> bool:
        """Whether there is a trace."""
        return self.sequence is not None


class Engine:
    """Decodes scenes.

    Args:
      backend: computes; its cache belongs to this engine while it decodes.
      clock: read only where there is a budget to keep or a duration to tell.
    """

    def __init__(self, backend: Backend, clock: Clock) -> None:
        sizes = backend.step_sizes
        assert not sizes or sizes[-1] >= LARGEST_PASS, f"passes have up to {LARGEST_PASS} positions"
        self._backend, self._clock = backend, clock
        self._pace = Pace()

    def decode(
        self,
        scenes: Sequence[SceneTokens],
        *,
        plain: bool = False,
        temperature: float = 0.0,
        rngs: Sequence[np.random.Generator] | None = None,
        budget: Budget | None = None,
        limits: Sequence[Limits] | None = None,
    ) -> list[Decoded]:
        """Say a trace of every scene.

        Args:
          scenes: B of them.
          plain: token by token instead of block by block.
          temperature: 0 takes the most probable tokens; else they are drawn from softmax(logits / temperature).
          rngs: one for each scene, so that a scene's trace does not depend on who is decoded beside it; needed to draw.
          budget: no pass is begun that would not end within it, as far as earlier ones tell.
          limits: for each scene, what is not to be said of it.

        Returns:
          One for each scene.
        """
        assert temperature <= 0.0 or (rngs is not None and len(rngs) == len(scenes)), (
            "a generator for every scene"
        )
        watch = _Watch(self._clock, self._pace, budget, len(scenes))
        picks = [
            _Pick(temperature, rngs[b] if rngs is not None else None) for b in range(len(scenes))
        ]
        each = limits if limits is not None else [Limits()] * len(scenes)
        sayings = [_Saying(*both, plain) for both in zip(scenes, each, strict=True)]
        why = watch.may_begin(PREFIX_ROWS)
        if not why:
            try:
                self._backend.prefill(scenes)
                watch.ended()
                why = self._passes(sayings, picks, watch)
            except BackendError as wrong:  # somebody else answers; the next scene asks again
                why = f"the backend fails: {wrong}"
        return [said.told(pick, watch, why) for said, pick in zip(sayings, picks, strict=True)]

    def _passes(self, sayings: list[_Saying], picks: list[_Pick], watch: _Watch) -> str:
        """Pass after pass until all is said, or why not."""
        while any(len(said.asked()) for said in sayings):
            size = self._size(max(said.size() for said in sayings))
            why = watch.may_begin(size, max(said.said() for said in sayings))
            if why:
                return why
            p = _Pass.of(sayings, size)
            logits = self._backend.step(p.tokens, p.fields, p.slots, p.rows, p.mask())
            for b, (said, pick) in enumerate(zip(sayings, picks, strict=True)):
                answers = logits[b, said.answers()]
                if not np.isfinite(answers).all():
                    return "the model's answer is not a number"
                said.settle(answers, pick)
            watch.ended()
        return ""

    def _size(self, positions: int) -> int:
        """The size of a pass of at least so many positions that the backend can do."""
        sizes = self._backend.step_sizes
        return next(s for s in sizes if s >= positions) if sizes else positions


@dataclass(slots=True)
class _Pass:
    """Arrays of one pass; padding at the ends reads the scene, and nobody reads it."""

    tokens: Ints
    fields: Ints
    slots: Ints
    rows: Ints
    """(B, S)"""
    blocks: Ints
    asks: Bools
    cache_blocks: Ints
    """(B, T)"""
    cache_asks: Bools

    @staticmethod
    def of(sayings: Sequence[_Saying], size: int) -> _Pass:
        """The next pass of all scenes."""
        b = len(sayings)
        p = _Pass(
            np.full((b, size), MASK), np.zeros((b, size), np.int64), np.zeros((b, size), np.int64),
            np.zeros((b, size), np.int64), np.full((b, size), HIDDEN), np.zeros((b, size), np.bool_),
            np.full((b, CACHE_ROWS), HIDDEN), np.zeros((b, CACHE_ROWS), np.bool_),
        )  # fmt: skip
        for i, said in enumerate(sayings):
            said.write(p, i)
        return p

    def mask(self) -> Bools:
        """(B, S, T)"""
        return step_mask(self.cache_blocks, self.cache_asks, self.blocks, self.asks)


class _Saying:
    """One trace while it is said: what is known, what of it lies in the cache, what is asked next."""

    def __init__(self, scene: SceneTokens, limits: Limits, plain: bool) -> None:
        self._grammar, self._plain = Grammar(scene.slots, limits), plain
        self._values: dict[Position, int] = {}
        self._log_p: list[Float32s] = []
        # the cache: block of every row that holds something to be read for good
        self._cache = np.full(CACHE_ROWS, HIDDEN)
        self._cache[:PREFIX_ROWS] = prefix_blocks(scene.valid)
        self._end = PREFIX_ROWS
        self._fresh = np.zeros((4, 0), np.int64)
        """(token, field, slot, block) of the values that the next pass commits."""
        self._block, self._passes = Block.PERCEPTION, 0
        self._rest = self._grammar.positions(self._block, self._values)
        self._ask = self._next()

    def asked(self) -> Positions:
        """What the next pass asks; nothing once all is said."""
        return self._ask

    def said(self) -> int:
        """Tokens, those that are asked now among them."""
        return len(self._values) + len(self._ask)

    def size(self) -> int:
        """Positions of the next pass."""
        return self._fresh.shape[1] + len(self._ask) if len(self._ask) else 0

    def answers(self) -> slice:
        """Where in the pass the questions are."""
        return slice(self._fresh.shape[1], self._fresh.shape[1] + len(self._ask))

    def write(self, p: _Pass, i: int) -> None:
        """Put the next pass of this scene into row i of the batch's."""
        if not len(self._ask):  # all said: only padding, over rows that nobody reads any more
            p.rows[i] = np.arange(p.rows.shape[1])
            p.cache_blocks[i, :PREFIX_ROWS] = self._cache[:PREFIX_ROWS]
            return
        n, q = self._fresh.shape[1], self._fresh.shape[1] + len(self._ask)
        p.tokens[i, :n], p.fields[i, :n], p.slots[i, :n], p.blocks[i, :n] = self._fresh
        p.fields[i, n:q], p.slots[i, n:q] = self._ask.fields, self._ask.slots
        p.blocks[i, n:q], p.asks[i, n:q] = self._block_id(), True
        assert self._end + p.rows.shape[1] <= CACHE_ROWS, "the cache is full"
        p.rows[i] = np.arange(self._end, self._end + p.rows.shape[1])
        p.cache_blocks[i] = self._cache
        here = slice(self._end, self._end + q)
        p.cache_blocks[i, here], p.cache_asks[i, here] = p.blocks[i, :q], p.asks[i, :q]

    def settle(self, logits: Float32s, pick: _Pick) -> None:
        """Take the answers (questions, V) of the pass; what it committed stays, its questions do not."""
        if not len(self._ask):
            return
        self._passes += 1
        stays = self._fresh.shape[1]
        self._cache[self._end : self._end + stays] = self._fresh[3]
        self._end += stays
        asked, block = self._ask, self._block_id()
        tokens = self._grammar.settle(asked, logits, pick, self._values)
        self._log_p.append(_log_probabilities(logits, asked.fields, tokens))
        self._values.update(zip(asked.pairs(), tokens.tolist(), strict=True))
        read = ~SILENT[tokens]
        self._fresh = np.stack(
            [tokens[read], asked.fields[read], asked.slots[read], np.full(read.sum(), block)]
        ).astype(np.int64)
        self._rest = self._rest.only(slice(len(asked), None))
        self._ask = self._next()

    def _block_id(self) -> int:
        """In the plain mode every position is a block of its own."""
        return len(self._values) if self._plain else int(self._block)

    def _next(self) -> Positions:
        while not len(self._rest) and self._block < Block.NUMBERS:
            self._block = Block(self._block + 1)
            self._rest = self._grammar.positions(self._block, self._values)
        return self._rest.only(slice(0, 1 if self._plain else None))

    def told(self, pick: _Pick, watch: _Watch, why: str) -> Decoded:
        """What became of it."""
        log_p = np.concatenate([np.zeros(0, np.float32), *self._log_p])
        whole = not len(self._ask)
        sequence = self._grammar.sequence(self._values) if whole else None
        return Decoded(
            sequence, log_p, pick.log_p, self._passes, watch.elapsed_ms(), "" if whole else why
        )


@dataclass(slots=True)
class _Pick:
    """Chooses tokens, and keeps the log-probability of all its choices."""

    temperature: float
    rng: np.random.Generator | None
    log_p: float = field(default=0.0, init=False)

    def __call__(self, scores: NDArray[np.floating], allowed: Bools) -> int:
        """(V,) logits and what is allowed -> a token."""
        if self.temperature <= 0.0:
            return int(np.where(allowed, scores, -np.inf).argmax())
        assert self.rng is not None
        tokens = np.flatnonzero(allowed)
        left = scores[tokens].astype(np.float64)
        p = np.exp((left - left.max()) / self.temperature)
        p /= p.sum()
        k = int(np.searchsorted(np.cumsum(p), self.rng.random(), side="right"))
        k = min(k, len(tokens) - 1)  # the sum may be a hair below one
        self.log_p += float(np.log(p[k]))
        return int(tokens[k])


def _log_probabilities(
    logits: Float32s, fields: NDArray[np.int16], tokens: NDArray[np.int16]
) -> Float32s:
    """(n, V) logits -> (n,) log-probabilities of tokens among those that their fields may hold."""
    masked = np.where(allowed_mask()[fields], logits, np.float32(-np.inf))
    masked -= masked.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(masked).sum(axis=1))
    found: Float32s = masked[np.arange(len(tokens)), tokens] - log_sum
    return found


class _Watch:
    """Keeps one call's budget."""

    def __init__(self, clock: Clock, pace: Pace, budget: Budget | None, scenes: int) -> None:
        self._clock, self._pace, self._budget, self._scenes = clock, pace, budget, scenes
        self._begun_s = self._last_s = clock()
        self._positions = 0

    def elapsed_ms(self) -> float:
        """Since the call began."""
        return (self._clock() - self._begun_s) * 1e3

    def may_begin(self, positions: int, tokens: int = 0) -> str:
        """Empty, or why a pass of so many positions, after which traces have so many tokens, is not begun."""
        self._positions = positions
        if self._budget is None:
            return ""
        if tokens > self._budget.tokens:
            return f"more than {self._budget.tokens} tokens"
        if self.elapsed_ms() + self._pace.expect(self._scenes, positions) >= self._budget.ms:
            self._pace.refused(self._scenes, positions)
            return f"no whole trace within {self._budget.ms:g} ms"
        return ""

    def ended(self) -> None:
        """The pass that was begun last is over, grammar and all."""
        now_s = self._clock()
        self._pace.took(self._scenes, self._positions, (now_s - self._last_s) * 1e3)
        self._last_s = now_s
