"""Files of gates: what is written is what is read; what does not belong is one line that names the nearest."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whyway.evaluate.gates.error import GateError
from whyway.evaluate.gates.fields import chosen_by, paths_of
from whyway.evaluate.gates.schema import Limit, Tolerance, applies, read_gates
from whyway.types import Command, Plan, Trace

WHOLE = """
golden:
  - logs: "town/*.mcap"
    reference: refs/{folder}-{name}.mcap
    topics: [trace, /whyway/plan]
    ignore: [integrity.latency, "*.relevance"]
    tolerances: {"*": {relative: 1e-6}, "plan.waypoints": {absolute: 0.01}}
semantic:
  - reference: refs/{name}.mcap
    limits: {contradiction: {at_most: 0.005}, pdms: {at_least: 0.9, drop: 0.02}}
budget:
  - limits: {cpu_s_per_s: {at_most: 1}}
    rates: {plan: {at_least: 9.5, longest_gap_s: 0.2}}
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "gates.yaml"
    path.write_text(text)
    return path


def refused(folder: Path, text: str) -> str:
    """The one line with which a file of gates is refused."""
    with pytest.raises(GateError) as error:
        read_gates(written(folder, text))
    told = str(error.value)
    assert "\n" not in told and "gates.yaml" in told
    return told


def test_a_whole_file_is_read_as_it_is_written(tmp_path):
    gates = read_gates(written(tmp_path, WHOLE))
    (golden,), (semantic,), (budget,) = gates.golden, gates.semantic, gates.budget
    assert golden.topics == ("/whyway/trace", "/whyway/plan")
    # 1e-6 is a text to YAML 1.1, and a number to everybody else
    assert golden.tolerances == {"*": Tolerance(relative=1e-6), "plan.waypoints": Tolerance(0.01)}
    assert semantic.limits["pdms"] == Limit(at_least=0.9, drop=0.02)
    assert budget.rates["/whyway/plan"].longest_gap_s == 0.2
    log = tmp_path / "town" / "drive.mcap"
    assert gates.reference_of(golden, log) == tmp_path / "refs" / "town-drive.mcap"


def test_globs_are_matched_from_the_right(tmp_path):
    (golden,) = read_gates(written(tmp_path, WHOLE)).golden
    assert applies(golden, Path("runs/town/drive.mcap"))
    assert not applies(golden, Path("runs/highway/drive.mcap"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "expected golden:, semantic: or budget:"),
        ("- a\n- b", "expected golden:"),
        ("golden: []", "holds no gate"),
        ("goldn: []", "unknown key 'goldn'; did you mean 'golden'?"),
        ("golden: {reference: a}", "golden: expected a list"),
        ("golden: [{logs: a}]", "golden[1]: needs reference:"),
        ("golden: [{reference: a, tolerance: {}}]", "did you mean 'tolerances'?"),
        ("golden: [{reference: a, topics: [trase]}]", "no topic 'trase'; did you mean 'trace'?"),
        ("golden: [{reference: a, topics: [/tf]}]", "no topic '/tf'"),
        ("golden: [{reference: a, ignore: [integrity.latancy]}]", "did you mean 'integrity.latency'?"),
        ("golden: [{reference: a, tolerances: {'*': {absolute: -1}}}]", "0 or more"),
        ("golden: [{reference: a, tolerances: {'*': {absolute: .nan}}}]", "expected a number, found nan"),
        ("golden: [{reference: a, tolerances: {'*': {absolute: wide}}}]", "expected a number, found 'wide'"),
        ("golden: [{reference: a, tolerances: {'*': {absolut: 1}}}]", "did you mean 'absolute'?"),
        ("golden: [{reference: a, name: [1]}]", "expected a text, found [1]"),
        ("semantic: [{limits: {}}]", "limits: is empty"),
        ("semantic: [{limits: {pdms: {}}}]", "needs one of at_most, at_least, rise, drop"),
        ("semantic: [{limits: {pdms: {drop: 0.1}}}]", "rise and drop need a reference:"),
        ("semantic: [{limits: {pdms: {at_most: 1, at_least: 2}}}]", "is more than at_most"),
        ("semantic: [{limits: {pdms: {drop: -1}}, reference: a}]", "amounts, 0 or more"),
        ("semantic: [{limits: {pdms: {at_least: 1}}, frames: 1}]", "frames: give 2 or more"),
        ("semantic: [{limits: {pdms: {at_least: 1}}, frames: 2.5}]", "expected a whole number, found 2.5"),
        ("semantic: [{limits: {pdms: {at_least: 1}}, pooled: 1}]", "expected true or false, found 1"),
        ("budget: [{logs: a}]", "needs limits: or rates:"),
        ("budget: [{limits: {cpu_s_per_s: {rise: 1}}}]", "a budget has at_most and at_least only"),
        ("budget: [{rates: {plan: {}}}]", "needs one of at_least, at_most (in Hz)"),
        ("budget: [{rates: {plann: {at_least: 1}}}]", "did you mean 'plan'?"),
        ("budget: [{rates: {plan: {at_least: 1, gap: 2}}}]", "unknown key 'gap'"),
        ("golden: []\ngolden: []", "'golden' stands twice"),
        ("golden: [", "not readable as YAML"),
        ("golden: !!python/object:os.system {}", "not readable as YAML"),
        ("\x00", "not readable as YAML"),
    ],
)  # fmt: skip
def test_what_does_not_belong_is_one_line_with_the_remedy(text, says, tmp_path):
    assert says in refused(tmp_path, text)


def test_a_file_that_is_not_there_or_too_large_is_one_line(tmp_path):
    with pytest.raises(GateError, match="not readable: No such file"):
        read_gates(tmp_path / "none.yaml")
    assert "larger than 1000 kB" in refused(tmp_path, "#" * (1 << 20) + "\n")


@given(text=st.text(max_size=200))
def test_any_text_is_gates_or_one_line(text, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        read_gates(path)
    except GateError as error:
        assert "\n" not in str(error)


def test_a_pattern_names_a_field_a_whole_or_one_topics_field():
    field = "planning.causes.weight"
    for pattern in ("planning", "planning.causes", field, "*.weight", "*", "trace", "trace.planning"):  # fmt: skip
        assert chosen_by(pattern, "/whyway/trace", field), pattern
    for pattern in ("weight", "causes", "plan", "planning.cause", "plan.planning"):
        assert not chosen_by(pattern, "/whyway/trace", field), pattern


@pytest.mark.parametrize("cls", [Trace, Plan, Command])
def test_every_path_is_a_field_and_wholes_come_before_their_parts(cls):
    paths = paths_of(cls)
    assert len(set(paths)) == len(paths)
    for path in paths:
        whole = path.rpartition(".")[0]
        assert not whole or paths.index(whole) < paths.index(path)


def test_the_example_in_the_docs_is_a_file_of_gates(tmp_path):
    docs = Path(__file__).parents[2] / "docs" / "gates.md"
    example = docs.read_text().split("```yaml\n")[1].split("```")[0]
    gates = read_gates(written(tmp_path, example))
    assert len(gates.golden) == 1 and len(gates.semantic) == 2 and len(gates.budget) == 1


def test_the_example_in_the_code_is_a_file_of_gates(tmp_path):
    from whyway.evaluate.gates import schema

    lines = (schema.__doc__ or "").splitlines()
    example = "\n".join(line[4:] for line in lines if line.startswith("    "))
    assert read_gates(written(tmp_path, example)).semantic[0].limits["flips_per_minute"].rise == 6
