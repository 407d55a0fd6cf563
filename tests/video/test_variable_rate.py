"""Variable frame rates: each instant of the 25 fps clock shows the frame filmed nearest to it."""

import numpy as np
import pytest

from tests.footage import read, write_recording

COUNT = 150
RNG = np.random.default_rng(0)
CLOCKS = {
    "some dropped": np.delete(np.arange(COUNT) / 25, RNG.choice(np.arange(1, COUNT - 1), 50, replace=False)),
    "a phone": np.cumsum([0.0, *RNG.normal(1 / 29.6, 0.003, COUNT - 1)]),
    "late and early": np.arange(COUNT) / 25 + RNG.uniform(0, 0.03, COUNT) * (np.arange(COUNT) > 0),
    "a screen": np.cumsum([0.0, *RNG.choice([1 / 60, 1 / 30, 1 / 24, 1 / 15, 0.1], COUNT - 1)]),
}


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "webm", "ts", "flv"])
@pytest.mark.parametrize("clock", CLOCKS)
def test_each_instant_shows_the_nearest_frame(tmp_path, clock, suffix):
    stamps = CLOCKS[clock]
    codecs = {"ts": ("libx264", None), "flv": ("libx264", None)}.get(suffix)
    numbers, times = read(write_recording(tmp_path / f"v.{suffix}", stamps, codecs=codecs))
    instants = times - times[0]
    np.testing.assert_allclose(instants, np.arange(len(numbers)) / 25, atol=1e-6)
    assert len(numbers) == pytest.approx(stamps[-1] * 25, abs=4)
    distances = np.abs(instants[:, None] - stamps)
    np.testing.assert_allclose(
        distances[np.arange(len(numbers)), numbers], distances.min(1), atol=0.0011
    )  # Matroska has whole milliseconds
