"""Plots a clip: natural and predicted mel, units and waves on a common time axis."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from lip2speech.inference.synthesizer import load_speech
from lip2speech.models.voice import Speech
from vsr.core.clock import SAMPLE_RATE, SAMPLES_PER_FRAME
from vsr.core.files import atomic_write
from vsr.data.manifest import Clip
from vsr.data.sound import natural_wave
from vsr.media.audio import read_wave
from vsr.media.mel import log_mel

LOUDNESS = (-9.0, 1.0)  # plotted range of the log-mels
INK, SOFT = "#1f3a5f", "#c2410c"


def draw_clip(clip: Clip, folder: str | Path, out: str | Path, natural_folder: str | Path | None = None) -> None:
    """Write a PNG of a clip and its voice in a row's ``folder`` (ID.wav, ID.safetensors). Raises VsrError.

    ``natural_folder`` is the row of copy-synthesis, whose ID.safetensors holds the natural units; a voice without
    ID.safetensors is plotted with the mel of its wave and without units.
    """
    natural = natural_wave(clip)
    natural = natural[: len(natural) // SAMPLES_PER_FRAME * SAMPLES_PER_FRAME]
    clip = replace(clip, num_frames=len(natural) // SAMPLES_PER_FRAME)
    seconds = len(natural) / SAMPLE_RATE
    voice = read_wave(Path(folder) / f"{clip.id}.wav", clip.num_frames)
    speech = _speech(folder, clip)
    figure, axes = _canvas(seconds, f"{clip.id}: {clip.text}")
    _draw_mels(axes[:2], natural, voice, speech)
    _draw_units(axes[2], _speech(natural_folder, clip), seconds, "natural", INK)
    _draw_units(axes[2], speech, seconds, "predicted", SOFT)
    _draw_wave(axes[3], natural, "natural", INK)
    _draw_wave(axes[4], voice, "voice", SOFT)
    _mark_words(axes[0], clip)
    with atomic_write(out) as temporary:
        figure.savefig(temporary, dpi=110, format="png")


def _canvas(seconds: float, title: str):
    """A figure with five stacked axes and a common time axis of ``seconds``."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 8), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(5, 1, sharex=True, height_ratios=(3, 3, 1, 1, 1))
    axes[-1].set_xlabel("seconds")
    axes[-1].set_xlim(0, seconds)
    figure.suptitle(title)
    return figure, axes


def _draw_mels(axes, natural: np.ndarray, voice: np.ndarray, speech: Speech | None) -> None:
    """Plot the mel of the natural wave (S,), and below it the predicted mel, or without one that of the voice."""
    seconds = len(natural) / SAMPLE_RATE
    _draw_mel(axes[0], _mel(natural), seconds, "natural")
    _draw_mel(axes[1], speech.mel[0].numpy() if speech else _mel(voice), seconds, "predicted" if speech else "voice")


def _draw_wave(axis, wave: np.ndarray, label: str, colour: str) -> None:
    axis.plot(np.arange(len(wave)) / SAMPLE_RATE, wave, color=colour, linewidth=0.4)
    axis.set_ylabel(label)
    axis.set_ylim(-1, 1)


def _speech(folder: str | Path | None, clip: Clip) -> Speech | None:
    """The mel and units of a clip in a folder; None where it has only audio."""
    if folder is None or not (Path(folder) / f"{clip.id}.safetensors").is_file():
        return None
    return load_speech(folder, clip)


def _mel(wave: np.ndarray) -> np.ndarray:
    return log_mel(torch.from_numpy(np.ascontiguousarray(wave))).numpy()


def _draw_units(axis, speech: Speech | None, seconds: float, label: str, colour: str) -> None:
    """Plot the units as steps, with a legend; nothing without units."""
    axis.set_ylabel("unit")
    if speech is not None:
        units = speech.units[0].numpy()
        times = np.arange(len(units)) * seconds / len(units)
        axis.step(times, units, where="post", color=colour, linewidth=0.8, label=label)
        axis.legend(loc="lower right", bbox_to_anchor=(1, 1), borderpad=0, fontsize=7, frameon=False, ncols=2)


def _draw_mel(axis, mel: np.ndarray, seconds: float, label: str) -> None:
    low, high = LOUDNESS
    extent = (0, seconds, 0, mel.shape[1])
    axis.imshow(mel.T, origin="lower", aspect="auto", extent=extent, vmin=low, vmax=high, cmap="magma")
    axis.set_ylabel(f"{label}\nmel band")


def _mark_words(axis, clip: Clip) -> None:
    for word, start, end in clip.words:
        axis.axvline(start, color="white", linewidth=0.5, alpha=0.6)
        axis.text((start + end) / 2, 76, word, color="white", ha="center", va="top", fontsize=8)
