"""`whyway replay` and `whyway convert`: told and judged, or one line that says what is wrong; JSON alone where JSON is asked for."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "worlds"))  # tests are no package

import made_bags as made

from whyway.cli import NO, OK, WRONG_INPUT, main
from whyway.log import read_log
from whyway.types import Trace

COMMA = Path(__file__).resolve().parents[2] / "shared" / "data" / "comma2k19_mit" / "Example_1"


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made.write_bag(tmp_path_factory.mktemp("replay") / "bag", made.straight(4.0))


def test_a_replay_leaves_log_and_report_and_tells_why(bag: Path, tmp_path: Path, capsys) -> None:
    code = main(["replay", str(bag), "--out", str(tmp_path / "run")])
    told = capsys.readouterr()
    assert code in (OK, NO) and " because " in told.err
    assert {p.name for p in (tmp_path / "run").iterdir()} >= {
        "drive.mcap",
        "report.html",
        "report.json",
    }
    log = read_log(tmp_path / "run" / "drive.mcap")
    assert len(log.of(Trace)) == 40 and log.info["notes"]["open_loop"] == "yes"


def test_with_json_nothing_else_is_printed(bag: Path, tmp_path: Path, capsys) -> None:
    code = main(["replay", str(bag), "--json", "--duration", "2", "--out", str(tmp_path / "run")])
    told = capsys.readouterr()
    values = json.loads(told.out)
    assert values["metrics"]["cycles"] == 20
    assert code == (OK if values["verdict"] == "passed" else NO)


def test_its_options_are_dials_in_the_log(bag: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "my table.yaml").write_text("odometry: /odom\n")
    main(
        ["replay", str(bag), "--topics", str(tmp_path / "my table.yaml"), "--handover", "1.5",
         "--driver", "idm", "--out", str(tmp_path / "run"), "--plan.horizon_s=6"]
    )  # fmt: skip
    info = read_log(tmp_path / "run" / "drive.mcap").info
    assert info["config"]["replay"] == {
        "map": "", "topics": str(tmp_path / "my table.yaml"), "handover_s": 1.5,
    }  # fmt: skip
    assert info["config"]["plan"]["horizon_s"] == 6 and info["driver"] == "idm"
    assert info["notes"]["handover_s"] == "1.5"


def test_info_tells_what_is_there_and_what_would_be_taken(bag: Path, capsys) -> None:
    assert main(["replay", str(bag), "--info", "--json"]) == OK
    facts = json.loads(capsys.readouterr().out)
    assert facts["messages"] == 81 and facts["duration_s"] == 4.0
    assert facts["table"] == "robot" and facts["parts"] == {"odometry": "/odom"}
    assert facts["topics"][0] == {
        "topic": "/odom", "type": "nav_msgs/msg/Odometry", "count": 81, "problem": "",
    }  # fmt: skip
    assert main(["replay", str(bag), "--info"]) == OK
    assert "nav_msgs/msg/Odometry" in capsys.readouterr().out


def test_info_tells_of_recordings_that_cannot_be_driven(tmp_path: Path, capsys) -> None:
    made.write_mcap(tmp_path / "talk.mcap", made.strings(20))
    data = (tmp_path / "talk.mcap").read_bytes()
    (tmp_path / "talk.mcap").write_bytes(data[: len(data) // 2])
    assert main(["replay", str(tmp_path / "talk.mcap"), "--info", "--json"]) == OK
    facts = json.loads(capsys.readouterr().out)
    assert facts["table"].startswith("none: none of the tables we ship tells where the ego is")
    assert "breaks off after" in facts["lost"][0]


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["no/such.bag"], "no/such.bag: no such file"),
        (["BAG", "--topics", "nobodys"], "a preset: whyway, autoware"),
        (["BAG", "--topics", "autoware"], "does not tell where the ego is"),
        (["BAG", "--map", "no/such.xodr"], "no/such.xodr: no such file"),
        (["BAG", "--handover", "-1"], "--handover -1"),
        (["BAG", "--handover", "nan"], "--handover nan"),
        (["BAG", "--handover", "500"], "the replay lasts 4 s"),
        (["BAG", "--duration", "0"], "from 1 to 86400"),
        (["BAG", "--driver", "nobody"], "choose one of: rules"),
        (["BAG", "--replay.maps=x"], "did you mean 'map'"),
    ],
)
def test_wrong_input_is_one_line(bag: Path, capsys, argv: list[str], says: str) -> None:
    assert main(["replay", *(str(bag) if word == "BAG" else word for word in argv)]) == WRONG_INPUT
    told = capsys.readouterr()
    (line,) = told.err.strip().splitlines()
    assert says in line and line.startswith("whyway: ")


def test_without_ros_a_replay_over_ros_is_refused(bag: Path, capsys, monkeypatch) -> None:
    monkeypatch.setattr("whyway.doctor.ros_missing", lambda: "rclpy is not installed")
    assert main(["replay", str(bag), "--ros"]) == WRONG_INPUT
    assert "--ros: rclpy is not installed" in capsys.readouterr().err


@pytest.mark.skipif(not COMMA.exists(), reason=f"no data: {COMMA}")
def test_comma2k19_is_converted_to_what_replay_reads(tmp_path: Path, capsys) -> None:
    segment = next(COMMA.glob("*/40"))
    assert main(["convert", "comma2k19", str(segment), str(tmp_path / "out")]) == OK
    capsys.readouterr()
    assert main(["replay", str(tmp_path / "out"), "--info", "--json"]) == OK
    assert json.loads(capsys.readouterr().out)["table"] == "whyway"
    assert main(["convert", "comma2k19", str(segment), str(tmp_path / "out")]) == WRONG_INPUT
    assert "exists already" in capsys.readouterr().err
