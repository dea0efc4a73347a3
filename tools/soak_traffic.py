"""Traffic alone, for ten minutes, in many worlds of many maps: who touches whom, and who stands for how long.

    make soak                          # our town and CARLA's, 24 worlds each
    make soak ARGS="MAP.xodr.gz --worlds 8"

48 road users a world, 6 of them on foot, nobody under command; needs the compiled backend (pip install 'whyway[sim]'). Exit code 1 if
anybody touched anybody.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from whyway.types import ObjectClass
from whyway.worlds.sim.batch import make_batch
from whyway.worlds.sim.compiled.step import compiled_step
from whyway.worlds.sim.state import EGO, Mode, State

CARLA_TOWNS = Path(__file__).resolve().parents[2] / "shared" / "data" / "carla_xodr_mit"
AGENTS, PEDESTRIANS = 48, 6
STANDS_S = 100.0


def soak(place: str, worlds: int, minutes: float) -> int:
    """Let the worlds of a place run, print what happened; how many touched somebody."""
    batch = make_batch(place, agents=AGENTS, pedestrians=PEDESTRIANS, commanded=1)
    state = batch.begin(range(worlds))
    state.mode[:, EGO] = int(Mode.RAIL)
    zero = np.zeros_like(state.x_m)
    hit: set[tuple[int, int, int]] = set()
    driven_m = 0.0
    for _ in range(round(minutes * 600)):
        state = compiled_step(batch.sim, state, zero, zero)[0]
        for w, a in np.argwhere(state.collided).tolist():
            who = w, a, int(state.generation[w, a])
            if who not in hit:
                hit.add(who)
                print(f"  {_place(state, w, a)}")
        driven_m += float((state.v_mps * state.active).sum()) * batch.sim.dt_s
    vehicle = state.active & (state.object_class != int(ObjectClass.PEDESTRIAN))
    stuck = int((vehicle & (state.standing_s > STANDS_S)).sum())
    name = Path(place).name
    print(
        f"{name:16s} {worlds} worlds x {minutes:g} min: {driven_m / 1000:.0f} km, touched {len(hit)}, stand {stuck}",
        flush=True,
    )
    return len(hit)


def _place(state: State, w: int, a: int) -> str:
    kind = ObjectClass(int(state.object_class[w, a])).name
    return (
        f"world {w} {0.1 * int(state.tick[w]):.1f} s: {kind} {a} of {state.length_m[w, a]:.1f} m at {state.x_m[w, a]:.1f}, "
        f"{state.y_m[w, a]:.1f}, {state.v_mps[w, a]:.1f} m/s, line {int(state.window[w, a, 0])}"
    )


def main() -> int:
    """Read arguments, run, tell."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument(
        "places", nargs="*", help="map files, or town; default: our town and CARLA's"
    )
    parser.add_argument("--worlds", type=int, default=24)
    parser.add_argument("--minutes", type=float, default=10.0)
    given = parser.parse_args()
    places = given.places or ["town", *map(str, sorted(CARLA_TOWNS.glob("*.xodr.gz")))]
    return int(sum([soak(place, given.worlds, given.minutes) for place in places]) > 0)


if __name__ == "__main__":
    sys.exit(main())
