"""Voice conversion by speech units (the renderer of AV2AV, Choi et al. 2024), for voices that were trained on units
(`lip2speech.features.unit_input`).

Shapes: wave (S,) at 16 kHz, T video frames of 640 samples, K units of D numbers.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lip2speech.conditions.traits import is_felt
from lip2speech.features.unit_input import unit_vectors
from lip2speech.inference.folder import ACOUSTIC, UNITS_FILE, LoadedVoice
from lip2speech.inference.joined_windows import speak_in_windows
from lip2speech.inference.unit_voices import check_takes_units
from lip2speech.inference.vocoding import check_finite, vocode
from lip2speech.models.flow_options import FlowOptions
from lip2speech.models.voice import Speech
from vsr.core.clock import SAMPLES_PER_FRAME, UNITS_PER_FRAME
from vsr.core.errors import VsrError, one_line
from vsr.media.audio import fit_length
from vsr.media.units import Codebook, open_extractor


def check_speaks_units(loaded: LoadedVoice) -> None:
    """Refuse a voice whose input is lips instead of units. Raises VsrError bad_model."""
    check_takes_units(loaded.config[ACOUSTIC], loaded.parts[0])


def matching_codebook(folder: Path, acoustic: Path, size: int) -> Codebook:
    """The codebook of a folder, checked to have ``size`` units and to equal that of an acoustic model. Raises VsrError
    bad_model."""
    codebook, reference = Codebook.load(folder / UNITS_FILE), Codebook.load(acoustic / UNITS_FILE)
    same = codebook.extractor == reference.extractor and codebook.centres.shape == reference.centres.shape
    if not same or not torch.allclose(codebook.centres, reference.centres, atol=1e-3):
        raise VsrError("bad_model", f"{folder} was trained with other units than {acoustic}")
    if size != len(codebook):
        raise VsrError("bad_model", f"{folder}: {size} units, its codebook has {len(codebook)}")
    return codebook


def emotion_conditions(loaded: LoadedVoice, emotion: str, steps: int) -> dict[str, Tensor]:
    """Name -> (1, N, E) of a voice's emotion conditions, with the same emotion in all N steps; empty for "". Raises
    VsrError bad_options for an unknown emotion."""
    emotional = (
        {name: condition for name, condition in loaded.voice.condition_settings.items() if is_felt(condition)}
        if emotion
        else {}
    )
    device = loaded.voice.mel_mean.device
    return {
        name: torch.from_numpy(condition.named(emotion, steps))[None].to(device)
        for name, condition in emotional.items()
    }


def check_voice_emotion(loaded: LoadedVoice, emotion: str) -> None:
    """Refuse an emotion for a voice without emotions, or without this one. Raises VsrError bad_model, bad_options."""
    if emotion and not emotion_conditions(loaded, emotion, 1):
        problem = "knows no emotions: train one with a condition of kind emotion, and give it as --model"
        raise VsrError("bad_model", f"{loaded.parts[0]} {problem}")


def input_of_wave(loaded: LoadedVoice, wave: np.ndarray) -> Tensor:
    """Wave (640 T,) -> input of the voice in place of lips, (1, T, 2D). Raises VsrError bad_units."""
    codebook = Codebook.load(loaded.parts[0] / UNITS_FILE)
    units = codebook.units(open_extractor(codebook.extractor).frames(torch.from_numpy(wave)))
    return input_of_units(loaded, units, len(codebook))


def input_of_units(loaded: LoadedVoice, units: Tensor, size: int) -> Tensor:
    """Units (2T,) of a codebook of ``size`` -> input of the voice in place of lips, (1, T, 2D)."""
    vectors = unit_vectors(size, loaded.voice.reader.config.dim)
    return vectors[units].unflatten(0, (-1, UNITS_PER_FRAME)).flatten(1)[None]


def revoice(
    loaded: LoadedVoice, wave: np.ndarray, speaker: Tensor, options: FlowOptions | None = None, emotion: str = ""
) -> np.ndarray:
    """Convert a wave (S,) of any length to the voice of ``speaker`` (1, 256) with an emotion; the length stays.

    Raises VsrError bad_model, bad_options, bad_units, too_short (no sample), not_finite.
    """
    check_speaks_units(loaded)
    check_voice_emotion(loaded, emotion)
    if not len(wave):
        raise VsrError("too_short", "there is no sound to revoice")
    padded = np.pad(wave, (0, -len(wave) % SAMPLES_PER_FRAME)).astype(np.float32)
    return fit_length(_synthesise(loaded, input_of_wave(loaded, padded), speaker, options, emotion), len(wave))


def say_units(
    loaded: LoadedVoice, units: Tensor, speaker: Tensor, options: FlowOptions | None = None, emotion: str = ""
) -> np.ndarray:
    """Units (2T,) of any length -> wave (640 T,) in the voice of ``speaker`` (1, 256) with an emotion.

    Raises VsrError bad_model, bad_options, not_finite; too_short where there are none.
    """
    check_speaks_units(loaded)
    check_voice_emotion(loaded, emotion)
    if not len(units):
        raise VsrError("too_short", "there are no units to speak")
    inputs = input_of_units(loaded, units, len(Codebook.load(loaded.parts[0] / UNITS_FILE)))
    return _synthesise(loaded, inputs, speaker, options, emotion)


def read_units(path: str | Path, size: int) -> Tensor:
    """Read units (2T,) from a .npy of another program, for example of images (Im2Sp, 2024): whole numbers below
    ``size``, 50 a second; the last is repeated if their number is odd. Nothing is unpickled. Raises VsrError bad_units.
    """
    try:
        units = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise VsrError("bad_units", f"{path}: cannot be read as an array of units: {one_line(error)}") from error
    if not isinstance(units, np.ndarray) or units.dtype.kind not in "iu" or not units.size:
        raise VsrError("bad_units", f"{path}: units are whole numbers, 50 a second")
    if units.min() < 0 or units.max() >= size:
        problem = f"has units of {units.min()} to {units.max()}"
        raise VsrError("bad_units", f"{path}: {problem}; this voice knows 0 to {size - 1}")
    flat = units.astype(np.int64).ravel()
    return torch.from_numpy(np.append(flat, flat[-1:]) if len(flat) % UNITS_PER_FRAME else flat)


@torch.inference_mode()
def _synthesise(
    loaded: LoadedVoice, inputs: Tensor, speaker: Tensor, options: FlowOptions | None, emotion: str
) -> np.ndarray:
    """Input in place of lips (1, T, 2D) -> wave (640 T,). Raises VsrError not_finite."""
    inputs, options = inputs.to(speaker.device), options or FlowOptions()

    def speak(start: int, stop: int) -> Speech:
        lengths = torch.tensor([stop - start], device=speaker.device)
        emotions = emotion_conditions(loaded, emotion, UNITS_PER_FRAME * (stop - start))
        return loaded.voice.speak_features(inputs[:, start:stop], lengths, speaker, options, conditions=emotions)

    wave = vocode(loaded.vocoder, speak_in_windows(loaded.voice, inputs.shape[1], speak), speaker)[0].float().cpu()
    check_finite(wave, f"{loaded.folder}")
    return wave.numpy()
