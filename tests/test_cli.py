"""The command line: what goes wrong is one line and the right exit code; what goes right is a report."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from whyway import bench
from whyway.cli import INTERRUPTED, NO, OK, WRONG_INPUT, main
from whyway.log import read_log
from whyway.worlds.sim import bench as sim_bench

SCENES = Path(__file__).resolve().parents[2] / "shared" / "data" / "commonroad_bsd"


@pytest.fixture
def scene_file():
    files = sorted(SCENES.rglob("DEU_Speyer-2_4*.xml.gz"))
    if not files:
        pytest.skip(f"no CommonRoad scenes at {SCENES}")
    return files[0]


def refused(capsys, *argv: str) -> str:
    """The one line on stderr with which a command is refused."""
    assert main(list(argv)) == WRONG_INPUT
    told = capsys.readouterr()
    lines = told.err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("whyway: "), told.err
    assert "Traceback" not in told.err + told.out
    return lines[0]


def drive(*argv: str) -> tuple[str, ...]:
    return ("drive", "--in-process", *argv)


# ------------------------------------------------------------------------------------------------------ wrong input


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (("--world", "no/such.xml"), "no/such.xml: no such file"),
        (("--world", "nowhere"), "nowhere"),
        (("--driver", "nobody"), "choose one of: rules"),
        (("--duration", "-1"), "from 1 to 86400"),
        (("--duration", "nan"), "from 1 to 86400"),
        (("--seed", "-1"), "--seed"),
        (("--safety.nonsense=1",), "unknown key 'nonsense'"),
        (("--saftey.reaction_s=1",), "did you mean 'safety'"),
        (("--plan.horizon_s=soon",), "finite number"),
        (("--plan.horizon_s=0",), "out of range"),
        (("--config", "no/such.yaml"), "no/such.yaml"),
        (("--inject", "kill:reasoner@3"), "needs the ROS 2 nodes"),
        (("--inject", "late:detection=0.3@3"), "did you mean 'detections'?"),
    ],
)
def test_a_wrong_option_is_one_line(capsys, tmp_path, argv, says):
    out = tmp_path / "run"
    assert says in refused(capsys, *drive(*argv, "--out", str(out)))
    assert not out.exists()


def test_a_file_that_is_no_scene_is_one_line(capsys, tmp_path):
    wrong = tmp_path / "wrong.xml"
    wrong.write_text("<html><body>not a scene</body></html>")
    assert "wrong.xml" in refused(capsys, *drive("--world", str(wrong)))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_truncated_scene_is_one_line(capsys, tmp_path, scene_file, share):
    cut = tmp_path / "cut.xml.gz"
    data = scene_file.read_bytes()
    cut.write_bytes(data[: int(share * len(data))])
    assert "cut.xml.gz" in refused(capsys, *drive("--world", str(cut)))


def test_a_scene_cut_before_it_was_zipped_is_one_line(capsys, tmp_path, scene_file):
    cut = tmp_path / "cut.xml.gz"
    text = gzip.decompress(scene_file.read_bytes())
    cut.write_bytes(gzip.compress(text[: len(text) // 2]))
    assert "cut.xml.gz" in refused(capsys, *drive("--world", str(cut)))


def test_a_folder_that_cannot_be_written_is_one_line(capsys, tmp_path):
    (tmp_path / "file").write_text("in the way")
    line = refused(capsys, *drive("--duration", "1", "--out", str(tmp_path / "file" / "run")))
    assert "--out" in line


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (("--suite", "no/such"), "no such suite"),
        (("--suite", "{tmp}"), "{tmp}"),
        (("--suite", "{tmp}", "--driver", "nobody"), "choose one of"),
        (("--suite", "{tmp}", "--safety.nonsense=1"), "unknown key"),
    ],
)
def test_a_suite_that_cannot_be_evaluated_is_one_line(capsys, tmp_path, argv, says):
    argv = [word.format(tmp=tmp_path) for word in argv]
    line = refused(capsys, "evaluate", *argv, "--out", str(tmp_path / "out"))
    assert says.format(tmp=tmp_path) in line


@pytest.mark.parametrize("agents", ["-1", "100000"])
def test_a_bench_that_cannot_be_run_is_one_line(capsys, agents):
    assert "ask for 1 to" in refused(capsys, "bench", "decide", "--agents", agents)


@pytest.mark.parametrize(
    "argv", [[], ["fly"], ["drive", "--nonsense=1"], ["drive", "--seed", "x"], ["bench"]]
)
def test_what_is_no_command_is_refused_with_usage(capsys, argv):
    with pytest.raises(SystemExit) as ended:
        main(argv)
    assert ended.value.code == WRONG_INPUT
    told = capsys.readouterr()
    assert "Traceback" not in told.err and told.err


# ------------------------------------------------------------------------------------------------------- what works


def test_a_short_drive_leaves_log_and_reports(capsys, tmp_path):
    code = main(list(drive("--duration", "3", "--seed", "2", "--out", str(tmp_path / "run"))))
    told = capsys.readouterr()
    assert code in (OK, NO), told.err
    assert {"drive.mcap", "report.html", "report.json"} <= {
        f.name for f in (tmp_path / "run").iterdir()
    }
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["driver"] == "microgpt" and report["provenance"]["seed"] == 2
    assert (code == OK) == (report["scenes"][0]["verdict"] == "passed")
    assert "PDMS" in told.out and "Traceback" not in told.err


def test_a_dial_on_the_command_line_reaches_the_log(tmp_path):
    main([*drive("--duration", "1", "--out", str(tmp_path)), "--safety.reaction_s=0.31"])
    assert read_log(tmp_path / "drive.mcap").info["config"]["safety"]["reaction_s"] == 0.31


def test_the_committed_messages_are_up_to_date(capsys):
    assert main(["messages", "--check"]) == OK
    assert capsys.readouterr().out == ""


def test_the_dials_are_listed_with_their_defaults(capsys):
    assert main(["doctor", "--dials"]) == OK
    told = capsys.readouterr().out
    assert "safety.reaction_s=" in told and "sim.traffic.idm.headway_s=" in told


def test_the_doctor_says_what_there_is(capsys):
    assert main(["doctor"]) in (OK, NO)
    told = capsys.readouterr().out
    assert all(what in told for what in ("whyway", "Python", "numpy", "ROS 2"))


@pytest.mark.parametrize("command", ["", "drive", "evaluate", "map", "bench", "messages", "doctor"])
def test_every_command_has_help(capsys, command):
    with pytest.raises(SystemExit) as ended:
        main([*command.split(), "--help"])
    assert ended.value.code == 0
    told = capsys.readouterr().out
    assert "usage: whyway" in told and len(told.splitlines()) > 5


def test_an_interrupt_ends_with_its_own_code(monkeypatch, capsys, tmp_path):
    def interrupted(*_args, **_kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("whyway.drives.drive", interrupted)
    assert main(list(drive("--duration", "1", "--out", str(tmp_path)))) == INTERRUPTED
    assert "interrupted" in capsys.readouterr().err


# -------------------------------------------------------------------------------------------------------- processes


def whyway(*argv: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, as a shell runs it."""
    return subprocess.run(
        [sys.executable, "-m", "whyway", *argv],
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ, "COLUMNS": "80"},
    )


def test_in_a_process_of_its_own_a_wrong_dial_is_one_line_and_exit_code_2():
    done = whyway(*drive("--safety.nonsense=1"))
    assert (done.returncode, done.stdout) == (WRONG_INPUT, "")
    assert len(done.stderr.strip().splitlines()) == 1


def test_told_to_end_it_closes_the_log(tmp_path):
    command = [sys.executable, "-m", "whyway", *drive("--duration", "600", "--out", str(tmp_path))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not (tmp_path / "drive.mcap").exists() and process.poll() is None:
        time.sleep(0.02)
    process.terminate()
    _, said = process.communicate(timeout=60)
    assert process.returncode == INTERRUPTED and "interrupted" in said
    assert not read_log(tmp_path / "drive.mcap").truncated


@pytest.mark.parametrize(
    "argv", [("messages", "--check"), ("doctor",), ("bench", "sim", "--worlds", "1")]
)
def test_a_dial_that_nothing_would_come_of_is_refused(capsys, argv):
    assert "no use for dials" in refused(capsys, *argv, "--safety.reaction_s=0.3")


@pytest.mark.parametrize("what", ["decide", "sim"])
def test_a_bench_prints_json_and_nothing_else(what, capsys, monkeypatch):
    decide, sim = bench.bench_decide, sim_bench.bench_sim
    monkeypatch.setattr(
        bench, "bench_decide", lambda c, n, progress, driver: decide(c, n, 5.0, 1, progress, driver)
    )
    monkeypatch.setattr(
        sim_bench, "bench_sim", lambda w, n, backend, progress: sim(w, n, 5, 1, backend)
    )
    few = ["--worlds", "4", "--agents", "4", "--backend", "numpy"]
    argv = ["--agents", "3"] if what == "decide" else few
    assert main(["bench", what, "--json", *argv]) == OK
    (row, *_) = json.loads(capsys.readouterr().out)["results"]
    assert row["agents"] in (3, 4) and {"backend", "worlds"} <= row.keys()
