"""What safety promises under each fault, derived from the dials: the one table of the envelope, with reasons.

The claim: *no harm caused by the fault, and a stand or a fallback within its deadline where driving is impossible.* Harm is an
at-fault collision or leaving the road that the same world and seed without the fault does not have.

What nobody on board can know is not promised but measured: a whole view that is late on a clock that is late too, a road user who is never
detected, a light that is still shown green.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from whyway.config import Config
from whyway.control.odometry import (
    ACROSS_M,
    ACROSS_SHARE,
    ALONG_M,
    ALONG_SHARE,
    OFF_RAD,
    WINDOW_S,
)
from whyway.types import CYCLE_S
from whyway.worlds.faults import Injection

STOP_SLACK_S = 0.6
"""Until the brakes have built up, and a cycle: beside speed over deceleration, what a stop may take."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """Up to which severity a fault may cause no harm, and why not beyond; inf: always.

    Where driving is impossible it may cause none in any case.
    """

    harmless_to: float
    reason: str


ENVELOPE: Mapping[str, Envelope] = {
    "drop:all": Envelope(math.inf, "who hears nothing brakes: safety after a gap, the vehicle when it is alone"),
    "drop:odometry": Envelope(math.inf, "odometry carries its own stamp"),
    "drop:pose": Envelope(math.inf, "the pose stands still while speed says it moves"),
    "drop:detections": Envelope(math.inf, "from a moving car nothing is measured the same twice"),
    "drop:lights": Envelope(0.0, "a light carries no stamp: the last colour is believed"),
    "late:all": Envelope(0.0, "a view that is late on its own clock too shows nothing: it adds to the reaction time, and how much of that a scene has is its own"),
    "late:odometry": Envelope(math.inf, "odometry carries its own stamp"),
    "late:pose": Envelope(0.0, "held against the car's own motion; what differs by less than that is known looks like an error of wheels and gyro"),
    "late:detections": Envelope(0.0, "detections carry no stamp of their own: they add to the reaction time, and how much of that a scene has is its own"),
    "late:lights": Envelope(0.0, "a light carries no stamp"),
    "freeze:all": Envelope(math.inf, "as drop:all"),
    "freeze:odometry": Envelope(math.inf, "odometry carries its own stamp"),
    "freeze:pose": Envelope(math.inf, "the pose stands still while speed says it moves"),
    "freeze:detections": Envelope(math.inf, "from a moving car nothing is measured the same twice; an empty view is an empty road"),
    "freeze:lights": Envelope(0.0, "a light carries no stamp: the last colour is believed"),
    "duplicate:all": Envelope(math.inf, "a stamp is acted upon once"),
    "reorder:all": Envelope(math.inf, "what is older than the newest is nothing new"),
    "jump:pose": Envelope(0.3, "held against the car's own motion; what differs by less than that is known looks like an error of wheels and gyro"),
    "drift:pose": Envelope(0.0, "held against the car's own motion; what differs by less than that is known looks like an error of wheels and gyro"),
    "drift:heading": Envelope(0.0, "held against the car's own motion; what differs by less than that is known looks like an error of wheels and gyro"),
    "false:objects": Envelope(math.inf, "braking for nothing is no harm of one's own"),
    "nan:odometry": Envelope(math.inf, "what is no number is refused"),
    "nan:detections": Envelope(math.inf, "what is no number is refused; mostly no numbers is no view"),
    "clock:step": Envelope(math.inf, "a leap is a silence, and what is older than the newest is nothing new"),
    "slow:reasoner": Envelope(math.inf, "a plan carries the stamp of what it was made from"),
    "spoil:plan": Envelope(math.inf, "a plan beyond the limits is refused"),
}  # fmt: skip
"""Faults that are not here are measured alone: whoever is never detected (`miss`) cannot be avoided."""


@dataclass(frozen=True, slots=True)
class Promise:
    """What must hold in a drive under one fault.

    Attributes:
      harmless: whether it may cause no harm.
      within_s: driving is impossible: so long after its beginning the car stands or is in a fallback, and stays so; None: it may drive on.
      brake_mps2: with how much it then comes to a stand.
      lasts: whether driving stays impossible; where the car stands a late pose is right again, and after a leap a clock goes on: it may set
        off again.
      needs_view: promised only where something is detected all the while.
      reason: why the promise ends where it does.
    """

    harmless: bool
    within_s: float | None
    brake_mps2: float
    lasts: bool
    needs_view: bool
    reason: str

    def stands_within_s(self, v_mps: float) -> float | None:
        """So long after the fault's beginning the car stands, from a speed at that time."""
        if self.within_s is None:
            return None
        return self.within_s + v_mps / self.brake_mps2 + STOP_SLACK_S


def promise(injection: Injection, config: Config, v_mps: float) -> Promise:
    """What is promised for a fault that begins at a speed."""
    envelope = ENVELOPE.get(injection.name)
    safety = config.safety
    alone = injection.kind in ("drop", "freeze", "clock") and injection.what in ("all", "step")
    by_vehicle = alone and not (injection.kind == "clock" and injection.value > 0.0)
    within_s = _within_s(injection, config, v_mps)
    known = envelope is not None and abs(injection.value) <= envelope.harmless_to
    return Promise(
        harmless=known or within_s is not None,
        within_s=within_s,
        brake_mps2=min(safety.minimal_risk_brake_mps2, config.sim.command_timeout_brake_mps2)
        if by_vehicle
        else safety.minimal_risk_brake_mps2,
        lasts=injection.name not in ("late:pose", "clock:step"),
        needs_view=injection.what == "detections",
        reason="never detected, never avoided" if envelope is None else envelope.reason,
    )


def _within_s(i: Injection, config: Config, v_mps: float) -> float | None:
    """How soon a fault that makes driving impossible is answered; None where one may drive on under it."""
    safety, size, always = config.safety, abs(i.value), i.value >= 1.0
    way_m = WINDOW_S * v_mps
    along_m, across_m = ALONG_M + ALONG_SHARE * way_m, ACROSS_M + ACROSS_SHARE * way_m
    plan_s = safety.plan_timeout_s
    answers: Mapping[str, tuple[bool, float]] = {
        "drop:all": (always, config.sim.command_timeout_s),
        "freeze:all": (size > config.sim.command_timeout_s, config.sim.command_timeout_s),
        "drop:odometry": (always, safety.odometry_timeout_s),
        "late:odometry": (size > safety.odometry_timeout_s, safety.odometry_timeout_s),
        "freeze:odometry": (size > safety.odometry_timeout_s, safety.odometry_timeout_s),
        # a pose that stands still is off by what has been driven since
        "drop:pose": (always and v_mps * WINDOW_S > along_m, _until(along_m, v_mps)),
        "late:pose": (v_mps * min(size, WINDOW_S) > along_m, _until(along_m, v_mps)),
        "freeze:pose": (v_mps * min(size, WINDOW_S) > along_m, _until(along_m, v_mps)),
        "drop:detections": (always, safety.scene_timeout_s),
        "freeze:detections": (size > safety.scene_timeout_s, safety.scene_timeout_s),
        "nan:detections": (always, safety.scene_timeout_s),
        "jump:pose": (size > across_m, 0.0),
        "drift:pose": (size * WINDOW_S > across_m, _until(across_m, size)),
        "drift:heading": (size * WINDOW_S > OFF_RAD, _until(OFF_RAD, size)),
        "nan:odometry": (always, 0.0),
        "clock:step": (
            size + CYCLE_S > safety.odometry_timeout_s if i.value > 0.0 else size > config.sim.command_timeout_s,
            0.0 if i.value > 0.0 else config.sim.command_timeout_s,
        ),
        # the next decision begins when the last is there: a plan grows as old as two of them, less a cycle
        "slow:reasoner": ((2 * size - 1) * CYCLE_S > plan_s, plan_s + min(size, 4.0) * CYCLE_S),
        "spoil:plan": (always, 0.0),
    }  # fmt: skip
    impossible, within_s = answers.get(i.name, (False, 0.0))
    return within_s + CYCLE_S if impossible else None


def _until(size: float, rate: float) -> float:
    return min(size / max(rate, 1e-6), WINDOW_S)
