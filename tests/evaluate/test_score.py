"""The score as a whole: its numbers, its JSON, and when a goal counts."""

import json

import pytest
from made_drives import straight

from whyway.evaluate import score


def test_a_goal_is_reported_only_where_it_counts(made):
    ego = straight(20.0, 10.0)
    for notes, want in (({"goal_counts": "yes"}, True), ({"goal_counts": "no"}, None), ({}, None)):
        log = made.drive(ego, duration_s=2.0, notes=notes, goal_reached=True)
        assert score(log).goal_reached is want


def test_a_score_is_plain_json_with_navsims_names(made):
    result = score(made.drive(straight(20.0, 10.0), duration_s=2.0, name="a drive"))
    data = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert data["name"] == "a drive"
    assert data["verdict"] == "passed"
    assert data["metrics"]["pdms"] == pytest.approx(1.0)
    for name in (
        "no_at_fault_collisions", "drivable_area_compliance", "driving_direction_compliance",
        "traffic_light_compliance", "ego_progress", "time_to_collision_within_bound", "comfort",
        "route_completion", "at_fault_collisions", "consistency_longitudinal", "grounding",
    ):  # fmt: skip
        assert name in data["metrics"], name


def test_route_completion_is_what_was_driven_of_what_could_be(made):
    full = score(made.drive(straight(20.0, 10.0)))
    half = score(made.drive(straight(20.0, 5.0)))
    none = score(made.drive(straight(20.0, 0.0)))
    past_the_goal = score(made.drive(straight(480.0, 10.0), duration_s=4.0))
    assert full.route_completion == past_the_goal.route_completion == 1.0
    assert 0.5 < half.route_completion < 0.8
    assert none.route_completion == 0.0
