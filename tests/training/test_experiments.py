"""Experiments: what they tell of several seeds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from training.experiments import seeds
from training.experiments.seeds import Experiment, main, spread
from whyway.types import InputError


def test_the_interval_of_three_seeds_is_student_s() -> None:
    found = spread([{"pdms": 0.90, "pass_rate": None}, {"pdms": 0.92}, {"pdms": 0.94}])
    assert set(found) == {"pdms"} and found["pdms"]["mean"] == pytest.approx(0.92)
    assert found["pdms"]["half"] == pytest.approx(4.303 * 0.02 / 3**0.5, rel=1e-3)  # t(0.975, 2)
    assert spread([{"pdms": 0.9}])["pdms"]["half"] is None


def test_models_are_judged_beside_baselines_once(tmp_path: Path, monkeypatch: Any) -> None:
    asked: list[list[str]] = []

    def program(module: str, *words: object, fine: Any = (0,)) -> None:
        said = [str(w) for w in words]
        asked.append(said)
        out = Path(said[said.index("--out") + 1])
        (out / "summary.json").write_text(json.dumps({"summary": {"pdms": len(asked) / 10}}))

    monkeypatch.setattr(seeds, "program", program)
    models = (tmp_path / "a", tmp_path / "b")
    for model in models:
        model.mkdir()
        (model / "manifest.json").write_text("{}")
    e = Experiment(
        Path("data"), models=models, seeds=(), baselines=("rules", "no_trace"), out=tmp_path / "out"
    )
    assert main(e) == 0 and main(e) == 0
    drivers = [said[said.index("--driver") + 1] for said in asked]
    assert drivers == ["microgpt", "microgpt", "rules", "no_trace"]
    assert asked[0][-1] == f"--reason.model={models[0]}" == asked[3][-1]
    found = json.loads((tmp_path / "out" / "result.json").read_text())
    assert found["held_out microgpt"]["pdms"]["values"] == [0.1, 0.2]


def test_nothing_to_judge_is_said() -> None:
    with pytest.raises(InputError, match="--models"):
        main(Experiment(Path("data"), seeds=()))
