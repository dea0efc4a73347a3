"""Manifest -> `card.md`: what the data are, how many, how balanced, and where they come from. Rendered, never written by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from whyway.data.recipe import EVALUATION_SEEDS, SPLITS, TRAIN, VAL, VAL_PERCENT

TITLES = {
    "longitudinal": "Longitudinal decision",
    "lateral": "Lateral decision",
    "causes": "Causes (a keyframe has up to three)",
    "tags": "Tags",
    "cited": "Road users cited",
}


def render_card(manifest: Mapping[str, Any]) -> str:
    """The card of a manifest."""
    return "\n\n".join([_head(manifest), *_tables(manifest), _worlds(manifest), _rest(manifest)]) + "\n"  # fmt: skip


def _head(m: Mapping[str, Any]) -> str:
    rows, drives, recipe, versions = m["rows"], m["drives"], m["recipe"], m["versions"]
    who = "the expert drove" if recipe["driver"] == recipe["label"] else f"{recipe['driver']} drove"
    return f"""# Keyframes of the rule expert

{sum(rows.values()):,} keyframes of {drives["made"]} drives ({m["cycles"]:,} cycles): {rows[TRAIN]:,} to learn from, {rows[VAL]:,} to check with.
{who[0].upper()}{who[1:]} in closed loop, {recipe["label"]} labelled. State: {m["state"]}.

| | |
|---|---|
| Worlds | {", ".join(m["worlds"])} |
| Seeds | {_ranges(m["seeds"])}; {EVALUATION_SEEDS[0]} to {EVALUATION_SEEDS[-1]} are kept for judging |
| Split | whole drives, {VAL_PERCENT} % by a hash of world and seed |
| Recipe | {", ".join(f"{k} {v}" for k, v in recipe.items())} |
| Git | {m["provenance"].get("git", "unknown")} |
| Configuration | {m["config_hash"]}{" with " + " ".join(m["overrides"]) if m["overrides"] else ""} |
| Versions | schema {versions["schema"]}, vocabulary {versions["vocabulary"]} ({versions["vocabulary_sha256"][:12]}), features {versions["features"]}, head {versions["head"]} |
| Data | sha256 {m["data_sha256"]} |"""


def _tables(m: Mapping[str, Any]) -> list[str]:
    found = []
    driven = Counter[str]()
    for split in SPLITS:
        driven.update(m["tables"][split]["driven"])
    for name, title in TITLES.items():
        both = [m["tables"][split][name] for split in SPLITS]
        keys = list(dict.fromkeys([*both[0], *both[1]]))
        counted = name in ("longitudinal", "lateral")
        more = (" of cycles |", "---|") if counted else ("", "")
        lines = [
            f"| {title} | {' | '.join(SPLITS)} | share |{more[0]}",
            f"|---|---|---|---|{more[1]}",
        ]
        total, cycles = max(sum(m["rows"].values()), 1), max(m["cycles"], 1)
        for key in keys:
            counts = [table.get(key, 0) for table in both]
            told = " | ".join(f"{c:,}" for c in counts)
            line = f"| {key} | {told} | {100 * sum(counts) / total:.1f} % |"
            lines.append(line + (f" {100 * driven[key] / cycles:.1f} % |" if counted else ""))
        found.append("\n".join(lines))
    return found


def _worlds(m: Mapping[str, Any]) -> str:
    worlds: dict[str, list[int]] = {}
    for shard in m["shards"]:
        drives, rows = worlds.setdefault(shard["world"], [0, 0])
        worlds[shard["world"]] = [drives + 1, rows + shard["rows"]]
    lines = ["| World | drives | keyframes |", "|---|---|---|"]
    lines += [f"| {world} | {d} | {n:,} |" for world, (d, n) in sorted(worlds.items())]
    return "\n".join(lines)


def _rest(m: Mapping[str, Any]) -> str:
    lines = []
    if len(m["codes"]) > 1:
        lines.append(f"Shards were made by {len(m['codes'])} versions of the code.")
    for what, count in m["unsayable"].items():
        lines.append(f"{count} keyframes are missing because the vocabulary cannot say: {what}.")
    for failed in m["failed"]:
        lines.append(f"* not driven: {failed['name']}: {failed['why']}")
    return "\n".join(lines) or "Nothing failed."


def _ranges(seeds: list[int]) -> str:
    """Seeds in few words: 1000..1039."""
    parts: list[list[int]] = []
    for seed in sorted(seeds):
        if parts and seed == parts[-1][1] + 1:
            parts[-1][1] = seed
        else:
            parts.append([seed, seed])
    return ", ".join(str(a) if a == b else f"{a}..{b}" for a, b in parts)
