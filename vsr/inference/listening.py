"""The sound of a recording for audio-visual readers: aligned to the video frames, or alone.

Shapes: wave (640 T,) float32, 16 kHz; times (T,) seconds in the recording.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from vsr.core.clock import FPS, SAMPLES_PER_FRAME
from vsr.core.errors import Incomplete, VsrError
from vsr.core.windows import OVERLAP, frame_edges, window_spans
from vsr.data.modalities import BOTH, SOUND
from vsr.data.sound import samples_of_frames
from vsr.decoding.defaults import preferred_window
from vsr.decoding.encoding import chosen_modality, modalities_of, sound_of
from vsr.decoding.options import DecodeOptions
from vsr.decoding.provenance import provenance
from vsr.face.piece import MIN_FRAMES
from vsr.inference.assemble import segments_of
from vsr.inference.recognition import WindowReading, encode_and_search, groups, read_hypotheses
from vsr.media.audio import fit_length, read_wave
from vsr.media.container import open_container, video_clock
from vsr.media.decoding_check import check_sound
from vsr.media.reader import probe
from vsr.media.streams import sound_stream
from vsr.output.transcript import NO_SOUND, Transcript

if TYPE_CHECKING:
    from vsr.modelstore.folder import LoadedModel


def has_sound(path: str | Path) -> bool:
    """Whether a recording has a sound track that can be decoded. Raises VsrError unreadable."""
    with open_container(path) as container:
        return sound_stream(container) is not None


def waves_at(path: str | Path, spans: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The sound of stretches of frames, given by the frames' times: 640 samples per frame, at the time of the frame;
    silence where there is none. The stretches should be close together, as the sound between them is decoded too."""
    if not spans:
        return []
    first, last = min(float(times[0]) for times in spans), max(float(times[-1]) for times in spans)
    wave = read_wave(path, part=(first, last + 1 / FPS))
    return [samples_of_frames(wave, times - first) for times in spans]


@dataclass(frozen=True)
class Hearing:
    """The sound input beside the lips. modality: what is read, "" for a model without a sound modality; sound: whether
    the recording has sound."""

    path: str | Path
    modality: str
    sound: bool

    def waves(self, spans: list[np.ndarray]) -> list[np.ndarray] | None:
        """The sound of stretches of frames, by their times; None if no sound is read."""
        return waves_at(self.path, spans) if self.modality == BOTH and self.sound else None

    def check_whole(self) -> None:
        """Check the sound, if it is read. Raises VsrError unreadable if it is truncated or damaged."""
        if self.modality == BOTH and self.sound:
            check_sound(self.path)

    def with_modality(self, provenance: dict[str, Any]) -> dict[str, Any]:
        """``provenance`` with the modality that was read, and a note if the recording has no sound."""
        if not self.modality:
            return provenance
        note = {} if self.sound or self.modality != BOTH else {"sound": NO_SOUND}
        return provenance | {"modality": self.modality, "video": provenance["video"] | note}


def hearing_of(loaded: LoadedModel, path: str | Path, modality: str = "") -> Hearing:
    """The sound input of a recording for a model; ``modality`` overrides the model's default.

    Raises VsrError bad_config for a modality that the model does not read, no_sound for a model that needs sound with
    the lips.
    """
    chosen = chosen_modality(loaded, modality)
    if SOUND not in modalities_of(loaded):
        return Hearing(path, "", False)
    uses_sound = chosen == BOTH and has_sound(path)
    if loaded.model.whole and not uses_sound:
        raise VsrError("no_sound", f"{path} has no sound, and {loaded.name} reads lips and sound together alone")
    return Hearing(path, chosen, uses_sound)


def read_waves(
    loaded: LoadedModel, waves: Sequence[np.ndarray], edges: Sequence[np.ndarray], options: DecodeOptions
) -> list[WindowReading]:
    """Encode and search windows of sound only, waves (640 W,) with frame borders (W+1,) seconds."""
    device, readings = next(loaded.model.parameters()).device, {}
    lengths = [len(wave) // SAMPLES_PER_FRAME for wave in waves]
    for group in groups(lengths):
        inputs = {SOUND: sound_of(loaded, [waves[i] for i in group], device)}
        states, ranked = encode_and_search(
            loaded, inputs, torch.tensor([lengths[i] for i in group], device=device), options
        )
        for i, window_states, hypotheses in zip(group, states, ranked, strict=True):
            readings[i] = read_hypotheses(loaded, window_states[: lengths[i]], hypotheses, 0, edges[i], options.head)
    return [readings[i] for i in range(len(waves))]


def transcribe_sound(loaded: LoadedModel, path: str | Path, options: DecodeOptions) -> Transcript:
    """Transcribe a recording, with or without video, from its sound only; no face is detected.

    Raises VsrError no_sound, too_short, unreadable; for a truncated or damaged recording, an `Incomplete` whose
    ``record`` is the `Transcript` of its readable part.
    """
    start, info = _video_of(path)
    wave, broken = read_wave(path), _broken(path)
    frames = -(-len(wave) // SAMPLES_PER_FRAME)
    if frames < MIN_FRAMES:
        problem = f"{frames / FPS:.2f} s of sound; at least {MIN_FRAMES / FPS:.2f} are needed"
        raise VsrError("too_short", f"{path}: {problem}")
    wave, times = fit_length(wave, frames * SAMPLES_PER_FRAME), start + np.arange(frames) / FPS
    window = preferred_window(loaded)
    spans = window_spans(frames, window, min(OVERLAP, window // 2))
    edges = [frame_edges(times[first:stop]) for first, stop in spans]
    waves = [wave[first * SAMPLES_PER_FRAME : stop * SAMPLES_PER_FRAME] for first, stop in spans]
    rows = zip(edges, read_waves(loaded, waves, edges, options), strict=True)
    segments = segments_of([reading.of(0, window_edges) for window_edges, reading in rows])
    run_provenance = provenance(loaded, path, options, 1) | {"modality": SOUND}
    end = max(info.end if info else 0.0, float(edges[-1][-1]))
    transcript = Transcript(
        str(path), info.fps if info else None, end, loaded.name, segments, provenance=run_provenance
    )
    if broken:
        raise incomplete(transcript, broken)
    return transcript


def _broken(path: str | Path) -> VsrError | None:
    """The error of a recording whose sound is truncated or damaged, or None."""
    try:
        check_sound(path)
    except VsrError as error:
        return error
    return None


def incomplete(transcript: Transcript, error: VsrError) -> Incomplete:
    """The error of a file that was not read to its end, with the ``transcript`` of the part that was."""
    about = error.reason, error.message
    return Incomplete(*about, replace(transcript, error=about, complete=False))


def _video_of(path: str | Path):
    """(second of the first frame, properties of the video); (0, None) for a file with sound only."""
    try:
        return video_clock(path)[1], probe(path)
    except VsrError as error:
        if error.reason == "no_video":
            return 0.0, None
        raise
