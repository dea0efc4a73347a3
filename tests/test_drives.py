"""Drives in one process: logged as they went, and the same again from the same seed."""

from __future__ import annotations

from pathlib import Path

import pytest

from whyway import topics
from whyway.config import Config, config_hash, override
from whyway.driver import driver_config
from whyway.drives import drive, provenance, run_info
from whyway.log import read_log, same_log
from whyway.types import Event, Truth, Verdict
from whyway.worlds.faults import parse

SCENES = Path(__file__).resolve().parents[2] / "shared" / "data" / "commonroad_bsd"
CONFIG = Config()
EVERY_CYCLE = (
    topics.OBSERVATION,
    topics.SCENE,
    topics.TRACE,
    topics.PLAN,
    topics.COMMAND,
    topics.VERDICT,
)


@pytest.fixture(scope="module")
def town_log(tmp_path_factory):
    path = tmp_path_factory.mktemp("town") / "drive.mcap"
    drive("town", "rules", 3, CONFIG, path, 10.0)
    return path


def scene_file(name: str) -> str:
    files = sorted(SCENES.rglob(f"{name}*.xml*"))
    if not files:
        pytest.skip(f"no scene {name} at {SCENES}")
    return str(files[0])


def test_the_same_seed_gives_the_same_drive_in_town(town_log, tmp_path):
    drive("town", "rules", 3, CONFIG, tmp_path / "again.mcap", 10.0)
    assert same_log(town_log, tmp_path / "again.mcap") == []


def test_another_seed_gives_another_drive(town_log, tmp_path):
    drive("town", "rules", 4, CONFIG, tmp_path / "other.mcap", 2.0)
    assert same_log(town_log, tmp_path / "other.mcap")


def test_the_same_seed_gives_the_same_drive_in_a_recorded_scene(tmp_path):
    scene = scene_file("ESP_Monzon-6_1")
    for name in ("a", "b"):
        drive(scene, "rules", 1, CONFIG, tmp_path / name)
    assert same_log(tmp_path / "a", tmp_path / "b") == []


def test_every_cycle_is_logged_whole_and_the_last_truth_too(town_log):
    log = read_log(town_log)
    assert {t.name: len(log.topics[t.name]) for t in EVERY_CYCLE} == {
        t.name: 100 for t in EVERY_CYCLE
    }
    assert len(log.topics[topics.TRUTH.name]) == 101
    assert len(log.topics[topics.LANE_MAP.name]) == len(log.topics[topics.ROUTE.name]) == 1


def test_a_log_says_who_drove_where_with_what(town_log):
    info = read_log(town_log).info
    assert (info["driver"], info["world"], info["seed"]) == ("rules", "town", 3)
    assert info["config_hash"] == config_hash(CONFIG)
    assert override(CONFIG, info["config"]) == CONFIG
    assert {"git", "versions", "middleware", "goal_reached"} <= info.keys()
    assert {"python", "numpy", "whyway"} <= info["versions"].keys()


def test_a_log_says_what_the_drive_cost(town_log):
    cost = read_log(town_log).info["resources"]
    assert cost.keys() == {"cpu_s", "wall_s", "peak_rss_mib"}
    assert cost["cpu_s"] > 0.0 and cost["wall_s"] > 0.0 and cost["peak_rss_mib"] > 20.0


@pytest.mark.parametrize("driver", ["constant_velocity", "idm"])
def test_baselines_drive_recorded_scenes_and_their_log_says_without_safety(driver, tmp_path):
    path = tmp_path / "drive.mcap"
    drive(scene_file("DEU_Speyer-2_4"), driver, 1, CONFIG, path)
    log = read_log(path)
    assert log.info["config"]["safety"]["enabled"] is False
    assert log.info["config_hash"] == config_hash(driver_config(driver, CONFIG))
    assert len(log.topics[topics.TRACE.name]) > 10


def test_what_ends_a_drive_early_leaves_a_log_to_read(tmp_path):
    def stop(world, cycle):
        if world.stamp_ns >= 3_000_000_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        drive("town", "rules", 1, CONFIG, tmp_path / "drive.mcap", 10.0, stop)
    assert len(read_log(tmp_path / "drive.mcap").topics[topics.TRACE.name]) == 31


def test_who_watches_sees_every_cycle(tmp_path):
    seen = []
    drive("town", "rules", 1, CONFIG, tmp_path / "d.mcap", 1.0, lambda w, c: seen.append(c.plan))
    assert [p.stamp_ns for p in seen] == [k * 100_000_000 for k in range(10)]


@pytest.mark.parametrize(
    ("world", "driver"), [("town", "nobody"), ("nowhere", "rules"), ("no/such.xml", "rules")]
)
def test_what_cannot_be_driven_is_refused_before_anything_is_written(world, driver, tmp_path):
    with pytest.raises(ValueError) as error:
        drive(world, driver, 1, CONFIG, tmp_path / "drive.mcap", 1.0)
    assert "\n" not in str(error.value) and not (tmp_path / "drive.mcap").exists()


def test_where_a_result_comes_from_is_told_without_a_checkout_too():
    assert provenance()["git"]
    assert run_info("idm", "town", 1, CONFIG)["config"]["safety"]["enabled"] is False


def test_a_drive_under_faults_says_so_and_is_the_same_again(tmp_path):
    faults = [parse("drop:all=0.5@1-2"), parse("freeze:all=1@3"), parse("slow:reasoner=2@5-6")]
    for name in ("a", "b"):
        drive("town", "rules", 3, CONFIG, tmp_path / name, 7.0, None, faults)
    assert same_log(tmp_path / "a", tmp_path / "b") == []
    log = read_log(tmp_path / "a")
    assert log.info["injected"] == [str(f) for f in faults]
    told = [(e.stamp_ns, e.source, e.detail) for e in log.of(Event)]
    for fault in faults:
        assert (round(fault.from_s * 1e9), "world", f"injected: {fault}") in told
    assert any(source == "vehicle" for _, source, _ in told)


def test_while_nothing_new_comes_nobody_acts_and_time_goes_on(tmp_path):
    drive("town", "rules", 3, CONFIG, tmp_path / "d", 3.0, None, [parse("drop:all@1-2")])
    log = read_log(tmp_path / "d")
    stamps = [v.stamp_ns // 10**8 for v in log.of(Verdict)]
    assert stamps == [*range(10), *range(20, 30)]
    assert [t.stamp_ns // 10**8 for t in log.of(Truth)] == list(range(31))


def test_the_log_tells_the_worlds_time_and_each_value_its_own_stamp(tmp_path):
    drive("town", "rules", 3, CONFIG, tmp_path / "d", 2.0, None, [parse("clock:step=100@1")])
    log, name = read_log(tmp_path / "d"), topics.VERDICT.name
    assert [at // 10**8 for at in log.stamps_ns[name]] == list(range(20))
    assert [v.stamp_ns // 10**8 for v in log.of(Verdict)] == [*range(10), *range(1010, 1020)]
