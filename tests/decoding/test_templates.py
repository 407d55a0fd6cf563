"""Dynamic time warping agrees with the plain recursion, and what examples must and must not change."""

import numpy as np
import pytest

from vsr.core.errors import VsrError
from vsr.decoding.templates import Templates, normalised, warped, with_motion


def plain_distance(a, b):
    """Least weighted sum over paths (0, 0) to the end, by definition."""
    cost = np.linalg.norm(a[:, None] - b[None], axis=-1)
    best = np.full((len(a) + 1, len(b) + 1), np.inf)
    best[0, 0] = 0
    for t in range(len(a)):
        for u in range(len(b)):
            ways = (best[t, u] + 2 * cost[t, u], best[t, u + 1] + cost[t, u], best[t + 1, u] + cost[t, u])
            best[t + 1, u + 1] = min(ways)
    return best[-1, -1] / (len(a) + len(b))


@pytest.fixture
def sequences():
    rng = np.random.default_rng(0)
    return [rng.normal(size=(length, 5)) for length in (9, 1, 14, 6, 20)]


def test_distance_is_that_of_the_best_path_alone_and_beside_others(sequences):
    for query in sequences:
        together = warped(query, sequences)
        assert together == pytest.approx([plain_distance(query, other) for other in sequences], abs=1e-6)
        assert together == pytest.approx([warped(query, [other])[0] for other in sequences], abs=1e-6)


def test_tempo_costs_nothing_and_order_does(sequences):
    query = sequences[2]
    assert warped(np.repeat(query, 2, axis=0), [query])[0] == pytest.approx(0, abs=1e-6)
    assert warped(query, [query[::-1]])[0] > 1


def test_distance_is_symmetric(sequences):
    assert warped(sequences[0], [sequences[4]])[0] == pytest.approx(warped(sequences[4], [sequences[0]])[0])


def test_example_matches_its_phrase_and_scale_does_not_matter(sequences):
    other = [sequence[:, :3] + 1 for sequence in sequences]
    phrases = {str(n): [{"a": sequences[n], "b": other[n]}] for n in (0, 2, 3)}
    ranked = Templates(phrases).ranked({"a": sequences[3], "b": other[3]})
    assert ranked[0].phrase == "3" and ranked[0].fit == pytest.approx(1) and len(ranked) == 3
    larger = {key: [{"a": 9 * examples[0]["a"], "b": examples[0]["b"]}] for key, examples in phrases.items()}
    again = Templates(larger).ranked({"a": 9 * sequences[4], "b": other[4]})
    first = Templates(phrases).ranked({"a": sequences[4], "b": other[4]})
    assert [match.distance for match in again] == pytest.approx([match.distance for match in first])
    assert all(0 <= match.fit <= 1 for match in first)


def test_streams_missing_in_some_examples_are_left_out(sequences):
    templates = Templates({"x": [{"a": sequences[0], "b": sequences[1]}], "y": [{"a": sequences[2]}]})
    assert set(templates.scales) == {"a"}
    assert templates.ranked({"a": sequences[0], "b": sequences[1]})[0].phrase == "x"


def test_refuses_a_single_phrase(sequences):
    with pytest.raises(VsrError, match="at least two"):
        Templates({"x": [{"a": sequences[0]}, {"a": sequences[1]}]})


def test_streams_do_not_depend_on_position_and_size(sequences):
    assert normalised(3 * sequences[0] + 2) == pytest.approx(normalised(sequences[0]))
    assert np.linalg.norm(normalised(sequences[0]), axis=1) == pytest.approx(np.ones(9))
    assert with_motion(sequences[0] + 5) == pytest.approx(with_motion(sequences[0])) and with_motion(
        sequences[0]
    ).shape == (9, 10)


def test_threshold_accepts_the_given_share_of_foreign_phrases():
    """Examples whose phrase is not enrolled, which set the threshold, are accepted as often as asked."""
    rng = np.random.default_rng(1)
    centres = rng.normal(size=(8, 6, 4))
    phrases = {
        str(n): [{"a": centre + 0.3 * rng.normal(size=centre.shape)} for _ in range(2)]
        for n, centre in enumerate(centres)
    }
    templates = Templates(phrases)
    fits = []
    for phrase, examples in phrases.items():
        rest = Templates({other: examples for other, examples in phrases.items() if other != phrase})
        rest.scales = templates.scales
        fits += [rest.ranked(example)[0].fit for example in examples]
    for share in (0.1, 0.25, 0.5):
        assert np.mean(np.array(fits) > templates.threshold(share)) == pytest.approx(share, abs=1 / 16)
    matches = [templates.ranked({"a": centre})[0] for centre in centres]
    assert [match.phrase for match in matches] == list(phrases) and min(m.fit for m in matches) > templates.threshold(
        0.1
    )
    small = Templates({phrase: phrases[phrase] for phrase in "01"})
    assert small.threshold(0.25, 0.4) == 0.4
