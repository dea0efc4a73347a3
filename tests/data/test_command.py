"""`whyway data make` and `whyway data show`, as a person types them."""

import json

import pytest

from whyway.cli import NO, OK, WRONG_INPUT, main

SUITE = "duration_s: 2\nrows: [{family: jaywalker}]\n"


def test_made_in_a_process_of_its_own_and_shown(tmp_path, capsys):
    suite = tmp_path / "short.yaml"
    suite.write_text(SUITE)
    out = tmp_path / "data"
    words = ["data", "make", "--out", str(out), "--worlds", str(suite), "--seeds", "1000", "--jobs", "1"]  # fmt: skip
    assert main([*words, "--json", "--safety.reaction_s=0.6"]) == OK
    told = json.loads(capsys.readouterr().out)
    assert told["drives"]["made"] == 1 and told["overrides"] == ["safety.reaction_s=0.6"]
    assert sum(told["rows"].values()) > 0 and (out / "card.md").is_file()
    assert main(["data", "show", str(out), "--rows", "2", "--tokens"]) == OK
    shown = capsys.readouterr().out
    assert "Keyframes of the rule expert" in shown and shown.count("perception: road_type") == 2
    assert "jaywalker 1000, " in shown


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["make", "--seeds", "1..40"], "drivers are judged with seeds 1 to 100"),
        (["make", "--worlds", "family:cut_im"], "did you mean 'cut_in'"),
        (["make", "--driver", "nobody"], "no driver 'nobody'"),
        (["make", "--removed", "2"], "a share is from 0 to 1"),
        (["make", "--jobs", "0"], "at least 1"),
        (["make", "--safety.nothing=1"], "unknown key 'nothing'"),
        (["show"], "no such file; make a data set"),
    ],
)
def test_what_cannot_be_is_told_in_one_line_before_anything_is_driven(tmp_path, capsys, words, why):
    where = ["--out", str(tmp_path)] if words[0] == "make" else [str(tmp_path)]
    assert main(["data", *words, *where]) == WRONG_INPUT
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert why in line
    assert not (tmp_path / "manifest.json").exists()


def test_nothing_made_is_no_success(tmp_path, capsys):
    suite = tmp_path / "nowhere.yaml"
    suite.write_text("rows: [{world: missing.xml}]\n")
    words = ["data", "make", "--out", str(tmp_path / "d"), "--worlds", str(suite), "--seeds", "1000", "--jobs", "1"]  # fmt: skip
    assert main(words) == NO
    assert "missing.xml" in capsys.readouterr().out
