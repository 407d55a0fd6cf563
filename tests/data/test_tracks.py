"""Mouth tracks in training: silence, recombined sentences, other speakers, the same in every run."""

from dataclasses import replace

import numpy as np
import pytest

from vsr.core.clock import FPS
from vsr.core.errors import VsrError
from vsr.core.tokens import BLANK
from vsr.data.manifest import Clip
from vsr.data.mouth_track import span_of
from vsr.data.track_augmentation import TrackAugmentation
from vsr.data.tracks import TrackDataset
from vsr.face.mouth_features import write_track
from vsr.models.parts import FEATURES
from vsr.text.tokenizer import CharTokenizer

TOKENIZER = CharTokenizer()
PLAIN = TrackAugmentation(0, 0, 0, 0, 0, 0, 0, 0, 0)


def sentence(folder, name, words, before=0, after=0, speaker="s1"):
    """A clip whose chin is low while it speaks; the lower lip's position is its word."""
    frames = before + 6 * len(words) + after
    rng = np.random.default_rng(len(name))
    points = rng.normal(0, 1, (1, 9, 2)).repeat(frames, 0)
    points[:, 0], points[:, 1] = (-15, 0), (15, 0)
    for index, word in enumerate(words):
        points[before + 6 * index : before + 6 * index + 6, 3, 1] = ord(word[0]) - 90
    write_track(folder / f"{name}.npz", points, np.full((frames, 8), 0.05))
    timed = tuple((word, (before + 6 * k) / FPS, (before + 6 * k + 6) / FPS) for k, word in enumerate(words))
    return Clip(name, "v", " ".join(words), speaker, frames, words=timed, track=str(folder / f"{name}.npz"))


@pytest.fixture()
def clips(tmp_path):
    return [
        sentence(tmp_path, "a", ["bin", "blue", "at"]),
        sentence(tmp_path, "bb", ["lay", "blue", "now"]),
        sentence(tmp_path, "ccc", ["set", "red"], before=7, after=9),
    ]


def test_silence_is_taken_from_clips_that_have_it(clips):
    data = TrackDataset(clips, TOKENIZER, replace(PLAIN, silence=1.0))
    assert [len(silences.before) for silences in (data.silences,)] == [1]
    lengths = {len(data.item(0, epoch).inputs["tracks"]) for epoch in range(30)}
    assert max(lengths) == 18 + 7 + 9 and min(lengths) >= 18 and len(lengths) > 3
    item = data.item(0, 1)
    features, tokens, targets = item.inputs["tracks"], item.targets["tokens"], item.targets["frame_tokens"]
    assert len(features) == len(targets) and TOKENIZER.decode(tokens.tolist()) == "bin blue at"
    assert int((targets != BLANK).sum()) == 18


def test_clips_with_silence_of_their_own_stay_whole(clips):
    item = TrackDataset(clips, TOKENIZER, replace(PLAIN, silence=1.0)).item(2)
    features, targets = item.inputs["tracks"], item.targets["frame_tokens"]
    assert features.shape == (7 + 12 + 9, FEATURES) and span_of(clips[2]) == (7, 19)
    assert (targets[:7] == BLANK).all() and (targets[19:] == BLANK).all()


def test_sentences_continue_where_the_same_word_is_said(clips):
    data = TrackDataset(clips, TOKENIZER, replace(PLAIN, recombine=1.0))
    texts = {TOKENIZER.decode(data.item(0, epoch).targets["tokens"].tolist()) for epoch in range(40)}
    assert texts == {"bin blue at", "bin blue now"}  # "bin" has one continuation, "blue" has two: "at" and "now"


def test_same_seed_gives_the_same_track(clips):
    first, second = (TrackDataset(clips, TOKENIZER, TrackAugmentation(), seed=4) for _ in range(2))
    track, same, other = (
        dataset.item(1, epoch).inputs["tracks"] for dataset, epoch in ((first, 3), (second, 3), (first, 4))
    )
    np.testing.assert_array_equal(track, same)
    assert track.shape != other.shape or (track != other).any()


def test_batches_are_padded(clips):
    batch = TrackDataset(clips, TOKENIZER, TrackAugmentation()).batch([0, 1, 2])
    longest = int(batch.lengths.max())
    assert batch.inputs["tracks"].shape == (3, longest, FEATURES) and batch.frame_tokens.shape == (3, longest)


def test_refuses_clips_without_a_track(clips, tmp_path):
    with pytest.raises(VsrError, match="no track"):
        TrackDataset([replace(clips[0], track="")], TOKENIZER)
    (tmp_path / "a.npz").write_bytes(b"nothing")
    with pytest.raises(VsrError, match="cannot read the track of a"):
        TrackDataset(clips, TOKENIZER)


@pytest.mark.parametrize("wrong", [{"recombine": 1.5}, {"noise": -0.1}])
def test_augmentation_is_checked(wrong):
    with pytest.raises(VsrError, match="track_augmentation"):
        TrackAugmentation(**wrong)
