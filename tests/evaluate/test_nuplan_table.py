"""nuPlan's metric tables, made here as its engine writes them, scored anew."""

import csv
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whyway.cli import OK, WRONG_INPUT, main
from whyway.evaluate.formats.jsonfile import FormatError
from whyway.evaluate.formats.nuplan_table import read_nuplan_tables, score_nuplan_tables
from whyway.evaluate.metrics.nuplan import GATES, WEIGHTS, closed_loop_score

GOOD = dict.fromkeys((*GATES, *WEIGHTS), 1.0)
COLUMNS = (
    "log_name", "scenario_name", "scenario_type", "planner_name", "metric_computator", "metric_statistics_name",
    "metric_category", "metric_score_unit", "metric_score", "time_series_values",
)  # fmt: skip


def row(metric, score, scenario="aa11", kind="following_lane_with_lead", planner="ours"):
    values = (
        "2021.06.09",
        scenario,
        kind,
        planner,
        metric,
        metric,
        "Safety",
        "bool",
        score,
        "[1, 2]",
    )
    return dict(zip(COLUMNS, values, strict=True))


def rows_of(scores, **more):
    return [row(metric, score, **more) for metric, score in scores.items()]


def write_csv(path, rows):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_json(path, rows):
    path.write_text(json.dumps(rows))
    return path


def judge(*paths):
    return score_nuplan_tables(read_nuplan_tables(paths))


def test_gates_multiply_and_the_rest_is_weighed(tmp_path):
    scores = GOOD | {
        "no_ego_at_fault_collisions": 0.5, "ego_progress_along_expert_route": 0.8, "time_to_collision_within_bound": 0.0,
        "speed_limit_compliance": 0.9, "ego_is_comfortable": False,
    }  # fmt: skip
    found = judge(write_csv(tmp_path / "all.csv", rows_of(scores)))
    (record,) = found["records"]
    assert record["score"] == pytest.approx(0.5 * (5 * 0.8 + 0 + 4 * 0.9 + 0) / 16)
    assert (record["scenario_name"], record["log_name"]) == ("aa11", "2021.06.09")
    assert found["notes"] == []


@pytest.mark.parametrize("gate", GATES)
def test_a_closed_gate_leaves_nothing(tmp_path, gate):
    found = judge(write_csv(tmp_path / "all.csv", rows_of(GOOD | {gate: 0.0})))
    assert found["summary"][0]["score"] == 0.0


def test_a_table_a_metric_from_a_folder_in_any_format(tmp_path):
    for i, (metric, score) in enumerate(GOOD.items()):
        rows = [row(metric, score), row(metric, score / 2, "bb22", "changing_lane")]
        if i % 3 == 0:
            write_csv(tmp_path / f"{metric}.csv", rows)
        elif i % 3 == 1:
            write_json(tmp_path / f"{metric}.json", rows)
        else:  # pandas' to_json: columns of values by row
            columns = {c: {str(n): r[c] for n, r in enumerate(rows)} for c in COLUMNS}
            write_json(tmp_path / f"{metric}.json", columns)
    found = judge(tmp_path)
    assert [r["score"] for r in found["records"]] == [0.5**5, 1.0]
    assert found["summary"][0]["score"] == (1.0 + 0.5**5) / 2
    assert found["summary"][0]["scenario_types"] == {
        "changing_lane": 0.5**5,
        "following_lane_with_lead": 1.0,
    }


def test_the_final_score_is_the_mean_over_scenarios_not_over_types(tmp_path):
    rows = rows_of(GOOD)
    for i in range(3):
        rows += rows_of(GOOD | {GATES[0]: 0.0}, scenario=f"s{i}", kind="stopping_at_light")
    assert judge(write_csv(tmp_path / "t.csv", rows))["summary"][0]["score"] == 0.25


def test_planners_are_judged_apart(tmp_path):
    rows = [*rows_of(GOOD), *rows_of(GOOD | {GATES[1]: 0.0}, planner="theirs")]
    found = judge(write_json(tmp_path / "t.json", rows))
    assert [(p["planner_name"], p["score"]) for p in found["summary"]] == [("ours", 1.0), ("theirs", 0.0)]  # fmt: skip


def test_metrics_without_a_score_are_skipped_and_missing_ones_named(tmp_path):
    scores = {
        k: v for k, v in GOOD.items() if k not in ("ego_is_making_progress", "ego_is_comfortable")
    }
    scores |= {"ego_jerk": None, "custom": 0.0}
    found = judge(write_csv(tmp_path / "t.csv", rows_of(scores)))
    assert found["records"][0]["score"] == pytest.approx(14 / 15)
    assert found["notes"] == [
        "ego_is_making_progress is missing of 1 of 1 scenarios and does not gate there",
        "ego_is_comfortable is missing of 1 of 1 scenarios and does not weigh there",
        "custom is none of nuPlan's own and weighs 1",
    ]


def test_without_a_name_inside_the_metric_is_named_by_its_file(tmp_path):
    for metric, score in GOOD.items():
        rows = rows_of({metric: score})
        del rows[0]["metric_statistics_name"]
        write_json(tmp_path / f"{metric}.json", rows)
    assert judge(tmp_path)["records"][0]["score"] == 1.0


def test_parquet_is_read_where_pyarrow_is(tmp_path):
    pyarrow = pytest.importorskip("pyarrow", reason="needs pyarrow")
    from pyarrow import parquet

    path = tmp_path / "t.parquet"
    rows = rows_of(GOOD | {"speed_limit_compliance": 0.5, "ego_jerk": None})
    parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    assert judge(path)["records"][0]["score"] == pytest.approx(14 / 16)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(FormatError, match="not Parquet"):
        judge(path)


def test_without_pyarrow_parquet_says_what_helps(tmp_path, monkeypatch):
    from whyway.evaluate.formats import nuplan_table

    monkeypatch.setattr(nuplan_table, "find_spec", lambda name: None)
    with pytest.raises(FormatError, match="pip install pyarrow; or give the table as CSV"):
        judge(tmp_path / "t.parquet")


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("t.txt", "", "give a metric table"),
        ("t.csv", "", "no metric_score in"),
        ("t.csv", "a,b\n1,2\n", "has no planner_name (columns: a, b)"),
        ("t.csv", 'log_name,"planner', "not CSV"),
        ("t.csv", b"\xff\xfe\x00", "not CSV"),
        ("t.json", "[1]", "neither a list of rows"),
        ("t.json", '{"a": 1}', "are no lists"),
        ("t.json", '{"a": [1], "b": []}', "differ in length"),
        ("t.json", "{", "not JSON"),
        ("t.json", json.dumps([row("x", 2.0)]), "not a number from 0 to 1"),
        ("t.json", json.dumps([row("x", "high")]), "not a number from 0 to 1"),
        ("t.json", json.dumps([row("x", [1])]), "not a number from 0 to 1"),
        ("t.json", json.dumps([row("x", 1.0)] * 2), "a second x of scenario 'aa11'"),
        ("t.json", json.dumps([row("x", None)]), "no metric_score in"),
        ("t.json", json.dumps([{"planner_name": 3}]), "has no planner_name"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path, capsys, name, text, says):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert main(["score", "nuplan", str(path)]) == WRONG_INPUT
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("whyway: ") and says in line


def test_no_table_an_empty_folder_and_a_file_that_is_not_there_are_refused(tmp_path, capsys):
    for argv in ([], [str(tmp_path)], [str(tmp_path / "none.csv")]):
        assert main(["score", "nuplan", *argv]) == WRONG_INPUT
        assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_the_command_prints_exactly_json_and_otherwise_a_table(tmp_path, capsys):
    path = str(write_csv(tmp_path / "t.csv", rows_of(GOOD)))
    assert main(["score", "nuplan", path, "--json"]) == OK
    assert json.loads(capsys.readouterr().out)["summary"][0]["score"] == 1.0
    assert main(["score", "nuplan", path]) == OK
    assert "ours" in capsys.readouterr().out


names = st.sampled_from([*GATES, *WEIGHTS, "custom"])


@settings(max_examples=100, deadline=None)
@given(scores=st.dictionaries(names, st.none() | st.floats(0.0, 1.0)), worse=names)
def test_the_score_is_between_none_and_all_and_a_worse_metric_never_helps(scores, worse):
    score = closed_loop_score(scores)
    assert 0.0 <= score <= 1.0
    if scores.get(worse) is not None:
        assert closed_loop_score(scores | {worse: scores[worse] / 2}) <= score + 1e-12


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_reading_never_fails_otherwise_than_by_its_error(tmp_path_factory, data):
    rows = rows_of(GOOD)
    rows[0][data.draw(st.sampled_from(COLUMNS))] = data.draw(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.lists(st.integers(), max_size=2)
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("n")
    path = (
        write_csv(folder / "t.csv", rows)
        if data.draw(st.booleans())
        else write_json(folder / "t.json", rows)
    )
    raw = path.read_bytes()
    path.write_bytes(raw[: data.draw(st.integers(0, 2 * len(raw)))])
    try:
        json.dumps(judge(path))
    except FormatError as error:
        assert len(str(error).splitlines()) == 1
