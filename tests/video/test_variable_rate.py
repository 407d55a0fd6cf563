"""Frames that come when they like: each instant of the 25 fps clock shows the one that was filmed nearest to it."""

import numpy as np
import pytest

from tests.footage import read, write_recording

COUNT = 150
DRAWN = np.random.default_rng(0)
CLOCKS = {
    "some dropped": np.delete(np.arange(COUNT) / 25, DRAWN.choice(np.arange(1, COUNT - 1), 50, replace=False)),
    "a phone": np.cumsum([0.0, *DRAWN.normal(1 / 29.6, 0.003, COUNT - 1)]),
    "late and early": np.arange(COUNT) / 25 + DRAWN.uniform(0, 0.03, COUNT) * (np.arange(COUNT) > 0),
    "a screen": np.cumsum([0.0, *DRAWN.choice([1 / 60, 1 / 30, 1 / 24, 1 / 15, 0.1], COUNT - 1)]),
}


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "webm", "ts", "flv"])
@pytest.mark.parametrize("clock", CLOCKS)
def test_each_instant_shows_the_frame_that_is_nearest(tmp_path, clock, suffix):
    filmed = CLOCKS[clock]
    codecs = {"ts": ("libx264", None), "flv": ("libx264", None)}.get(suffix)
    numbers, times = read(write_recording(tmp_path / f"v.{suffix}", filmed, codecs=codecs))
    instants = times - times[0]
    np.testing.assert_allclose(instants, np.arange(len(numbers)) / 25, atol=1e-6)
    assert len(numbers) == pytest.approx(filmed[-1] * 25, abs=4)
    away = np.abs(instants[:, None] - filmed)
    np.testing.assert_allclose(away[np.arange(len(numbers)), numbers], away.min(1), atol=0.0011)  # Matroska has ms
