"""Degraded copies of a video keep its duration and have the size and rate of their condition."""

import runpy
from pathlib import Path

import pytest

from vsr.data.manifest import Clip
from vsr.media.reader import probe, read_frames

ROOT = Path(__file__).parents[2]
SCRIPT = runpy.run_path(str(ROOT / "egs" / "grid" / "vsr" / "local" / "conditions.py"))
CLIP = Clip("clip", str(ROOT / "demo" / "clip.mp4"), "place blue by m five please")


@pytest.mark.parametrize("name, share, every", [
    ("as filmed", 1, 1), ("resolution 1/4", 1 / 4, 1), ("12.5 frames a second", 1, 2), ("roll 30 degrees", 1, 1),
])  # fmt: skip
def test_copy_has_the_size_and_rate_of_its_condition(tmp_path, name, share, every):
    SCRIPT["write_copy"](tmp_path / "copy.mp4", CLIP, name)
    first, copy = probe(CLIP.video), probe(tmp_path / "copy.mp4")
    assert copy.width == pytest.approx(first.width * share, abs=2) and copy.fps == pytest.approx(25 / every, rel=1e-3)
    assert copy.duration == pytest.approx(first.duration, abs=0.15)


def test_conditions_change_the_frames_except_as_filmed(tmp_path):
    means = {}
    for name in ("as filmed", "light 0.4"):
        SCRIPT["write_copy"](tmp_path / "copy.mp4", CLIP, name)
        means[name] = next(read_frames(tmp_path / "copy.mp4"))[0].mean()
    assert means["light 0.4"] < 0.5 * means["as filmed"]
    assert means["as filmed"] == pytest.approx(next(read_frames(CLIP.video))[0].mean(), rel=0.05)


def test_refused_clip_counts_all_words_as_errors(tmp_path):
    from vsr.core.errors import VsrError

    class Refusing:
        def transcribe(self, path):
            raise VsrError("no_face", "nobody")

    assert SCRIPT["num_wrong"](Refusing(), tmp_path / "x.mp4", "a b c") == 3
