"""The voice of a video, and writing it: as a wave alone, or as the video with its new sound."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lip2speech.inference.synthetic_marks import SYNTHETIC
from vsr.face.skipped import Skipped
from vsr.media.audio import write_wave
from vsr.media.mux.mux import mux
from vsr.media.mux.rehearsal import Plan
from vsr.output.mouth_warnings import REST, few_frames_warnings, skipped_warnings
from vsr.output.transcript import TrackReport, few_frames_of


@dataclass
class Spoken:
    """wave (S,) float32 as long as the video; seconds: how much is voiced, summed over faces; faces: numbers of the
    voiced faces; stream: the video stream that was read, if the file has several; skipped: stretches that are not
    voiced, and why; tracks: when each face was in the frame, and how well it was seen."""

    wave: np.ndarray
    seconds: float
    faces: tuple[int, ...]
    stream: dict | None = None
    skipped: tuple[Skipped, ...] = ()
    tracks: tuple[TrackReport, ...] = ()

    @property
    def warnings(self) -> list[dict]:
        """{"reason", "message"} of stretches without a voice, or with too few frames for one, as in transcripts."""
        warnings = skipped_warnings(self.skipped, not self.seconds, "and has no voice there")
        silent = [
            warning | {"message": f"{warning['message']}: the sound is silent"}
            for warning in warnings
            if warning["reason"] == REST
        ]
        return [
            *(warning for warning in warnings if warning["reason"] != REST),
            *silent,
            *few_frames_warnings(few_frames_of(self.tracks)),
        ]


def write_spoken(wave: np.ndarray, video: str | Path, out: str | Path, plan: Plan | None = None) -> None:
    """Write a wave (S,) at 16 kHz as a .wav, or, for any other suffix, the video with it; ``plan`` as in `mux`.

    Raises VsrError. If the container has metadata, they say that the voice is synthetic.
    """
    if Path(out).suffix.lower() == ".wav":
        write_wave(out, wave, SYNTHETIC)
    else:
        mux(video, wave, out, plan, SYNTHETIC)
