"""Whether lips are in a model's domain: measures, the fit, and its effect on the confidence of words."""

import numpy as np
import pytest
import torch

from vsr.core.errors import VsrError
from vsr.decoding.confidence import calibrated, calibration_for
from vsr.decoding.domain import MEASURES, entropy_of, fit_domain, in_domain, measures
from vsr.inference.calibration import AssessedWindow
from vsr.inference.calibration_fit import fit_both, fitted, held_out_readings
from vsr.modelstore.folder import load_model

RNG = np.random.default_rng(0)


def rows(count, sure):
    return np.array([4.0, -0.1, 0.1, 1.0]) * sure + RNG.normal(size=(count, 4)) * 0.1


def readings(count, sure, right, source="a"):
    measured = rows(count, sure)
    return [
        AssessedWindow(f"{source}{k % 3}", row, (0.9, 0.8, 0.95), (right, right, RNG.random() < 0.9 and right))
        for k, row in enumerate(measured)
    ]


def test_fit_tells_readings_inside_from_outside():
    inside, outside = rows(60, 1.0), rows(40, -0.3)
    fitted = fit_domain(inside, outside)
    assert min(in_domain(row, fitted) for row in inside) > 0.9 > 0.1 > max(in_domain(row, fitted) for row in outside)
    assert in_domain(inside[0], None) is None
    assert in_domain(inside[0] * 1e6, fitted) <= 1.0


def test_fit_of_equal_readings_is_undecided():
    same = rows(50, 1.0)
    assert in_domain(same[0], fit_domain(same, same)) == pytest.approx(0.5, abs=0.02)


def test_measures_of_a_real_model_are_finite_and_include_agreement_with_ctc(tiny_model):
    loaded = load_model(tiny_model)
    states = torch.randn(30, loaded.model.config.dim, generator=torch.Generator().manual_seed(1))
    greedy = torch.unique_consecutive(loaded.model.ctc_log_probs(states[None])[0].argmax(-1))
    tokens = [token for token in greedy.tolist() if token]
    values = measures(loaded.model, states, tokens, -3.0, [0.5, 0.9])
    assert values.shape == (len(MEASURES),) and np.isfinite(values).all()
    assert values[3] == 1.0 and measures(loaded.model, states, [], 0.0, [])[3] < 1.0


def test_reading_outside_the_domain_lowers_confidence_and_never_raises_it():
    calibration = {"scale": 1.0, "offset": 0.5, "domain": 1.2}
    inside = calibrated(0.8, calibration)
    assert calibrated(0.8, calibration, 0.99) == inside == calibrated(0.8, calibration, 0.5)
    assert calibrated(0.8, calibration, 0.01) < 0.2 < inside
    assert calibrated(0.8, {"scale": 1.0, "offset": 0.5}, 0.01) == inside, "fitted before there were domains"
    assert calibrated(0.8, None, 0.01) == 0.8


def test_words_outside_are_not_believed_and_those_inside_are_calibrated():
    domain, confidence, figures = fit_both(readings(60, 1.0, True), readings(40, -0.3, False))
    assert figures["flagged_inside"] == 0.0 and figures["flagged_outside"] == 1.0
    assert figures["believed_outside"] == 0.0 and figures["ece"] < 0.1
    assert confidence["domain"] > 0 and len(domain["weights"]) == len(MEASURES)


def people(name, count, entropy, right, seed):
    """Readings of one person, with the given share of right words; the confidence does not depend on it."""
    rng = np.random.default_rng(seed)
    drawn = zip(rows(count, 1.0), rng.normal(entropy, 0.005, count), rng.random((count, 3)) < right, strict=True)
    return [
        AssessedWindow(f"{name}{k}", row, (0.9, 0.8, 0.95), tuple(map(bool, right_words)), abs(entropy_of_clip), name)
        for k, (row, entropy_of_clip, right_words) in enumerate(drawn)
    ]


def test_words_of_people_known_to_the_model_are_believed_more():
    inside = [*people("a", 30, 0.07, 0.98, 1), *people("b", 30, 0.07, 0.98, 2), *people("c", 30, 0.2, 0.6, 3)]
    inside += people("d", 30, 0.2, 0.6, 4)
    _, confidence, figures = fit_both(inside, readings(40, -0.3, False))
    known, unknown = (calibrated(0.9, calibration_for(confidence, entropy), 1.0) for entropy in (0.07, 0.2))
    assert known > 0.9 > 0.75 > unknown > 0.4, "though both have the same raw confidence"
    assert set(figures["people"]) == set("abcd") and max(person["ece"] for person in figures["people"].values()) < 0.12
    assert calibrated(0.9, confidence) < known, "what is not settled takes nobody for known"


def told_by_lips(name, count, entropy, seed):
    """Readings of one person whose raw confidence shows which words are right."""
    rng = np.random.default_rng(seed)
    for k, row in enumerate(rows(count, 1.0)):
        right_words = tuple(map(bool, rng.random(3) < 0.8))
        raw = tuple(0.9 if right else 0.1 for right in right_words)
        yield AssessedWindow(f"{name}{k}", row, raw, right_words, abs(rng.normal(entropy, 0.005)), name)


def test_raw_confidence_counts_more_for_people_known_to_the_model():
    inside = [*told_by_lips("a", 30, 0.07, 1), *people("b", 30, 0.2, 0.6, 2)]
    _, confidence, _ = fit_both(inside, readings(40, -0.3, False))
    known, unknown = (
        [calibrated(raw, calibration_for(confidence, entropy), 1.0) for raw in (0.9, 0.1)] for entropy in (0.07, 0.2)
    )
    assert known[0] > 0.85 and known[1] < 0.2, "lips that are known deny a word"
    assert known[0] - known[1] > unknown[0] - unknown[1]


def test_each_person_is_assessed_by_a_fit_of_the_others():
    inside = [*people("a", 30, 0.07, 0.98, 1), *people("b", 30, 0.2, 0.6, 2)]
    outside = readings(40, -0.3, False)
    alone = [assessed for assessed in held_out_readings(inside, outside) if assessed.reading.person == "b"]
    domain, confidence = fitted([reading for reading in inside if reading.person == "a"], outside)
    first = alone[0].reading
    assessed = calibration_for(confidence, first.entropy)
    chance = in_domain(first.measures, domain)
    assert len(alone) == 30 and alone[0].chance == chance
    assert alone[0].sure == tuple(calibrated(raw, assessed, chance) for raw in first.raw)


def test_model_without_entropies_has_no_such_limit():
    confidence = fit_both(readings(60, 1.0, True), readings(40, -0.3, False))[1]
    assert "familiar" not in confidence and calibration_for(confidence, 0.0) == confidence
    assert calibration_for(None, 0.1) is None


def test_entropy_of_frames_is_that_of_ctc(tiny_model):
    loaded = load_model(tiny_model)
    states = torch.randn(30, loaded.model.config.dim, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        distribution = torch.distributions.Categorical(logits=loaded.model.ctc_log_probs(states[None])[0].float())
    assert entropy_of(loaded.model, states) == pytest.approx(float(distribution.entropy().mean()), rel=1e-4)


def test_refuses_fit_of_too_few_readings():
    with pytest.raises(VsrError, match="^3 readings inside; each side needs 10"):
        fit_both(readings(3, 1.0, True), readings(40, -0.3, False))
