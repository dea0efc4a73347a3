"""The score as a whole: its numbers, its JSON, and when a goal counts."""

import json

import pytest
from made_drives import straight

from whyway.evaluate import score
from whyway.evaluate.score import goal_counts

TABLE = """file	goal_fields	parked_ego_meets_goal	straight_constant_speed_meets_goal
A-1.xml.gz	position	False	False
B-1.xml.gz	time only	True	True
C-1.xml.gz	position	False	True
"""


@pytest.fixture
def scenes(tmp_path):
    folder = tmp_path / "data"
    (folder / "exercise").mkdir(parents=True)
    (folder / "SCENES.tsv").write_text(TABLE)
    return folder / "exercise"


@pytest.mark.parametrize(
    ("name", "counts"), [("A-1", True), ("B-1", False), ("C-1", False), ("D-1", False)]
)
def test_a_goal_counts_only_where_a_parked_and_a_straight_car_miss_it(scenes, name, counts):
    assert goal_counts(scenes / f"{name}.xml.gz") is counts


def test_a_goal_is_reported_only_where_it_counts(made, scenes, tmp_path):
    ego = straight(20.0, 10.0)
    for scene, want in (("A-1", True), ("B-1", None)):
        log = made.drive(
            ego, duration_s=2.0, world=str(scenes / f"{scene}.xml.gz"), goal_reached=True
        )
        assert score(log).goal_reached is want
    elsewhere = made.drive(
        ego, duration_s=2.0, world=str(tmp_path / "A-1.xml.gz"), goal_reached=True
    )
    assert score(elsewhere).goal_reached is None


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
