"""Noise in the pauses: its effect on STOI, and the figures without it."""

from dataclasses import replace

import numpy as np
import pytest

from lip2speech.evaluation import metrics
from lip2speech.evaluation.intelligibility import stoi_aligned
from lip2speech.evaluation.pauses import AROUND, FADE, speech_span, with_pauses_of, write_with_pauses
from vsr.core.errors import VsrError
from vsr.data.manifest import Clip
from vsr.media.audio import read_wave

SPOKEN = (1.0, 2.0)


@pytest.fixture
def make_recording(voice_like):
    """Seed -> the same words from 1 to 2 s, with background noise of that seed."""

    def make(seed):
        wave = 0.004 * np.random.default_rng(seed).normal(size=len(voice_like)).astype(np.float32)
        wave[16_000:32_000] += voice_like[16_000:32_000]
        return wave

    return make


@pytest.fixture
def clips():
    words = (("bin", 1.05, 1.5), ("blue", 1.5, 1.95))
    return [Clip(name, f"{name}.mp4", "bin blue", "s", 75, words=words) for name in "abc"]


def test_figures_of_the_words_leave_out_noise_in_the_pauses(make_recording):
    figures = metrics.measure(make_recording(0), make_recording(1), SPOKEN)
    assert figures.stoi < 0.7, "STOI takes the noise for speech"
    assert figures.stoi_words > 0.95 and figures.estoi_words > figures.estoi + 0.3


def test_without_word_times_their_figures_are_unknown(voice_like):
    figures = metrics.measure(voice_like, voice_like)
    assert np.isnan(figures.stoi_words) and np.isnan(figures.estoi_words)
    assert speech_span(Clip("a", "a.mp4", "bin", "s", 75)) is None


@pytest.mark.parametrize("lag", [-800, 800])
def test_words_are_cut_by_the_clock_of_the_natural_recording(make_recording, lag):
    natural = make_recording(0)
    voice = np.roll(natural, lag)
    assert stoi_aligned(natural, voice, lag, SPOKEN) > 0.999
    outside = stoi_aligned(natural, np.where(np.abs(voice) > 0.02, voice, 0), lag, (0.0, 0.9))
    assert outside < 0.9, "what is outside the words is scored by itself"


def test_words_stay_and_pauses_are_those_of_the_other_recording(make_recording):
    wave, other = make_recording(0), make_recording(1)
    mixed = with_pauses_of(wave, SPOKEN, other, SPOKEN)
    begin, end = (round((SPOKEN[0] + FADE) * 16_000), round((SPOKEN[1] - FADE) * 16_000))
    assert np.array_equal(mixed[begin:end], wave[begin:end])
    first = round((SPOKEN[0] - FADE) * 16_000)
    assert np.array_equal(mixed[:first], other[:first])
    assert mixed.dtype == np.float32 and len(mixed) == len(wave)


def test_clip_without_pauses_is_refused(make_recording):
    with pytest.raises(VsrError, match="no pause"):
        with_pauses_of(make_recording(0), SPOKEN, make_recording(1), (0.0, 3.0))


def test_row_with_pauses_of_other_clips(clips, make_recording, tmp_path):
    def wave_of(clip):
        if clip.id == "b":
            raise VsrError("no_sound", "b: has no sound")
        return make_recording(ord(clip.id))

    write_with_pauses(clips, wave_of, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.wav", "c.wav"]
    assert speech_span(clips[0]) == pytest.approx((1.05 - AROUND, 1.95 + AROUND))
    natural, mixed = make_recording(ord("a")), read_wave(tmp_path / "a.wav")
    figures = metrics.measure(natural, mixed, speech_span(clips[0]))
    assert figures.stoi < 0.8 < 0.95 < figures.stoi_words


def test_other_pauses_need_two_clips_with_word_times(clips, make_recording, tmp_path):
    without = [replace(clip, words=()) for clip in clips[1:]]
    with pytest.raises(VsrError, match="two clips"):
        write_with_pauses([clips[0], *without], lambda clip: make_recording(0), tmp_path)
    assert not list(tmp_path.iterdir())
