"""Dynamic time warping against the recursion written plainly, and what examples must and must not change."""

import numpy as np
import pytest

from vsr.core.errors import VsrError
from vsr.decoding.templates import Templates, normalised, warped, with_motion


def plainly(a, b):
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
def some():
    rng = np.random.default_rng(0)
    return [rng.normal(size=(length, 5)) for length in (9, 1, 14, 6, 20)]


def test_the_distance_is_that_of_the_best_path_alone_and_beside_others(some):
    for seen in some:
        together = warped(seen, some)
        assert together == pytest.approx([plainly(seen, other) for other in some], abs=1e-6)
        assert together == pytest.approx([warped(seen, [other])[0] for other in some], abs=1e-6)


def test_tempo_costs_nothing_and_order_does(some):
    seen = some[2]
    assert warped(np.repeat(seen, 2, axis=0), [seen])[0] == pytest.approx(0, abs=1e-6)
    assert warped(seen, [seen[::-1]])[0] > 1


def test_distance_is_the_same_both_ways(some):
    assert warped(some[0], [some[4]])[0] == pytest.approx(warped(some[4], [some[0]])[0])


def test_an_example_is_its_phrase_and_scales_do_not_matter(some):
    other = [own[:, :3] + 1 for own in some]
    phrases = {str(n): [{"a": some[n], "b": other[n]}] for n in (0, 2, 3)}
    ranked = Templates(phrases).ranked({"a": some[3], "b": other[3]})
    assert ranked[0].phrase == "3" and ranked[0].fit == pytest.approx(1) and len(ranked) == 3
    larger = {key: [{"a": 9 * own[0]["a"], "b": own[0]["b"]}] for key, own in phrases.items()}
    again = Templates(larger).ranked({"a": 9 * some[4], "b": other[4]})
    first = Templates(phrases).ranked({"a": some[4], "b": other[4]})
    assert [match.distance for match in again] == pytest.approx([match.distance for match in first])
    assert all(0 <= match.fit <= 1 for match in first)


def test_streams_that_one_has_not_are_left_out(some):
    templates = Templates({"x": [{"a": some[0], "b": some[1]}], "y": [{"a": some[2]}]})
    assert set(templates.scales) == {"a"}
    assert templates.ranked({"a": some[0], "b": some[1]})[0].phrase == "x"


def test_one_phrase_is_no_choice(some):
    with pytest.raises(VsrError, match="at least two"):
        Templates({"x": [{"a": some[0]}, {"a": some[1]}]})


def test_streams_do_not_change_with_place_and_size(some):
    assert normalised(3 * some[0] + 2) == pytest.approx(normalised(some[0]))
    assert np.linalg.norm(normalised(some[0]), axis=1) == pytest.approx(np.ones(9))
    assert with_motion(some[0] + 5) == pytest.approx(with_motion(some[0])) and with_motion(some[0]).shape == (9, 10)


def test_the_threshold_lets_through_as_many_strangers_as_it_says():
    """Examples whose phrase is not enrolled, which are what it is made of, are accepted as often as asked."""
    rng = np.random.default_rng(1)
    centres = rng.normal(size=(8, 6, 4))
    phrases = {
        str(n): [{"a": own + 0.3 * rng.normal(size=own.shape)} for _ in range(2)] for n, own in enumerate(centres)
    }
    templates = Templates(phrases)
    fits = []
    for phrase, examples in phrases.items():
        rest = Templates({other: own for other, own in phrases.items() if other != phrase})
        rest.scales = templates.scales
        fits += [rest.ranked(example)[0].fit for example in examples]
    for share in (0.1, 0.25, 0.5):
        assert np.mean(np.array(fits) > templates.threshold(share)) == pytest.approx(share, abs=1 / 16)
    own = [templates.ranked({"a": centre})[0] for centre in centres]
    assert [match.phrase for match in own] == list(phrases) and min(m.fit for m in own) > templates.threshold(0.1)
    two = Templates({phrase: phrases[phrase] for phrase in "01"})
    assert two.threshold(0.25, 0.4) == 0.4
