"""CommonRoad solutions against hand-made scenes: collision, goal and cost are known beforehand."""

import json
import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from whyway.cli import OK, WRONG_INPUT, main
from whyway.evaluate.driving.commonroad_score import score_solution
from whyway.evaluate.formats.commonroad_solution import read_solution
from whyway.evaluate.formats.jsonfile import FormatError
from whyway.evaluate.metrics import commonroad as costs
from whyway.maps.commonroad_shapes import Box, Disc, Polygon, box_touches
from whyway.types import InputError

LENGTH, WIDTH = 4.508, 1.610
"""Of a BMW 320i, CommonRoad's vehicle 2."""


def exact(tag, value):
    return f"<{tag}><exact>{value}</exact></{tag}>"


def point(x, y):
    return f"<position><point><x>{x}</x><y>{y}</y></point></position>"


def state(x, y, yaw=0.0, time=0, v=0.0, tag="state"):
    return f"<{tag}>{point(x, y)}{exact('orientation', yaw)}{exact('time', time)}{exact('velocity', v)}</{tag}>"


RECTANGLE = "<shape><rectangle><length>4.0</length><width>2.0</width></rectangle></shape>"
CIRCLE = "<shape><circle><radius>1.0</radius></circle></shape>"
TRIANGLE = "<shape><polygon>" + "".join(
    f"<point><x>{x}</x><y>{y}</y></point>" for x, y in ((-1, -1), (2, -1), (-1, 2))
) + "</polygon></shape>"  # fmt: skip


def static(id_, x, y, shape=RECTANGLE, yaw=0.0):
    return (
        f'<staticObstacle id="{id_}"><type>parkedVehicle</type>{shape}'
        f"{state(x, y, yaw, tag='initialState')}</staticObstacle>"
    )


def moving(id_, xs, y, shape=RECTANGLE):
    states = "".join(state(x, y, time=k + 1) for k, x in enumerate(xs[1:]))
    return (
        f'<dynamicObstacle id="{id_}"><type>car</type>{shape}{state(xs[0], y, tag="initialState")}'
        f"<trajectory>{states}</trajectory></dynamicObstacle>"
    )


def between(tag, low, high):
    return f"<{tag}><intervalStart>{low}</intervalStart><intervalEnd>{high}</intervalEnd></{tag}>"


def goal(*extra, low=0, high=40, x=40.0):
    region = f"<position><rectangle><length>10</length><width>6</width><center><x>{x}</x><y>0</y></center></rectangle></position>"
    return f"<goalState>{between('time', low, high)}{region}{''.join(extra)}</goalState>"


def problem(id_=7, x=0.0, y=0.0, yaw=0.0, v=10.0, goals=None):
    return (
        f'<planningProblem id="{id_}">{state(x, y, yaw, 0, v, "initialState").replace("</initialState>", "")}'
        f"{exact('yawRate', 0)}{exact('slipAngle', 0)}</initialState>{goals or goal()}</planningProblem>"
    )


def lanelet():
    def bound(y):
        return "".join(f"<point><x>{x}</x><y>{y}</y></point>" for x in (-20, 100))

    return f'<lanelet id="1"><leftBound>{bound(1.75)}</leftBound><rightBound>{bound(-1.75)}</rightBound></lanelet>'


@pytest.fixture
def scene(tmp_path):
    def write(*obstacles, problems=None, benchmark="ZAM_Made-1_1_T-1"):
        path = tmp_path / "scene.xml"
        path.write_text(
            f'<commonRoad commonRoadVersion="2020a" benchmarkID="{benchmark}" timeStepSize="0.1">'
            f"{lanelet()}{''.join(obstacles)}{''.join(problems or [problem()])}</commonRoad>"
        )
        return path

    return write


def fields(**values):
    return "".join(f"<{name}>{value}</{name}>" for name, value in values.items())


def straight(v=10.0, n=41, x=0.0, y=0.0, yaw=0.0, model="KS", id_=7, steering=0.0, first=0):
    states = []
    for k in range(n):
        s = v * 0.1 * k
        place = {"x": x + s * math.cos(yaw), "y": y + s * math.sin(yaw)}
        if model == "PM":
            rest = {"xVelocity": v * math.cos(yaw), "yVelocity": v * math.sin(yaw)}
        else:
            rest = {"steeringAngle": steering, "velocity": v, "orientation": yaw}
        if model in ("ST", "MB"):
            rest |= {"yawRate": 0.0, "slipAngle": 0.0, "yVelocity": 0.0}
        kind = model.lower()
        states.append(f"<{kind}State>{fields(**place, **rest, time=first + k)}</{kind}State>")
    return f'<{model.lower()}Trajectory planningProblem="{id_}">{"".join(states)}</{model.lower()}Trajectory>'


@pytest.fixture
def solution(tmp_path):
    def write(*trajectories, benchmark="KS2:JB1:ZAM_Made-1_1_T-1:2020a"):
        path = tmp_path / "solution.xml"
        path.write_text(
            f'<?xml version="1.0"?><CommonRoadSolution benchmark_id="{benchmark}" date="2026-01-01T10:00:00">'
            f"{''.join(trajectories or [straight()])}</CommonRoadSolution>"
        )
        return path

    return write


# ------------------------------------------------------------------------------------------------------ collisions


def test_an_empty_road_is_driven_to_the_goal_without_a_collision(scene, solution):
    found = score_solution(solution(), scene())
    assert (found["collision"], found["goal_reached"], found["notes"]) == (False, True, [])
    (row,) = found["problems"]
    assert row["goal_time_s"] == 3.5  # 35 m: the goal's near edge, for the centre of the box
    assert found["cost"] == pytest.approx(4.0)
    assert (row["vehicle_model"], row["vehicle_type"]) == ("KS", "BMW_320i")


@pytest.mark.parametrize(
    ("shape", "reach"), [(RECTANGLE, 2.0), (CIRCLE, 1.0), (TRIANGLE, 1.0)], ids=["box", "disc", "polygon"]
)  # fmt: skip
def test_what_stands_in_the_way_is_hit_when_the_front_reaches_it(scene, solution, shape, reach):
    found = score_solution(solution(), scene(static(9, 30.0, 0.0, shape)))
    assert found["collision"]
    (hit,) = found["problems"][0]["collisions"]
    first = math.ceil(10 * (30.0 - reach - LENGTH / 2) / 10.0)
    assert hit == {"time_s": pytest.approx(first / 10), "time_step": first, "obstacle_id": 9, "role": "static"}  # fmt: skip


@pytest.mark.parametrize(
    ("shape", "beside"), [(RECTANGLE, 1.0), (CIRCLE, 1.0)], ids=["box", "disc"]
)
def test_a_hair_beside_is_not_hit_and_a_hair_within_is(scene, solution, shape, beside):
    for hair, hits in ((1e-6, False), (-1e-6, True)):
        obstacle = static(9, 20.0, beside + WIDTH / 2 + hair, shape)
        assert score_solution(solution(), scene(obstacle))["collision"] is hits


def test_the_notch_of_a_polygon_is_free(scene, solution):
    corners = ((-5, -3), (5, -3), (5, 3), (4, 3), (4, -2), (-4, -2), (-4, 3), (-5, 3))
    points = "".join(f"<point><x>{x}</x><y>{y}</y></point>" for x, y in corners)
    # the centroid stays where it is: shapes are turned about it
    notch = static(9, 0.0, 0.0, f"<shape><polygon>{points}</polygon></shape>")
    free = straight(v=0.0, n=5, y=0.0)
    assert not score_solution(solution(free), scene(notch))["collision"]
    assert score_solution(solution(straight(v=0.0, n=5, y=-2.0)), scene(notch))["collision"]


def test_who_moves_is_hit_only_where_both_are_at_once(scene, solution):
    crossed = moving(9, [20.0 - k for k in range(41)], 0.0)
    gone = moving(9, [20.0] * 5, 0.0)  # nobody knows of it after 0.4 s
    assert score_solution(solution(), scene(crossed))["problems"][0]["collisions"][0]["time_s"] == 0.8  # fmt: skip
    assert not score_solution(solution(), scene(gone))["collision"]


def test_an_occupancy_holds_for_its_interval(scene, solution):
    def occupied(low, high):
        return (
            f'<dynamicObstacle id="9"><type>car</type>{RECTANGLE}{state(90.0, 30.0, tag="initialState")}<occupancySet><occupancy>'
            '<shape><rectangle><length>4</length><width>2</width><center><x>20</x><y>0</y></center></rectangle></shape>'
            f'{between("time", low, high)}</occupancy></occupancySet></dynamicObstacle>'
        )  # fmt: skip

    assert score_solution(solution(), scene(occupied(10, 20)))["collision"]
    assert not score_solution(solution(), scene(occupied(1, 10)))["collision"]


def test_an_uncertain_obstacle_occupies_all_it_may(scene, solution):
    def somewhere(extent):
        place = f"<position><rectangle><length>{extent}</length><width>{extent}</width><center><x>20</x><y>4</y></center></rectangle></position>"
        unsure = f"<initialState>{place}{exact('orientation', 0)}{exact('time', 0)}{exact('velocity', 0)}</initialState>"
        return f'<staticObstacle id="9"><type>car</type>{RECTANGLE}{unsure}</staticObstacle>'

    # half widths: 1.0 of the obstacle, 0.805 of ours; 4.0 between
    assert not score_solution(solution(), scene(somewhere(4.38)))["collision"]
    assert score_solution(solution(), scene(somewhere(4.40)))["collision"]


def test_a_building_is_told_and_not_counted(scene, solution):
    building = (
        '<environmentObstacle id="3"><type>building</type><shape><polygon>'
        + "".join(f"<point><x>{x}</x><y>{y}</y></point>" for x, y in ((20, -9), (30, -9), (30, 9)))
        + "</polygon></shape></environmentObstacle>"
    )
    found = score_solution(solution(), scene(building))
    assert not found["collision"]
    assert any("touches environment obstacle 3" in note for note in found["notes"])


def test_vehicles_of_one_solution_may_not_touch_each_other(scene, solution):
    both = (problem(7), problem(8, y=3.0))
    benchmark = "[KS2,PM3]:[JB1,JB1]:ZAM_Made-1_1_T-1:2020a"
    apart = (straight(), straight(y=3.0, model="PM", id_=8))
    found = score_solution(solution(*apart, benchmark=benchmark), scene(problems=both))
    assert not found["collision"] and found["goal_reached"] and found["cost"] == pytest.approx(8.0)
    close = (straight(), straight(y=1.7, model="PM", id_=8))
    found = score_solution(solution(*close, benchmark=benchmark), scene(problems=both))
    assert [row["collisions"][0]["role"] for row in found["problems"]] == ["ego", "ego"]


# ------------------------------------------------------------------------------------------------------ goal and cost


@pytest.mark.parametrize(
    ("goals", "reached"),
    [
        (goal(low=35, high=45), True),
        (goal(low=0, high=34), False),
        (goal(between("velocity", 9.9, 10.0), high=40), True),
        (goal(between("velocity", 10.1, 12.0), high=40), False),
        (goal(between("orientation", -0.1, 0.0), high=40), True),
        (goal(between("orientation", 0.01, 0.5), high=40), False),
        (goal(x=90.0) + goal(high=40), True),
    ],
)
def test_every_condition_of_one_goal_state_must_be_met(scene, solution, goals, reached):
    found = score_solution(solution(), scene(problems=[problem(goals=goals)]))
    assert found["goal_reached"] is reached


@pytest.mark.parametrize("model", ["PM", "KS", "ST", "MB"])
def test_every_model_says_where_it_goes_and_how_fast(scene, solution, model):
    yaw, far = 0.6, 12.0
    goals = goal(
        between("velocity", far - 0.01, far + 0.01),
        between("orientation", yaw - 0.01, yaw + 0.01),
        high=40,
    )
    made = scene(problems=[problem(yaw=yaw, v=far, x=0.0, y=-26.0, goals=goals)])
    path = solution(
        straight(v=far, y=-26.0, yaw=yaw, model=model),
        benchmark=f"{model}1:JB1:ZAM_Made-1_1_T-1:2020a",
    )
    found = score_solution(path, made)
    assert found["goal_reached"] and found["notes"] == []
    assert found["problems"][0]["vehicle_type"] == "FORD_ESCORT"


def test_partial_costs_have_their_published_values(scene, solution):
    # 4 s at 10 m/s with a steering angle of 0.1, where the goal wants 12 m/s at least
    goals = goal(between("velocity", 12.0, 20.0))
    path = solution(straight(steering=0.1), benchmark="KS2:WX1:ZAM_Made-1_1_T-1:2020a")
    found = score_solution(path, scene(problems=[problem(goals=goals)]))
    (row,) = found["problems"]
    assert row["partial_costs"] == pytest.approx({"T": 4.0, "V": 16.0, "A": 0.0, "J": 0.0, "L": 40.0}, abs=1e-9)  # fmt: skip
    assert found["cost"] is None and "needs a reference path" in found["notes"][0]
    v = 10.0 + 2.0 * np.arange(41) * 0.1
    partial = costs.partial_costs(v, np.full(41, 0.1), None, 0.1)
    expected = {"A": 4.0 * 3.9, "J": 0.0, "L": 56.0, "V": 0.0, "T": 4.0, "SA": 0.04, "SR": 0.0, "ID": 0.25}  # fmt: skip
    assert partial == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("name", "weights"), costs.COST_FUNCTIONS.items())
def test_a_cost_is_the_weighted_sum_of_its_parts_or_nothing(name, weights):
    parts = {part: 2.0 for part in weights}
    assert costs.total_cost(name, parts) == 2.0 * sum(weights.values())
    for part in weights:
        assert costs.total_cost(name, {p: 1.0 for p in weights if p != part}) is None


@settings(max_examples=50, deadline=None)
@given(n=st.integers(1, 30), seed=st.integers(0, 99))
def test_costs_are_the_same_in_a_batch(n, seed):
    v = np.random.default_rng(seed).normal(8.0, 4.0, (3, n))
    for cost in (costs.acceleration, costs.jerk, costs.steering_angle, costs.steering_rate):
        batch = np.asarray(cost(v, 0.1))
        assert batch == pytest.approx([float(cost(row, 0.1)) for row in v])


def test_a_cost_nobody_published_is_not_made_up(scene, solution):
    found = score_solution(solution(benchmark="KS2:TR2:ZAM_Made-1_1_T-1:2020a"), scene())
    assert found["cost"] is None and "TR2 is not computed" in found["notes"][0]
    found = score_solution(
        solution(straight(model="PM"), benchmark="PM2:SM1:ZAM_Made-1_1_T-1:2020a"), scene()
    )
    assert "SA is not defined for model PM" in found["notes"][0]


def test_notes_tell_what_does_not_fit_together(scene, solution):
    made = scene(problems=[problem(x=1.0, v=15.0), problem(8, y=9.0)], benchmark="ZAM_Other-1")
    found = score_solution(solution(), made)
    assert found["notes"] == [
        "problem 7: the first state is not the given one (place, velocity)",
        "planning problem 8 is not solved",
        "the solution is for ZAM_Made-1_1_T-1, the scene is ZAM_Other-1",
    ]
    assert not found["goal_reached"]


# ------------------------------------------------------------------------------------------------------- wrong input


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not well-formed XML"),
        ("<a/>", "not <CommonRoadSolution>"),
        ("<CommonRoadSolution/>", "benchmark_id is ''"),
        ('<CommonRoadSolution benchmark_id="KS2:JB1:X:2020a"/>', "holds no trajectory"),
        ('<CommonRoadSolution benchmark_id="XX2:JB1:X:2020a"><ksTrajectory/></CommonRoadSolution>', "none of the models PM, ST, KS, MB"),
        ('<CommonRoadSolution benchmark_id="KS9:JB1:X:2020a"><ksTrajectory/></CommonRoadSolution>', "2 (BMW_320i)"),
        ('<CommonRoadSolution benchmark_id="[KS2,KS2]:JB1:X:2020a"><ksTrajectory/></CommonRoadSolution>', "names 2 vehicles"),
        ('<CommonRoadSolution benchmark_id="KS2:JB1:X:2020a"><ksTrajectory/></CommonRoadSolution>', "needs 1 to"),
        ('<CommonRoadSolution benchmark_id="KS2:JB1:X:2020a"><pmTrajectory/></CommonRoadSolution>', "not the trajectory of model KS"),
        ('<CommonRoadSolution benchmark_id="KS2:JB1:X:2020a"><inputVector/></CommonRoadSolution>', "holds inputs, not states"),
        ('<!DOCTYPE x [<!ENTITY a "b">]><CommonRoadSolution/>', "document type"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_solution_is_said_in_one_line(tmp_path, capsys, scene, text, says):
    path = tmp_path / "s.xml"
    path.write_text(text)
    assert main(["score", "commonroad", str(path), "--scene", str(scene())]) == WRONG_INPUT
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("whyway: ") and says in line and "s.xml" in line


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("<time>3</time>", "<time>4</time>", "goes on at time 4, not step by step"),
        ("<time>0</time>", "<time>-1</time>", "goes on at time"),
        ("<time>3</time>", "<time>3.5</time>", "time is '3.5', not an integer"),
        ("<time>3</time>", "", "time is ''"),
        ("<velocity>10.0</velocity>", "<velocity>fast</velocity>", "'fast', not a number"),
        ("<velocity>10.0</velocity>", "<velocity>nan</velocity>", "'nan', not a number"),
        ("<velocity>10.0</velocity>", "", "<velocity> is missing"),
        ("<orientation>0.0</orientation>", "", "<orientation> is missing"),
        ('planningProblem="7"', 'planningProblem="12"', "solves planning problem 12"),
        ('planningProblem="7"', "", "planningProblem is ''"),
        ("</ksTrajectory>", "<pmState/></ksTrajectory>", "and nothing else"),
    ],
)
def test_a_spoilt_state_is_named(scene, solution, old, new, says):
    path = solution()
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(InputError, match=says.replace("(", r"\(")):
        score_solution(path, scene())


@pytest.mark.parametrize(
    ("obstacle", "says"),
    [
        (static(9, 0, 0, "<shape/>"), "obstacle 9 has no <shape>"),
        (static(9, 0, 0, CIRCLE.replace("1.0", "-1")), "a size of -1"),
        (static(9, 0, 0, ""), "obstacle 9 has no <shape>"),
        ('<staticObstacle id="9"><type>car</type></staticObstacle>', "no <initialState>"),
        (static("x", 0, 0), "id is 'x', not an integer"),
        (
            f'<phantomObstacle id="3"><occupancySet><occupancy>{CIRCLE}{between("time", 0, 10**7)}</occupancy></occupancySet></phantomObstacle>',
            "is from 0 to 10000000",
        ),
    ],
)  # fmt: skip
def test_a_spoilt_scene_is_named(scene, solution, obstacle, says):
    with pytest.raises(InputError, match=f"scene.xml: .*{says}"):
        score_solution(solution(), scene(obstacle))


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_reading_never_fails_otherwise_than_by_its_error(tmp_path_factory, data):
    text = (
        f'<CommonRoadSolution benchmark_id="KS2:JB1:X:2020a">{straight(n=3)}</CommonRoadSolution>'
    )
    at = data.draw(st.integers(0, len(text)))
    put = data.draw(st.text(st.sampled_from('<>/="&;0123456789.-eE kstPM\u2028'), max_size=6))
    spoilt = text[:at] + put + text[at + data.draw(st.integers(0, 8)) :]
    path = tmp_path_factory.mktemp("s") / "s.xml"
    path.write_text(spoilt)
    try:
        (one,) = read_solution(path).problems
    except InputError as error:
        assert len(str(error).splitlines()) == 1
        return
    assert np.isfinite(one.x_m).all() and one.model == "KS"


def test_the_command_prints_exactly_json_and_otherwise_a_table(scene, solution, capsys):
    argv = ["score", "commonroad", str(solution()), "--scene", str(scene(static(9, 30.0, 0.0)))]
    assert main([*argv, "--json"]) == OK
    found = json.loads(capsys.readouterr().out)
    assert found["collision"] is True and found["goal_reached"] is True and found["cost"] == 4.0
    assert main(argv) == OK
    assert "static" in capsys.readouterr().out


# ------------------------------------------------------------------------------------------------------------ shapes

coordinate = st.floats(-6.0, 6.0)
angle = st.floats(-4.0, 4.0)
size = st.floats(0.1, 6.0)
boxes = st.builds(Box, coordinate, coordinate, angle, size, size)


@settings(max_examples=200, deadline=None)
@given(a=boxes, b=boxes)
@example(Box(0, 0, 0, 4, 2), Box(0, 0, math.pi / 2, 4, 2))
@example(Box(0, 0, 0, 4, 4), Box(0, 0, 0, 1, 1))
@example(
    Box(0, 0, 1.61, 4.626687373502792, 1.61),
    Box(0, 0, 1.61, 4.626687373502792, 0.46361543724423204),
)
def test_a_box_and_the_same_box_as_a_polygon_are_touched_alike(a, b):
    polygon = Polygon(b.corners)
    small, large = (Box(a.x_m, a.y_m, a.yaw_rad, a.length_m + e, a.width_m + e) for e in (-1e-6, 1e-6))  # fmt: skip
    if box_touches(small, b) == box_touches(large, b):  # not just touching
        assert box_touches(a, polygon) == box_touches(a, b)
        assert box_touches(b, Polygon(a.corners)) == box_touches(a, b)


@settings(max_examples=200, deadline=None)
@given(a=boxes, x=coordinate, y=coordinate, radius=size, turn=angle)
def test_a_disc_is_touched_as_the_polygons_within_and_around_it_and_the_frame_does_not_matter(a, x, y, radius, turn):  # fmt: skip
    around = np.linspace(0.0, 2.0 * math.pi, 48, endpoint=False)
    ring = np.column_stack([np.cos(around), np.sin(around)]) * radius
    disc = Disc(x, y, radius)
    within = Polygon(ring + (x, y))
    outside = Polygon(ring / math.cos(math.pi / 48) * 1.000001 + (x, y))
    assert box_touches(a, within) <= box_touches(a, disc) <= box_touches(a, outside)
    c, s = math.cos(turn), math.sin(turn)
    turned = Box(c * a.x_m - s * a.y_m, s * a.x_m + c * a.y_m, a.yaw_rad + turn, a.length_m, a.width_m)  # fmt: skip
    for e in (-1e-6, 1e-6):
        if box_touches(a, Disc(x, y, radius + e)) != box_touches(a, disc):
            return
    assert box_touches(turned, Disc(c * x - s * y, s * x + c * y, radius)) == box_touches(a, disc)


def test_a_polygon_turns_about_its_centroid_whichever_way_it_goes_round():
    square = np.array([[10.0, 0.0], [12.0, 0.0], [12.0, 2.0], [10.0, 2.0]])
    for corners in (square, square[::-1]):
        polygon = Polygon(corners)
        assert polygon.centroid == pytest.approx((11.0, 1.0))
        placed = polygon.placed(1.0, 1.0, math.pi / 4)
        assert placed.centroid == pytest.approx((12.0, 2.0))
        assert [polygon.reach_m, placed.reach_m] == pytest.approx([math.sqrt(2.0)] * 2)
    line = Polygon(np.array([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]]))
    assert line.centroid == (1.0, 0.0)
    assert box_touches(Box(1.0, 0.0, 0.0, 0.5, 0.5), line)


def test_reading_a_file_that_is_not_there_says_so(tmp_path, scene):
    with pytest.raises(InputError, match="no such file"):
        score_solution(tmp_path / "none.xml", scene())
    with pytest.raises(FormatError, match="twice"):
        both = tmp_path / "b.xml"
        both.write_text(
            f'<CommonRoadSolution benchmark_id="[KS2,KS2]:[JB1,JB1]:X:2020a">{straight(n=1)}{straight(n=1)}</CommonRoadSolution>'
        )
        read_solution(both)
