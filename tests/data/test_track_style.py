"""A mouth track in another speaker's style, and dropped groups of its features."""

from __future__ import annotations

import numpy as np
import pytest

from vsr.core.errors import VsrError
from vsr.data.manifest import Clip
from vsr.data.track_augmentation import GROUPS, TrackAugmentation, without_group
from vsr.data.track_style import GREATEST, Style, restyled, styles_of
from vsr.data.tracks import TrackDataset
from vsr.face.mouth_features import FEATURES, write_track
from vsr.text.tokenizer import WordTokenizer

STILL = {"recombine": 0.0, "silence": 0.0, "flip": 0.0, "tempo": 0.0, "sway": 0.0, "amplitude": 0.0, "shape": 0.0}
STILL |= {"noise": 0.0, "mask_frames": 0}


def track(seed: int, moves: float = 1.0, frames: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Points and measures of a mouth 40 pixels wide; ``moves`` scales its movement."""
    rng = np.random.default_rng(seed)
    places = np.linspace([-20, 60], [20, 64], 9)[[0, 8, 1, 2, 3, 4, 5, 6, 7]]
    points = places + moves * rng.normal(0, 2, (frames, 9, 2))
    return points.astype(np.float32), (0.5 + 0.05 * moves * rng.normal(0, 1, (frames, 8))).astype(np.float32)


def test_share_of_0_changes_nothing():
    points, measures = track(0)
    styled = restyled(points, measures, Style.of(*track(0)), Style.of(*track(1, 1.5)), 0.0)
    np.testing.assert_allclose(styled[0], points, atol=1e-4)
    np.testing.assert_allclose(styled[1], measures, atol=1e-6)


def test_share_of_1_moves_like_the_other_and_keeps_its_position():
    points, measures = track(0)
    other = Style.of(*track(1, 1.2))
    styled = restyled(points, measures, Style.of(points, measures), other, 1.0)
    np.testing.assert_allclose(styled[0].mean(0), points.mean(0), atol=1e-3)
    np.testing.assert_allclose(Style.of(*styled).points, other.points, atol=1e-3)
    np.testing.assert_allclose(Style.of(*styled).measures, other.measures, atol=1e-3)
    np.testing.assert_allclose(styled[1].mean(0), other.rest, atol=1e-4)


def test_movement_is_scaled_at_most_by_the_limit():
    points, measures = track(0)
    for moves, limit in ((20.0, GREATEST), (0.01, 1 / GREATEST)):
        styled, _ = restyled(points, measures, Style.of(points, measures), Style.of(*track(1, moves)), 1.0)
        np.testing.assert_allclose(styled.std(0), limit * points.std(0), rtol=1e-3)


def test_style_of_a_speaker_is_the_mean_over_clips():
    first, second, other = Style.of(*track(0)), Style.of(*track(1, 2.0)), Style.of(*track(2))
    styles = styles_of([("a", *track(0)), ("b", *track(2)), ("a", *track(1, 2.0))])
    assert set(styles) == {"a", "b"}
    np.testing.assert_allclose(styles["a"].points, (first.points + second.points) / 2)
    np.testing.assert_allclose(styles["b"].rest, other.rest)


@pytest.mark.parametrize("seed", range(5))
def test_at_most_one_whole_group_is_dropped(seed):
    ones = np.ones((7, FEATURES), np.float32)
    assert (without_group(ones.copy(), 0.0, np.random.default_rng(seed)) == 1).all()
    dropped = without_group(ones.copy(), 1.0, np.random.default_rng(seed))
    assert [bool((dropped[:, group] == 0).all()) for group in GROUPS].count(True) == 1
    assert [bool((dropped[:, group] == 1).all()) for group in GROUPS].count(True) == len(GROUPS) - 1


def test_groups_contain_every_feature_once():
    assert sorted(i for group in GROUPS for i in range(FEATURES)[group]) == list(range(FEATURES))


@pytest.mark.parametrize("setting", ["style", "drop"])
def test_probabilities_are_checked(setting):
    with pytest.raises(VsrError, match="track_augmentation"):
        TrackAugmentation(**{setting: 1.5})


def dataset(folder, **settings) -> TrackDataset:
    clips = []
    for number, speaker in enumerate("ab"):
        write_track(folder / f"{speaker}.npz", *track(number, 1 + number))
        words = (("bin", 0.0, 0.8), ("blue", 0.8, 1.6))
        clips.append(Clip(id=speaker, video="", text="bin blue", speaker=speaker, num_frames=40, words=words,
                          track=str(folder / f"{speaker}.npz")))  # fmt: skip
    return TrackDataset(clips, WordTokenizer(("bin", "blue")), TrackAugmentation(**STILL | settings), seed=3)


def test_dataset_takes_styles_of_others_reproducibly(tmp_path):
    plain, styled = dataset(tmp_path), dataset(tmp_path, style=1.0)
    tracks = [
        [data.item(0, epoch).inputs["tracks"].numpy() for epoch in range(6)]
        for data in (plain, styled, dataset(tmp_path, style=1.0))
    ]
    np.testing.assert_array_equal(tracks[1], tracks[2])
    moved = [np.abs(a - b).max() > 1e-3 for a, b in zip(tracks[0], tracks[1], strict=True)]
    assert any(moved) and not all(np.abs(tracks[1][0] - track).max() < 1e-6 for track in tracks[1])
