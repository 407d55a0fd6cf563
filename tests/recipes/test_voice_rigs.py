"""Programs that measure how well a voice hides, or reproduces, an identity."""

import runpy
from pathlib import Path

import numpy as np
import pytest

EGS = Path(__file__).parents[2] / "egs"
HIDING = runpy.run_path(str(EGS / "grid/lip2speech/local/anonymous_rows.py"))
FACES = runpy.run_path(str(EGS / "puppet/lip2speech/local/face_rows.py"))
MARKS = runpy.run_path(str(EGS / "grid/lip2speech/local/watermark_rows.py"))


def people(spread, count=6, clips=4):
    """Unit vectors (count * clips, 256) of people, and their names; ``spread`` is within a person."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(count, 256))
    vectors = np.repeat(centres, clips, axis=0) + spread * rng.normal(size=(count * clips, 256))
    names = [f"p{index // clips}" for index in range(count * clips)]
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True), names


@pytest.mark.parametrize("spread, least, most", [(0.1, 0.0, 0.0), (300.0, 0.3, 0.7)])
def test_equal_error_rate_is_0_of_distinct_voices_and_half_of_noise(spread, least, most):
    vectors, names = people(spread)
    cosines, right, known = HIDING["scores"](vectors, vectors, names)
    assert cosines.shape == right.shape == (24, 6) and right.sum() == 24 and known == sorted(set(names))
    assert least <= HIDING["equal_error"](cosines, right) <= most


def test_clip_is_not_compared_with_itself():
    vectors, names = people(0.1, clips=2)
    swapped = vectors.copy()
    swapped[0] = -vectors[0]  # the enrolment of the clip itself
    first = HIDING["scores"](vectors, vectors, names)[0]
    second = HIDING["scores"](vectors, swapped, names)[0]
    assert np.allclose(first[0], second[0]) and not np.allclose(first[1], second[1])


def test_right_vectors_rank_first_and_the_mean_is_no_better_than_itself():
    vectors, names = people(0.1)
    true = {name: vectors[[n for n, owner in enumerate(names) if owner == name]] for name in sorted(set(names))}
    mean = FACES["unit"](vectors.mean(0))
    right = FACES["figures"](true, true, mean)
    assert right["first"] == [6, 6] and right["r"] == pytest.approx(1) and right["own"][0] > 0.99
    of_mean = FACES["figures"]({name: np.tile(mean, (4, 1)) for name in true}, true, mean)
    assert of_mean["better than mean"][0] == pytest.approx(0, abs=1e-6) and of_mean["first"][0] == 1
    wrong = dict(zip(true, [*list(true.values())[1:], list(true.values())[0]], strict=True))
    assert FACES["figures"](wrong, true, mean)["first"][0] == 0


def test_changes_of_a_marked_sound_leave_a_sound():
    wave = 0.1 * np.random.default_rng(0).normal(size=40_000).astype(np.float32)
    for name, change in MARKS["CHANGES"].items():
        changed = change(wave)
        assert changed.ndim == 1 and len(changed) > 20_000 and np.isfinite(changed).all(), name
