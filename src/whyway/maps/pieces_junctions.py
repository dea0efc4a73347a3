"""Maps of the kit with one junction: three or four arms under any control, and a roundabout.

Arms are numbered counter-clockwise from the one the way of interest comes along: it enters from the west (-x), so arm 0 lies
there, arm 1 to the right (south), 2 straight on (east), 3 to the left (north).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from whyway.maps.curves import Arc, Pose
from whyway.maps.pieces import LANE_WIDTH_M, Band, MapKit, Piece, Street, axis
from whyway.maps.pieces_roads import cross_section, straight
from whyway.maps.signals import SignalCycle, SignalPlan
from whyway.types import InputError, LaneKind, LightColor

CONTROLS = ("signals", "stop", "give_way", "all_way_stop", "none")
"""Who goes first: lights; arms 1 and 3 stop, or give way; everybody stops; nobody has a line."""

AMBER_S, ALL_RED_S = 3.0, 2.0
_CROSSING_DEPTH_M = 3.0
_BACK_M, _BACK_OF_CROSSING_M = 0.5, 5.0
"""From stop line to junction, without and with a crossing between."""


@dataclass(frozen=True, slots=True)
class _Arm:
    """A road that leads out of the junction; lanes from the axis outwards."""

    street: Street
    incoming: tuple[int, ...]
    outgoing: tuple[int, ...]
    heading_rad: float

    def of(self, lanes: tuple[int, ...], kind: LaneKind) -> list[int]:
        """Those of the lanes that are of a kind."""
        bands = self.street.bands[lanes is self.incoming]
        return [lane for lane, band in zip(lanes, bands, strict=True) if band.kind == kind]


def _arms(
    kit: MapKit, headings_deg: list[float], reach_m: float, bands: list[tuple[Band, ...]], lengths: list[float], limits: list[float]
) -> list[_Arm]:  # fmt: skip
    """Straight roads outwards from `reach_m` around the origin."""
    arms = []
    for degrees, band, length, limit in zip(headings_deg, bands, lengths, limits, strict=True):
        yaw = math.radians(degrees)
        start: Pose = (reach_m * math.cos(yaw), reach_m * math.sin(yaw), yaw)
        street = kit.road(straight(start, length), band, band, limit_mps=limit)
        arms.append(_Arm(street, street.backward, street.forward, yaw))
    return arms


def junction(
    arms: int = 4,
    control: str = "signals",
    lanes: int = 1,
    side_lanes: int = 1,
    limit_mps: float = 13.89,
    side_mps: float = 13.89,
    arm_m: float = 150.0,
    green_s: float = 14.0,
    bike: bool = False,
    crossings: bool = False,
    missing: int = 2,
) -> Piece:
    """Two roads that cross at a right angle.

    Args:
      arms: 4, or 3.
      control: one of `CONTROLS`.
      lanes: per direction on arms 0 and 2.
      side_lanes: per direction on arms 1 and 3.
      limit_mps: on arms 0 and 2.
      side_mps: on arms 1 and 3.
      arm_m: how long each arm is.
      green_s: of lights, for either road.
      bike: whether all arms have bicycle lanes, which go straight on.
      crossings: whether pedestrians may cross each arm.
      missing: of three arms, which is not there: 2 makes a T that arm 0 ends at, 1 or 3 one that it passes.

    Raises:
      InputError: an argument that is out of its set.
    """
    if control not in CONTROLS:
        raise InputError(f"junction control {control!r}: give one of {', '.join(CONTROLS)}")
    if arms not in (3, 4) or missing not in (1, 2, 3):
        raise InputError("a junction has 3 or 4 arms, and of three arms 1, 2 or 3 is missing")
    kit = MapKit()
    here = [i for i in range(4) if arms == 4 or i != missing]
    count = [lanes if i % 2 == 0 else side_lanes for i in here]
    built = _arms(
        kit,
        [(180.0 + 90.0 * i) % 360.0 for i in here],
        11.0 + LANE_WIDTH_M * (max(count) - 1) + (3.0 if bike else 0.0),
        [cross_section(n, bike=bike) for n in count],
        [arm_m] * len(here),
        [limit_mps if i % 2 == 0 else side_mps for i in here],
    )
    for start in built:
        for end in built:
            if start is not end:
                _turns(kit, start, end)
    back = _BACK_OF_CROSSING_M if crossings else _BACK_M
    if crossings:
        for arm in built:
            kit.crossing(arm.street, 1.0 + _CROSSING_DEPTH_M / 2)
    cycles = _control(kit, control, here, built, back, green_s)
    return Piece(kit.build(f"{arms}-way junction, {control}"), SignalPlan(cycles))


def _turns(kit: MapKit, start: _Arm, end: _Arm) -> None:
    """Lanes from arm to arm: straight on lane by lane, right from and to the outer lane, left from and to the inner."""
    turn = math.remainder(end.heading_rad - start.heading_rad - math.pi, 2 * math.pi)
    into, out = start.of(start.incoming, LaneKind.DRIVING), end.of(end.outgoing, LaneKind.DRIVING)
    if abs(turn) < math.pi / 4:
        pairs = list(zip(into, out, strict=False))
        bikes = zip(
            start.of(start.incoming, LaneKind.BIKE),
            end.of(end.outgoing, LaneKind.BIKE),
            strict=True,
        )
        pairs += list(bikes)
    else:
        pairs = [(into[0], out[0])] if turn > 0 else [(into[-1], out[-1])]
    for a, b in pairs:
        kit.connect(a, b)


def _control(
    kit: MapKit, control: str, here: list[int], arms: list[_Arm], back_m: float, green_s: float
) -> dict[int, SignalCycle]:
    """Stop lines and lights; of a T whose foot is arm 0, arm 0 gives way."""
    foot = 0 if len(here) == 3 and 2 not in here else None
    cycles: dict[int, SignalCycle] = {}
    for number, arm in zip(here, arms, strict=True):
        minor = number == foot if foot is not None else number % 2 == 1
        lanes = arm.incoming
        if control == "signals":
            light = kit.light(lanes, back_m)
            kit.stop_line(lanes, back_m, light_id=light)
            phase = 0.0 if number % 2 == 0 else green_s + AMBER_S + ALL_RED_S
            cycles[light] = SignalCycle(
                (LightColor.GREEN, LightColor.AMBER, LightColor.RED),
                (green_s, AMBER_S, ALL_RED_S + green_s + AMBER_S + ALL_RED_S),
                phase,
            )
        elif control == "all_way_stop" or (control == "stop" and minor):
            kit.stop_line(lanes, back_m, is_stop_sign=True)
        elif control == "give_way" and minor:
            kit.stop_line(lanes, back_m)
    return cycles


def roundabout(
    arms: int = 4,
    radius_m: float = 16.0,
    limit_mps: float = 13.89,
    ring_mps: float = 8.33,
    arm_m: float = 120.0,
) -> Piece:
    """One lane round a circle, counter-clockwise; who enters gives way."""
    kit = MapKit()
    headings = [180.0 + 360.0 * i / arms for i in range(arms)]
    reach = radius_m + 9.0
    built = _arms(
        kit, headings, reach, [cross_section(1)] * arms, [arm_m] * arms, [limit_mps] * arms
    )
    # each arm: who leaves turns off before its axis, who enters joins behind it
    gap = math.radians(25.0)
    between = 2 * math.pi / arms - 2 * gap
    across: list[int] = []
    onward: list[int] = []
    half = LANE_WIDTH_M / 2 + 0.25
    for arm in built:
        for span, angle, found in (
            (2 * gap, arm.heading_rad - gap, across),
            (between, arm.heading_rad + gap, onward),
        ):
            start: Pose = (
                radius_m * math.cos(angle),
                radius_m * math.sin(angle),
                angle + math.pi / 2,
            )
            line = axis((Arc(start, span * radius_m, 1.0 / radius_m),))
            found.append(kit.strip(line, half, -half, limit_mps=ring_mps, in_junction=True))
    for i, arm in enumerate(built):
        kit.link(across[i], onward[i])
        kit.link(onward[i], across[(i + 1) % arms])
        kit.connect(arm.incoming[0], onward[i], limit_mps=ring_mps)
        kit.connect(onward[i - 1], arm.outgoing[0], limit_mps=ring_mps)
        kit.stop_line(arm.incoming, _BACK_M)
    return Piece(kit.build(f"{arms}-way roundabout"))
