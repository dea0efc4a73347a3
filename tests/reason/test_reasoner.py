"""The learnt reasoner around its model: what it says is whole and grounded whatever the weights, never late, and the same again."""

from __future__ import annotations

import copy
import dataclasses
import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from made_models import configured, made_model

from whyway.config import Config
from whyway.maps.manoeuvre import ego_path
from whyway.maps.road import Road
from whyway.reason import RuleReasoner
from whyway.reason.carry import LONGEST_S, carried
from whyway.reason.checkpoint import ModelError
from whyway.reason.reasoner import CARRIED, LATE, MicrogptReasoner, Mind, load_mind
from whyway.reason.stand_in import RULES, RuleStandIn
from whyway.trace.integrity import grounded, scene_hash
from whyway.types import (
    CauseKind,
    Direction,
    Lateral,
    Scene,
    Trace,
    differences,
    same,
)

CONFIG = Config()
Moment = Any
"""One cycle of a drive (`conftest.Moment`)."""


@pytest.fixture(scope="module")
def moments(short_drive: list[Moment]) -> list[Moment]:
    return short_drive


@pytest.fixture(scope="module")
def road(moments: list[Moment]) -> Road:
    return moments[0].road


@pytest.fixture(scope="module")
def scenes(moments: list[Moment]) -> list[Scene]:
    return [m.cycle.scene for m in moments]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def mind(folder: Path) -> Mind:
    return load_mind(configured(folder).reason)


class Ticks:
    """A clock that goes on by so much at every look."""

    def __init__(self, step_s: float) -> None:
        self.step_s, self.now_s = step_s, 0.0

    def __call__(self) -> float:
        self.now_s += self.step_s
        return self.now_s


# ------------------------------------------------------------------------------------------------------ what it says


@pytest.mark.parametrize("seed", range(3))
def test_whatever_the_weights_every_trace_is_whole_grounded_and_of_its_scene(
    seed: int, scenes: list[Scene], road: Road, tmp_path: Path
) -> None:
    config = configured(made_model(tmp_path / "m", seed=seed), temperature=1.0)
    reasoner = MicrogptReasoner(config, road)
    for scene in scenes[::3]:
        trace = reasoner.step(scene)
        integrity = trace.integrity
        assert integrity.grammar_ok and not integrity.fallback_used
        assert (trace.stamp_ns, integrity.input_hash) == (scene.stamp_ns, scene_hash(scene))
        assert grounded(trace, scene, ego_path(road, scene.ego))
        assert 1 <= len(trace.planning.causes) <= 3 and len(trace.perception.critical_objects) <= 8
        assert trace.perception.ego == scene.ego


def test_it_says_which_model_answered_and_on_what(
    scenes: list[Scene], road: Road, folder: Path, mind: Mind
) -> None:
    integrity = MicrogptReasoner(configured(folder), road, mind).step(scenes[0]).integrity
    assert integrity.model_sha256 == mind.model.weights_sha256
    assert integrity.validator == f"tiny on numpy {np.__version__} (cpu, fp32)"


def test_the_same_scenes_get_the_same_traces(
    scenes: list[Scene], road: Road, folder: Path, mind: Mind
) -> None:
    for temperature in (0.0, 1.0):
        config = configured(folder, temperature=temperature)
        first, again = (MicrogptReasoner(config, road, mind) for _ in range(2))
        for scene in scenes[:8]:
            assert same(first.step(scene), again.step(scene))


def test_another_seed_says_other_things_only_at_a_temperature(
    scenes: list[Scene], road: Road, folder: Path, mind: Mind
) -> None:
    def said(**dials: object) -> list[Trace]:
        reasoner = MicrogptReasoner(configured(folder, **dials), road, mind)
        return [dataclasses.replace(reasoner.step(s), integrity=None) for s in scenes[:6]]

    cold = [differences(a, b) for a, b in zip(said(seed=1), said(seed=2), strict=True)]
    warm = [
        differences(a, b)
        for a, b in zip(said(seed=1, temperature=1.0), said(seed=2, temperature=1.0), strict=True)
    ]
    assert not any(cold) and all(warm)


def test_a_copy_decides_again_from_the_same_past_and_leaves_the_original_alone(
    scenes: list[Scene], road: Road, folder: Path, mind: Mind
) -> None:
    reasoner = MicrogptReasoner(configured(folder), road, mind)
    undisturbed = MicrogptReasoner(configured(folder), road, mind)
    for scene in scenes[:12]:
        before = copy.copy(reasoner)
        trace = reasoner.step(scene)
        assert same(copy.copy(before).step(scene), trace)
        for other in scenes[20:24]:  # what a copy goes through is its own affair
            before.step(other)
        assert same(undisturbed.step(scene), trace)


def test_off_the_map_it_says_what_the_rules_say(
    scenes: list[Scene], road: Road, folder: Path, mind: Mind
) -> None:
    ego = dataclasses.replace(scenes[0].ego, x_m=1e5)
    lost = dataclasses.replace(scenes[0], ego=ego)
    trace = MicrogptReasoner(configured(folder), road, mind).step(lost)
    rules = RuleReasoner(CONFIG, road).step(lost)
    assert same(trace.planning, rules.planning) and trace.integrity.fallback_used
    assert trace.integrity.validator == f"{RULES}: off the map"


# --------------------------------------------------------------------------------------------------- when it is late


def test_without_any_time_the_rules_drive_just_as_they_would_alone(
    moments: list[Moment], road: Road, folder: Path, mind: Mind
) -> None:
    reasoner = MicrogptReasoner(configured(folder, budget_ms=1.0), road, mind, Ticks(0.01))
    for m in moments:
        trace = reasoner.step(m.cycle.scene)
        assert same(trace.planning, m.cycle.trace.planning)
        assert trace.integrity.fallback_used
        assert trace.integrity.validator == f"{RULES}: {LATE} 1 ms"


def test_where_the_rules_alone_take_all_the_time_no_scene_is_prepared_for_the_model(
    scenes: list[Scene], road: Road, folder: Path, mind: Mind, monkeypatch: pytest.MonkeyPatch
) -> None:
    reasoner = MicrogptReasoner(configured(folder, budget_ms=1.0), road, mind, Ticks(0.01))
    assert reasoner.step(scenes[0]).integrity.validator == f"{RULES}: {LATE} 1 ms"
    monkeypatch.setattr(reasoner, "_encoder", None)
    assert reasoner.step(scenes[1]).integrity.validator == f"{RULES}: {LATE} 1 ms"


def test_too_few_tokens_are_no_trace(
    scenes: list[Scene], road: Road, folder: Path, mind: Mind
) -> None:
    config = configured(folder, budget_ms=1e6, budget_tokens=5)
    trace = MicrogptReasoner(config, road, mind).step(scenes[0])
    assert trace.integrity.validator == f"{RULES}: more than 5 tokens"


def test_late_it_says_its_last_words_again_and_then_lets_the_rules_speak(
    scenes: list[Scene], road: Road, folder: Path, mind: Mind
) -> None:
    clock = Ticks(0.0)
    reasoner = MicrogptReasoner(configured(folder, budget_ms=50.0), road, mind, clock)
    first = reasoner.step(scenes[0])
    assert not first.integrity.fallback_used
    clock.step_s = 1.0
    later = [reasoner.step(scene) for scene in scenes[1:12]]
    who = [t.integrity.validator.split(" ")[0].rstrip(":") for t in later]
    limit = round(LONGEST_S * 10)
    n = next((k for k, name in enumerate(who) if name == RULES), len(who))
    assert n <= limit and set(who[n:]) == {RULES}
    assert all(t.integrity.fallback_used for t in later)
    for trace, scene in zip(later, scenes[1:12], strict=True):
        assert trace.stamp_ns == scene.stamp_ns
        assert grounded(trace, scene, ego_path(road, scene.ego))


def test_words_said_again_are_called_so(
    moments: list[Moment], road: Road, folder: Path, mind: Mind
) -> None:
    reasoner = MicrogptReasoner(configured(folder, budget_ms=1.0), road, mind, Ticks(1.0))
    reasoner.step(moments[0].cycle.scene)
    reasoner._last = moments[0].cycle.trace  # had the model said what the expert did
    for k in range(1, 6):
        trace = reasoner.step(moments[k].cycle.scene)
        assert trace.integrity.validator == f"{CARRIED} for 0.{k} s: {LATE} 1 ms"
        assert trace.integrity.fallback_used
        assert trace.planning.decision == moments[0].cycle.trace.planning.decision
    assert reasoner.step(moments[6].cycle.scene).integrity.validator.startswith(RULES)


def test_numbers_that_are_none_are_not_said(scenes: list[Scene], road: Road, folder: Path) -> None:
    broken = load_mind(configured(folder).reason)
    step = broken.backend.step
    broken.backend.step = lambda *a: np.full_like(step(*a), math.nan)
    trace = MicrogptReasoner(configured(folder), road, broken).step(scenes[0])
    assert trace.integrity.validator == f"{RULES}: the model's answer is not a number"


# ------------------------------------------------------------------------------------------------------ said again


def rules_said(moments: list[Moment]) -> list[tuple[Trace, list[Scene]]]:
    """The expert's traces, and the scenes after each."""
    return [
        (m.cycle.trace, [n.cycle.scene for n in moments[k : k + 8]]) for k, m in enumerate(moments)
    ]


def test_what_is_said_again_is_grounded_and_nearer_by_how_far_the_car_has_come(
    moments: list[Moment], road: Road
) -> None:
    tried = 0
    for trace, later in rules_said(moments):
        for scene in later:
            path = ego_path(road, scene.ego)
            again = carried(trace, scene, path, trace.planning.direction)
            if again is None:
                continue
            tried += 1
            assert grounded(again, scene, path) and again.stamp_ns == scene.stamp_ns
            ego, before = scene.ego, trace.perception.ego
            moved = math.hypot(ego.x_m - before.x_m, ego.y_m - before.y_m)
            stop, now = trace.planning.stop_distance_m, again.planning.stop_distance_m
            assert now == stop == math.inf or now == pytest.approx(max(stop - moved, 0.0), abs=0.1)
            assert again.planning.decision == trace.planning.decision
    assert tried > 100


def test_at_once_it_says_the_same(moments: list[Moment], road: Road) -> None:
    for m in moments[:20]:
        path = ego_path(road, m.cycle.scene.ego)
        again = carried(m.cycle.trace, m.cycle.scene, path, m.cycle.trace.planning.direction)
        assert again is not None and same(again.planning, m.cycle.trace.planning)
        assert same(again.perception, m.cycle.trace.perception)


def test_old_words_are_not_said_again(moments: list[Moment], road: Road) -> None:
    trace = moments[0].cycle.trace
    for m in moments[6:12]:
        path = ego_path(road, m.cycle.scene.ego)
        assert carried(trace, m.cycle.scene, path, Direction.NONE) is None


def test_who_is_gone_is_not_cited_and_a_decision_because_of_nobody_is_none(
    moments: list[Moment], road: Road
) -> None:
    seen = {"cited": 0, "main": 0}
    for m in moments:
        trace, scene, path = m.cycle.trace, m.cycle.scene, ego_path(road, m.cycle.scene.ego)
        main = trace.planning.causes[0]
        for c in trace.perception.critical_objects:
            rest = tuple(o for o in scene.objects if o.id != c.id)
            scene_now = dataclasses.replace(scene, objects=rest)
            again = carried(trace, scene_now, path, trace.planning.direction)
            if main.kind == CauseKind.OBJECT and main.id == c.id:
                seen["main"] += 1
                assert again is None
            else:
                seen["cited"] += 1
                assert grounded(again, scene_now, path)
                assert c.id not in {o.id for o in again.perception.critical_objects}
    assert min(seen.values()) > 0


def test_a_finished_lane_change_is_not_begun_again(moments: list[Moment], road: Road) -> None:
    m = moments[0]
    path = ego_path(road, m.cycle.scene.ego)
    change = dataclasses.replace(
        m.cycle.trace.planning, lateral=Lateral.LANE_CHANGE, direction=Direction.LEFT
    )
    trace = dataclasses.replace(m.cycle.trace, planning=change)
    assert carried(trace, m.cycle.scene, path, Direction.LEFT) is not None
    assert carried(trace, m.cycle.scene, path, Direction.NONE) is None


# --------------------------------------------------------------------------------------------------------- stand-in


def test_the_stand_in_goes_on_from_what_was_driven(moments: list[Moment], road: Road) -> None:
    stand_in = RuleStandIn(CONFIG, road)
    for m in moments:
        answer = stand_in.answer(m.cycle.scene, "asked")
        assert same(answer.planning, m.cycle.trace.planning)
        assert same(stand_in.answer(m.cycle.scene, "asked"), answer)  # answering changes nothing
        assert answer.integrity.validator == f"{RULES}: asked" and answer.integrity.fallback_used
        stand_in.heard(m.cycle.scene, m.cycle.trace)


# ------------------------------------------------------------------------------------------------------- bad models


def corrupt(folder: Path) -> None:
    path = folder / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-5] ^= 0xFF
    path.write_bytes(data)


def other_vocabulary(folder: Path) -> None:
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["versions"]["vocabulary_sha256"] = "0" * 64
    path.write_text(json.dumps(manifest))


BAD = {
    "corrupted": corrupt,
    "of another vocabulary": other_vocabulary,
    "cut off": lambda f: (f / "model.safetensors").write_bytes(b"x"),
    "not there": lambda f: (f / "manifest.json").unlink(),
}


@pytest.mark.parametrize("how", BAD)
def test_a_bad_model_is_refused_at_start_up_in_one_line_with_the_remedies(
    how: str, tmp_path: Path, road: Road
) -> None:
    folder = made_model(tmp_path / "bad")
    BAD[how](folder)
    with pytest.raises(ModelError) as error:
        MicrogptReasoner(configured(folder), road)
    line = str(error.value)
    assert "\n" not in line and "bad" in line and "--reason.rules_if_bad_model=true" in line


@pytest.mark.parametrize("how", BAD)
def test_if_allowed_the_rules_drive_in_its_place_and_every_trace_says_so(
    how: str, tmp_path: Path, moments: list[Moment], road: Road
) -> None:
    folder = made_model(tmp_path / "bad")
    BAD[how](folder)
    reasoner = MicrogptReasoner(configured(folder, rules_if_bad_model=True), road)
    assert reasoner.mind.trouble and reasoner.mind.name.startswith(RULES)
    for m in moments[:5]:
        trace = reasoner.step(m.cycle.scene)
        assert same(trace.planning, m.cycle.trace.planning)
        assert trace.integrity.fallback_used and reasoner.mind.trouble in trace.integrity.validator


def test_a_backend_that_is_none_is_refused(folder: Path, road: Road) -> None:
    with pytest.raises(ValueError, match="no backend 'abacus'"):
        MicrogptReasoner(configured(folder, backend="abacus"), road)
