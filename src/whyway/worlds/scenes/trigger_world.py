"""CARLA leaderboard scenario triggers as worlds: each type is played by the family that asks the same of the driver, near its place."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from whyway.config import Config
from whyway.maps.leaderboard import Trigger
from whyway.types import InputError
from whyway.worlds.scenes.family_world import family_world
from whyway.worlds.sim.world import SimWorld

FAMILY_OF: Mapping[str, str] = {
    # leaderboard 2.0
    "Accident": "blocked_lane", "AccidentTwoWays": "double_parked_oncoming", "BlockedIntersection": "blocked_lane",
    "ConstructionObstacle": "construction", "ConstructionObstacleTwoWays": "double_parked_oncoming",
    "CrossingBicycleFlow": "bicycle_crossing", "DynamicObjectCrossing": "jaywalker", "EnterActorFlow": "merge_from_ramp",
    "EnterActorFlowV2": "merge_from_ramp", "HardBreakRoute": "lead_brakes_hard", "HazardAtSideLane": "blocked_lane",
    "HazardAtSideLaneTwoWays": "double_parked_oncoming", "HighwayCutIn": "cut_in", "HighwayExit": "lane_drop",
    "InterurbanActorFlow": "unprotected_left", "InterurbanAdvancedActorFlow": "stop_sign",
    "InvadingTurn": "oncoming_in_our_lane", "MergerIntoSlowTraffic": "merge_from_ramp",
    "MergerIntoSlowTrafficV2": "merge_from_ramp", "NonSignalizedJunctionLeftTurn": "stop_sign",
    "NonSignalizedJunctionRightTurn": "stop_sign", "OppositeVehicleRunningRedLight": "red_light_runner",
    "OppositeVehicleTakingPriority": "red_light_runner", "ParkedObstacle": "blocked_lane",
    "ParkedObstacleTwoWays": "double_parked_oncoming", "ParkingCrossingPedestrian": "pedestrian_behind_van",
    "ParkingCutIn": "cut_in", "PedestrianCrossing": "jaywalker", "SignalizedJunctionLeftTurn": "unprotected_left",
    "SignalizedJunctionRightTurn": "right_turn_across_bicycle", "StaticCutIn": "cut_in",
    "VehicleOpensDoorTwoWays": "door_opening", "VehicleTurningRoute": "bicycle_crossing",
    "VehicleTurningRoutePedestrian": "jaywalker", "YieldToEmergencyVehicle": "emergency_vehicle_behind",
    # leaderboard 1.0
    "Scenario2": "lead_brakes_hard", "Scenario3": "jaywalker", "Scenario4": "bicycle_crossing", "Scenario5": "blocked_lane",
    "Scenario6": "double_parked_oncoming", "Scenario7": "red_light_runner", "Scenario8": "unprotected_left",
    "Scenario9": "right_turn_across_bicycle", "Scenario10": "four_way_stop",
}  # fmt: skip
"""Scenario type to family."""

UNPLAYED: Mapping[str, str] = {
    "ControlLoss": "the car itself slides, nobody else is there",
    "Scenario1": "the car itself slides, nobody else is there",
    "PriorityAtJunction": "it only gives the ego green",
    "ParkingExit": "it begins off the road",
}
"""Scenario types that no family stands for, and why."""


def trigger_world(
    trigger: Trigger, map_file: Path, seed: int, config: Config, duration_s: float | None = None
) -> SimWorld:
    """The family of a trigger's type, at the place on the map nearest to the trigger that has what the family needs.

    Raises:
      InputError: a type that no family stands for, or a map without a place for it; one line.
    """
    family = FAMILY_OF.get(trigger.kind)
    if family is None:
        why = UNPLAYED.get(trigger.kind, f"known: {', '.join(sorted(FAMILY_OF))}")
        raise InputError(f"no scenario family stands for {trigger.kind!r}: {why}")
    near = (trigger.at.x_m, trigger.at.y_m)
    return family_world(family, seed, config, duration_s, map_file, near)
