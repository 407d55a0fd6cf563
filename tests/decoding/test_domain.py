"""Whether lips are of a model's domain: measures, the fit, and what it does to the confidence of words."""

import numpy as np
import pytest
import torch

from vsr.core.errors import VsrError
from vsr.decoding.confidence import calibrated, calibration_for
from vsr.decoding.domain import MEASURES, entropy_of, fit_domain, in_domain, measures
from vsr.inference.calibration import AssessedWindow
from vsr.inference.calibration_fit import fit_both, fitted, held_out_readings
from vsr.modelstore.folder import load_model

DICE = np.random.default_rng(0)


def rows(count, sure):
    return np.array([4.0, -0.1, 0.1, 1.0]) * sure + DICE.normal(size=(count, 4)) * 0.1


def readings(count, sure, right, source="a"):
    found = rows(count, sure)
    return [
        AssessedWindow(f"{source}{k % 3}", row, (0.9, 0.8, 0.95), (right, right, DICE.random() < 0.9 and right))
        for k, row in enumerate(found)
    ]


def test_a_fit_tells_two_kinds_of_readings_apart():
    inside, outside = rows(60, 1.0), rows(40, -0.3)
    fitted = fit_domain(inside, outside)
    assert min(in_domain(row, fitted) for row in inside) > 0.9 > 0.1 > max(in_domain(row, fitted) for row in outside)
    assert in_domain(inside[0], None) is None
    assert in_domain(inside[0] * 1e6, fitted) <= 1.0


def test_readings_that_do_not_differ_are_even():
    same = rows(50, 1.0)
    assert in_domain(same[0], fit_domain(same, same)) == pytest.approx(0.5, abs=0.02)


def test_measures_of_a_real_model_are_finite_and_see_ctcs_own_words(tiny_model):
    loaded = load_model(tiny_model)
    states = torch.randn(30, loaded.model.config.dim, generator=torch.Generator().manual_seed(1))
    own = torch.unique_consecutive(loaded.model.ctc_log_probs(states[None])[0].argmax(-1))
    tokens = [token for token in own.tolist() if token]
    found = measures(loaded.model, states, tokens, -3.0, [0.5, 0.9])
    assert found.shape == (len(MEASURES),) and np.isfinite(found).all()
    assert found[3] == 1.0 and measures(loaded.model, states, [], 0.0, [])[3] < 1.0


def test_doubt_about_the_reading_lowers_the_words_and_never_lifts_them():
    calibration = {"scale": 1.0, "offset": 0.5, "domain": 1.2}
    plain = calibrated(0.8, calibration)
    assert calibrated(0.8, calibration, 0.99) == plain == calibrated(0.8, calibration, 0.5)
    assert calibrated(0.8, calibration, 0.01) < 0.2 < plain
    assert calibrated(0.8, {"scale": 1.0, "offset": 0.5}, 0.01) == plain, "fitted before there were domains"
    assert calibrated(0.8, None, 0.01) == 0.8


def test_words_of_other_speech_are_not_believed_and_those_inside_stay_calibrated():
    domain, confidence, figures = fit_both(readings(60, 1.0, True), readings(40, -0.3, False))
    assert figures["flagged_inside"] == 0.0 and figures["flagged_outside"] == 1.0
    assert figures["believed_outside"] == 0.0 and figures["ece"] < 0.1
    assert confidence["domain"] > 0 and len(domain["weights"]) == len(MEASURES)


def people(name, count, entropy, right, seed):
    """Readings that are as sure of everybody, and right where the entropy is low."""
    dice = np.random.default_rng(seed)
    each = zip(rows(count, 1.0), dice.normal(entropy, 0.005, count), dice.random((count, 3)) < right, strict=True)
    return [
        AssessedWindow(f"{name}{k}", row, (0.9, 0.8, 0.95), tuple(map(bool, ok)), abs(own), name)
        for k, (row, own, ok) in enumerate(each)
    ]


def test_words_of_people_whom_the_reader_knows_are_believed_more():
    inside = [*people("a", 30, 0.07, 0.98, 1), *people("b", 30, 0.07, 0.98, 2), *people("c", 30, 0.2, 0.6, 3)]
    inside += people("d", 30, 0.2, 0.6, 4)
    _, confidence, figures = fit_both(inside, readings(40, -0.3, False))
    known, strange = (calibrated(0.9, calibration_for(confidence, entropy), 1.0) for entropy in (0.07, 0.2))
    assert known > 0.9 > 0.75 > strange > 0.4, "though both have the same raw confidence"
    assert set(figures["people"]) == set("abcd") and max(own["ece"] for own in figures["people"].values()) < 0.12
    assert calibrated(0.9, confidence) < known, "what is not settled takes nobody for known"


def told_by_lips(name, count, entropy, seed):
    """Readings of which the raw confidence says what is right."""
    dice = np.random.default_rng(seed)
    for k, row in enumerate(rows(count, 1.0)):
        ok = tuple(map(bool, dice.random(3) < 0.8))
        raw = tuple(0.9 if own else 0.1 for own in ok)
        yield AssessedWindow(f"{name}{k}", row, raw, ok, abs(dice.normal(entropy, 0.005)), name)


def test_a_raw_confidence_says_more_of_people_whom_the_reader_knows():
    inside = [*told_by_lips("a", 30, 0.07, 1), *people("b", 30, 0.2, 0.6, 2)]
    _, confidence, _ = fit_both(inside, readings(40, -0.3, False))
    known, strange = (
        [calibrated(raw, calibration_for(confidence, entropy), 1.0) for raw in (0.9, 0.1)] for entropy in (0.07, 0.2)
    )
    assert known[0] > 0.85 and known[1] < 0.2, "lips that are known deny a word"
    assert known[0] - known[1] > strange[0] - strange[1]


def test_a_person_is_told_by_a_fit_of_all_others():
    inside = [*people("a", 30, 0.07, 0.98, 1), *people("b", 30, 0.2, 0.6, 2)]
    outside = readings(40, -0.3, False)
    alone = [own for own in held_out_readings(inside, outside) if own.reading.person == "b"]
    domain, confidence = fitted([each for each in inside if each.person == "a"], outside)
    first = alone[0].reading
    own = calibration_for(confidence, first.entropy)
    chance = in_domain(first.measures, domain)
    assert len(alone) == 30 and alone[0].chance == chance
    assert alone[0].sure == tuple(calibrated(raw, own, chance) for raw in first.raw)


def test_a_reader_without_an_entropy_has_no_limit_to_fit():
    confidence = fit_both(readings(60, 1.0, True), readings(40, -0.3, False))[1]
    assert "familiar" not in confidence and calibration_for(confidence, 0.0) == confidence
    assert calibration_for(None, 0.1) is None


def test_the_entropy_of_frames_is_that_of_ctc(tiny_model):
    loaded = load_model(tiny_model)
    states = torch.randn(30, loaded.model.config.dim, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        said = torch.distributions.Categorical(logits=loaded.model.ctc_log_probs(states[None])[0].float())
    assert entropy_of(loaded.model, states) == pytest.approx(float(said.entropy().mean()), rel=1e-4)


def test_too_few_readings_are_no_evidence():
    with pytest.raises(VsrError, match="^3 readings inside; each side needs 10"):
        fit_both(readings(3, 1.0, True), readings(40, -0.3, False))
