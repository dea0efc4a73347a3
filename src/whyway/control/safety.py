"""The last word on every command: checks inputs and plan, brakes in an emergency, stops at minimal risk. Rate: 10 Hz. No clock, no ROS.

Order: odometry, scene, plan, command; the first fault latches a minimal-risk stop along the last good path, which ends only
at standstill after every input has been well for a while. Else emergency braking, from the full scene. Else the command passes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from whyway.config import Config
from whyway.control.emergency import TIMES_S, EmergencyBrake, Threat
from whyway.control.follower import Follower
from whyway.control.odometry import OdometryCheck
from whyway.control.path import PlanPath
from whyway.control.placing import as_seen
from whyway.control.validate import followable, plan_fault
from whyway.geometry import wrap_angle
from whyway.maps.road import Road
from whyway.motion import actuate, single_track
from whyway.types import (
    Command,
    EgoState,
    Fault,
    Floats,
    Observation,
    Plan,
    SafetyState,
    Scene,
    Verdict,
)

_NS = 1e-9
_STANDING_MPS = 0.1
_ARC_M = 200.0
_MAX_CARRY_S = 1.0
_BRIDGED = "plan contradicts its trace: the one before it is driven on"


@dataclass(frozen=True)
class _Problem:
    fault: Fault
    reason: str


class Safety:
    """The supervisor. Its only state: the latched problem, the last believed ego, the last good plan, its own last command."""

    def __init__(self, config: Config, road: Road | None = None) -> None:
        """Safety trusts no map: the road is an argument because every stage is made alike."""
        self._config, self._limits, self._vehicle = config, config.safety, config.vehicle
        self._follower = Follower(config, road)
        self._brake = EmergencyBrake(config.safety, config.vehicle)
        self._odometry = OdometryCheck(config.vehicle, config.safety)
        self.reset()

    def reset(self) -> None:
        """Forget the drive so far."""
        self._latched: _Problem | None = None
        self._well_since_ns: int | None = None
        self._emergency = False
        self._ego: EgoState | None = None
        self._odometry.reset()
        self._observed: Observation | None = None
        self._seen_ns: int | None = None
        self._stuck = False
        self._now_ns: int | None = None
        self._path: PlanPath | None = None
        self._last = Command(0, 0.0, 0.0)

    def step(
        self,
        now_ns: int,
        observation: Observation | None,
        scene: Scene | None,
        plan: Plan | None,
        command: Command | None,
        *,
        withheld: bool = False,
    ) -> tuple[Command, Verdict]:
        """The command to drive now, and what was made of the one proposed; None is an input that has not come.

        Where the newest plan is `withheld`, `plan` is the last one before it: it is driven until it is too old.
        """
        try:
            result = self._step(now_ns, observation, scene, plan, command, withheld)
        except Exception as error:
            # the one place: whatever is wrong in here, the answer is to brake
            what = " ".join(f"{type(error).__name__}: {error}".split())
            problem = _Problem(Fault.INTERNAL_ERROR, f"safety failed ({what}): minimal-risk stop")
            self._latched, self._well_since_ns = problem, None
            steer = self._last.steer_rad if math.isfinite(self._last.steer_rad) else 0.0
            brake = self._limits.minimal_risk_brake_mps2
            result = self._answer(now_ns, command, -brake, steer, SafetyState.MINIMAL_RISK, problem)
        self._last = result[0]
        return result

    # ------------------------------------------------------------------------------------------------- the decision

    def _step(
        self,
        now_ns: int,
        observation: Observation | None,
        scene: Scene | None,
        plan: Plan | None,
        command: Command | None,
        withheld: bool,
    ) -> tuple[Command, Verdict]:
        if not self._limits.enabled and command is not None and _command_problem(command) is None:
            return self._answer(now_ns, command, command.acceleration_mps2, command.steer_rad)
        problem = self._odometry_problem(now_ns, observation)
        self._ego = self._believed(now_ns, observation, problem)
        self._now_ns = now_ns
        problem = (
            problem
            or self._detections_problem(now_ns, observation)
            or self._scene_problem(now_ns, scene)
            or self._plan_problem(now_ns, plan, withheld)
            or _command_problem(command)
        )
        if (
            self._path is None
            and plan
            and self._ego
            and followable(plan, self._ego, now_ns, self._limits)
        ):
            # refused for its limits only: where it goes is still the best guess where to stop
            self._path = PlanPath.of(plan.waypoints)
        if self._latch(now_ns, problem) or plan is None or command is None or self._ego is None:
            return self._minimal_risk(now_ns, scene, command)
        self._path = PlanPath.of(plan.waypoints)
        threat = self._threat(_planned_travel(plan, now_ns), self._ego, self._path, scene)
        self._emergency = threat is not None and self._ego.v_mps > _STANDING_MPS
        if threat:
            return self._emergency_brake(now_ns, threat, command)
        note = _Problem(Fault.TRACE_CONTRADICTED, _BRIDGED) if withheld else None
        a, steer = command.acceleration_mps2, command.steer_rad
        return self._answer(now_ns, command, a, steer, problem=note)

    def _latch(self, now_ns: int, problem: _Problem | None) -> _Problem | None:
        """The problem that is being stopped for: the first one since the car was last well."""
        if problem:
            self._well_since_ns = None
            self._latched = self._latched or problem
        elif self._latched:
            self._well_since_ns = now_ns if self._well_since_ns is None else self._well_since_ns
            well_s = (now_ns - self._well_since_ns) * _NS
            if (
                well_s >= self._limits.healthy_s
                and self._ego is not None
                and self._ego.v_mps < _STANDING_MPS
            ):
                self._latched = None
        return self._latched

    def _minimal_risk(
        self, now_ns: int, scene: Scene | None, command: Command | None
    ) -> tuple[Command, Verdict]:
        """Brake along the last good path; harder if something is in the way."""
        problem = self._latched
        if self._well_since_ns is not None and problem is not None:
            problem = replace(problem, reason=f"still stopping: {problem.reason}")
        ego, brake, steer = self._ego, self._limits.minimal_risk_brake_mps2, self._last.steer_rad
        if ego is None:
            return self._answer(now_ns, command, -brake, steer, SafetyState.MINIMAL_RISK, problem)
        path = self._path or _arc(ego, self._vehicle.wheelbase_m)
        if self._path is not None:
            steer = self._follower.steer(ego, path)
        threat = self._threat(_stopping_travel(ego.v_mps, brake), ego, path, scene)
        if threat:
            problem = _Problem(
                Fault.COLLISION_IMMINENT,
                f"{threat.reason} (while stopping: {problem.reason if problem else ''})",
            )
            a, state = -self._limits.emergency_brake_mps2, SafetyState.EMERGENCY_BRAKE
            return self._answer(now_ns, command, a, steer, state, problem, threat.object_id)
        return self._answer(now_ns, command, -brake, steer, SafetyState.MINIMAL_RISK, problem)

    def _emergency_brake(
        self, now_ns: int, threat: Threat, command: Command
    ) -> tuple[Command, Verdict]:
        problem = _Problem(Fault.COLLISION_IMMINENT, f"{threat.reason}: emergency braking")
        a = min(command.acceleration_mps2, -self._limits.emergency_brake_mps2)
        state = SafetyState.EMERGENCY_BRAKE
        return self._answer(now_ns, command, a, command.steer_rad, state, problem, threat.object_id)

    def _answer(
        self,
        now_ns: int,
        asked: Command | None,
        a: float,
        steer: float,
        state: SafetyState = SafetyState.NOMINAL,
        problem: _Problem | None = None,
        object_id: int = 0,
    ) -> tuple[Command, Verdict]:
        """The command within what the car may do, and the verdict."""
        limits, vehicle = self._limits, self._vehicle
        a = min(max(a, limits.a_lon_min_mps2), limits.a_lon_max_mps2)
        v = self._ego.v_mps if self._ego is not None else 0.0
        tightest = limits.a_lat_max_mps2 / max(v * v, 0.01)
        steer_max = min(vehicle.steer_max_rad, math.atan(1.2 * vehicle.wheelbase_m * tightest))
        steer = min(max(steer, -steer_max), steer_max)
        fault, reason = (problem.fault, problem.reason) if problem else (Fault.NONE, "")
        asked_a, asked_steer = (asked.acceleration_mps2, asked.steer_rad) if asked else (0.0, 0.0)
        verdict = Verdict(now_ns, state, fault, reason, object_id, asked_a, asked_steer)
        return Command(now_ns, a, steer), verdict

    # --------------------------------------------------------------------------------------------------- the checks

    def _odometry_problem(self, now_ns: int, observation: Observation | None) -> _Problem | None:
        if observation is None:
            return _Problem(Fault.ODOMETRY_STALE, "no odometry: minimal-risk stop")
        silent_s = 0.0 if self._now_ns is None else (now_ns - self._now_ns) * _NS
        silent = silent_s > self._limits.odometry_timeout_s + 1e-6
        if silent and not self._odometry.lost:
            self._odometry.reset()  # a clock that leapt looks the same: how far the car came in it is not known
        invalid = self._odometry.step(observation.ego_stamp_ns, observation.ego)
        if invalid is not None:
            return _Problem(Fault.ODOMETRY_INVALID, f"{invalid}: minimal-risk stop")
        if silent:
            what = (
                f"nothing came for {silent_s:.2f} s (limit {self._limits.odometry_timeout_s:.2f})"
            )
            return _Problem(Fault.ODOMETRY_STALE, f"{what}: minimal-risk stop")
        return _stale(
            now_ns,
            observation.ego_stamp_ns,
            self._limits.odometry_timeout_s,
            "odometry",
            Fault.ODOMETRY_STALE,
        )

    def _detections_problem(self, now_ns: int, observation: Observation | None) -> _Problem | None:
        """Detections have no stamp of their own: what shows that they are stuck or broken is what they say."""
        if observation is None:
            return None
        self._stuck = not observation.sees_anew(self._observed, self._stuck)
        if self._seen_ns is None or not self._stuck:
            self._seen_ns = now_ns
        self._observed = observation
        return _stale(
            now_ns,
            self._seen_ns,
            self._limits.scene_timeout_s,
            "what the detections say, the same again or no numbers,",
            Fault.SCENE_STALE,
        )

    def _scene_problem(self, now_ns: int, scene: Scene | None) -> _Problem | None:
        if scene is None:
            return _Problem(Fault.SCENE_STALE, "no scene: minimal-risk stop")
        for o in scene.objects:
            if not math.isfinite(
                o.x_m + o.y_m + o.yaw_rad + o.vx_mps + o.vy_mps + o.length_m + o.width_m
            ):
                return _Problem(
                    Fault.SCENE_STALE, f"scene is not finite at object {o.id}: minimal-risk stop"
                )
        return _stale(
            now_ns, scene.stamp_ns, self._limits.scene_timeout_s, "scene", Fault.SCENE_STALE
        )

    def _plan_problem(self, now_ns: int, plan: Plan | None, withheld: bool) -> _Problem | None:
        if plan is None:
            what, fault = "no plan", Fault.PLAN_STALE
            if withheld:
                what, fault = "the first plan contradicts its trace", Fault.TRACE_CONTRADICTED
            return _Problem(fault, f"{what}: minimal-risk stop")
        what, fault = "plan", Fault.PLAN_STALE
        if withheld:
            what, fault = "the last plan that does as its trace says", Fault.TRACE_CONTRADICTED
        stale = _stale(now_ns, plan.stamp_ns, self._limits.plan_timeout_s, what, fault)
        if stale or self._ego is None:
            return stale
        invalid = plan_fault(
            plan, self._ego, (now_ns - plan.stamp_ns) * _NS, self._vehicle, self._limits
        )
        return _Problem(Fault.PLAN_INVALID, f"{invalid}: minimal-risk stop") if invalid else None

    def _threat(
        self, travel_m: Floats, ego: EgoState, path: PlanPath, scene: Scene | None
    ) -> Threat | None:
        if scene is None:
            return None
        # the scene stands in the map by the pose that is not believed: others are where they are as seen from the car
        lost = self._odometry.lost and scene.ego.is_finite
        objects = as_seen(scene.objects, scene.ego, ego) if lost else scene.objects
        start_s, _, _ = path.project(ego.x_m, ego.y_m, ego.yaw_rad)
        return self._brake.assess(path, start_s, travel_m, ego.v_mps, objects, self._emergency)

    def _believed(
        self, now_ns: int, observation: Observation | None, problem: _Problem | None
    ) -> EgoState | None:
        """The ego now: as measured and carried on to now, or else from the last belief and our own last command.

        Where only the pose is not believed, from the last believed pose by the measured speed and yaw rate.
        """
        if problem is None and observation is not None:
            return self._carried(
                observation.ego,
                (now_ns - observation.ego_stamp_ns) * _NS,
                observation.ego.a_mps2,
                observation.ego.steer_rad,
            )
        if self._odometry.lost:
            ego, stamp_ns = self._odometry.believed, self._odometry.stamp_ns
            return self._carried(ego, (now_ns - stamp_ns) * _NS, ego.a_mps2, ego.steer_rad)
        if self._ego is None or self._now_ns is None:
            return None
        return self._carried(
            self._ego,
            (now_ns - self._now_ns) * _NS,
            self._last.acceleration_mps2,
            self._last.steer_rad,
        )

    def _carried(self, ego: EgoState, lag_s: float, a_mps2: float, steer_rad: float) -> EgoState:
        """The ego some time later under a command; never backwards."""
        if lag_s <= 0.0:
            return ego
        lag_s = min(lag_s, _MAX_CARRY_S)
        x, y, yaw, v, held, a, wanted = np.array(
            [ego.x_m, ego.y_m, ego.yaw_rad, max(ego.v_mps, 0.0), ego.steer_rad, a_mps2, steer_rad]
        )[:, None]
        a, steer = actuate(v, held, a, wanted, self._vehicle, lag_s)
        x, y, yaw, v = single_track(x, y, yaw, v, a, steer, self._vehicle.wheelbase_m, lag_s)
        return replace(
            ego, x_m=float(x[0]), y_m=float(y[0]), yaw_rad=float(wrap_angle(yaw[0])),
            v_mps=max(float(v[0]), 0.0), a_mps2=float(a[0]), steer_rad=float(steer[0]),
        )  # fmt: skip


def _stale(now_ns: int, stamp_ns: int, limit_s: float, what: str, fault: Fault) -> _Problem | None:
    age_s = (now_ns - stamp_ns) * _NS
    if age_s > limit_s + 1e-6:
        return _Problem(
            fault, f"{what} is {age_s:.2f} s old (limit {limit_s:.2f}): minimal-risk stop"
        )
    if age_s < -limit_s:
        return _Problem(
            fault,
            f"{what} is {-age_s:.2f} s ahead of time (limit {limit_s:.2f}): minimal-risk stop",
        )
    return None


def _command_problem(command: Command | None) -> _Problem | None:
    if command is None:
        return _Problem(Fault.COMMAND_TIMEOUT, "no command for the plan: minimal-risk stop")
    if not (math.isfinite(command.acceleration_mps2) and math.isfinite(command.steer_rad)):
        what = f"acceleration {command.acceleration_mps2}, steering {command.steer_rad}"
        return _Problem(Fault.PLAN_INVALID, f"command is not finite ({what}): minimal-risk stop")
    return None


def _planned_travel(plan: Plan, now_ns: int) -> Floats:
    """How far the plan goes from now, at `TIMES_S`; at its last speed beyond its end."""
    w = plan.waypoints
    t = (now_ns - plan.stamp_ns) * _NS + TIMES_S
    s = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(w.x_m), np.diff(w.y_m)))])
    at = np.interp(t, w.t_s, s) + np.maximum(t - w.t_s[-1], 0.0) * max(float(w.v_mps[-1]), 0.0)
    travel: Floats = at - at[0]
    return travel


def _stopping_travel(v_mps: float, brake_mps2: float) -> Floats:
    t = np.minimum(TIMES_S, v_mps / brake_mps2)
    travel: Floats = v_mps * t - 0.5 * brake_mps2 * t**2
    return travel


def _arc(ego: EgoState, wheelbase_m: float) -> PlanPath:
    """The way on with the steering as it is."""
    s = np.arange(0.0, _ARC_M, 2.0)
    bend = math.tan(ego.steer_rad) / wheelbase_m
    yaw = ego.yaw_rad + bend * s
    middle = yaw[:-1] + bend
    x = ego.x_m + np.concatenate([[0.0], np.cumsum(2.0 * np.cos(middle))])
    y = ego.y_m + np.concatenate([[0.0], np.cumsum(2.0 * np.sin(middle))])
    return PlanPath(s, x, y, yaw, np.full(len(s) - 1, bend))
