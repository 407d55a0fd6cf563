"""Words cut from sentences, and the rig that compares encoders on them."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from vsr.data.manifest import Clip

LOCAL = Path(__file__).parents[2] / "egs" / "grid" / "vsr" / "local"
CUT = runpy.run_path(str(LOCAL / "cut_words.py"))
RIG = runpy.run_path(str(LOCAL / "back_ends.py"))


@pytest.mark.parametrize("start, end, margin, span", [
    (0.4, 0.6, 0, (10, 15)), (0.4, 0.6, 4, (6, 19)), (0.0, 0.08, 4, (0, 6)), (0.7, 0.8, 4, (14, 20)),
    (0.4, 0.4, 0, (10, 11)), (0.9, 1.0, 0, (19, 20)),
])  # fmt: skip
def test_word_has_its_frames_and_a_margin_within_the_clip(start, end, margin, span):
    frames = CUT["word_span"](start, end, 20, margin)
    assert (frames.start, frames.stop) == span


def test_words_are_clips_with_their_part_of_the_crop(tmp_path):
    crop = np.arange(20, dtype=np.uint8)[:, None, None] * np.ones((1, 96, 96), np.uint8)
    np.save(tmp_path / "a.npy", crop)
    words = (("bin", 0.2, 0.4), ("blue", 0.4, 0.6))
    clip = Clip("a", "a.mp4", "bin blue", num_frames=20, crop=str(tmp_path / "a.npy"), words=words)
    first, second = CUT["words_of"](clip, 2, tmp_path)
    assert (first.text, second.text) == ("bin", "blue") and first.id == "a_0" and second.num_frames == 9
    assert np.load(second.crop)[:, 0, 0].tolist() == list(range(8, 17))
    assert second.words[0] == ("blue", pytest.approx(2 / 25), pytest.approx(7 / 25)) and second.start == 8 / 25


def test_words_of_a_sentence_are_resampled_together():
    sentences = RIG["by_sentence"]({"a_0": True, "a_1": False, "b_0": True})
    assert [(sentence.id, sentence.errors, sentence.words) for sentence in sentences] == [("a", 1, 2), ("b", 0, 1)]
