"""How a metric of drives becomes a number of a suite: mean, share of cycles, sum or pooled quantile; and which direction is good.

A metric that is not listed is averaged over the drives that have it, and neither direction counts as good.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

How = Literal["mean", "score", "share", "sum", "quantile"]
"""mean: over drives that have it. score: over all drives, one that failed to run counts 0. share: by cycles. sum: over drives.
quantile: of all cycles' decision times."""
Better = Literal["high", "low"]
Result = Mapping[str, Any]
"""A `SceneScore` as JSON with name, file and seed; or {name, file, seed, verdict, error}."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A number of a suite."""

    name: str
    how: How = "mean"
    better: Better | None = None
    event: bool = False
    """Whether it says of a drive that something happened, or did not; then that it never did is no certainty."""

    @property
    def higher_is_better(self) -> bool | None:
        """As `statistics.paired_difference` asks."""
        return None if self.better is None else self.better == "high"

    @property
    def of_the_machine(self) -> bool:
        """Whether it depends on what else the machine had to do."""
        return self.how == "quantile" or self.name.startswith(("cpu_", "wall_", "peak_rss"))

    def value(self, result: Result) -> float | None:
        """Its value in one drive; None where there is none."""
        if "error" in result:
            return 0.0 if self.how == "score" and _applies(self.name, result) else None
        if self.name == "pass_rate":
            return float(result["verdict"] == "passed")
        if self.name == "family_pass_rate":
            return float(result["family_passed"]) if "family_passed" in result else None
        number = result["metrics"].get(self.name)
        return float(number) if isinstance(number, (bool, int, float)) else None


def _applies(name: str, result: Result) -> bool:
    """Whether a drive that failed to run would have had a metric."""
    file = str(result.get("file", ""))
    if name.startswith("carla_"):
        return "#" in file
    return not name.startswith("family_") or file.startswith("family:")


def _listed(
    how: How, better: Better | None, *names: str, event: bool = False
) -> dict[str, Measure]:
    return {name: Measure(name, how, better, event) for name in names}


MEASURES: Mapping[str, Measure] = {
    **_listed("score", "high", "pass_rate", "family_pass_rate", event=True),
    **_listed(
        "score", "high", "pdms", "epdms", "nuplan_cls", "route_completion", "carla_driving_score", "carla_driving_score_v2_0",
        "carla_driving_score_v2_1", "carla_route_completion", "carla_penalty",
    ),
    **_listed(
        "mean", "high", "no_at_fault_collisions", "drivable_area_compliance", "driving_direction_compliance",
        "traffic_light_compliance", "goal_reached", "bench2drive_success", event=True,
    ),
    **_listed(
        "mean", "high", "ego_progress", "time_to_collision_within_bound", "comfort", "lane_keeping", "history_comfort",
        "extended_comfort", "bench2drive_efficiency", "bench2drive_comfortness", "coverage", "min_ttc_s", "min_thw_s",
        "min_pet_s", "min_a_req_mps2",
    ),
    **_listed(
        "sum", "low", "at_fault_collisions", "collisions", "red_lights_run", "silent_changes", "silent_failures",
        "carla_pedestrian", "carla_vehicle", "carla_static", "carla_red_light", "carla_stop_sign", event=True,
    ),
    **_listed("sum", None, "interventions", event=True),  # none is no merit of who has no supervisor
    **_listed(
        "share", "high", "consistency_longitudinal", "consistency_lateral", "grounding", "grounding_scene",
        "grounding_truth", "consistency_driven_longitudinal", "consistency_driven_lateral",
    ),
    **_listed("share", "low", "contradiction", "contradiction_driven"),
    **_listed("quantile", "low", "latency_p50_ms", "latency_p99_ms"),
    **_listed(
        "mean", "low", "flips_per_minute", "carla_outside_share", "prediction_brier", "prediction_nll", "prediction_ade_m",
        "prediction_min_ade_m", "plan_frechet_p50_m", "plan_frechet_p99_m", "max_drac_mps2", "tet_s", "tit_s2",
    ),
}  # fmt: skip

PATTERNS: tuple[tuple[str, Better], ...] = (
    ("nuplan_", "high"),
    ("plan_ade_m_", "low"),
    ("plan_fde_m_", "low"),
    ("plan_miss_rate_", "low"),
)
"""Beginnings of names of means, and which direction is good."""

QUANTILES = {"latency_p50_ms": 0.5, "latency_p99_ms": 0.99}

ALWAYS = (
    "pass_rate", "family_pass_rate", "pdms", "route_completion", "carla_driving_score", "carla_route_completion", "carla_penalty",
    "latency_p50_ms", "latency_p99_ms",
)  # fmt: skip
"""Told of every suite (of families, of routes), even if nothing in it ran."""

HEADLINE = (
    "pass_rate", "family_pass_rate", "carla_driving_score", "pdms", "at_fault_collisions", "red_lights_run", "route_completion",
)  # fmt: skip
"""What the line in words is about, as far as a suite has it."""


_WORDS = {"pdms": "PDMS", "epdms": "EPDMS", "carla": "CARLA", "nuplan": "nuPlan", "cls": "CLS", "ttc": "TTC", "thw": "THW",
          "pet": "PET", "drac": "DRAC", "tet": "TET", "tit": "TIT", "ade": "ADE", "fde": "FDE", "ms": "[ms]", "m": "[m]", "s": "[s]",
          "mps2": "[m/s²]", "s2": "[s²]"}  # fmt: skip


def label(name: str) -> str:
    """A metric's name as people write it: "latency_p99_ms" -> "latency p99 [ms]"."""
    words = [_WORDS.get(word, word) for word in name.split("_")]
    if len(words) > 1 and words[-2].startswith("["):  # plan_ade_m_3s: the unit goes last
        words[-2:] = [words[-1].replace("s", " s"), words[-2]]
    return " ".join(words)


def measure_of(name: str) -> Measure:
    """How a number is taken."""
    if name in MEASURES:
        return MEASURES[name]
    return Measure(name, "mean", next((b for begin, b in PATTERNS if name.startswith(begin)), None))


def measures_of(results: Iterable[Result]) -> list[Measure]:
    """Every number that some drives have: the listed ones in their order, then the others by name."""
    names: set[str] = set()
    for result in results:
        names |= {name for name in ALWAYS if _applies(name, result)}
        metrics = result.get("metrics", {})
        names |= {name for name, v in metrics.items() if isinstance(v, (bool, int, float))}
    listed = [m for name, m in MEASURES.items() if name in names]
    return listed + [measure_of(name) for name in sorted(names - MEASURES.keys())]


def labels(results: Sequence[Result]) -> tuple[list[Hashable], list[Hashable]]:
    """What is drawn anew for each drive's intervals, and what it is drawn within: (scenes, strata).

    A family's or the town's seed makes another scene: each is one of its own, of those of its family. A recorded scene or a
    route stays what it is under every seed: its drives are one.
    """
    scenes: list[Hashable] = []
    strata: list[Hashable] = []
    for result in results:
        file = str(result.get("file", result.get("name", "")))
        made = file == "town" or file.startswith("family:")
        scenes.append(str(result.get("name", file)) if made else file)
        strata.append(file if made else "")
    return scenes, strata
