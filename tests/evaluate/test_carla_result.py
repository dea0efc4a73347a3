"""Leaderboard result files, made here as the leaderboards write them, scored anew by every version's formula."""

import gzip
import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import savgol_filter

from whyway.cli import OK, WRONG_INPUT, main
from whyway.evaluate.formats.carla_rescore import score_carla_result, version_of
from whyway.evaluate.formats.carla_result import read_carla_result
from whyway.evaluate.formats.jsonfile import FormatError
from whyway.evaluate.metrics import carla
from whyway.evaluate.metrics.carla import Infractions
from whyway.types import InputError

KINDS_1 = (
    "collisions_layout", "collisions_pedestrian", "collisions_vehicle", "outside_route_lanes", "red_light", "route_dev",
    "route_timeout", "stop_infraction", "vehicle_blocked",
)  # fmt: skip
KINDS_2 = (
    *KINDS_1,
    "min_speed_infractions",
    "yield_emergency_vehicle_infractions",
    "scenario_timeouts",
)
CAR = "Agent collided against object with type=vehicle.audi.tt and id=3719 at (x=-254.008, y=3082.698, z=362.48)"
WALKER = "Agent collided against object with type=walker.pedestrian.0001 and id=201 at (x=191.44, y=-68.778, z=0.035)"
RED = "Agent ran a red light 203 at (x=341.25, y=209.1, z=0.104)"
STOP = "Agent ran a stop with id=69 at (x=109.22, y=14.12, z=0.02)"
OUTSIDE = "Agent went outside its route lanes for about 9.0 meters (17.27% of the completed route)"


def slow(percent):
    return f"Average speed is {percent}% of the surrounding traffic's one"


def record(
    route_id="RouteScenario_0_rep0",
    route=100.0,
    kinds=KINDS_2,
    status="Completed",
    penalty=1.0,
    **done,
):
    return {
        "route_id": route_id, "index": 0, "status": status, "num_infractions": sum(map(len, done.values())),
        "infractions": {kind: done.get(kind, []) for kind in kinds},
        "scores": {"score_route": route, "score_penalty": penalty, "score_composed": route * penalty},
        "meta": {"route_length": 1000.0, "duration_game": 80.3, "duration_system": 410.2},
    }  # fmt: skip


def result(*records, progress=None, mean=None, **more):
    return {
        "_checkpoint": {
            "global_record": {} if mean is None else {"scores_mean": {"score_composed": mean}},
            "progress": progress or [len(records), len(records)],
            "records": list(records),
        },
        "entry_status": "Finished", "eligible": True, "sensors": ["carla_camera"], "values": [], "labels": [], **more,
    }  # fmt: skip


@pytest.fixture
def file(tmp_path):
    numbers = itertools.count()

    def write(value, name="result.json"):
        path = tmp_path / f"{next(numbers)}_{name}"
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return path

    return write


def judge(path, version):
    return score_carla_result(read_carla_result(path), version)


def penalties(path, version):
    return [row["score_penalty"] for row in judge(path, version)["records"]]


@pytest.mark.parametrize(
    ("version", "left"),
    [
        ("1.0", 0.5 * 0.6 * 0.6 * 0.7 * 0.8 * (1 - 0.1727)),
        ("2.0", 0.5 * 0.6 * 0.6 * 0.7 * 0.8 * (1 - 0.1727) * 0.7 * 0.7 * (1 - 0.3 * 0.5)),
        ("2.1", (1 - 0.1727) / (1 + 1.0 + 0.7 * 2 + 0.4 + 0.25 + 0.4 + 0.4 + 0.4 * 0.5)),
    ],
)
def test_every_infraction_costs_what_the_version_says(file, version, left):
    path = file(
        result(
            record(
                route=80.0, collisions_pedestrian=[WALKER], collisions_vehicle=[CAR, CAR], red_light=[RED], stop_infraction=[STOP],
                outside_route_lanes=[OUTSIDE], scenario_timeouts=["Agent timed out a scenario"],
                yield_emergency_vehicle_infractions=["Agent failed to yield to an emergency vehicle"],
                min_speed_infractions=[slow(50.0)], route_dev=["Agent deviated from the route"],
            )
        )
    )  # fmt: skip
    found = judge(path, version)
    (row,) = found["records"]
    assert row["score_penalty"] == pytest.approx(left, abs=1e-6)
    assert row["score_composed"] == pytest.approx(80.0 * left, abs=1e-4)
    assert found["summary"]["driving_score"] == row["score_composed"]
    assert found["summary"]["version"] == version


def test_a_published_file_of_leaderboard_2_gets_back_its_own_numbers(file):
    # score_penalty 0.440034: published with the PDM-Lite data set (andreas122001/AD_pdm-lite_carla-lb2, Accident/2841_1_0)
    said = {"collisions_vehicle": [CAR], "min_speed_infractions": [slow(11.13)]}
    path = file(result(record(penalty=0.440034, **said), mean=44.0034))
    found = judge(path, "2.0")
    assert found["records"][0]["score_penalty"] == 0.440034
    assert found["records"][0]["score_composed"] == found["summary"]["driving_score"] == 44.0034
    assert found["notes"] == [] and version_of(read_carla_result(path)) == "2.0"


def test_the_first_files_of_leaderboard_2_name_a_kind_otherwise(file):
    # 0.59496: published with palma-or/CARLA-AutonomousDrivingAgent, results/simulation_results.json
    row = record(penalty=0.59496, collisions_vehicle=[CAR], min_speed_infractions=[slow(97.2)])
    row["infractions"]["yield_emergency_vehicles_infractions"] = []
    assert penalties(file(result(row, mean=59.496)), "2.0") == [0.59496]
    row["infractions"]["yield_emergency_vehicles_infractions"] = ["Agent failed to yield"]
    assert penalties(file(result(row)), "2.0") == [pytest.approx(0.59496 * 0.7)]


def test_published_records_of_leaderboard_1_get_back_their_own_numbers(file):
    # autonomousvision/transfuser, results/sample_result.json, RouteScenario_18 and _19
    far = "Agent went outside its route lanes for about {} of the completed route)".format
    rows = [
        record(
            "RouteScenario_18", 60.01269022009121, KINDS_1, "Failed - Agent timed out", 0.09585883146013555,
            collisions_layout=["pole"] * 2, collisions_vehicle=[CAR] * 2, red_light=[RED], route_timeout=["Route timeout."],
            outside_route_lanes=[far("38.0 meters (9.97%")],
        ),
        record(
            "RouteScenario_19", 100.0, KINDS_1, penalty=0.48534202616303407, red_light=[RED] * 2,
            outside_route_lanes=[far("5.98 meters (0.95%")],
        ),
    ]  # fmt: skip
    path = file(result(*rows))
    found = judge(path, version_of(read_carla_result(path)))
    assert found["summary"]["version"] == "1.0" and found["notes"] == []
    said = [row["scores"]["score_composed"] for row in rows]
    assert [row["score_composed"] for row in found["records"]] == pytest.approx(said, abs=2e-3)


def test_where_stop_signs_are_free_that_is_said(file):
    # autonomousvision/transfuser, results/autopilot_longest6.json, RouteScenario_18
    rows = record("RouteScenario_18", 100.0, KINDS_1, penalty=0.6, collisions_vehicle=[CAR], stop_infraction=[STOP] * 2)  # fmt: skip
    path = file(result(rows))
    assert "version 1.0 with stop signs free" in judge(path, "1.0")["notes"][0]
    with pytest.raises(InputError, match="stop signs free, as in longest6"):
        version_of(read_carla_result(path))


def test_a_file_of_leaderboard_1_is_read_and_is_not_rounded(file):
    done = {"red_light": [RED] * 3}
    top = result(record(kinds=KINDS_1, route=33.123456789, penalty=0.7**3, status="Failed", **done))
    top["_checkpoint"]["global_record"] = {
        "scores": {"score_composed": 33.123456789 * 0.7**3},
        "infractions": {"red_light": 90.6},
    }
    found = judge(file(top), "1.0")
    assert found["records"][0]["score_composed"] == pytest.approx(33.123456789 * 0.343, abs=1e-12)
    assert found["notes"] == []


def test_where_the_file_says_otherwise_a_note_tells_whose_formula_it_follows(file):
    top = result(record(route_id="r7", collisions_vehicle=[CAR], penalty=0.6), mean=60.0)
    found = judge(file(top), "2.1")
    assert "route r7: 0.6 there, 0.588235 by version 2.1" in found["notes"][0]
    assert "they follow version 1.0 and 2.0" in found["notes"][0]
    assert found["notes"][1] == "the file's own driving score is 60"


def test_a_kind_the_version_does_not_know_costs_nothing_and_is_named(file):
    top = result(record(scenario_timeouts=["Agent timed out a scenario"], jaywalking=["?"]))
    top["_checkpoint"]["records"][0]["infractions"]["jaywalking"] = ["?"]
    found = judge(file(top), "1.0")
    assert found["records"][0]["score_penalty"] == 1.0
    assert found["notes"][-2:] == [
        "version 1.0 does not count scenario_timeouts (1)",
        "version 1.0 does not count jaywalking (1)",
    ]


def test_routes_without_a_record_drove_nothing(file):
    found = judge(file(result(record(), record("b"), progress=[2, 8])), "2.1")
    assert found["summary"]["driving_score"] == 25.0
    assert found["summary"]["success_rate"] == 0.25
    assert "6 of 8 routes have no record" in found["notes"][0]


def test_success_is_bench2drives(file):
    good = record("good", status="Perfect")
    slow_only = record("slow", min_speed_infractions=[slow(60.0)])
    red = record("red", red_light=[RED])
    failed = record("failed", status="Failed - Agent got blocked", route=40.0)
    found = judge(file(result(good, slow_only, red, failed)), "2.1")
    assert [row["success"] for row in found["records"]] == [True, True, False, False]
    assert found["summary"]["success_rate"] == 0.5


def test_bench2drive_merged_does_not_punish_a_low_speed_and_tells_efficiency(file):
    done = {"min_speed_infractions": [slow(50.0), slow(150.0), slow(1200.5)]}
    rows = [
        record("RouteScenario_1711_rep0", **done) | {"scenario_name": "ParkingCutIn_1", "save_name": "x"},
        record("RouteScenario_1773_rep0", red_light=[RED], penalty=0.7),
    ]  # fmt: skip
    for row in rows:
        del row["index"]
    top = {
        "_checkpoint": {"records": rows},
        "driving score": 170.0 / 220,
        "success rate": 1 / 220,
        "eval num": 2,
    }
    found = judge(file(top), "2.0")
    assert [row["score_penalty"] for row in found["records"]] == [1.0, 0.7]
    summary = found["summary"]
    assert (summary["benchmark"], summary["driving_score"], summary["success_rate"]) == (
        "bench2drive",
        85.0,
        0.5,
    )
    assert summary["driving_efficiency"] == 100.0
    assert any("divides by its 220 routes" in note for note in found["notes"])


def test_infractions_per_kilometre_are_those_of_all_routes_together(file):
    top = result(
        record(route=50.0, red_light=[RED]),
        record("b", red_light=[RED, RED], outside_route_lanes=[OUTSIDE]),
    )
    rates = judge(file(top), "2.0")["summary"]["infractions_per_km"]
    assert rates["red_light"] == 2.0  # 3 on 1.5 km
    assert rates["outside_route_lanes"] == 0.009  # kilometres
    del top["_checkpoint"]["records"][0]["meta"]
    assert judge(file(top), "2.0")["summary"]["infractions_per_km"] is None


def test_a_record_by_itself_and_a_gzipped_file_are_read_too(file):
    assert penalties(file(record(red_light=[RED]), "results.json.gz"), "2.0") == [0.7]


def test_older_messages_of_a_low_speed_have_no_percent_sign(file):
    old = "Average agent speed is 50.0 of the surrounding traffic's one"
    assert penalties(file(result(record(min_speed_infractions=[old]))), "2.0") == [0.85]


# ------------------------------------------------------------------------------------------------------ wrong input


def spoilt(**changes):
    row = record()
    for key, value in changes.items():
        row[key] = value
    return result(row)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (b"", "not JSON"),
        (b'{"_checkpoint": {"records": [{"route_id"', "cut off"),
        (b"[" * 100_000, "nested too deeply"),
        (b"\xff\xfe\x00", "not JSON"),
        (b"9" * 5000, "not JSON"),
        ([], "the file is a list, not an object"),
        ({}, "no _checkpoint.records"),
        ({"_checkpoint": 7}, "_checkpoint is a number"),
        (result(), "no route was finished"),
        ({"_checkpoint": {"records": {}}}, "records is an object, not a list"),
        ({"_checkpoint": {"records": [3]}}, "records[0] is a number"),
        (spoilt(infractions=None), "records[0].infractions is missing"),
        (spoilt(infractions={"red_light": 2}), "infractions.red_light is a number, not a list"),
        (spoilt(infractions={"red_light": [2]}), "something else than messages"),
        (spoilt(infractions={"outside_route_lanes": ["far"]}), "no percentage in 'far'"),
        (spoilt(scores={}), "scores.score_route is missing"),
        (spoilt(scores={"score_route": "100"}), "score_route is a text"),
        (spoilt(scores={"score_route": math.nan}), "not between 0 and 100"),
        (spoilt(scores={"score_route": 170.0}), "not between 0 and 100"),
        (spoilt(scores={"score_route": True}), "true or false"),
        (spoilt(status=None), "status is not a text"),
        (spoilt(meta={"route_length": -5}), "route_length is -5"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_one_line(file, capsys, value, says):
    path = file(value)
    assert main(["score", "carla", str(path), "--version", "2.0"]) == WRONG_INPUT
    told = capsys.readouterr()
    assert told.out == ""
    (line,) = told.err.strip().splitlines()
    assert line.startswith("whyway: ") and says in line and path.name in line


def test_a_file_too_large_to_hold_is_not_read(file):
    for value, says in (
        (b"[" + b"0," * 4_000_000, "4000000 values"),
        (b" " * (33 << 20), "32 MiB"),
    ):
        for name in ("r.json", "r.json.gz"):
            with pytest.raises(FormatError, match=says):
                read_carla_result(file(value, name))


def test_a_file_that_is_not_there_and_an_empty_folder_are_refused(tmp_path):
    with pytest.raises(FormatError, match="no such file; give the path of"):
        read_carla_result(tmp_path / "none.json")
    with pytest.raises(FormatError, match="holds no .json"):
        read_carla_result(tmp_path)
    with pytest.raises(FormatError, match="nothing to score"):
        read_carla_result()


def test_the_parts_of_a_run_are_scored_as_one(tmp_path, file):
    parts = [file(result(record("a", red_light=[RED]), progress=[1, 2])), file(result(record("b")))]
    (tmp_path / "merged.json").write_text("what the parts were merged into")
    for paths in (parts, [tmp_path]):
        found = score_carla_result(read_carla_result(*paths), "1.0")
        assert [row["route_id"] for row in found["records"]] == ["a", "b"]
        assert found["summary"]["driving_score"] == pytest.approx(170.0 / 3)


@pytest.mark.parametrize("version", ["3.0", "two", "1.0 "])
def test_an_unknown_version_names_those_there_are(file, capsys, version):
    assert main(["score", "carla", str(file(result(record()))), "--version", version]) == 2
    assert "give one of 1.0, 2.0, 2.1" in capsys.readouterr().err


def test_a_file_of_no_version_wants_one_named(file):
    with pytest.raises(InputError, match="--version 1.0, 2.0, 2.1"):
        version_of(read_carla_result(file(result(record(red_light=[RED], penalty=0.123)))))


def test_the_command_prints_exactly_json_and_otherwise_a_table(file, capsys):
    path = str(file(result(record(red_light=[RED], route_id="a\ud800[b]"))))
    assert main(["score", "carla", path, "--version", "2.1", "--json"]) == OK
    found = json.loads(capsys.readouterr().out)
    assert found["records"][0]["score_penalty"] == 0.714286
    assert set(found) == {"records", "summary", "notes"}
    assert main(["score", "carla", path, "--version=2.1"]) == OK
    told = capsys.readouterr()
    assert "71.4286" in told.out and "red_light" in told.out


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_reading_never_fails_otherwise_than_by_its_error(tmp_path_factory, data):
    top = result(record(red_light=[RED], min_speed_infractions=[slow(3)]), record("b"))
    holder = top
    for key in data.draw(
        st.sampled_from(
            [
                ("_checkpoint",), ("_checkpoint", "records"), ("_checkpoint", "progress"), ("_checkpoint", "global_record"),
                ("_checkpoint", "records", 0), ("_checkpoint", "records", 0, "scores"), ("_checkpoint", "records", 0, "meta"),
                ("_checkpoint", "records", 0, "infractions"), ("_checkpoint", "records", 0, "infractions", "red_light"),
                ("_checkpoint", "records", 0, "infractions", "min_speed_infractions"), ("_checkpoint", "records", 0, "status"),
                ("_checkpoint", "records", 0, "scores", "score_route"), ("_checkpoint", "records", 0, "scores", "score_penalty"),
            ]
        )
    ):  # fmt: skip
        parent, last, holder = holder, key, holder[key]
    parent[last] = data.draw(json_values)
    raw = json.dumps(top).encode()
    cut = data.draw(st.integers(0, 2 * len(raw)))
    path = tmp_path_factory.mktemp("c") / "r.json"
    path.write_bytes(raw[:cut])
    try:
        read = read_carla_result(path)
    except FormatError as error:
        assert len(str(error).splitlines()) == 1
        return
    for version in carla.FORMULAS:
        found = score_carla_result(read, version)
        json.dumps(found)
        assert all(0.0 <= row["score_penalty"] <= 1.0 for row in found["records"])


# ------------------------------------------------------------------------------------------------------ formulas

infractions = st.builds(
    Infractions,
    counts=st.dictionaries(st.sampled_from(sorted(carla.FORMULAS["2.1"].costs)), st.integers(0, 50)),
    outside=st.lists(st.floats(0.0, 1.5), max_size=3),
    min_speed=st.lists(st.floats(0.0, 20.0), max_size=4),
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(
    done=infractions,
    kind=st.sampled_from(sorted(carla.FORMULAS["2.1"].costs)),
    share=st.floats(0.0, 1.0),
)
def test_a_penalty_is_between_none_and_all_and_more_infractions_never_help(done, kind, share):
    counts = dict(done.counts) | {kind: done.counts.get(kind, 0) + 1}
    more = (
        Infractions(counts, done.outside, done.min_speed),
        Infractions(done.counts, [*done.outside, share], done.min_speed),
        Infractions(done.counts, done.outside, [*done.min_speed, share]),
    )
    for version in carla.FORMULAS:
        left = carla.penalty(version, done)
        assert 0.0 <= left <= 1.0
        assert all(carla.penalty(version, worse) <= left for worse in more)
        assert carla.penalty(version, Infractions()) == 1.0


def test_parts_of_a_route_are_compared_with_the_traffic_and_the_last_one_at_its_end():
    progress = np.linspace(0.0, 1.0, 101)
    v = np.where(progress < 0.5, 10.0, 5.0)
    shares = carla.checkpoint_shares(progress, v, np.full(101, 10.0), checkpoints=2)
    assert shares == pytest.approx([1.0, 0.5], abs=0.02)
    assert carla.checkpoint_shares(progress[:40], v[:40], np.full(40, 10.0), checkpoints=2) == []
    assert carla.checkpoint_shares(progress, v, np.full(101, np.nan), checkpoints=1) == [1.0]


def test_efficiency_is_the_mean_over_routes_without_what_stood():
    assert carla.driving_efficiency([[0.5, 1.5, 12.0], [], [2.0]]) == 150.0
    assert carla.driving_efficiency([[], [11.0]]) is None


def test_comfort_is_the_share_of_whole_segments_within_bounds():
    calm = np.zeros(45)
    hard = calm.copy()
    hard[22:30] = -6.0  # in the second segment of 20; the last 5 samples count for nothing
    late = calm.copy()
    late[41:] = -6.0
    a_lon = np.stack([calm, hard, late])
    zero = np.zeros((3, 45))
    assert carla.comfortness(a_lon, zero, zero).tolist() == [1.0, 0.5, 1.0]
    assert carla.comfortness(zero[:, :6], zero[:, :6], zero[:, :6] + 0.96).tolist() == [0.0] * 3
    assert carla.comfortness(zero, zero + 5.0, zero).tolist() == [0.0] * 3
    with pytest.raises(InputError, match="at least 3 samples"):
        carla.comfortness(zero[:, :2], zero[:, :2], zero[:, :2])


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(3, 70), rough=st.floats(0.01, 3.0))
def test_comfort_is_what_scipys_filter_says_segment_by_segment(seed, n, rough):
    rng = np.random.default_rng(seed)
    lon, lat, turning = np.cumsum(rng.normal(0.0, rough, (3, n)), axis=1) * [[0.5], [0.8], [0.1]]

    def comfortable(part):
        def smooth(values, derivative=0):
            window = min(7, len(values))
            return savgol_filter(values, window, 2, deriv=derivative, delta=0.1)

        a, b, w = smooth(lon[part]), smooth(lat[part]), smooth(turning[part])
        magnitude = smooth(np.hypot(lon[part], lat[part]))
        return (
            ((a > -4.05) & (a < 2.40)).all() and (abs(b) < 4.89).all() and (abs(w) < 0.95).all()
            and (abs(smooth(magnitude, 1)) < 8.37).all() and (abs(smooth(a, 1)) < 4.13).all()
        )  # fmt: skip

    size = min(n, 20)
    parts = [slice(i, i + size) for i in range(0, n - size + 1, size)]
    expected = np.mean([comfortable(p) for p in parts])
    assert float(carla.comfortness(lon, lat, turning)) == expected
