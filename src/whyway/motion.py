"""How vehicles move: the kinematic single-track model, the car-following law, and what others may do. One body for car, simulator and plan.

Motion is written for arrays with any leading axes (numpy or torch through the array API).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import NDArray

from whyway.config import DrivingConfig, IdmConfig, MotionLimits, VehicleConfig
from whyway.geometry import wrap_angle
from whyway.types import Floats, Intent, Ints, PredictedPath, TrackedObject

Array = Any
Bools = NDArray[np.bool_]

STEP_S, OUTLOOK_S = 0.5, 5.0
"""Predictions are taken at this spacing, this far; whoever looks further sees them go on as they end."""
GRID_S = np.arange(0.0, OUTLOOK_S + STEP_S / 2, STEP_S)
UNLIKELY = 0.1
"""Hypotheses less probable than this are left out."""
STANDS_MPS = 0.3
"""Slower objects stand."""


def actuate(
    v_mps: Array,
    steer_rad: Array,
    command_acceleration_mps2: Array,
    command_steer_rad: Array,
    vehicle: VehicleConfig,
    dt_s: float,
) -> tuple[Array, Array]:
    """What the actuators make of a command: feasible acceleration and the steering tyre angle after `dt_s`.

    Limits as in the CommonRoad vehicle models (Althoff, Koschi, Manzinger, "CommonRoad: composable benchmarks", IV 2017,
    vehicle 2): engine power bounds the acceleration above `v_switch_mps`, the steering angle and its rate are bounded, and brakes do
    not drive backwards.
    """
    xp = array_namespace(v_mps)
    high = vehicle.a_max_mps2 * vehicle.v_switch_mps / _between(xp, v_mps, vehicle.v_switch_mps)
    a = _between(xp, command_acceleration_mps2, -vehicle.a_max_mps2)
    a = xp.where(a > high, high, a)
    stops_at = -v_mps / dt_s  # braking ends at standstill
    a = xp.where((a < 0.0) & (a < stops_at), stops_at, a)
    a = xp.where((v_mps >= vehicle.v_max_mps) & (a > 0.0), 0.0 * a, a)
    rate, most = (command_steer_rad - steer_rad) / dt_s, vehicle.steer_rate_max_rps
    steer = steer_rad + _between(xp, rate, -most, most) * dt_s
    steer = _between(xp, steer, -vehicle.steer_max_rad, vehicle.steer_max_rad)
    return a, steer


def _between(xp: Any, value: Array, low: float, high: float | None = None) -> Array:
    """A value between bounds: `xp.clip`, which takes thirty times as long on a few numbers."""
    value = xp.where(value < low, low, value)
    return value if high is None else xp.where(value > high, high, value)


def single_track(
    x_m: Array,
    y_m: Array,
    yaw_rad: Array,
    v_mps: Array,
    a_mps2: Array,
    steer_rad: Array,
    wheelbase_m: float,
    dt_s: float,
) -> tuple[Array, Array, Array, Array]:
    """Pose and speed of `base_link` after `dt_s`: x' = v cos(yaw), y' = v sin(yaw), yaw' = v tan(steer) / wheelbase.

    Exact for constant acceleration and steering angle: the rear axle moves on an arc of curvature tan(steer) / wheelbase
    by v dt + a dt^2 / 2 (chord and mean heading of that arc).
    """
    xp = array_namespace(x_m)
    distance = v_mps * dt_s + 0.5 * a_mps2 * dt_s * dt_s
    turn = distance * xp.tan(steer_rad) / wheelbase_m
    half = 0.5 * turn
    # chord / arc = sin(h) / h, by its series where h is small enough for it to be exact in double precision
    small = xp.abs(half) < 1e-3
    safe = xp.where(small, xp.ones_like(half), half)
    chord = distance * xp.where(small, 1.0 - half * half / 6.0, xp.sin(safe) / safe)
    heading = yaw_rad + half
    return (
        x_m + chord * xp.cos(heading),
        y_m + chord * xp.sin(heading),
        yaw_rad + turn,
        v_mps + a_mps2 * dt_s,
    )


def idm_free(v_mps: Array, desired_mps: Array, idm: IdmConfig) -> Array:
    """IDM's free-road term: a (1 - (v / v0)^4), and braking at most `b` above v0.

    Treiber, Hennecke, Helbing, Phys. Rev. E 62 (2000), eq. 2; above v0 the improved form of Treiber & Kesting,
    "Traffic Flow Dynamics" (2013), section 11.3.7.
    """
    xp = array_namespace(v_mps)
    v0 = xp.clip(desired_mps, 0.1, None)
    ratio = v_mps / v0
    below = idm.a_mps2 * (1.0 - ratio**4)
    above = -idm.b_mps2 * (1.0 - xp.clip(ratio, 1.0, None) ** (-4.0 * idm.a_mps2 / idm.b_mps2))
    return xp.where(ratio <= 1.0, below, above)


def idm_interaction(v_mps: Array, gap_m: Array, lead_v_mps: Array, idm: IdmConfig) -> Array:
    """IDM's interaction term, <= 0: -a (s* / s)^2 with s* = s0 + v T + v dv / (2 sqrt(a b)); an infinite gap gives 0.

    Treiber, Hennecke, Helbing, Phys. Rev. E 62 (2000), eq. 2-3.
    """
    xp = array_namespace(v_mps)
    closing = v_mps - lead_v_mps
    desired = idm.s0_m + xp.clip(
        v_mps * idm.headway_s + v_mps * closing / (2.0 * math.sqrt(idm.a_mps2 * idm.b_mps2)),
        0.0,
        None,
    )
    gap = xp.clip(gap_m, 0.1, None)
    return -idm.a_mps2 * (desired / gap) ** 2


@dataclass(frozen=True, slots=True, eq=False)
class Obstacles:
    """H predicted obstacles on a path at T times, in arc length ahead of `base_link` now."""

    rear_m: Floats
    """(H, T) nearest point of the obstacle."""
    v_mps: Floats
    """(H, T) speed along the path; negative comes towards us."""
    blocks: Bools
    """(H, T) whether it is in the way then."""


@dataclass(frozen=True, slots=True, eq=False)
class SpeedProfile:
    """The speed a path allows, sampled every `step_m` from `base_link` on."""

    step_m: float
    allowed_mps: Floats
    """(K,) comfortably."""
    possible_mps: Floats
    """(K,) at most: whoever is faster has to brake hard to still take the curve."""


@dataclass(frozen=True, slots=True, eq=False)
class Rollout:
    """A motion along a path at T times; `binding` is what holds the car back: an obstacle's row, or FREE or HALT."""

    t_s: Floats
    ahead_m: Floats
    v_mps: Floats
    a_mps2: Floats
    binding: Ints
    pressure_mps2: Floats
    """(T,) how much less the binding term allows than the free road does."""

    def time_to(self, ahead_m: float) -> float:
        """When it gets so far; beyond its end at the speed it ends with, or walking pace."""
        if ahead_m <= self.ahead_m[-1]:
            return float(np.interp(ahead_m, self.ahead_m, self.t_s))
        return float(self.t_s[-1] + (ahead_m - self.ahead_m[-1]) / max(self.v_mps[-1], 1.0))


FREE, HALT = -1, -2
SPEED_TIME_S = 0.7
"""Time constant with which a speed above the allowed one is corrected."""
CURVE_TIME_S = 0.3
"""The same where a curve could not be taken any more."""
SPEED_BRAKE_MPS2 = 2.5
"""Most braking for a limit or a curve: enough to follow a profile that was laid out for comfort."""
HALT_GAP_M, HALT_HEADWAY_S, HALT_SHORT_M = 0.5, 0.3, 0.2
"""IDM before a halt instead of a lead: nothing there moves, so hardly any gap and headway are needed; and a little short of it."""
HARD_BRAKE_MPS2 = 3.5
"""Braking that nobody asks for without need; beyond it all of the emergency jerk may be used."""
HARD_CURVE = 1.75
"""How much more than comfortable the lateral acceleration may get before braking for a curve is hard."""


def roll_out(
    v_mps: float, a_mps2: float, profile: SpeedProfile, cap_mps: float, halt_m: float, obstacles: Obstacles,
    idm: IdmConfig, limits: MotionLimits, front_m: float, t_s: Floats,
) -> Rollout:  # fmt: skip
    """Drive along a path for T times: the slowest of free road, halt and obstacles decides, within jerk limits.

    The free road and each interaction are IDM's terms, combined by their minimum instead of their sum (Treiber & Kesting 2013,
    section 11.3.7: the equilibrium gap is then exactly s0 + v T), so that one term is *the* reason at every instant.
    Written for one car in plain floats: at a handful of obstacles that is ten times faster than arrays of one.

    Args:
      v_mps: speed now.
      a_mps2: acceleration now: jerk counts from here.
      profile: speed the path allows.
      cap_mps: speed not to exceed.
      halt_m: where `base_link` has to stand at the latest; inf for nowhere.
      obstacles: what is on the path, (H, T).
      idm: headway, gap, acceleration, braking.
      limits: acceleration and jerk.
      front_m: from `base_link` to the front bumper.
      t_s: (T,) evenly spaced times from 0.

    Returns:
      Position, speed, acceleration (T,); O(obstacles in the way x T).
    """
    dt = float(t_s[1] - t_s[0])
    allowed, last = profile.allowed_mps.tolist(), len(profile.allowed_mps) - 1
    possible, step = profile.possible_mps.tolist(), profile.step_m
    in_the_way = _by_time(obstacles, t_s)
    quickest, least, most = idm.a_mps2, limits.a_min_mps2, limits.a_max_mps2
    jerk, emergency = limits.jerk_mps3, limits.emergency_jerk_mps3
    end = float(last)
    s, v, a = 0.0, max(v_mps, 0.0), a_mps2
    rows: list[tuple[float, float, float, int, float]] = []
    # conditions instead of min and max, and dials in names of their own: a quarter less time (0.24 to 0.18 ms)
    for near in in_the_way:
        reach = (s + v * SPEED_TIME_S) / step
        reach = 0.0 if reach < 0.0 else end if reach > end else reach
        i = int(reach)
        i = i if i < last else last - 1
        target = allowed[i] + (reach - i) * (allowed[i + 1] - allowed[i])
        target = cap_mps if cap_mps < target else target
        target = target if target > 0.1 else 0.1
        if v <= target:
            free = quickest * (1.0 - (v / target) ** 4)
        else:
            free = (target - v) / SPEED_TIME_S
            free = free if free > -SPEED_BRAKE_MPS2 else -SPEED_BRAKE_MPS2
        if v > possible[i + 1]:
            free = min(free, (possible[i + 1] - v) / CURVE_TIME_S)
        wanted, binding = free, FREE
        if halt_m < math.inf:
            term = _halting(v, max(halt_m - s, 0.0), idm)
            if term < wanted:
                wanted, binding = term, HALT
        for row, rear, lead_v, lead_a in near:
            gap = rear - s - front_m
            if gap > -front_m:  # what we are beside the middle of does not hold us back any more
                term = _following(v, gap, lead_v, lead_a, idm)
                if term < wanted:
                    wanted, binding = term, row
        pressure = free - wanted
        wanted = least if wanted < least else most if wanted > most else wanted
        # the harder the braking that is called for, the quicker it may build up: gently while gentle braking will do
        share = (-wanted / HARD_BRAKE_MPS2 - 0.5) / 0.5
        share = 0.0 if share < 0.0 else 1.0 if share > 1.0 else share
        falls = a - (jerk + share * (emergency - jerk)) * dt
        rises = a + (jerk if jerk > -a else -a) * dt
        eased = _eased(v, a, dt, limits) if a < 0.0 < v else -math.inf
        a = wanted if wanted > falls else falls
        a = a if a < rises else rises
        a = max(a, eased, -math.sqrt(2.0 * emergency * v), -v / dt)
        rows.append((s, v, a, binding, pressure))
        s += v * dt + 0.5 * a * dt * dt
        v += a * dt
        v = v if v > 0.0 else 0.0
    ahead, speed, acceleration, bound, held = zip(*rows, strict=True)
    return Rollout(
        t_s,
        np.array(ahead),
        np.array(speed),
        np.array(acceleration),
        np.array(bound, dtype=np.int64),
        np.array(held),
    )


def _eased(v_mps: float, a_mps2: float, dt_s: float, limits: MotionLimits) -> float:
    """What braking has to have eased off to after `dt_s`, so that the stop itself is no jerk; -inf while it need not.

    At constant jerk j braking ends together with the motion if v = a^2 / (2 j).
    """
    needed = a_mps2 * a_mps2 / (2.0 * v_mps)
    allowed = limits.emergency_jerk_mps3 if a_mps2 < -HARD_BRAKE_MPS2 else limits.jerk_mps3
    return min(a_mps2 + needed * dt_s, 0.0) if needed >= allowed else -math.inf


def _following(
    v_mps: float, gap_m: float, lead_v_mps: float, lead_a_mps2: float, idm: IdmConfig
) -> float:
    """Acceleration behind a lead: IDM, calmed where it overreacts to a gap that is small but not dangerous.

    The ACC model of Kesting, Treiber, Helbing, Phil. Trans. R. Soc. A 368 (2010), eq. 2.4-2.6: where IDM brakes harder than the
    constant-acceleration heuristic asks for (nobody changes their acceleration), it may do so by no more than about `b`.
    """
    gap = max(gap_m, 0.1)
    closing = v_mps - lead_v_mps
    desired = idm.s0_m + max(
        v_mps * idm.headway_s + v_mps * closing / (2.0 * math.sqrt(idm.a_mps2 * idm.b_mps2)), 0.0
    )
    by_idm = idm.a_mps2 * (1.0 - (desired / gap) ** 2)
    lead_a = min(lead_a_mps2, idm.a_mps2)
    u = max(lead_v_mps, 0.0)
    # strictly less: behind somebody who stands both sides are 0, and the branch would ask for no braking at all
    if u * closing < -2.0 * gap * lead_a:
        heuristic = v_mps * v_mps * lead_a / max(u * u - 2.0 * gap * lead_a, 1e-6)
    else:
        heuristic = lead_a - max(closing, 0.0) ** 2 / (2.0 * gap)
    if by_idm >= heuristic:
        return by_idm
    calmed = heuristic + idm.b_mps2 * math.tanh((by_idm - heuristic) / idm.b_mps2)
    return (1.0 - idm.coolness) * by_idm + idm.coolness * calmed


def _halting(v_mps: float, to_go_m: float, idm: IdmConfig) -> float:
    """IDM before a line to stand at."""
    desired = (
        HALT_GAP_M
        + v_mps * HALT_HEADWAY_S
        + v_mps * v_mps / (2.0 * math.sqrt(idm.a_mps2 * idm.b_mps2))
    )
    return idm.a_mps2 * (1.0 - (desired / (to_go_m + HALT_GAP_M - HALT_SHORT_M)) ** 2)


def _by_time(obstacles: Obstacles, t_s: Floats) -> list[list[tuple[int, float, float, float]]]:
    """For every time, the rows in the way with their near end, speed and acceleration."""
    found: list[list[tuple[int, float, float, float]]] = [[] for _ in t_s]
    if not obstacles.blocks.any():
        return found
    rows, columns = np.nonzero(obstacles.blocks)
    rear, v = obstacles.rear_m[rows, columns].tolist(), obstacles.v_mps[rows, columns].tolist()
    met, at = np.unique(rows, return_inverse=True)
    a = np.gradient(obstacles.v_mps[met], t_s, axis=1)[at, columns].tolist()
    for row, k, r, u, w in zip(rows.tolist(), columns.tolist(), rear, v, a, strict=True):
        found[k].append((row, r, u, w))
    return found


def speed_profile(
    limit_mps: Floats, curvature_1pm: Floats, step_m: float, driving: DrivingConfig
) -> SpeedProfile:
    """The speed a path allows when limits and curves ahead are braked for in time.

    A curve allows v^2 k <= a_lat and v k <= yaw rate; comfortably with the driver's dials, at most with `HARD_CURVE` times the lateral
    acceleration and hard braking on the approach.

    Args:
      limit_mps: (K,) speed limits along the path.
      curvature_1pm: (K,) its curvature.
      step_m: distance of the samples.
      driving: lateral acceleration, yaw rate and braking that are comfortable.
    """
    k = np.maximum(np.abs(curvature_1pm), 1e-6)
    yaw = (driving.yaw_rate_rps / k) ** 2
    comfortable = np.minimum(np.minimum(limit_mps**2, driving.lateral_acceleration_mps2 / k), yaw)
    possible = np.minimum(HARD_CURVE * driving.lateral_acceleration_mps2 / k, yaw)
    return SpeedProfile(
        step_m,
        _approached(comfortable, step_m, driving.comfort_brake_mps2),
        _approached(possible, step_m, HARD_BRAKE_MPS2),
    )


def lateral_demands(
    t_s: Floats, yaw_rad: Floats, v_mps: Floats, curvature_1pm: Floats
) -> tuple[Floats, Floats]:
    """What a trajectory of T poses asks of the car sideways: yaw rates (T - 1,) [rad/s] and lateral accelerations (T,) [m/s2].

    The acceleration is the larger one of what the curvature and what the change of heading ask for.
    """
    yaw_rate = np.abs(wrap_angle(np.diff(yaw_rad))) / np.diff(t_s)
    between = 0.5 * (v_mps[1:] + v_mps[:-1])
    a_lat = np.maximum(v_mps**2 * np.abs(curvature_1pm), np.append(between * yaw_rate, 0.0))
    return yaw_rate, a_lat


def _approached(squared: Floats, step_m: float, brake_mps2: float) -> Floats:
    """Speeds (K,) from squared ones that may stand only behind a braking distance: v(s)^2 = min over s' >= s of v(s')^2 + 2 b (s' - s)."""
    reach = 2.0 * brake_mps2 * step_m * np.arange(len(squared))
    result: Floats = np.sqrt(np.minimum.accumulate((squared + reach)[::-1])[::-1] - reach)
    return result


def hypotheses(o: TrackedObject) -> tuple[PredictedPath, ...]:
    """The likely predictions of an object; of one that comes without any, that it goes on as it does."""
    likely = tuple(p for p in o.predictions if p.probability >= UNLIKELY and len(p.x_m))
    if likely:
        return likely
    t, n = GRID_S[1:], len(GRID_S) - 1
    v = math.hypot(o.vx_mps, o.vy_mps)
    course = math.atan2(o.vy_mps, o.vx_mps) if v > STANDS_MPS else o.yaw_rad
    on = PredictedPath(
        Intent.KEEP if v > STANDS_MPS else Intent.STOP, 1.0, STEP_S, o.x_m + o.vx_mps * t, o.y_m + o.vy_mps * t,
        np.full(n, course), np.full(n, v), t.copy(),
    )  # fmt: skip
    return (on,)
