"""Calibration of confidence: the fit, and its expected error."""

import numpy as np
import pytest

from vsr.decoding.confidence import calibrated, correct_words, expected_calibration_error, fit


def test_overconfident_words_are_lowered():
    rng = np.random.default_rng(0)
    truth = rng.uniform(0.3, 0.9, 4000)
    correct = (rng.random(4000) < truth).tolist()
    raw = 1 / (1 + np.exp(-3 * np.log(truth / (1 - truth)) - 1))
    calibration = fit(raw.tolist(), correct)
    assert calibration["scale"] == pytest.approx(1 / 3, abs=0.05)
    assert calibration["ece"] < 0.05 < expected_calibration_error(raw, correct)


def test_calibration_keeps_order_and_range():
    calibration = {"scale": 0.5, "offset": -1.0}
    values = [calibrated(p, calibration) for p in (0.0, 0.2, 0.7, 1.0)]
    assert values == sorted(values) and min(values) >= 0 and max(values) <= 1
    assert calibrated(0.4, None) == 0.4


def test_fit_of_only_right_words_stays_in_range():
    assert 0.9 < calibrated(0.99, fit([0.99] * 50, [True] * 50)) <= 1
    assert fit([], [])["words"] == 0


def test_calibration_error_of_one_bin():
    assert expected_calibration_error([0.75] * 4, [True, True, False, False]) == pytest.approx(0.25)


def test_correct_words_are_those_in_their_place():
    assert correct_words(["a", "b", "c", "d"], ["a", "x", "c"]) == [True, False, True]
