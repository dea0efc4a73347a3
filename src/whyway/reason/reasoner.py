"""Scene -> trace by microgpt: scene tokens, engine, tokens -> trace; and who answers when it does not. Rate: 10 Hz. No ROS.

In this order: the model's whole trace, that of its second thought where its plan would not show the first (`second_thoughts.py`); its last
one, carried forward (`carry.py`); the rule expert's answer. The last two say so (`fallback_used`, and `validator` says why), and none of
them is ever late: the budget is what the engine may use of the cycle.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from whyway.config import Config, ReasonConfig
from whyway.maps.manoeuvre import Place, ego_path, place_of
from whyway.maps.road import Road
from whyway.reason.backends import Backend, make_backend
from whyway.reason.carry import carried
from whyway.reason.checkpoint import Model, ModelError, load_model
from whyway.reason.engine import Budget, Decoded, Engine
from whyway.reason.memory import SceneMemory
from whyway.reason.pace import Pace
from whyway.reason.rules import RuleReasoner
from whyway.reason.scene_tokens import SceneEncoder
from whyway.reason.second_thoughts import Foresee, SecondThoughts
from whyway.reason.spec import SceneTokens
from whyway.reason.stand_in import RULES, answer_of, fallback
from whyway.trace.grammar import Grammar, Limits, Words
from whyway.trace.integrity import scene_hash
from whyway.trace.tokens import decode
from whyway.trace.vocabulary import VOCABULARY_VERSION
from whyway.types import CYCLE_NS, CYCLE_S, Agreement, InputError, Integrity, Scene, Trace

CARRIED = "carried"
"""How `validator` begins where an earlier trace was said again."""
LATE = "no whole trace within"
Asked = tuple[Scene, SceneTokens]
"""A scene, and what the model reads of it."""
REALTIME_BUDGET_MS = 0.5e3 * CYCLE_S
"""In real time nobody waits: the other half of the cycle is everybody else's."""


@dataclass(frozen=True, slots=True, eq=False)
class Mind:
    """A model and what computes it (None where only its head is wanted), loaded once; or why there is no model, and the rules drive."""

    model: Model | None
    backend: Backend | None
    trouble: str = ""

    @property
    def name(self) -> str:
        """What really answers, e.g. "microgpt-s on onnxruntime 1.31.0 (cpu, int8)"."""
        if self.model is None or self.backend is None:
            return f"{RULES}: {self.trouble}"
        i = self.backend.info
        return f"{self.model.name} on {i.name} {i.version} ({i.device}, {i.precision})"


def load_mind(
    config: ReasonConfig, *, thinks: bool = True, check: Callable[[Model], None] | None = None
) -> Mind:
    """The model a configuration names, and what computes it if it is to think. Slow: it is done before driving, never while.

    Args:
      config: names model and backend.
      thinks: False where only the model's head is wanted.
      check: looks at what is not reasoning's, and raises InputError for a model that cannot be used.

    Raises:
      ModelError: the model is missing, damaged or of another vocabulary, and the configuration does not let the rules drive instead.
      InputError: the backend cannot run here.
    """
    try:
        model = load_model(config.model)
        if check is not None:
            check(model)
    except InputError as wrong:
        if config.rules_if_bad_model:
            return Mind(None, None, str(wrong))
        remedy = "or let the rules drive: --reason.rules_if_bad_model=true"
        raise ModelError(f"{wrong}; {remedy}") from None
    return Mind(model, make_backend(config.backend, model) if thinks else None)


class MicrogptReasoner:
    """The learnt reasoner.

    Its state is replaced, never changed: a `copy.copy` decides again from the same past. Greedy decisions, without a budget, are
    functions of scene and memory; at a temperature the stamp chooses among them, by `config.reason.seed`.

    Args:
      config: the whole tree.
      road: map and route.
      mind: the model; None loads the one that the configuration names.
      clock: seconds of any monotonic clock, by which the budget is kept.
      foresee: what would be driven; None: it speaks without looking.
    """

    def __init__(
        self,
        config: Config,
        road: Road,
        mind: Mind | None = None,
        clock: Callable[[], float] = time.perf_counter,
        foresee: Foresee | None = None,
    ) -> None:
        self.mind = mind or load_mind(config.reason)
        self._dials, self._road, self._clock = config.reason, road, clock
        self._believed_s = config.perception.coast_s
        self._encoder, self._reading = SceneEncoder(config, road), Pace()
        backend = self.mind.backend
        self._engine = None if backend is None else Engine(backend, clock)
        looks = config.reason.second_thoughts
        self._second = SecondThoughts(foresee, clock) if foresee and looks else None
        self._sha = "" if backend is None else backend.info.weights_sha256
        self._expert = RuleReasoner(config, road)
        self._nothing = SceneMemory(config, road)
        in_real_time = REALTIME_BUDGET_MS if config.nodes.realtime else 0.0
        self._budget_ms = config.reason.budget_ms or in_real_time
        self._late = f"{LATE} {self._budget_ms:g} ms"
        self.reset()

    def reset(self) -> None:
        """Forget the drive so far."""
        self._memory = self._nothing
        self._last: Trace | None = None
        self._ruling = Pace()

    def step(self, scene: Scene) -> Trace:
        """The draft of a trace: all parts but the action, which is computed from the final trajectory."""
        begun_s = self._clock()
        place = place_of(self._road, scene.ego)
        if place is None:  # nothing is known of the road here
            return answer_of(self._expert, scene, self._memory, "off the map")
        before, memory = self._memory, self._memory.after(scene, place)
        trace, why = self._said(scene, memory, place, begun_s)
        if trace is not None:
            self._last = trace
        else:
            trace = self._said_otherwise(scene, before, memory, why)
        self._memory = memory.told(trace.planning, place)
        return trace

    def _said(
        self, scene: Scene, memory: SceneMemory, place: Place, begun_s: float
    ) -> tuple[Trace | None, str]:
        """What the model says; or None, and why it has nothing whole to say in time."""
        if self._engine is None:
            return None, self.mind.trouble
        dials = self._dials

        def budget() -> Budget | None:
            if self._budget_ms <= 0.0:
                return None
            spent_ms = (self._clock() - begun_s) * 1e3
            # what is left must do for the rules, too, should the model have nothing to say
            left_ms = self._budget_ms - spent_ms - self._ruling.expect(1, 0)
            return Budget(left_ms, dials.budget_tokens)

        left = budget()
        if left is not None and left.ms <= self._reading.expect(1, 0):
            self._reading.refused(1, 0)
            return None, self._late
        read_s = self._clock()
        tokens = self._encoder.tokens_at(scene, memory, place)
        self._reading.took(1, 0, (self._clock() - read_s) * 1e3)
        rng = np.random.default_rng([dials.seed, max(scene.stamp_ns, 0) // CYCLE_NS])
        (answer,) = self._answers(self._engine, [(scene, tokens)], dials.temperature, [rng], budget)
        return answer

    def _answers(
        self, engine: Engine, asked: Sequence[Asked], temperature: float,
        rngs: Sequence[np.random.Generator] | None, budget: Callable[[], Budget | None],
    ) -> list[tuple[Trace | None, str]]:  # fmt: skip
        """What the model says to each, at its second thought where it has one; or None, and why it has nothing to say."""
        hidden = [self._hidden(*both) for both in asked]

        def ask(without: Mapping[int, Words]) -> list[tuple[Trace | None, str]]:
            decoded = engine.decode(
                [asked[i][1] for i in without], temperature=temperature, rngs=rngs and [rngs[i] for i in without],
                budget=budget(), limits=[Limits(words, hidden[i]) for i, words in without.items()],
            )  # fmt: skip
            return [self._read(d, asked[i]) for d, i in zip(decoded, without, strict=True)]

        found = ask(dict.fromkeys(range(len(asked)), frozenset()))
        if self._second is not None:
            first = [(scene, said) for (scene, _), (said, _) in zip(asked, found, strict=True)]
            for i, instead in self._second.thoughts(first, ask, budget).items():
                found[i] = instead, ""
        return found

    def _hidden(self, scene: Scene, tokens: SceneTokens) -> frozenset[int]:
        """Slots of road users that something has hidden for a while: they are believed in, but what is cited has been seen."""
        gone = {o.id for o in scene.objects if o.unseen_s > self._believed_s}
        return frozenset(k for k, i in enumerate(tokens.slots.object_ids) if i in gone)

    def _read(self, decoded: Decoded, asked: Asked) -> tuple[Trace | None, str]:
        """What was decoded as a trace; or None, and why it is none."""
        scene, tokens = asked
        if decoded.sequence is None:  # late is what does not fit into what was left
            return None, self._late if decoded.why.endswith(" ms") else decoded.why
        fault = Grammar(tokens.slots).fault(decoded.sequence)
        if fault:
            return None, f"no valid trace: {fault}"
        return decode(decoded.sequence, tokens.slots, scene, self._integrity(scene)), ""

    def decide(
        self, scenes: Sequence[Scene], temperature: float = 0.0,
        rngs: Sequence[np.random.Generator] | None = None,
    ) -> list[Trace | None]:  # fmt: skip
        """What the model would say to each of some scenes if that one came next: all at once, without a budget. Nothing is remembered.

        Args:
          scenes: none, one or many.
          temperature: see `Engine.decode`.
          rngs: one for each scene, to draw with.

        Returns:
          One for each scene; None where it has nothing whole to say, or the scene is off the map.
        """
        found: list[Trace | None] = [None] * len(scenes)
        places = [place_of(self._road, scene.ego) for scene in scenes]
        asked = {
            i: (scene, self._encoder.tokens_at(scene, self._memory.after(scene, place), place))
            for i, (scene, place) in enumerate(zip(scenes, places, strict=True))
            if place is not None
        }
        if self._engine is None or not asked:
            return found
        own = None if rngs is None else [rngs[i] for i in asked]
        answers = self._answers(self._engine, list(asked.values()), temperature, own, lambda: None)
        for i, (said, _) in zip(asked, answers, strict=True):
            found[i] = said
        return found

    def tell(self, scene: Scene, said: Trace) -> None:
        """Go on as after a step in which it said this: so the past of a drive is rebuilt from its log."""
        place = place_of(self._road, scene.ego)
        if place is not None:
            self._memory = self._memory.after(scene, place).told(said.planning, place)

    def _said_otherwise(
        self, scene: Scene, before: SceneMemory, memory: SceneMemory, why: str
    ) -> Trace:
        """The last trace again, or the rules' answer."""
        path = ego_path(self._road, scene.ego)
        if self._last is not None and path is not None:
            again = carried(self._last, scene, path, memory.changing)
            if again is not None:
                age_s = (scene.stamp_ns - self._last.stamp_ns) * 1e-9
                return fallback(again, f"{CARRIED} for {age_s:.1f} s: {why}")
        begun_s = self._clock()
        answer = answer_of(self._expert, scene, before, why)
        self._ruling.took(1, 0, (self._clock() - begun_s) * 1e3)
        return answer

    def _integrity(self, scene: Scene) -> Integrity:
        return Integrity(
            model_sha256=self._sha,
            vocabulary_version=VOCABULARY_VERSION,
            seed=self._dials.seed,
            input_hash=scene_hash(scene),
            grammar_ok=True,
            longitudinal=Agreement.UNSUPPORTED,
            lateral=Agreement.UNSUPPORTED,
            lane=Agreement.UNSUPPORTED,
            grounding_ok=False,
            fallback_used=False,
            validator=self.mind.name,
        )
