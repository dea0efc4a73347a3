"""Forecasts against the future."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_drives import Other, a_citation, a_scene, a_trace, stopping, straight

from whyway.evaluate.drive import read_drive
from whyway.evaluate.metrics.calibration import (
    LEAST_P,
    brier_score,
    calibrate,
    displacement,
    negative_log_likelihood,
)
from whyway.evaluate.score import score
from whyway.evaluate.traces.forecasts import prediction_calibration
from whyway.types import Intent, PredictedPath

EGO = straight(20.0, 8.0)
IDS = 1000


def test_brier_and_likelihood_by_hand():
    p = np.array([0.7, 0.2, 0.1])
    assert brier_score(p, 0) == pytest.approx(0.09 + 0.04 + 0.01)
    assert brier_score(p, 2) == pytest.approx(0.49 + 0.04 + 0.81)
    assert negative_log_likelihood(p, 1) == pytest.approx(-math.log(0.2))
    assert negative_log_likelihood(np.array([1.0, 0.0]), 1) == pytest.approx(-math.log(LEAST_P))


@given(st.lists(st.floats(0.01, 1.0), min_size=2, max_size=6), st.data())
def test_who_was_sure_and_right_cannot_do_better(weights, data):
    p = np.array(weights) / sum(weights)
    followed = data.draw(st.integers(0, len(p) - 1))
    sure = np.eye(len(p))[followed]
    assert brier_score(sure, followed) == 0.0 <= brier_score(p, followed) <= 2.0
    assert negative_log_likelihood(sure, followed) == 0.0 <= negative_log_likelihood(p, followed)


def test_displacement_counts_what_is_known():
    path = np.array([0.0, 1.0, 2.0])
    went = np.array([0.0, 4.0, np.nan])
    assert displacement(path, path * 0, went, went * 0) == pytest.approx(1.5)
    assert np.isnan(displacement(path, path, path * np.nan, path))


def test_one_future_alone_claims_no_probability_but_has_a_path():
    result = calibrate(np.array([0, 1, 1]), np.array([1.0, 0.6, 0.4]), np.array([2.0, 5.0, 1.0]))
    assert (result.forecasts, result.choices) == (2, 1)
    assert result.brier == pytest.approx(0.36 + 0.36)  # the second was followed
    assert result.ade_m == pytest.approx((2.0 + 5.0) / 2)
    assert result.min_ade_m == pytest.approx((2.0 + 1.0) / 2)


def test_what_never_came_to_be_known_is_not_judged():
    result = calibrate(np.array([0, 0]), np.array([0.5, 0.5]), np.array([np.nan, np.nan]))
    assert result.forecasts == 0
    assert result.brier is result.nll is result.ade_m is result.min_ade_m is None


def forecast(t, motion, intent, probability):
    """The path somebody would take who moves so, from a time on."""
    ts = 0.5 * np.arange(1, 11)
    x, y, yaw, v = (np.array(c) for c in zip(*(motion(t + u) for u in ts), strict=True))
    return PredictedPath(intent, probability, 0.5, x, y, yaw, v, 0.1 * ts)


def drive(made, really, guesses, cite=True, **more):
    """Someone ahead who moves as they `really` do, of whom perception believes the guesses."""
    lead = Other(really)

    def scene(t):
        s = a_scene(t, EGO, lead, ids_from=IDS)
        paths = tuple(forecast(t, motion, i, p) for motion, i, p in guesses)
        return dataclasses.replace(
            s, objects=(dataclasses.replace(s.objects[0], predictions=paths),)
        )

    def say(t):
        return a_trace(t, EGO, cited=(a_citation(lead, t, IDS),) if cite else ())

    return made.drive(EGO, lead, duration_s=6.0, scene=scene, say=say, **more)


KEEPS, BRAKES = straight(60.0, 8.0), stopping(60.0, 8.0, 2.0)
BOTH = ((KEEPS, Intent.KEEP, 0.75), (BRAKES, Intent.DECELERATE, 0.25))


@pytest.mark.parametrize(("really", "given_p"), [(KEEPS, 0.75), (BRAKES, 0.25)])
def test_the_future_says_which_hypothesis_was_followed(made, really, given_p):
    log = drive(made, really, BOTH)
    result = prediction_calibration(log, read_drive(log))
    assert (
        result.forecasts == result.choices == 41
    )  # 6 s, of which the last 2 s are not known long enough
    assert result.brier == pytest.approx(2 * (1.0 - given_p) ** 2)
    assert result.nll == pytest.approx(-math.log(given_p))
    assert result.min_ade_m == pytest.approx(0.0, abs=1e-9)
    assert (result.ade_m == pytest.approx(0.0, abs=1e-9)) == (really is KEEPS)


def test_who_is_not_cited_or_not_there_is_no_forecast_of_ours(made):
    log = drive(made, KEEPS, BOTH, cite=False)
    assert prediction_calibration(log, read_drive(log)).forecasts == 0
    ghost = made.drive(
        EGO, Other(straight(60.0, 8.0, y=20.0)), duration_s=6.0,
        scene=lambda t: a_scene(t, EGO, Other(KEEPS), ids_from=IDS),
        say=lambda t: a_trace(t, EGO, cited=(a_citation(Other(KEEPS), t, IDS),)),
    )  # fmt: skip
    assert prediction_calibration(ghost, read_drive(ghost)).forecasts == 0


def test_the_score_tells_of_it(made):
    metrics = score(drive(made, KEEPS, BOTH)).metrics()
    assert metrics["predictions"] == 41
    assert metrics["prediction_brier"] == pytest.approx(0.125)
    assert metrics["prediction_nll"] == pytest.approx(-math.log(0.75))
    assert metrics["prediction_min_ade_m"] == pytest.approx(0.0, abs=1e-9)
