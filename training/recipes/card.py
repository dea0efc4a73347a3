"""`card.md` of a model: what it is, what it learnt from, what it knows and how it drives. Every number is read from what a step measured."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from training.data import open_data
from training.waypoint_head import Head, Lessons, errors
from whyway.data.manifest import read_manifest
from whyway.log import read_log
from whyway.reason import probe
from whyway.reason.backends import make_backend
from whyway.reason.checkpoint import Model, load_model
from whyway.reason.manifest import versions_here
from whyway.types import Trace

LEAST_KNOWN = 6
MOST_LESSONS = 40_000
DRIVEN: Mapping[str, str] = {
    "scenes": "Drives", "pass_rate": "Drives within limits", "pdms": "PDMS (NAVSIM v1)", "epdms": "EPDMS (NAVSIM v2)",
    "at_fault_collisions": "At-fault collisions a drive", "red_lights_run": "Red lights run a drive",
    "route_completion": "Route completed", "consistency_longitudinal": "Plan follows the words, along",
    "consistency_lateral": "Plan follows the words, aside", "contradiction": "Plan contradicts the words", "grounding": "Grounded",
    "flips_per_minute": "Decisions changed a minute",
}  # fmt: skip
"""Key of a suite's summary -> what it says."""
UNITS = {"m": "m", "mps": "m/s", "mps2": "m/s²"}
LIMITS = """* Made from and judged in this package's own worlds alone: how it drives on real roads nobody has measured. It is no driver's aid.
* It knows what the rule expert knows and errs where that errs; what the vocabulary has no word for it cannot say.
* Perception is taken as it is: whom the tracker loses, it cannot cite.
* Safety does not rest on it: the supervisor behind it sees everything and may brake whatever the trace says."""


def write_card(
    folder: Path,
    sets: Sequence[Path],
    seconds: Mapping[str, float],
    judged: Path | None,
    work: Path,
) -> str:
    """The card of a model.

    Args:
      folder: of the model, with its head and graph.
      sets: data it learnt from.
      seconds: each step of the recipe took.
      judged: a suite's summary.json; None: it was not driven.
      work: folder of the recipe's steps, for who its parents are.
    """
    model = load_model(folder)
    parts = [
        _head(model),
        _learnt(model, sets, seconds, work),
        _known(model, sets),
        *_driven(judged),
        f"## Limits\n\n{LIMITS}",
    ]
    return "\n\n".join(parts) + "\n"


def _head(model: Model) -> str:
    spec, here = model.spec, versions_here()
    count = sum(w.size for w in model.weights.values())
    head = sum(w.size for w in model.head.values())
    rows = {
        "Parameters": f"{count:,} and {head:,} of the waypoint head",
        "Size": f"depth {spec.depth}: {spec.depth} layers, {spec.width} wide, {spec.heads} heads",
        "Weights": f"sha256 {model.weights_sha256}",
        "Vocabulary": here.vocabulary_sha256[:12],
        "Scene tokens": f"version {here.features}",
        "Seed": ", ".join(map(str, model.made.seeds)),
        "Code": model.made.git[:12] + ("+" if model.made.git.endswith("+") else ""),
        "Files": ", ".join(f"{n} {f.bytes / 1e6:.2f} MB" for n, f in sorted(model.files.items()) if f.bytes > 1e5),
        **dict(_graph(model)),
    }  # fmt: skip
    return f"""# {model.name}

A small GPT that reads a scene (ego, lane path, lines, road users) and writes a typed trace: what it sees, what others will do, why, and
what it decides. A waypoint head makes speeds of these words alone. Learnt from the rule expert of this package.

{_table(("", ""), rows.items())}"""


def _graph(model: Model) -> Iterator[tuple[str, str]]:
    """How far the graph of 8 bits is from the weights."""
    if any(name.endswith(".onnx") for name in model.files):
        wanted = probe.reference(model.spec, model.weights)
        off = probe.relative_error(probe.answers(make_backend("onnxruntime", model)), wanted)
        yield "8-bit graph", f"relative error of its answers {off:.1%}"


def _learnt(model: Model, sets: Sequence[Path], seconds: Mapping[str, float], work: Path) -> str:
    lines = []
    for folder in sets:
        m = read_manifest(folder)
        told = m["recipe"]
        who = "the expert" if told["driver"] == told["label"] else told["driver"]
        lines.append((
            who, f"{m['rows']['train']:,}", f"{m['rows']['val']:,}", f"{m['drives']['made']:,}", ", ".join(m["worlds"]),
            m["data_sha256"][:12],
        ))  # fmt: skip
    took = [(name, f"{s / 60:.1f} min") for name, s in seconds.items()]
    took.append(("together", f"{sum(seconds.values()) / 60:.1f} min"))
    header = (
        "Who drove",
        "keyframes to learn from",
        "to check with",
        "drives",
        "worlds and seeds",
        "data",
    )
    recipe = ", ".join(f"{k.replace('_', ' ')} {v}" for k, v in sorted(model.made.recipe.items()) if v not in (None, []))  # fmt: skip
    return f"""## What it learnt from

{_table(header, lines)}

Drivers are judged with seeds 1 to 100, and none of these is among them. The last stage: {recipe}.

{_table(("Step", "took"), took)}

On {_machine()}."""


def _machine() -> str:
    """What the steps ran on, as this process sees it."""
    cuda = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return f"{os.cpu_count()} CPU cores, {cuda}, torch {torch.__version__}"


def _known(model: Model, sets: Sequence[Path]) -> str:
    """What it knows of keyframes it did not learn from."""
    table = dict(model.made.scores["val"])
    by_field = {k.partition("/")[2]: v for k, v in table.items() if k.startswith("accuracy/")}
    least = sorted(by_field, key=by_field.__getitem__)[:LEAST_KNOWN]
    rows = [
        ("Loss", f"{table['loss']:.4f}"),
        ("Longitudinal decision", f"{by_field['longitudinal']:.1%}"),
        ("Lateral decision", f"{by_field['lateral']:.1%}"),
        *((f"Who is cited, {k}", f"{table[f'cited/{k}']:.1%}") for k in ("precision", "recall") if f"cited/{k}" in table),
        *((f"True causes found ({k})", f"{table[f'causes/{k}']:.1%}") for k in ("recall",) if f"causes/{k}" in table),
        *((f"Mean error of {k.partition('/')[2].rpartition('_')[0].replace('_', ' ')}", f"{v:.2f} {UNITS[k.rpartition('_')[2]]}") for k, v in table.items() if k.startswith("error/")),
    ]  # fmt: skip
    worst = ", ".join(f"{name.replace('_', ' ')} {by_field[name]:.1%}" for name in least)
    return f"""## What it knows

Of keyframes of drives it did not learn from, each word asked with the true words before it:

{_table(("", ""), rows)}

Least sure of: {worst}. Numbers are right only if they fall into the very bin.

{_waypoints(model, sets)}"""


def _waypoints(model: Model, sets: Sequence[Path]) -> str:
    """The head's errors on lessons it did not learn from."""
    head = Head(torch.Generator().manual_seed(0))
    head.load({name: w.copy() for name, w in model.head.items()})
    off = errors(head, Lessons(*open_data(sets[0]).lessons("val", MOST_LESSONS, 0)))
    units = {"speed": "m/s", "place": "m"}
    rows = [
        (k.replace("_", " after "), f"{v:.2f} {units[k.split('_')[0]]}") for k, v in off.items()
    ]
    return "Root mean square errors of the waypoint head against the expert's plans:\n\n" + _table(
        ("", ""), rows
    )


def _driven(judged: Path | None) -> list[str]:
    """How it drives beside the expert."""
    if judged is None:
        return []
    m = json.loads(judged.read_text())
    ours, theirs = m["summary"], m["baseline"]["summary"]
    rows = [
        (what, _number(ours[key]), _number(theirs.get(key)))
        for key, what in DRIVEN.items()
        if ours.get(key) is not None
    ]
    told, stood_in = answered(judged.parent)
    rows.insert(1, ("Decisions", f"{told:,}", ""))
    rows.insert(2, ("Of these, the rules answered", f"{stood_in / max(told, 1):.2%}", ""))
    header = ("", m["driver"], m["baseline"]["driver"])
    return [f"""## How it drives

Closed loop, suite {m["suite"]["name"]}, seeds it has never seen. {m["overall"]}

{_table(header, rows)}"""]  # fmt: skip


def answered(folder: Path) -> tuple[int, int]:
    """Decisions in the logs of a suite that microgpt drove, and those in which another answered instead: late, or contradicted."""
    own = folder / "microgpt"  # where two drove
    traces = [
        trace
        for path in sorted((own if own.exists() else folder).glob("logs/*.mcap"))
        for trace in read_log(path).of(Trace)
    ]
    return len(traces), sum(trace.integrity.fallback_used for trace in traces)


def _number(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"


def _table(header: Sequence[str], rows: Any) -> str:
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return "\n".join(["| " + " | ".join(header) + " |", "|" + "---|" * len(header), *lines])
