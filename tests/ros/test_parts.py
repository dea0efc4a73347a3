"""The nodes' parts that need no ROS: joining by stamp, faults on purpose, domains, processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from whyway_nodes import dds, graph
from whyway_nodes.children import Child, end_all
from whyway_nodes.faults import FaultError, own, parse
from whyway_nodes.join import Join

from whyway import topics

arrivals = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 12)), max_size=80)


@given(arrivals)
def test_a_stage_acts_once_per_stamp_in_order_on_inputs_of_that_stamp(
    messages: list[tuple[str, int]],
) -> None:
    join, given_out = Join("abc"), []
    for kind, stamp in messages:
        inputs = join.add(kind, stamp, (kind, stamp))
        if inputs is not None:
            assert inputs == {k: (k, stamp) for k in "abc"}
            given_out.append(stamp)
    assert given_out == sorted(set(given_out))


@given(arrivals)
def test_a_silent_neighbour_costs_no_memory(messages: list[tuple[str, int]]) -> None:
    join = Join("abcd", keep=3)
    for kind, stamp in messages:
        join.add(kind, stamp, None)
        assert len(join._waiting) <= 3


def test_what_has_come_can_be_taken_before_it_is_complete() -> None:
    join = Join("ab")
    join.add("a", 1, "x")
    assert join.take(1) == {"a": "x"}
    assert join.add("b", 1, "late") is None and join.take(1) == {}


@given(st.sampled_from(["kill:reasoner", "hang:world"]), st.floats(0, 900), st.floats(0, 60))
def test_a_fault_of_a_process_reads_back_from_its_text(
    head: str, at_s: float, value: float
) -> None:
    at_s, value = round(at_s, 1), round(value, 1)
    injection = parse(f"{head}={value}@{at_s}", tuple(graph.NODES))
    assert (injection.name, injection.from_s, injection.value) == (head, at_s, value)
    assert parse(str(injection), tuple(graph.NODES)) == injection


@pytest.mark.parametrize("text", ["", "kill@3", "kill:nobody@3", "kill:world@soon", "x@1"])
def test_a_fault_that_is_none_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(FaultError) as caught:
        parse(text, tuple(graph.NODES))
    assert "\n" not in str(caught.value)


def test_nodes_take_the_faults_of_a_drive_in_one_process_too() -> None:
    texts = "late:detections=0.3@5-10 slow:reasoner=2@1"
    assert " ".join(map(str, own(texts, tuple(graph.NODES)))) == texts


def test_two_drives_never_share_a_domain() -> None:
    with dds.domain({}) as one, dds.domain({}) as two:
        assert one != two
    with dds.domain({"ROS_DOMAIN_ID": "7"}) as users:
        assert users == 7


def test_only_what_nobody_holds_is_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dds, "SHM", tmp_path)
    (tmp_path / "fastrtps_0old").touch()
    before = dds.shm_files()
    for name in (
        "fastrtps_0123abc",
        "fastrtps_0123abc_el",
        "fastrtps_port7000",
        "sem.fastrtps_port7000_mutex",
        "fastrtps_77",
        "fastrtps_77_el",
        "fastrtps_port7001",
        "sem.fastrtps_port7001_mutex",
    ):
        (tmp_path / name).write_bytes(b"\0" * 8)
    hold = (
        "import fcntl, mmap, sys, time; own = open(sys.argv[1]); fcntl.flock(own, fcntl.LOCK_EX); "
        "files = [open(name, 'r+b') for name in sys.argv[2:]]; maps = [mmap.mmap(f.fileno(), 8) for f in files]; print('held', flush=True); time.sleep(60)"
    )
    held = [
        str(tmp_path / f"fastrtps_{name}") for name in ("77_el", "port7001", "0123abc")
    ]  # its own segment, a port it writes to, a dead process' segment it reads
    holder = subprocess.Popen([sys.executable, "-c", hold, *held], stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None and holder.stdout.readline()
        assert dds.sweep(before) == 4
        assert dds.shm_files() == {
            "fastrtps_0old",
            "fastrtps_77",
            "fastrtps_77_el",
            "fastrtps_port7001",
            "sem.fastrtps_port7001_mutex",
        }
    finally:
        holder.kill()
        holder.communicate()


def test_who_does_not_end_when_asked_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "whyway_nodes").mkdir()
    (tmp_path / "whyway_nodes" / "__init__.py").touch()
    deaf = "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nprint('deaf', flush=True)\ntime.sleep(60)\n"
    (tmp_path / "whyway_nodes" / "deaf_node.py").write_text(deaf)
    child = Child("deaf", [], tmp_path / "deaf.log")
    child.start(os.environ | {"PYTHONPATH": str(tmp_path)})
    while child.last_words() != "deaf":
        assert child.alive
    assert end_all([child], grace_s=0.1) == ["deaf"]
    assert not child.alive and "SIGKILL" in child.end_of()


def test_every_topic_between_nodes_has_one_writer_that_the_table_names() -> None:
    for name, spec in graph.NODES.items():
        for topic in spec.outputs:
            assert topic is topics.EVENT or topic.publisher == name, topic.name
        for topic in (*spec.inputs, *spec.latched):
            assert any(topic in other.outputs for other in graph.NODES.values()), topic.name
    assert not any(topics.TRUTH in (*s.inputs, *s.others) for s in graph.NODES.values()), (
        "no stage sees the truth"
    )


def test_the_readme_has_the_nodes_as_they_are() -> None:
    readme = Path(graph.__file__).parents[1] / "README.md"
    assert graph.readme_table() in readme.read_text()
    for name in graph.OWN_PARAMETERS | {"recovering"}:
        assert f"`{name}`" in readme.read_text()
