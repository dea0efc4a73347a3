"""One tree of dials: defaults stand once, overrides are checked by name and type, and the hash tells trees apart."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from whyway.config import Config, ConfigError, as_dict, config_hash, leaves, load, override

LEAVES = dict(leaves(Config()))
NAMES = sorted(LEAVES)


def other_value(value: Any) -> Any:
    """A value of the same type that differs."""
    if isinstance(value, str):
        return f"{value}x"
    if isinstance(value, bool):
        return not value
    return value - 1 if isinstance(value, int) else value * 0.9 + 0.001


def refused(*overrides: str) -> str:
    """The one line with which overrides are refused."""
    with pytest.raises(ConfigError) as error:
        load(None, overrides)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_without_anything_to_override_the_defaults_stand():
    assert load() == Config()


@given(st.sampled_from(NAMES))
def test_a_dial_set_by_its_dotted_name_changes_and_no_other_does(name):
    changed = dict(leaves(override(Config(), {name: other_value(LEAVES[name])})))
    assert {n for n in NAMES if changed[n] != LEAVES[n]} == {name}


def test_a_tree_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().safety.reaction_s = 1.0  # type: ignore[misc]


@given(st.sampled_from(NAMES))
def test_the_hash_changes_when_a_value_does(name):
    changed = override(Config(), {name: other_value(LEAVES[name])})
    assert config_hash(changed) != config_hash(Config())


@given(st.sampled_from(NAMES))
def test_the_hash_stays_when_no_value_changes(name):
    assert config_hash(override(Config(), {name: LEAVES[name]})) == config_hash(Config())


@settings(max_examples=30)
@given(st.sets(st.sampled_from(NAMES)))
def test_dotted_names_nested_mappings_and_yaml_files_say_the_same(tmp_path_factory, names):
    flat = {name: other_value(LEAVES[name]) for name in names}
    nested: dict[str, Any] = {}
    for name, value in flat.items():
        *sections, last = name.split(".")
        inner = nested
        for section in sections:
            inner = inner.setdefault(section, {})
        inner[last] = value
    file = tmp_path_factory.mktemp("config") / "dials.yaml"
    file.write_text(yaml.safe_dump(nested))
    by_text = load(None, [f"{name}={yaml.safe_dump(value)}" for name, value in flat.items()])
    assert override(Config(), flat) == override(Config(), nested) == load(file) == by_text


def test_a_tree_written_as_a_dictionary_makes_the_same_tree():
    config = override(Config(), {"safety.reaction_s": 0.7, "driving.idm.headway_s": 2.0})
    assert override(Config(), as_dict(config)) == config


def test_texts_are_laid_over_the_file(tmp_path):
    file = tmp_path / "dials.yaml"
    file.write_text("safety: {reaction_s: 0.5, horizon_s: 3}\n")
    config = load(file, ["safety.reaction_s=0.9"])
    assert (config.safety.reaction_s, config.safety.horizon_s) == (0.9, 3.0)


def test_a_whole_number_will_do_for_a_dial_with_a_unit():
    assert load(None, ["safety.horizon_s=3"]).safety.horizon_s == 3.0
    assert isinstance(load(None, ["safety.horizon_s=3"]).safety.horizon_s, float)


def test_an_unknown_key_is_refused_with_the_nearest_known_one():
    assert "did you mean 'reaction_s'" in refused("safety.reactoin_s=1")
    assert "did you mean 'safety'" in refused("saftey.reaction_s=1")


def test_an_unknown_key_like_no_other_is_refused_with_all_that_there_are():
    line = refused("qqq=1")
    assert all(f.name in line for f in dataclasses.fields(Config))


@pytest.mark.parametrize("value", ["true", "fast", "[1, 2]", "{}", "null", "'1'"])
def test_a_value_of_the_wrong_type_is_refused_by_name(value):
    line = refused(f"safety.reaction_s={value}")
    assert "safety.reaction_s" in line and "finite number" in line


@pytest.mark.parametrize("value", [".nan", ".inf", "-.inf", "1" + 400 * "0"])
def test_no_dial_may_be_infinite_or_no_number(value):
    for name in (n for n in NAMES if isinstance(LEAVES[n], float)):
        assert "finite number" in refused(f"{name}={value}")
        with pytest.raises(ConfigError):
            override(Config(), {name: math.nan})


@pytest.mark.parametrize(
    "text", ["safety.enabled=1", "sim.traffic.vehicles=2.5", "nodes.restart_limit=yes"]
)
def test_switches_and_counts_are_no_numbers(text):
    assert text.split("=")[0] in refused(text)


@pytest.mark.parametrize(
    "text",
    [
        "plan.horizon_s=0",
        "driving.idm.b_mps2=0",
        "driving.limits.a_min_mps2=1",
        "vehicle.wheelbase_m=-2",
        "sim.traffic.vehicles=-3",
        "sim.sensor.miss_probability=1.5",
        "reason.max_causes=9",
        "safety.reaction_s=-0.1",
    ],
)
def test_a_value_out_of_range_is_refused_with_the_range(text):
    line = refused(text)
    assert text.split("=")[0] in line and "out of range; give" in line


def test_every_default_is_within_its_range():
    assert override(Config(), LEAVES) == Config()


def test_noise_may_be_none_at_all():
    assert load(None, ["sim.sensor.speed_sigma_mps=0"]).sim.sensor.speed_sigma_mps == 0.0


def test_a_section_is_no_value():
    assert "section" in refused("safety=3")


def test_a_value_has_no_keys():
    assert "has no key" in refused("safety.reaction_s.more=3")


def test_a_text_without_an_equals_sign_is_refused_with_an_example():
    assert "key=value" in refused("safety.reaction_s")


def test_a_value_that_is_no_yaml_is_refused():
    assert "safety.reaction_s" in refused("safety.reaction_s={1: [")


@pytest.mark.parametrize("text", ["{a: [", "- 1\n- 2\n", "just words"])
def test_a_file_that_holds_no_keys_and_values_is_refused_by_name(tmp_path, text):
    file = tmp_path / "dials.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as error:
        load(file)
    assert str(file) in str(error.value) and "\n" not in str(error.value)


def test_a_file_that_is_not_there_or_not_text_is_refused_by_name(tmp_path):
    binary = tmp_path / "dials.yaml"
    binary.write_bytes(b"\xff\xfe\x00\x80")
    for file in (tmp_path / "nowhere.yaml", binary, tmp_path):
        with pytest.raises(ConfigError, match="not readable") as error:
            load(file)
        assert "\n" not in str(error.value)


def test_an_empty_file_changes_nothing(tmp_path):
    (tmp_path / "dials.yaml").write_text("# nothing\n")
    assert load(tmp_path / "dials.yaml") == Config()
