"""The judge's own stopwatch: what it times is there, and wrong input is one line."""

import json

import numpy as np
import pytest

from whyway.cli import OK, WRONG_INPUT, main
from whyway.evaluate.bench import bench_metrics, judge, synthetic_drive, synthetic_plans
from whyway.evaluate.driving.criticality import criticality
from whyway.maps.road import Road
from whyway.maps.town import make_town
from whyway.types import InputError

PARTS = ("pdms_ms", "epdms_ms", "nuplan_ms", "criticality_ms", "route_completion_ms")


def test_synthetic_drives_are_worth_judging():
    town = make_town(1)
    road = Road(town.lane_map, town.default_route)
    drive = synthetic_drive(road, np.random.default_rng(0), 8.0, 64)
    assert drive.actors.x_m.shape == (81, 64)
    assert not drive.off_road.any() and (np.abs(drive.route_d_m) < 0.3).all()
    away = np.hypot(drive.actors.x_m[0] - drive.x_m[0], drive.actors.y_m[0] - drive.y_m[0])
    assert np.median(away) < 150.0, "the others are where they matter"
    assert np.isfinite(criticality(drive).min_ttc_s)
    plans = synthetic_plans(drive)
    assert len(plans) == 81 and min(judge(drive, plans).values()) > 0.0


def test_a_row_adds_up():
    (row,) = bench_metrics(scenes=3, duration_s=2.0, objects=4)
    assert row["ms_per_scene"] == pytest.approx(sum(row[p] for p in PARTS))
    assert row["s_per_1000_scenes"] == pytest.approx(row["ms_per_scene"])
    assert (row["scenes"], row["objects"], row["seconds_each"]) == (3, 4, 2.0)


def test_the_command_prints_exactly_json(capsys):
    assert main(["bench", "metrics", "--scenes", "1", "--agents", "2", "--json"]) == OK
    (row,) = json.loads(capsys.readouterr().out)["results"]
    assert row["objects"] == 2
    assert main(["bench", "metrics", "--scenes", "0"]) == WRONG_INPUT
    with pytest.raises(InputError, match="at least"):
        bench_metrics(objects=0)
