"""What a video's faces say, as a wave, and how it is written: a wave alone, or the video with its new sound."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lip2speech.inference.synthetic import SYNTHETIC
from vsr.face.skipped import Skipped
from vsr.media.audio import write_wave
from vsr.media.mux.mux import mux
from vsr.media.mux.rehearsal import Plan
from vsr.output.transcript import TrackReport, few_frames_of
from vsr.output.unread import REST, few_frames_warnings, skipped_warnings


@dataclass
class Spoken:
    """wave (S,) float32 as long as the video; seconds: how much of it is voiced, that of several faces added up;
    faces: the numbers of those that are voiced; stream: which video was read, where the file holds several; skipped:
    what is not voiced, and why; tracks: who was in the frame when, and how well."""

    wave: np.ndarray
    seconds: float
    faces: tuple[int, ...]
    stream: dict | None = None
    skipped: tuple[Skipped, ...] = ()
    tracks: tuple[TrackReport, ...] = ()

    @property
    def warnings(self) -> list[dict]:
        """{"reason", "message"} of what has no voice, or hardly can have one, as transcripts have them."""
        found = skipped_warnings(self.skipped, not self.seconds, "and has no voice there")
        silent = [own | {"message": f"{own['message']}: the sound is silent"} for own in found if own["reason"] == REST]
        return [
            *(own for own in found if own["reason"] != REST),
            *silent,
            *few_frames_warnings(few_frames_of(self.tracks)),
        ]


def write_spoken(wave: np.ndarray, video: str | Path, out: str | Path, plan: Plan | None = None) -> None:
    """Write a wave (S,) at 16 kHz as a .wav, or the video with it, for any other suffix; ``plan`` as in `mux`.

    Raises VsrError. The metadata say that the voice is synthetic, as far as the container has any.
    """
    if Path(out).suffix.lower() == ".wav":
        write_wave(out, wave, SYNTHETIC)
    else:
        mux(video, wave, out, plan, SYNTHETIC)
