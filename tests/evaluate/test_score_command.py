"""`whyway score log`: the same numbers as the report's."""

import json

import pytest
from made_drives import Other, straight

from whyway.cli import OK, WRONG_INPUT, main
from whyway.evaluate.score import score
from whyway.log import read_log


def test_a_log_has_the_metrics_of_its_report(made, capsys):
    log = made.drive(straight(20.0, 10.0), Other(straight(60.0, 0.0)), duration_s=6.0, notes={"route": "made"})  # fmt: skip
    assert main(["score", "log", str(log.path), "--json"]) == OK
    found = json.loads(capsys.readouterr().out)
    report = score(read_log(log.path)).to_json()
    assert found == {key: report[key] for key in found}
    assert found["metrics"]["carla_vehicle"] == 1 and found["metrics"]["at_fault_collisions"] == 1
    assert main(["score", "log", str(log.path)]) == OK
    assert "carla_driving_score_v2_1" in capsys.readouterr().out


@pytest.mark.parametrize("text", [b"", b"not a log", b"\x89MCAP0\r\n"])
def test_what_is_no_log_is_refused_in_one_line(tmp_path, capsys, text):
    path = tmp_path / "drive.mcap"
    path.write_bytes(text)
    for argv in (str(path), str(tmp_path / "none.mcap")):
        assert main(["score", "log", argv]) == WRONG_INPUT
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert line.startswith("whyway: ")
