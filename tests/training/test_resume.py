"""A run that was killed goes on as if nothing had happened, bit for bit; and it goes on with nothing but itself."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
import torch
from made_data import MadeData

from training.distributed import Rank
from training.sft import STATE, Options, Run, Stop, stop_signals
from whyway.reason.checkpoint import load_model
from whyway.reason.manifest import Versions
from whyway.types import InputError

HERE = Versions("v" * 64, "7", "s" * 64)
ALONE = Rank(0, 1, torch.device("cpu"))
DATA = MadeData()


def run(out: Path, **more: object) -> Run:
    given = {"depth": 1, "steps": 12, "batch_size": 8, "warmup": 3, "lr": 1e-2, "val_every": 4}
    given |= {"precision": "fp32", "average": 0.9, "log_every": 1, "val_batches": 2, "plain_share": 0.3}  # fmt: skip
    return Run(Options(data=(Path("made"),), out=out, **{**given, **more}), DATA, ALONE, HERE)  # type: ignore[arg-type]


class After(Stop):
    """Wants to stop after some steps: asked once a step."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    @property  # type: ignore[override]
    def wanted(self) -> bool:
        self.left -= 1
        return self.left <= 0

    @wanted.setter
    def wanted(self, _: bool) -> None: ...


def told(folder: Path) -> list[dict]:
    """The log without the clock."""
    lines = [json.loads(x) for x in (folder / "log.jsonl").read_text().splitlines()]
    return [{k: v for k, v in x.items() if k not in ("s", "steps/s")} for x in lines]


@pytest.mark.parametrize("stops", [(5,), (3, 4)])
def test_a_run_that_was_stopped_learns_what_a_whole_one_learns(
    tmp_path: Path, stops: tuple[int, ...]
) -> None:
    whole = run(tmp_path / "whole")
    assert whole.train()
    for k, after in enumerate(stops):
        part = run(tmp_path / "parts", resume=k > 0)
        assert not part.train(After(after))
        assert part.step == sum(stops[: k + 1])
    last = run(tmp_path / "parts", resume=True)
    assert last.train()
    assert told(tmp_path / "parts") == told(tmp_path / "whole")
    shas = [load_model(r.save(), HERE).weights_sha256 for r in (whole, last)]
    assert shas[0] == shas[1]


def test_a_run_killed_between_states_does_the_lost_steps_again(tmp_path: Path) -> None:
    whole = run(tmp_path / "whole")
    assert whole.train()
    killed = run(tmp_path / "killed", save_every=4)

    def die(*_: object) -> float:
        if killed.step == 6:
            raise KeyboardInterrupt
        return real(*_)

    real = killed._learn
    killed._learn = die  # type: ignore[assignment, method-assign]
    with pytest.raises(KeyboardInterrupt):
        killed.train()
    again = run(tmp_path / "killed", resume=True)
    assert again.step == 4
    assert again.train()
    assert told(tmp_path / "killed") == told(tmp_path / "whole")


def test_a_finished_run_has_nothing_left_to_do(tmp_path: Path) -> None:
    done = run(tmp_path)
    done.train()
    sha = load_model(done.save(), HERE).weights_sha256
    again = run(tmp_path, resume=True)
    assert again.step == 12 and again.train()
    assert load_model(again.save(), HERE).weights_sha256 == sha


def test_a_run_is_not_overwritten_and_not_mixed_with_another(tmp_path: Path) -> None:
    run(tmp_path).train()
    with pytest.raises(InputError, match="go on with --resume"):
        run(tmp_path)
    with pytest.raises(InputError, match="begun with --lr 0.01, not 0.1"):
        run(tmp_path, resume=True, lr=0.1)
    other = Options(data=(Path("made"),), out=tmp_path, depth=1, resume=True)
    with pytest.raises(InputError, match="begun with --"):
        Run(other, MadeData(1), ALONE, HERE)


def test_other_data_is_refused(tmp_path: Path) -> None:
    first = run(tmp_path)
    first.train()
    with pytest.raises(InputError, match="begun with data"):
        Run(Options(**{**vars(first.options), "resume": True}), MadeData(1), ALONE, HERE)


@pytest.mark.parametrize("content", [b"", b"nonsense" * 100])
def test_a_damaged_state_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / STATE).write_bytes(content)
    with pytest.raises(InputError, match="not the state of a run") as error:
        run(tmp_path, resume=True)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_stop_after_the_step_and_leave_a_state(tmp_path: Path, number: int) -> None:
    going = run(tmp_path, steps=100_000, val_every=100_000)
    real, sent = going._learn, []

    def learn(*args: object) -> dict[str, float]:
        if going.step == 2 and not sent:
            sent.append(os.kill(os.getpid(), number))
        return real(*args)  # type: ignore[arg-type]

    going._learn = learn  # type: ignore[method-assign]
    with stop_signals() as stop:
        assert not going.train(stop)
    assert going.step == 3
    assert run(tmp_path, steps=100_000, val_every=100_000, resume=True).step == 3


def test_minutes_become_steps_once_and_stay(tmp_path: Path) -> None:
    first = run(tmp_path, minutes=0.02, steps=1)
    assert first.train()
    steps = first._facts["steps"]
    assert first.step == steps >= 20
    again = run(tmp_path, minutes=5.0, steps=1, resume=True)
    assert again.train() and again.step == steps
