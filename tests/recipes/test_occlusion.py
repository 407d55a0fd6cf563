"""The curve over covered lips: a larger share covers more, and the control has a still mouth."""

import runpy
from pathlib import Path

import numpy as np

from vsr.data.manifest import Clip

SCRIPT = runpy.run_path(str(Path(__file__).parents[2] / "egs" / "grid" / "vsr" / "local" / "occlusion.py"))


def test_larger_share_covers_what_a_smaller_one_does_and_the_control_is_still(tmp_path):
    crop = np.random.default_rng(0).integers(0, 256, (12, 96, 96)).astype(np.uint8)
    np.save(tmp_path / "a.npy", crop)
    clip = Clip("a", "a.mp4", "one two", num_frames=12, crop=str(tmp_path / "a.npy"), track="a.npz")
    hidden = {}
    for share in (0.0, 0.25, 0.75, 1.0):
        (covered,) = SCRIPT["write_corrupted"](
            [clip], SCRIPT["cover_settings"](share, ("hand",)), str(tmp_path / f"s{share}"), 0
        )
        hidden[share] = np.load(covered.crop) != crop
        assert covered.track == ""
    assert not hidden[0.0].any() and hidden[0.25].mean() < hidden[0.75].mean() < hidden[1.0].mean()
    assert (hidden[0.25] & ~hidden[0.75]).mean() < 0.01  # except for gray levels that happen to be the cover's
    (still,) = SCRIPT["write_corrupted"]([clip], SCRIPT["STILL"], str(tmp_path / "still"), 0)
    assert (np.load(still.crop) == crop[0]).all()


def test_row_has_rate_interval_and_counts():
    scores = [SCRIPT["score_utterance"](str(n), "a b c d", "a b c x") for n in range(5)]
    assert SCRIPT["row"]("half", scores) == "half: WER 25.0 % (25.0 to 25.0), 5 of 20 words"
