"""Speech-to-speech translation by units: recorded speech, or the speech synthesised from lips, is translated by the
voice's translator and spoken by the voice (UTUT, Kim et al. 2024; AV2AV, Choi et al. 2024).

Shapes: wave (S,) at 16 kHz, T video frames of 640 samples, N = 2T units of 50 Hz.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lip2speech.inference.folder import LoadedVoice
from lip2speech.inference.languages import TRANSLATOR, languages_of
from lip2speech.inference.revoicing import check_speaks_units, matching_codebook, say_units
from lip2speech.models.flow_options import FlowOptions
from lip2speech.models.translators import Translated, load_translator
from vsr.core.clock import FPS, SAMPLES_PER_FRAME, UNITS_PER_FRAME
from vsr.core.errors import VsrError
from vsr.media.audio import fit_length
from vsr.media.units import Codebook, open_extractor

LONGEST = 500  # video frames that are translated at once: a few sentences


@dataclass(frozen=True)
class LoadedTranslator:
    """A translator and its codebook."""

    model: Any  # of a kind of `lip2speech.models.translators`
    codebook: Codebook

    @property
    def languages(self) -> tuple[str, ...]:
        """Its target languages."""
        return self.model.config.languages


def open_translator(loaded: LoadedVoice) -> LoadedTranslator:
    """Load the translator of a voice that speaks units. Raises VsrError no_translator, bad_model, also if its units
    are not those of the voice."""
    check_speaks_units(loaded)
    languages_of(loaded.folder)
    folder = loaded.folder / TRANSLATOR
    model = load_translator(folder)
    codebook = matching_codebook(folder, loaded.parts[0], model.config.units)
    return LoadedTranslator(model.to(loaded.voice.mel_mean.device), codebook)


def translate_wave(translator: LoadedTranslator, wave: np.ndarray, language: str, same: bool = True) -> Translated:
    """Translate a wave (S,) to units of another language: as many as the wave has (``same``), or a free number.

    Raises VsrError too_short (no sound, or no time for the units), too_long, no_speech (the translation is empty).
    """
    frames = frames_of(wave)
    padded = fit_length(wave.astype(np.float32), frames * SAMPLES_PER_FRAME)
    units = translator.codebook.units(open_extractor(translator.codebook.extractor).frames(torch.from_numpy(padded)))
    device = next(translator.model.parameters()).device
    source = units.view(1, frames, UNITS_PER_FRAME).to(device)
    (translated,) = translator.model.translate(source, torch.tensor([frames], device=device), language, same)
    if not translated.units:
        raise VsrError("no_speech", f"nothing that was heard could be translated into {language}")
    return translated


def frames_of(wave: np.ndarray, name: str | Path = "the sound") -> int:
    """The length of a wave (S,) in video frames, rounded up. Raises VsrError too_short (empty), too_long."""
    frames = -(-len(wave) // SAMPLES_PER_FRAME)
    if not frames:
        raise VsrError("too_short", f"{name}: there is no sound to translate")
    if frames > LONGEST:
        problem = f"is longer than the {LONGEST / FPS:.0f} s that are translated at once: cut it up"
        raise VsrError("too_long", f"{name} {problem}")
    return frames


def say(
    loaded: LoadedVoice, translation: Sequence[int], speaker: torch.Tensor, options: FlowOptions | None = None,
    samples: int | None = None,
) -> np.ndarray:  # fmt: skip
    """Units (2T,) -> wave in the voice of ``speaker`` (1, 256), cut or padded to ``samples`` if they are given."""
    wave = say_units(loaded, torch.tensor(translation), speaker, options)
    return wave if samples is None else fit_length(wave, samples)


def heard_wave(path: str | Path) -> np.ndarray:
    """Read the sound (S,) of a recording to be translated. Raises VsrError as `frames_of`, also unreadable."""
    from vsr.media.audio import read_wave

    frames_of(wave := read_wave(path), path)
    return wave
