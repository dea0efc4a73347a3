"""`SimWorld`: one world of the batched simulator with its sensors, for a driver that is the ego. Rate: 10 Hz. No clock, no ROS.

A batch of one: everything that moves is `engine.py`'s; here are the ego's command with the vehicle interface's time-out, the sensor
model between truth and driver, and the values that drivers and judges take.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from whyway.config import Config
from whyway.geometry import wrap_angle
from whyway.types import (
    Actor,
    Command,
    EgoState,
    Ints,
    LaneMap,
    LightColor,
    LightState,
    ObjectClass,
    Observation,
    Route,
    Truth,
)
from whyway.worlds.sim import engine
from whyway.worlds.sim.sensors import Boxes, see_lights, sense
from whyway.worlds.sim.sim import Sim
from whyway.worlds.sim.state import EGO, State

_GENERATIONS = 1000
"""Ids of road users who enter later at an agent's place are this much higher."""

GoalTest = Callable[[float, EgoState], bool]
"""Whether the goal is reached at a time [s] by the ego (`base_link`)."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything of a `SimWorld` that changes; immutable, so holding it is safe."""

    state: State
    generator: Mapping[str, Any]
    command: Command | None
    command_tick: int
    braking: bool
    goal_reached: bool | None
    observation: Observation
    past: tuple[State, ...] = ()
    """States that the detector has yet to report, oldest first; empty without latency."""


@dataclass(frozen=True, slots=True, eq=False)
class Setting:
    """What a `SimWorld` is made of: the map, the simulator, and the first state; `id` and `is_static` are per agent `(A,)`."""

    name: str
    lane_map: LaneMap
    route: Route
    sim: Sim
    start: State
    id: Ints
    is_static: np.ndarray[Any, np.dtype[np.bool_]]
    duration_s: float
    notes: Mapping[str, str]
    goal: GoalTest | None = None


class SimWorld:
    """The `World` of the simulator.

    Args:
      setting: what it is made of; the state's first agent is the ego, under command.
      seed: of the sensors.
      config: the whole tree; sensors and vehicle interface are used here.
    """

    def __init__(self, setting: Setting, seed: int, config: Config) -> None:
        self._setting, self._seed, self.config = setting, seed, config
        self._dt_ns = round(setting.sim.dt_s * 1e9)
        self.reset()

    # ------------------------------------------------------------------------------------------- what does not change

    @property
    def name(self) -> str:
        """Which world."""
        return self._setting.name

    @property
    def lane_map(self) -> LaneMap:
        """The static road."""
        return self._setting.lane_map

    @property
    def route(self) -> Route:
        """Where the ego is to go."""
        return self._setting.route

    @property
    def notes(self) -> Mapping[str, str]:
        """What a report should say about this world."""
        return self._setting.notes

    @property
    def duration_s(self) -> float:
        """When it ends."""
        return self._setting.duration_s

    # ----------------------------------------------------------------------------------------------------- what does

    @property
    def stamp_ns(self) -> int:
        """Now."""
        return int(self._state.tick[0]) * self._dt_ns

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return self.stamp_ns >= round(self.duration_s * 1e9)

    @property
    def goal_reached(self) -> bool | None:
        """Whether the goal has been reached up to now; None where there is none."""
        return self._goal_reached

    @property
    def interface_braking(self) -> bool:
        """Whether the vehicle interface braked by itself in the last step."""
        return self._braking

    @property
    def observation(self) -> Observation:
        """What the sensors gave last."""
        return self._observation

    @property
    def ego_collided(self) -> bool:
        """Whether the ego touches somebody now."""
        return bool(self._state.collided[0, EGO])

    def reset(self) -> Observation:
        """Begin again, exactly as before."""
        self._state = self._setting.start
        self._past: tuple[State, ...] = ()
        self._rng = np.random.default_rng([self._seed, 7])
        self._command: Command | None = None
        self._command_tick = 0
        self._braking = False
        self._goal_reached = None if self._setting.goal is None else False
        self._observation = self._sense()
        return self._observation

    def step(self, command: Command | None) -> Observation:
        """Let one step pass.

        Args:
          command: what the driver asks for. None, or one that is not finite, is no command: the last one
            is kept until `sim.command_timeout_s` is over; then the vehicle interface brakes.

        Raises:
          ValueError: the world is done.
        """
        if self.done:
            raise ValueError(
                f"world {self.name} ended at {self.duration_s:g} s; reset it to drive on"
            )
        tick = int(self._state.tick[0])
        if (
            command is not None
            and math.isfinite(command.acceleration_mps2)
            and math.isfinite(command.steer_rad)
        ):
            self._command, self._command_tick = command, tick
        silent_s = (tick - self._command_tick) * self._setting.sim.dt_s
        self._braking = silent_s >= self.config.sim.command_timeout_s - 1e-9
        ego_steer = float(self._state.steer_rad[0, EGO])
        if self._braking:
            acceleration, steer = -self.config.sim.command_timeout_brake_mps2, ego_steer
        elif self._command is None:
            acceleration, steer = 0.0, ego_steer
        else:
            acceleration, steer = self._command.acceleration_mps2, self._command.steer_rad
        a, s = np.zeros_like(self._state.x_m), np.zeros_like(self._state.x_m)
        a[0, EGO], s[0, EGO] = acceleration, steer
        self._state = engine.step(self._setting.sim, self._state, a, s)
        self._observation = self._sense()
        goal = self._setting.goal
        if goal is not None and not self._goal_reached:
            self._goal_reached = goal(self.stamp_ns * 1e-9, self._observation.ego)
        return self._observation

    def truth(self) -> Truth:
        """What is really there."""
        st, vehicle = self._state, self._setting.sim.vehicle
        x, y = (c[0].tolist() for c in st.centers())
        columns = [
            c[0].tolist()
            for c in (
                st.object_class,
                wrap_angle(st.yaw_rad),
                st.v_mps,
                st.length_m,
                st.width_m,
                st.generation,
            )
        ]
        ids, static = self._setting.id.tolist(), self._setting.is_static.tolist()
        actors = []
        for i in np.nonzero(self._there(st))[0].tolist():
            if i == EGO:
                continue
            kind, yaw, v, length, width, generation = (c[i] for c in columns)
            actors.append(
                Actor(
                    ids[i] + _GENERATIONS * generation,
                    ObjectClass(kind),
                    x[i],
                    y[i],
                    yaw,
                    v,
                    length,
                    width,
                    static[i],
                )
            )
        lights = tuple(
            LightState(int(i), LightColor(int(c)), 1.0)
            for i, c in zip(self._setting.sim.signals.light_id, self._colors(), strict=True)
        )
        return Truth(
            self.stamp_ns,
            self._ego(),
            vehicle.length_m,
            vehicle.width_m,
            vehicle.center_offset_m,
            tuple(actors),
            lights,
        )

    def get_state(self) -> Snapshot:
        """Everything that changes, the generator included."""
        return Snapshot(
            self._state, self._rng.bit_generator.state, self._command, self._command_tick, self._braking,
            self._goal_reached, self._observation, self._past,
        )  # fmt: skip

    def set_state(self, state: Snapshot) -> None:
        """Go back to what `get_state` gave, in this world or another one made alike."""
        self._state = state.state
        self._rng = np.random.default_rng()
        self._rng.bit_generator.state = state.generator
        self._command, self._command_tick, self._braking = (
            state.command,
            state.command_tick,
            state.braking,
        )
        self._goal_reached, self._observation = state.goal_reached, state.observation
        self._past = state.past

    # --------------------------------------------------------------------------------------------------------- inner

    def _ego(self) -> EgoState:
        st = self._state
        x, y, yaw, v, a, steer = (
            float(c[0, EGO])
            for c in (st.x_m, st.y_m, st.yaw_rad, st.v_mps, st.a_mps2, st.steer_rad)
        )
        yaw = (yaw + math.pi) % (2 * math.pi) - math.pi
        return EgoState(
            x, y, yaw, v, a, v * math.tan(steer) / self._setting.sim.vehicle.wheelbase_m, steer
        )

    def _there(self, state: State) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """`(A,)` who exists and is not above or below the ego on another deck of a bridge: the world of drivers is flat."""
        table = self._setting.sim.table
        there: np.ndarray[Any, np.dtype[np.bool_]] = state.active[0]
        if table is None or not table.has_bridges:
            return there
        deck = table.decks(state.window)[0]
        near: np.ndarray[Any, np.dtype[np.bool_]] = there & ((deck != -deck[EGO]) | (deck == 0))
        return near

    def _colors(self) -> Ints:
        colors: Ints = engine.light_colors(self._setting.sim, self._state)[0]
        return colors

    def _sense(self) -> Observation:
        sensor, signals = self.config.sim.sensor, self._setting.sim.signals
        ego, st = self._ego(), self._reported()
        x, y = st.centers()
        columns = (st.object_class, x, y, st.yaw_rad, st.v_mps, st.length_m, st.width_m)
        boxes = Boxes(*(c[0, EGO + 1 :] for c in columns))
        offset = self._setting.sim.vehicle.center_offset_m
        found = sense(ego, offset, boxes, sensor, self._rng, present=self._there(st)[EGO + 1 :])
        lights = see_lights(
            ego, signals.light_id, signals.x_m, signals.y_m, self._colors(), sensor.range_m
        )
        return Observation(self.stamp_ns, self.stamp_ns, ego, found, lights)

    def _reported(self) -> State:
        """The state whose road users the detector reports now: the present one, or an older one."""
        late = round(self.config.sim.sensor.latency_s / self._setting.sim.dt_s)
        if late:
            self._past = (*self._past, self._state)[-late - 1 :]
            return self._past[0]
        return self._state


def ego_placed(state: State, ego: EgoState, config: Config) -> State:
    """The state with the ego as its first agent."""
    vehicle = config.vehicle
    values = {
        "x_m": ego.x_m, "y_m": ego.y_m, "yaw_rad": ego.yaw_rad, "v_mps": ego.v_mps, "a_mps2": ego.a_mps2,
        "steer_rad": ego.steer_rad, "length_m": vehicle.length_m, "width_m": vehicle.width_m,
        "offset_m": vehicle.center_offset_m, "mode": 0, "active": True,
    }  # fmt: skip
    arrays = {}
    for name, value in values.items():
        arrays[name] = getattr(state, name).copy()
        arrays[name][:, EGO] = value
    return replace(state, **arrays)
