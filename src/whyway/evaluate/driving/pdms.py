"""A drive -> PDMS: NAVSIM v1's score, PDMS = NC * DAC * (5 EP + 5 TTC + 2 C) / 12, taken to a whole closed-loop drive.

NAVSIM scores one planned trajectory of 4 s at 10 Hz. A drive is longer and has really happened, so

* what must never happen (NC, DAC, and DDC and TLC, which PDMS v1 does not contain but which are reported) holds over the whole drive;
* the averaged terms (EP, TTC, C) are computed as NAVSIM does on consecutive windows of 4 s of the driven trajectory and averaged;
  a rest of at least 1 s is a window of its own, a shorter one belongs to the last window;
* EP is the ego's progress along the route in the window over the farthest that it or a proposal came (`reference.py`);
* what was wrong before the driver had a say (an actor that overlaps the ego at the first instant, an ego that starts off the road)
  is left out and named in `excluded`.

Sources: Dauner et al., NAVSIM (NeurIPS 2024), section 3 and appendix; nuPlan (arXiv 2106.11810; metrics as of devkit 1.2).
Ours where NAVSIM reads nuPlan's map: "several lanes" by lane polygons, "oncoming" by lanes of opposite heading only, red lights
by the stop line they govern.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from whyway.evaluate.drive import Bools, Drive
from whyway.evaluate.driving.reference import reference_progress
from whyway.evaluate.metrics import navsim as metrics
from whyway.evaluate.metrics.navsim import Collision
from whyway.types import Ints, LightColor, StopLine

VERSION = "NAVSIM v1"
WINDOW_S, WINDOW_MIN_S = 4.0, 1.0


@dataclass(frozen=True, slots=True)
class Contact:
    """The first time the ego touches an actor."""

    at_s: float
    actor_id: int
    kind: str
    at_fault: bool
    with_agent: bool


@dataclass(frozen=True, slots=True)
class Broken:
    """A rule that was broken, in words, and of which light; None: it left the road."""

    at_s: float
    what: str
    light: int | None


@dataclass(frozen=True, slots=True)
class Window:
    """The averaged terms of one window, and which comfort bounds it breaks."""

    from_s: float
    to_s: float
    ego_progress: float
    time_to_collision_within_bound: float
    comfort: float
    progress_m: float
    reference_m: float
    uncomfortable: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DrivingScore:
    """PDMS and everything it is made of."""

    pdms: float
    no_at_fault_collisions: float
    drivable_area_compliance: float
    driving_direction_compliance: float
    traffic_light_compliance: float
    ego_progress: float
    time_to_collision_within_bound: float
    comfort: float
    contacts: tuple[Contact, ...]
    red_lights_run: tuple[tuple[float, int], ...]
    """Time and light of every stop line crossed on red."""
    off_road_s: tuple[float, ...]
    """Instants with a corner off the road."""
    windows: tuple[Window, ...]
    excluded: tuple[str, ...]

    @property
    def broken(self) -> tuple[Broken, ...]:
        """The first time it left the road, and every red light it ran."""
        off = [Broken(t, "left the road", None) for t in self.off_road_s[:1]]
        return (*off, *(Broken(t, f"ran the red light {i}", i) for t, i in self.red_lights_run))


def driving_score(drive: Drive) -> DrivingScore:
    """Judge a drive."""
    kinds = drive.contacts
    ignore, off_road, excluded = left_out(drive)
    fault, index, kind = metrics.at_fault(kinds, drive.in_multiple_lanes | off_road, ignore)
    nc = float(metrics.no_at_fault_collisions(fault, drive.actors.is_agent))
    dac = float(metrics.drivable_area_compliance(off_road))
    ddc = float(metrics.driving_direction_compliance(*drive.center, drive.oncoming, drive.dt_s))
    reds = red_lights_run(drive)
    parts = tuple(
        _window(drive, kinds, fault, index, a, b) for a, b in windows(drive.count, drive.dt_s)
    )
    ep = float(np.mean([w.ego_progress for w in parts]))
    ttc = float(np.mean([w.time_to_collision_within_bound for w in parts]))
    c = float(np.mean([w.comfort for w in parts]))
    return DrivingScore(
        pdms=float(metrics.pdms(nc, dac, ep, ttc, c)),
        no_at_fault_collisions=nc,
        drivable_area_compliance=dac,
        driving_direction_compliance=ddc,
        traffic_light_compliance=0.0 if reds else 1.0,
        ego_progress=ep,
        time_to_collision_within_bound=ttc,
        comfort=c,
        contacts=_contacts(drive, fault, index, kind, ignore),
        red_lights_run=reds,
        off_road_s=tuple(drive.t_s[off_road].tolist()),
        windows=parts,
        excluded=excluded,
    )


def windows(count: int, dt_s: float) -> list[tuple[int, int]]:
    """First and last instant of each window; neighbours share theirs."""
    length, shortest = round(WINDOW_S / dt_s), round(WINDOW_MIN_S / dt_s)
    starts = list(range(0, count - 1, length))
    if len(starts) > 1 and count - 1 - starts[-1] < shortest:
        starts.pop()
    return list(zip(starts, [*starts[1:], count - 1], strict=True))


def left_out(drive: Drive) -> tuple[Bools, Bools, tuple[str, ...]]:
    """Actors not to judge `(A,)`, off-road instants that count `(T,)`, and what was left out, in words."""
    overlapping: Bools = np.asarray(drive.contacts[0] != Collision.NONE)
    said = [
        f"actor {i} overlaps the ego at the first instant" for i in drive.actors.ids[overlapping]
    ]
    off_road = drive.off_road.copy()
    if off_road[0]:
        first = int(np.argmin(off_road)) if not off_road.all() else len(off_road)
        off_road[:first] = False
        said.append(f"the ego starts off the road, for the first {drive.t_s[first - 1]:.1f} s")
    return overlapping, off_road, tuple(said)


def _window(drive: Drive, kinds: Ints, fault: Bools, index: Ints, start: int, stop: int) -> Window:
    part = slice(start, stop + 1)
    ignore = (
        kinds[start] != Collision.NONE
    )  # as NAVSIM: who touches at the start is not judged again
    crashes = bool((fault & (index >= start) & (index <= stop)).any())
    progress = max(0.0, float(drive.route_s_m[stop] - drive.route_s_m[start]))
    reference = reference_progress(drive, start, stop, ignore)
    ep = 0.0 if crashes else float(metrics.ego_progress(np.array(progress), np.array(reference)))
    comfort, within = metrics.comfort(
        drive.a_mps2[part],
        drive.v_mps[part] * drive.yaw_rate_rps[part],
        drive.yaw_rad[part],
        drive.dt_s,
    )
    return Window(
        from_s=float(drive.t_s[start]),
        to_s=float(drive.t_s[stop]),
        ego_progress=ep,
        time_to_collision_within_bound=_time_to_collision(drive, part, ignore),
        comfort=float(comfort),
        progress_m=progress,
        reference_m=reference,
        uncomfortable=tuple(name for name, ok in within.items() if not ok),
    )


def _time_to_collision(drive: Drive, part: slice, ignore: Bools) -> float:
    a = drive.actors
    ahead = round(max(metrics.TTC_STEPS) * metrics.STEP_S / drive.dt_s)
    later = slice(part.start, part.stop + ahead)
    score, _ = metrics.time_to_collision_within_bound(
        drive.x_m[part], drive.y_m[part], drive.yaw_rad[part], drive.v_mps[part],
        drive.length_m, drive.width_m, drive.center_offset_m,
        a.x_m[later], a.y_m[later], a.yaw_rad[later], a.length_m[later], a.width_m[later],
        (drive.in_multiple_lanes | drive.off_road | drive.in_junction)[part], ignore, drive.dt_s,
    )  # fmt: skip
    return float(score)


def _contacts(
    drive: Drive, fault: Bools, index: Ints, kind: Ints, ignore: Bools
) -> tuple[Contact, ...]:
    found = [
        Contact(
            at_s=float(drive.t_s[index[a]]),
            actor_id=int(drive.actors.ids[a]),
            kind=Collision(int(kind[a])).name,
            at_fault=bool(fault[a]),
            with_agent=bool(drive.actors.is_agent[a]),
        )
        for a in range(len(index))
        if index[a] < drive.count and not ignore[a]
    ]
    return tuple(sorted(found, key=lambda c: c.at_s))


def red_lights_run(drive: Drive) -> tuple[tuple[float, int], ...]:
    """Time and light of every stop line the front bumper crosses while its light is red."""
    found = []
    for line in drive.road.lane_map.stop_lines:
        colors = drive.lights.get(line.light_id)
        if colors is None or not (colors == LightColor.RED).any():
            continue
        crosses = metrics.crossings_of_line(
            *drive.front, line.x_m, line.y_m, line_heading(drive, line)
        )
        red = crosses & (colors == LightColor.RED)
        found += [(float(drive.t_s[i]), int(line.light_id)) for i in np.flatnonzero(red)]
    return tuple(sorted(found))


def line_heading(drive: Drive, line: StopLine) -> float:
    """Which way the lanes of a stop line lead where it stands."""
    x, y = float(np.mean(line.x_m)), float(np.mean(line.y_m))
    known = [drive.road.lanes[int(i)] for i in line.lane_ids if int(i) in drive.road.lanes]
    if not known:
        return math.atan2(float(line.x_m[-1] - line.x_m[0]), float(line.y_m[0] - line.y_m[-1]))
    s, _ = known[0].project(x, y)
    return float(known[0].center.at(s)[2])
