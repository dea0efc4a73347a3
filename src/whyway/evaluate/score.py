"""Log -> `SceneScore`: everything we say about a drive, from its log alone, and as plain JSON."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whyway.evaluate.drive import SHORTEST_S, Drive, read_drive
from whyway.evaluate.driving.carla_score import CarlaScore, carla_score
from whyway.evaluate.driving.criticality import Criticality, criticality
from whyway.evaluate.driving.epdms import EpdmsScore, epdms_score
from whyway.evaluate.driving.nuplan_score import NuplanScore, nuplan_score
from whyway.evaluate.driving.open_loop import OpenLoopScore, open_loop_score
from whyway.evaluate.driving.pdms import VERSION as PDMS_VERSION
from whyway.evaluate.driving.pdms import DrivingScore, driving_score
from whyway.evaluate.driving.reference import free_distance
from whyway.evaluate.plain import plain
from whyway.evaluate.supervision import (
    Happening,
    Intervention,
    Latency,
    happenings,
    interventions,
    latencies,
)
from whyway.evaluate.traces.faithfulness import Faithfulness, faithfulness
from whyway.evaluate.traces.trace_score import TraceScore, trace_score
from whyway.log import Log
from whyway.types import Plan, Verdict


@dataclass(frozen=True, slots=True)
class SceneScore:
    """What a drive was worth.

    `verdict` is "passed", or "failed: " and why. `route_completion` is the progress along the route over what could be had: the
    way to the goal or, if that is too far for the time, the way a lone car comes that keeps limits (`reference.free_distance`).
    `goal_reached` is None where the world has no goal, or none that means something; `carla` is None where it is no leaderboard's route.

    Where a recording was watched, not driven, `open_loop` tells of the driver's plans, and the verdict is about his words only; `driving`,
    `epdms`, `nuplan` and `criticality` are of the person then, and no figure of the table is. Where a recording was driven on from some
    instant (a handover), all but the words are judged from there on.
    """

    name: str
    driver: str
    seed: int
    duration_s: float
    distance_m: float
    verdict: str
    driving: DrivingScore
    epdms: EpdmsScore
    nuplan: NuplanScore
    criticality: Criticality
    route_completion: float
    faithfulness: Faithfulness
    trace: TraceScore
    latency: tuple[Latency, ...]
    interventions: tuple[Intervention, ...]
    events: tuple[Happening, ...]
    goal_reached: bool | None
    notes: tuple[str, ...]
    carla: CarlaScore | None = None
    open_loop: OpenLoopScore | None = None

    @property
    def passed(self) -> bool:
        """Whether nothing happened that must not."""
        return self.verdict == "passed"

    @property
    def at_fault_collisions(self) -> int:
        """How many actors the ego ran into by its own fault."""
        return sum(c.at_fault for c in self.driving.contacts)

    def metrics(self) -> dict[str, float | int | bool | str | None]:
        """The numbers of the table, by NAVSIM's names where it has them."""
        total = next((x for x in self.latency if x.stage == "decision"), None)
        return {
            **(self._driven() if self.open_loop is None else self._planned(self.open_loop)),
            **self.faithfulness.metrics(),
            **self.trace.metrics(),
            "interventions": len(self.interventions),
            "latency_p50_ms": None if total is None else total.p50_ms,
            "latency_p99_ms": None if total is None else total.p99_ms,
            "goal_reached": self.goal_reached,
            "duration_s": self.duration_s,
            "distance_m": self.distance_m,
            **({} if self.carla is None else self.carla.metrics()),
        }

    def _driven(self) -> dict[str, float | int | bool | str | None]:
        d = self.driving
        return {
            "pdms": d.pdms,
            "pdms_version": PDMS_VERSION,
            "no_at_fault_collisions": d.no_at_fault_collisions,
            "drivable_area_compliance": d.drivable_area_compliance,
            "driving_direction_compliance": d.driving_direction_compliance,
            "traffic_light_compliance": d.traffic_light_compliance,
            "ego_progress": d.ego_progress,
            "time_to_collision_within_bound": d.time_to_collision_within_bound,
            "comfort": d.comfort,
            "at_fault_collisions": self.at_fault_collisions,
            "collisions": len(d.contacts),
            "red_lights_run": len(d.red_lights_run),
            "route_completion": self.route_completion,
            **self.epdms.metrics(),
            **self.nuplan.metrics(),
            **self.criticality.metrics(),
        }

    def _planned(self, plans: OpenLoopScore) -> dict[str, float | int | bool | str | None]:
        """What `_driven` gives, of the plans; None where that is the person's who drove."""
        return {
            **dict.fromkeys(self._driven()),
            "pdms_version": PDMS_VERSION,
            "epdms_version": self.epdms.metrics()["epdms_version"],
            **plans.metrics(),
        }

    def to_json(self) -> dict[str, Any]:
        """Everything, as plain values; what is not finite is null, as JSON has no word for it."""
        values: dict[str, Any] = plain(
            {
                "name": self.name,
                "driver": self.driver,
                "seed": self.seed,
                "verdict": self.verdict,
                "metrics": self.metrics(),
                "contacts": [dataclasses.asdict(c) for c in self.driving.contacts],
                "red_lights_run": [
                    {"at_s": t, "light_id": i} for t, i in self.driving.red_lights_run
                ],
                "windows": [dataclasses.asdict(w) for w in self.driving.windows],
                "interventions": [dataclasses.asdict(i) for i in self.interventions],
                "events": [dataclasses.asdict(e) for e in self.events],
                "latency": [dataclasses.asdict(x) for x in self.latency],
                "contradictions_at_s": list(self.faithfulness.contradictions_at_s),
                "ungrounded_at_s": list(self.faithfulness.ungrounded_at_s),
                "silent_failures_at_s": list(self.faithfulness.silent_failures_at_s),
                "notes": list(self.notes),
                **({} if self.carla is None else {"carla": self.carla.to_json()}),
            }
        )
        return values


def score(log: Log) -> SceneScore:
    """Judge a log.

    Raises:
      ScoreError: it holds no map, no route or less than a second of truth.
    """
    return score_drive(log, read_drive(log))


def score_drive(log: Log, drive: Drive) -> SceneScore:
    """Judge a log whose arrays are at hand."""
    start = int(drive.stamps_ns[0])
    said = log.info.get("notes", {})
    words, plans = faithfulness(log, drive.road), log.of(Plan)
    judged = from_handover(log, drive)
    driving = driving_score(judged)
    watched = said.get("open_loop") == "yes"
    carla = carla_score(drive) if "route" in said and not watched else None
    left_out = () if watched else driving.excluded
    notes = [f"left out of judgement: {text}" for text in left_out]
    if log.truncated:
        notes.append(f"the log {log.truncated}; judged up to {drive.duration_s:.1f} s")
    return SceneScore(
        name=str(log.info.get("name") or Path(str(log.info.get("world", log.path.stem))).name),
        driver=str(log.info.get("driver", "unknown")),
        seed=int(log.info.get("seed", 0)),
        duration_s=drive.duration_s,
        distance_m=drive.distance_m,
        verdict=_verdict_on_words(words) if watched else _verdict(driving, carla),
        driving=driving,
        epdms=epdms_score(judged, driving, plans),
        nuplan=nuplan_score(judged, driving),
        criticality=criticality(judged),
        route_completion=route_completion(judged),
        faithfulness=words,
        trace=trace_score(log, drive),
        latency=latencies(log),
        interventions=interventions(log.of(Verdict), start),
        events=happenings(log, start),
        goal_reached=_goal_reached(log),
        notes=tuple(notes),
        carla=carla,
        open_loop=open_loop_score(drive, plans) if watched else None,
    )


def from_handover(log: Log, drive: Drive) -> Drive:
    """What the driver drove: from the handover on, if there was one and a second is left."""
    handover_s = float(log.info.get("notes", {}).get("handover_s", 0.0))
    if not 0.0 < handover_s <= drive.duration_s - SHORTEST_S:
        return drive
    return drive.part(drive.index(handover_s), drive.count)


def route_completion(drive: Drive) -> float:
    """Progress along the route over what could be had, in [0, 1]; see `SceneScore`."""
    to_goal = drive.road.route_length_m - float(drive.route_s_m[0])
    possible = min(to_goal, free_distance(drive)) if to_goal > 0.0 else free_distance(drive)
    progress = float(drive.route_s_m[-1] - drive.route_s_m[0])
    return 1.0 if possible <= 1.0 else min(1.0, max(0.0, progress / possible))


def _verdict(d: DrivingScore, carla: CarlaScore | None) -> str:
    faults = [c for c in d.contacts if c.at_fault]
    reasons = [f"ran into actor {c.actor_id} at {c.at_s:.1f} s" for c in faults[:1]]
    off = [b for b in d.broken if b.light is None]
    red = [b for b in d.broken if b.light is not None]
    reasons += [f"{b.what} at {b.at_s:.1f} s" for b in (*off, *red[:1])]
    if d.driving_direction_compliance < 1.0:
        reasons.append("drove in oncoming lanes")
    if carla is not None and carla.status != "completed":
        reasons.append(f"{carla.status} after {carla.route_completion:.0f} % of the route")
    return "failed: " + "; ".join(reasons) if reasons else "passed"


def _verdict_on_words(f: Faithfulness) -> str:
    """Of a recording that was watched: words must not contradict the plans, nor name what is not there."""
    reasons = [
        f"said one thing and planned another at {t:.1f} s" for t in f.contradictions_at_s[:1]
    ]
    reasons += [f"named what is not there at {t:.1f} s" for t in f.ungrounded_at_s[:1]]
    return "failed: " + "; ".join(reasons) if reasons else "passed"


def _goal_reached(log: Log) -> bool | None:
    reached, counts = log.info.get("goal_reached"), log.info.get("notes", {}).get("goal_counts")
    return bool(reached) if reached is not None and counts == "yes" else None
