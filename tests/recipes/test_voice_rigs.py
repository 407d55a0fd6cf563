"""What the programs measure that say how well a voice hides, or takes, who somebody is."""

import runpy
from pathlib import Path

import numpy as np
import pytest

EGS = Path(__file__).parents[2] / "egs"
HIDING = runpy.run_path(str(EGS / "grid/lip2speech/local/anonymous_rows.py"))
FACES = runpy.run_path(str(EGS / "puppet/lip2speech/local/face_rows.py"))
MARKS = runpy.run_path(str(EGS / "grid/lip2speech/local/watermark_rows.py"))


def people(spread, count=6, clips=4):
    """Unit vectors (count * clips, 256) of people, and who each is of; ``spread``: of a person's clips."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(count, 256))
    found = np.repeat(centres, clips, axis=0) + spread * rng.normal(size=(count * clips, 256))
    names = [f"p{place // clips}" for place in range(count * clips)]
    return found / np.linalg.norm(found, axis=1, keepdims=True), names


@pytest.mark.parametrize("spread, least, most", [(0.1, 0.0, 0.0), (300.0, 0.3, 0.7)])
def test_the_equal_error_rate_is_0_of_clear_voices_and_half_of_noise(spread, least, most):
    vectors, names = people(spread)
    cosines, right, known = HIDING["scores"](vectors, vectors, names)
    assert cosines.shape == right.shape == (24, 6) and right.sum() == 24 and known == sorted(set(names))
    assert least <= HIDING["equal_error"](cosines, right) <= most


def test_a_clip_is_not_compared_with_itself():
    vectors, names = people(0.1, clips=2)
    swapped = vectors.copy()
    swapped[0] = -vectors[0]  # the enrolment of the clip itself
    first = HIDING["scores"](vectors, vectors, names)[0]
    second = HIDING["scores"](vectors, swapped, names)[0]
    assert np.allclose(first[0], second[0]) and not np.allclose(first[1], second[1])


def test_a_right_vector_is_first_and_a_mean_one_is_not_better_than_the_mean():
    vectors, names = people(0.1)
    true = {name: vectors[[n for n, own in enumerate(names) if own == name]] for name in sorted(set(names))}
    mean = FACES["unit"](vectors.mean(0))
    right = FACES["figures"](true, true, mean)
    assert right["first"] == [6, 6] and right["r"] == pytest.approx(1) and right["own"][0] > 0.99
    plain = FACES["figures"]({name: np.tile(mean, (4, 1)) for name in true}, true, mean)
    assert plain["better than mean"][0] == pytest.approx(0, abs=1e-6) and plain["first"][0] == 1
    wrong = dict(zip(true, [*list(true.values())[1:], list(true.values())[0]], strict=True))
    assert FACES["figures"](wrong, true, mean)["first"][0] == 0


def test_every_change_of_a_marked_sound_keeps_it_a_sound():
    wave = 0.1 * np.random.default_rng(0).normal(size=40_000).astype(np.float32)
    for name, change in MARKS["CHANGES"].items():
        changed = change(wave)
        assert changed.ndim == 1 and len(changed) > 20_000 and np.isfinite(changed).all(), name
