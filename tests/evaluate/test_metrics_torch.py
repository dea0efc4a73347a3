"""One body for a log and for ten thousand simulated cars: torch tensors get what arrays get."""

import numpy as np
import pytest

from whyway.evaluate.metrics import criticality, displacement, navsim_comfort, navsim_v2, nuplan

torch = pytest.importorskip("torch")

B, N, A, K = 3, 41, 4, 5
RNG = np.random.default_rng(0)
X, Y, YAW, V = RNG.normal(size=(4, B, N)) * np.array([20, 1, 0.3, 4])[:, None, None]
AX, AY, AYAW, AV = RNG.normal(size=(4, B, N, A)) * np.array([25, 3, 2, 4])[:, None, None, None]
AL, AW = np.full(AX.shape, 4.5), np.full(AX.shape, 1.8)
EGO = tuple(a[..., None] for a in (X, Y, YAW, V * np.cos(YAW), V * np.sin(YAW)))
SIZE = np.array(4.5), np.array(1.8)
GAP, FAULT = np.abs(AX), AX[:, 0] > 0
FORECAST, TRUTH = RNG.normal(size=(B, K, 30, 2)), RNG.normal(size=(B, 30, 2))

CASES = [
    (criticality.contact_interval, (*EGO, *SIZE, AX, AY, AYAW, AV, AV, AL, AW), ()),
    (criticality.time_to_collision, (AX, AX + 1.0), ()),
    (criticality.time_integrated, (X,), (0.1,)),
    (criticality.following, (X, Y, YAW, 0.01 * V, np.array(4.5), *SIZE, AX, AY, AYAW, AV, AL, AW), ()),
    (criticality.time_headway, (GAP, V), ()),
    (criticality.deceleration_to_avoid_crash, (GAP, V, AV), ()),
    (criticality.required_acceleration, (GAP, V, np.abs(AV), AY), ()),
    (criticality.post_encroachment_time, (X, Y, YAW, *SIZE, AX, AY, AYAW, AL, AW), (0.1, 1.0)),
    (nuplan.no_at_fault_collisions, (FAULT, FAULT, ~FAULT), ()),
    (nuplan.driving_direction_compliance, (V,), (0.1,)),
    (nuplan.progress_along_expert_route, (X, Y), ()),
    (nuplan.is_making_progress, (Y,), ()),
    (nuplan.sampled_ttc, (AX, AX + 1.0), ()),
    (nuplan.time_to_collision_within_bound, (X,), ()),
    (nuplan.speed_limit_compliance, (V, Y), (0.1,)),
    (navsim_v2.lane_keeping, (np.abs(Y), Y > 1.0), (0.1,)),
    (navsim_v2.human_filter, (Y, np.round(Y)), ()),
    (navsim_v2.epdms, (V,) * 9, ()),
    (navsim_v2.second_stage_weights, (TRUTH[:, 0], TRUTH), ()),
    (navsim_v2.two_stage_score, (X[:, 0], X, V), ()),
    (navsim_comfort.comfort, (V, Y, YAW), (0.1,)),
    (navsim_comfort.at_center, (V, Y, YAW, X, np.array(1.3)), ()),
    (displacement.average_displacement, (FORECAST, TRUTH), ()),
    (displacement.min_fde, (FORECAST, TRUTH), ()),
    (displacement.argoverse_miss, (FORECAST, TRUTH), ()),
    (displacement.waymo_miss, (FORECAST, TRUTH, YAW[:, 0], V[:, 0]), (3.0,)),
]  # fmt: skip


def plain(value):
    """Arrays of whatever was returned."""
    if isinstance(value, dict):
        return [np.asarray(v) for v in value.values()]
    return [np.asarray(v) for v in (value if isinstance(value, tuple) else (value,)) if not isinstance(v, dict)]  # fmt: skip


@pytest.mark.filterwarnings("ignore:The given NumPy array is not writable")
@pytest.mark.parametrize(("score", "arrays", "rest"), CASES, ids=[c[0].__name__ for c in CASES])
def test_tensors_are_judged_as_arrays(score, arrays, rest):
    ours = plain(score(*arrays, *rest))
    theirs = plain(score(*(torch.asarray(a) for a in arrays), *rest))
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)


def test_extended_comfort_of_tensors_is_that_of_arrays():
    now, before = (V, Y, YAW), (Y, V, YAW)
    ours, rms = navsim_v2.extended_comfort(now, before, 0.1)
    theirs, other = navsim_v2.extended_comfort(
        tuple(map(torch.asarray, now)), tuple(map(torch.asarray, before)), 0.1
    )
    np.testing.assert_allclose(ours, np.asarray(theirs))
    for name, value in rms.items():
        np.testing.assert_allclose(value, np.asarray(other[name]))
