"""The page of `vsr inspect` extended by synthesised speech: mel and wave on the same time axis, and the audio.

The video's own audio, which is not used for synthesis, is shown below for comparison.
"""

from __future__ import annotations

import base64
from html import escape

import numpy as np
import torch

from lip2speech.evaluation.plots import LOUDNESS
from lip2speech.inference.dubbing import lead, speak_clip
from lip2speech.inference.folder import LoadedVoice
from vsr.core.clock import HOP, SAMPLES_PER_FRAME
from vsr.core.errors import VsrError
from vsr.media.audio import fit_length, read_wave, riff_bytes
from vsr.media.mel import log_mel
from vsr.report.collect import Inspection
from vsr.report.images import image_url
from vsr.report.page import render_page

MADE, OWN = "The voice", "The video's own sound"
COLOURS = {MADE: "var(--accent)", OWN: "var(--high)"}


def render_voiced(inspection: Inspection, voice: LoadedVoice, vector: torch.Tensor | None = None) -> str:
    """The page of a reading with synthesised speech; ``vector`` (256,) as in `speak_clip`.

    Raises VsrError unreadable, not_finite.
    """
    waves = {MADE: shown_part(speak_clip(voice, inspection.clip, vector).wave, inspection)}
    try:
        waves[OWN] = shown_part(read_wave(inspection.clip.info.path), inspection)
    except VsrError as error:
        if error.reason != "no_sound":
            raise
    tracks = [track for title, wave in waves.items() for track in _tracks(title, wave)]
    sounds = "".join(_audio(title, wave) for title, wave in waves.items())
    return render_page(inspection, tracks, [("Sound", f'<div class="sounds">{sounds}</div>')])


def shown_part(wave: np.ndarray, inspection: Inspection) -> np.ndarray:
    """The samples (640 T,) of the T frames on the page, from a wave (S,) that starts with the video."""
    start, stop = inspection.span
    first = lead(inspection.clip) + SAMPLES_PER_FRAME * start
    return fit_length(wave[first:], SAMPLES_PER_FRAME * (stop - start))


def _tracks(title: str, wave: np.ndarray) -> list[tuple[str, str]]:
    """A lane with the mel and one with the wave."""
    return [(f"{title}: mel", _mel_image(wave)), (f"{title}: wave", _wave_image(wave, COLOURS[title]))]


def _mel_image(wave: np.ndarray) -> str:
    """Image of the mel: 80 bands up to 8 kHz, four columns per frame; range as in `lip2speech.evaluation.plots`."""
    import cv2

    low, high = LOUDNESS
    mel = log_mel(torch.from_numpy(np.ascontiguousarray(wave))).numpy()
    shades = np.round(255 * np.clip((mel.T[::-1] - low) / (high - low), 0, 1)).astype(np.uint8)
    image = cv2.applyColorMap(np.ascontiguousarray(shades), cv2.COLORMAP_MAGMA)[..., ::-1]
    return f'<img class="mel" alt="mel spectrogram, 0 to 8 kHz" src="{image_url(image)}">'


def _wave_image(wave: np.ndarray, colour: str) -> str:
    """Image of the wave: the range of each hop as an area, normalised to the loudest sample."""
    hops = wave.reshape(-1, HOP) / max(float(np.abs(wave).max()), 1e-3)
    above = " L".join(f"{k + 0.5} {-value:.3f}" for k, value in enumerate(hops.max(1)))
    below = " L".join(f"{k + 0.5} {-value:.3f}" for k, value in reversed(list(enumerate(hops.min(1)))))
    return (
        f'<svg class="wave" viewBox="0 -1.05 {len(hops)} 2.1" preserveAspectRatio="none" role="img" '
        f'aria-label="wave"><path style="--wave: {colour}" d="M{above} L{below} Z"/></svg>'
    )


def _audio(title: str, wave: np.ndarray) -> str:
    sound = base64.b64encode(riff_bytes(wave)).decode("ascii")
    name = escape(title)
    return f'<p>{name}<audio controls aria-label="{name}" src="data:audio/wav;base64,{sound}"></audio></p>'
