"""Speech of overlapping windows is joined without a step."""

import torch

from lip2speech.inference.joined_windows import speak_in_windows
from lip2speech.models.voice import Speech
from tests.lip2speech.tiny import tiny_voice
from vsr.core.windows import WINDOW, window_spans


def numbered(spans):
    """A voice whose mel and units are the number of the window."""

    def speak(start, stop):
        number, frames = spans.index((start, stop)), stop - start
        return Speech(torch.full((1, 4 * frames, 80), float(number)), torch.full((1, 2 * frames), number))

    return speak


def test_single_window_is_unchanged():
    speech = Speech(torch.rand(1, 4 * WINDOW, 80), torch.randint(0, 9, (1, 2 * WINDOW)))
    joined = speak_in_windows(tiny_voice(), WINDOW, lambda start, stop: speech)
    assert torch.equal(joined.mel, speech.mel) and torch.equal(joined.units, speech.units)


def test_mels_are_cross_faded_and_units_change_in_the_middle():
    frames = 2 * WINDOW
    spans = window_spans(frames)
    joined = speak_in_windows(tiny_voice(), frames, numbered(spans))
    mel, units = joined.mel[0, :, 0], joined.units[0]
    assert (mel.diff() >= 0).all() and mel.diff().max() < 0.02 and mel[-1] == len(spans) - 1
    expected = torch.zeros_like(units)
    for (_, before), (start, _) in zip(spans, spans[1:], strict=False):
        expected[(start + before) // 2 * 2 :] += 1
    assert torch.equal(units, expected)
