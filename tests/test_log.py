"""The log: gives back what was written, survives a kill, and tells two drives apart."""

import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace

import numpy as np
import pytest
from mcap.reader import make_reader

from whyway.log import LogError, LogWriter, read_log, same_log
from whyway.messages import to_cdr
from whyway.types import (
    Actor,
    Command,
    EgoState,
    Fault,
    ObjectClass,
    PredictionTrace,
    Route,
    SafetyState,
    Truth,
    Verdict,
    differences,
)

EGO = EgoState(1.0, 2.0, 0.1, 5.0, 0.2, 0.01, -0.02)


def truth(stamp_ns: int) -> Truth:
    actor = Actor(7, ObjectClass.CAR, 10.0 + stamp_ns * 1e-9, 0.0, 0.0, 3.0, 4.5, 1.8, False)
    return Truth(stamp_ns, EGO, 4.5, 1.6, 1.3, (actor,))


def verdict(stamp_ns: int, latency_ms: float = 0.5) -> Verdict:
    return Verdict(stamp_ns, SafetyState.NOMINAL, Fault.NONE, "", 0, 0.1, 0.0, latency_ms)


def write(path, n=25, latency_ms=0.5, **info):
    with LogWriter(path, {"driver": "rules", "seed": 3, "config": {"a": 1.5}} | info) as log:
        log.write("/route", Route(0, np.array([1, 2], dtype=np.int64), 1.0, 2.0))
        for i in range(n):
            log.write("/truth", truth(i * 100_000_000))
            log.write("/verdict", verdict(i * 100_000_000, latency_ms))
    return path


def test_a_log_gives_back_what_was_written(tmp_path):
    log = read_log(write(tmp_path / "new" / "a.mcap"))
    assert log.truncated == ""
    assert log.info == {"driver": "rules", "seed": 3, "config": {"a": 1.5}}
    assert list(log.topics) == ["/route", "/truth", "/verdict"]
    assert not differences(log.topics["/truth"][24], truth(2_400_000_000))
    assert log.stamps_ns["/truth"][24] == 2_400_000_000
    assert len(log.of(Truth)) == len(log.of(Truth, "/truth")) == 25
    assert log.of(Truth, "/verdict") == ()


def test_other_readers_find_profile_schemas_index_and_statistics(tmp_path):
    with write(tmp_path / "a.mcap").open("rb") as stream:
        reader = make_reader(stream)
        assert reader.get_header().profile == "ros2"
        summary = reader.get_summary()
        assert summary.statistics.message_count == 51
        assert len(summary.chunk_indexes) >= 3, "at least one chunk a second"
        schema = {s.name: s for s in summary.schemas.values()}["whyway_msgs/msg/Truth"]
        assert schema.encoding == "ros2msg"
        assert "MSG: whyway_msgs/Actor" in schema.data.decode()
        messages = list(reader.iter_messages(topics=["/truth"]))
        assert [m.log_time for _, _, m in messages] == [i * 100_000_000 for i in range(25)]
        assert {c.message_encoding for _, c, _ in messages} == {"cdr"}
        assert [m.name for m in reader.iter_metadata()] == ["whyway"]


def test_bytes_from_a_recorder_and_values_make_the_same_log(tmp_path):
    with LogWriter(tmp_path / "b.mcap", {}) as log:
        log.write_cdr("/whyway/truth", to_cdr(truth(5)), 5)
    with LogWriter(tmp_path / "a.mcap", {}) as log:
        log.write("/whyway/truth", truth(5))
    assert same_log(tmp_path / "a.mcap", tmp_path / "b.mcap") == []


def test_a_value_without_a_stamp_needs_one_and_a_topic_keeps_its_type(tmp_path):
    with LogWriter(tmp_path / "a.mcap", {}) as log:
        with pytest.raises(ValueError, match="pass stamp_ns"):
            log.write("/trace/prediction", PredictionTrace())
        log.write("/trace/prediction", PredictionTrace(), stamp_ns=7)
        with pytest.raises(ValueError, match="holds"):
            log.write("/trace/prediction", Command(8, 0.0, 0.0))
    assert read_log(tmp_path / "a.mcap").stamps_ns == {"/trace/prediction": (7,)}


def test_info_may_be_added_at_the_end(tmp_path):
    with LogWriter(tmp_path / "a.mcap", {"driver": "rules", "goal": None}) as log:
        log.add_info({"goal": True})
    assert read_log(tmp_path / "a.mcap").info == {"driver": "rules", "goal": True}


def test_drives_that_differ_only_on_the_wall_clock_are_the_same(tmp_path):
    a = write(tmp_path / "a.mcap", latency_ms=0.5, git="abc")
    b = write(tmp_path / "b.mcap", latency_ms=9.0, git="def")
    assert same_log(a, b) == []


def test_differences_name_topic_time_and_field_and_do_not_flood(tmp_path):
    a = write(tmp_path / "a.mcap")
    with LogWriter(tmp_path / "b.mcap", {"driver": "idm", "seed": 3}) as log:
        for i in range(25):
            other = truth(i * 100_000_000)
            log.write("/truth", replace(other, ego=replace(EGO, x_m=9.0)))
            log.write("/verdict", verdict(i * 100_000_000))
    lines = same_log(a, tmp_path / "b.mcap")
    assert lines[0] == "driver: 'rules' against 'idm'"
    assert lines[1] == "/route: 1 messages against 0"
    assert lines[2] == "/truth[0] at 0.000 s: ego.x_m: 1.0 against 9.0"
    assert lines[-1] == "/truth: and 20 more"


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.99])
def test_a_cut_file_is_read_up_to_the_cut(tmp_path, keep):
    data = write(tmp_path / "a.mcap", n=200).read_bytes()
    cut = tmp_path / "cut.mcap"
    cut.write_bytes(data[: int(keep * len(data))])
    log = read_log(cut)
    assert "not closed" in log.truncated
    stamps = log.stamps_ns.get("/truth", ())
    assert stamps == tuple(i * 100_000_000 for i in range(len(stamps)))
    assert log.info["driver"] == "rules"


def test_a_flipped_byte_is_noticed(tmp_path):
    data = bytearray(write(tmp_path / "a.mcap", n=200).read_bytes())
    data[len(data) // 2] ^= 0xFF
    bad = tmp_path / "bad.mcap"
    bad.write_bytes(data)
    log = read_log(bad)
    assert log.truncated
    assert len(log.of(Truth)) < 200


@pytest.mark.parametrize("content", [b"", b"<xml/>", b"\x89MCAP0"])
def test_a_file_that_is_no_log_gives_one_clear_line(tmp_path, content):
    (tmp_path / "x.mcap").write_bytes(content)
    with pytest.raises(LogError, match="not an MCAP file") as error:
        read_log(tmp_path / "x.mcap")
    assert "\n" not in str(error.value)
    with pytest.raises(LogError, match="No such file"):
        read_log(tmp_path / "absent.mcap")


def test_a_killed_writer_leaves_a_log_readable_to_the_last_whole_second(tmp_path):
    path = tmp_path / "killed.mcap"
    program = f"""
        import time
        from whyway.log import LogWriter
        from whyway.types import Command
        log = LogWriter({str(path)!r}, {{"driver": "rules"}})
        for i in range(47):
            log.write("/command", Command(i * 100_000_000, float(i), 0.0))
        print("ready", flush=True)
        time.sleep(60)
    """
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        os.kill(child.pid, signal.SIGKILL)
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
    log = read_log(path)
    assert log.truncated
    assert log.info == {"driver": "rules"}
    assert [c.acceleration_mps2 for c in log.of(Command)] == [float(i) for i in range(40)]
