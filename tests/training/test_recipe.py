"""A recipe's steps are done once, again when something they depend on has changed, and never half."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from training.recipes.microgpt_s import Recipe, steps_of
from training.recipes.steps import Step, StepError, do, program


class Kitchen:
    """Steps that only count how often they were done."""

    def __init__(self, work: Path) -> None:
        self.work, self.done = work, list[str]()
        self.fails = ""

    def step(self, name: str, asks: object = 0, after: tuple[str, ...] = ()) -> Step:
        return Step(name, self._run(name), asks, after)

    def _run(self, name: str) -> Callable[[Path], None]:
        def run(folder: Path) -> None:
            self.done.append(name)
            if self.fails == name:
                (folder / "half").write_text("half")
                raise StepError("it is out of flour")
            (folder / "whole").write_text(name)

        return run

    def cook(self, *steps: Step) -> list[str]:
        """What was done this time."""
        self.done.clear()
        do(steps, self.work)
        return list(self.done)


@pytest.fixture
def kitchen(tmp_path: Path) -> Kitchen:
    return Kitchen(tmp_path / "work")


def test_a_step_is_done_once(kitchen: Kitchen) -> None:
    steps = kitchen.step("dough"), kitchen.step("bread", after=("dough",))
    assert kitchen.cook(*steps) == ["dough", "bread"]
    assert kitchen.cook(*steps) == []


def test_what_builds_upon_a_changed_step_is_done_again_and_nothing_else(kitchen: Kitchen) -> None:
    def steps(flour: int, jam: int) -> list[Step]:
        return [
            kitchen.step("dough", flour), kitchen.step("jam", jam), kitchen.step("bread", 0, ("dough",)),
            kitchen.step("meal", 0, ("bread", "jam")),
        ]  # fmt: skip

    kitchen.cook(*steps(1, 1))
    assert kitchen.cook(*steps(2, 1)) == ["dough", "bread", "meal"]
    assert kitchen.cook(*steps(2, 2)) == ["jam", "meal"]
    assert kitchen.cook(*steps(2, 2)) == []


def test_a_step_that_failed_goes_on_where_it_was(kitchen: Kitchen) -> None:
    steps = kitchen.step("dough"), kitchen.step("bread", after=("dough",))
    kitchen.fails = "bread"
    with pytest.raises(StepError):
        kitchen.cook(*steps)
    kitchen.fails = ""
    assert kitchen.cook(*steps) == ["bread"]
    assert (kitchen.work / "bread" / "half").exists()  # its program decides what to do with it


def test_what_lies_there_of_another_recipe_is_cleared_away(kitchen: Kitchen) -> None:
    kitchen.fails = "dough"
    with pytest.raises(StepError):
        kitchen.cook(kitchen.step("dough", 1))
    kitchen.fails = ""
    kitchen.cook(kitchen.step("dough", 2))
    assert not (kitchen.work / "dough" / "half").exists()


def test_a_lost_folder_is_made_again(kitchen: Kitchen) -> None:
    step = kitchen.step("dough")
    kitchen.cook(step)
    (kitchen.work / "dough" / "whole").unlink()
    (kitchen.work / "dough").rmdir()
    assert kitchen.cook(step) == ["dough"]


def test_a_program_that_fails_is_told_with_its_exit_code() -> None:
    program("this", fine=(0,))
    with pytest.raises(StepError, match="exit code 1"):
        program("no_such_module")
    program("no_such_module", fine=(0, 1))


@pytest.mark.parametrize("dagger", [True, False])
@pytest.mark.parametrize("judge", ["smoke", ""])
@pytest.mark.parametrize("data", [None, Path("there")])
def test_every_step_of_the_recipe_comes_after_those_it_builds_upon(
    dagger: bool, judge: str, data: Path | None
) -> None:
    steps = steps_of(Recipe(dagger=dagger, judge=judge, data=data))
    seen: set[str] = set()
    for step in steps:
        assert set(step.after) <= seen, step.name
        seen.add(step.name)
    assert ("data" in seen) == (data is None) and ("dagger" in seen) == dagger
    assert steps[-1].name == "ship"


def test_what_a_step_depends_on_is_the_same_text_in_every_process() -> None:
    text = json.dumps([s.asks for s in steps_of(Recipe())], default=str)
    assert " at 0x" not in text and "MISSING" not in text


def test_another_seed_trains_again_and_drives_the_experts_data_no_second_time() -> None:
    def asks(seed: int) -> dict[str, object]:
        return {s.name: s.asks for s in steps_of(Recipe(seed=seed))}

    changed = {name for name in asks(0) if asks(0)[name] != asks(1)[name]}
    assert "data" not in changed and {"pretrain", "reasoning", "finish", "model"} <= changed
