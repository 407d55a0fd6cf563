"""Mouth crop -> wave: acoustic model in windows, with words, emotion and recorded sound as conditions and pulls, then
the vocoder.

Shapes: T video frames; crop (T, 96, 96); speaker (1, 256); mel (1, 4T, 80); units (1, 2T); wave (640 T,) at 16 kHz.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from lip2speech.inference.folder import LoadedVoice
from lip2speech.inference.inpainting import conditions_around
from lip2speech.inference.joined_windows import speak_in_windows
from lip2speech.inference.masking import masked
from lip2speech.inference.snr import choose_output
from lip2speech.inference.sound_conditions import conditions_of_sound
from lip2speech.inference.synthesis_options import AUTO, MASK
from lip2speech.inference.vocoding import check_finite, vocode
from lip2speech.inference.voicing_inputs import VoicingInputs
from lip2speech.inference.word_conditions import conditions_of_words
from lip2speech.models.emotion import EmotionPull, Pulls
from lip2speech.models.pull import Pull, SpokenWord, TextPull, text_pull
from lip2speech.models.voice import Speech
from vsr.core.clock import FPS, SAMPLES_PER_FRAME, UNITS_PER_FRAME
from vsr.data.transforms import to_network_input


def voice_of(
    loaded: LoadedVoice, crop: np.ndarray, speaker: torch.Tensor, inputs: VoicingInputs | None = None
) -> np.ndarray:
    """Crop (T, 96, 96) of any length, speaker (1, 256) -> wave (640 T,) float32. Raises VsrError not_finite."""
    inputs = inputs or VoicingInputs()
    speech, noisy = voice_crop(loaded, crop, speaker, inputs), inputs.noisy
    if noisy == AUTO:
        lips = voice_crop(loaded, crop, speaker, replace(inputs, sound=None, options=replace(inputs.options, steps=0)))
        noisy = choose_output(inputs.sound, lips.mel[0].cpu())
    if noisy == MASK:
        wave = torch.from_numpy(masked(inputs.sound, speech.mel[0].float().cpu()))
    else:
        wave = vocode(loaded.vocoder, speech, speaker)[0].float().cpu()
    check_finite(wave, f"{loaded.folder}")
    return wave.numpy()


def voice_crop(loaded: LoadedVoice, crop: np.ndarray, speaker: torch.Tensor, inputs: VoicingInputs) -> Speech:
    """Crop (T, 96, 96) of any length -> Speech; long crops in overlapping windows that are cross-faded."""

    def speak(start: int, stop: int) -> Speech:
        video = to_network_input(crop[start:stop])[None].to(speaker.device)
        lengths = torch.tensor([stop - start], device=speaker.device)
        pull, conditions = pull_in(loaded, inputs, start, stop), conditions_in(loaded, inputs.words, start, stop)
        if inputs.sound is not None:
            conditions |= _sound_conditions(loaded, inputs.sound, inputs.known_steps, start, stop)
        return loaded.voice.speak(video, lengths, speaker, inputs.options, conditions=conditions, pull=pull)

    return speak_in_windows(loaded.voice, len(crop), speak)


def _sound_conditions(
    loaded: LoadedVoice, sound: np.ndarray, known_steps: np.ndarray | None, start: int, stop: int
) -> dict:
    """The voice's conditions from the recorded sound of video frames ``start`` to ``stop``."""
    device, wave = loaded.voice.mel_mean.device, sound[start * SAMPLES_PER_FRAME : stop * SAMPLES_PER_FRAME]
    if known_steps is None:
        return conditions_of_sound(loaded.voice.condition_settings, [wave], device)
    steps = known_steps[start * UNITS_PER_FRAME : stop * UNITS_PER_FRAME]
    return conditions_around(loaded.voice.condition_settings, wave, steps, device)


def pull_in(loaded: LoadedVoice, inputs: VoicingInputs, start: int, stop: int) -> Pull | None:
    """The pull towards the words in video frames ``start`` to ``stop`` and an emotion; None without either."""
    device, steps = loaded.voice.mel_mean.device, (stop - start) * UNITS_PER_FRAME
    pulls: list[TextPull] = []
    if not inputs.options.steps:
        return None
    if inputs.words and inputs.options.pull and loaded.has_listener:
        pull = text_pull(loaded.listener, [_relative_to(inputs.words, start)], steps, inputs.options.pull, device)
        pulls += [pull] if pull is not None else []
    if inputs.emotion is not None and inputs.emotion.pulls:
        pulls.append(EmotionPull(loaded.emotions, inputs.emotion, (1, steps), device))
    return (pulls[0] if len(pulls) == 1 else Pulls(pulls)) if pulls else None


def conditions_in(loaded: LoadedVoice, words: Sequence[SpokenWord], start: int, stop: int) -> dict[str, torch.Tensor]:
    """The voice's conditions from the words in video frames ``start`` to ``stop``."""
    inside = [word for word in _relative_to(words, start) if word.end > 0 and word.start < (stop - start) / FPS]
    steps, device = (stop - start) * UNITS_PER_FRAME, loaded.voice.mel_mean.device
    return conditions_of_words(loaded.voice.condition_settings, [inside], [steps], device) if inside else {}


def _relative_to(words: Sequence[SpokenWord], start: int) -> list[SpokenWord]:
    """The words with times relative to video frame ``start``."""
    first = start / FPS
    return [replace(word, start=word.start - first, end=word.end - first) for word in words]
