"""The sound of a clip of a corpus, on the clock of its video frames. Shapes: wave (S,) float32, mono, 16 kHz."""

from __future__ import annotations

import numpy as np

from vsr.core.clock import FPS, SAMPLE_RATE, SAMPLES_PER_FRAME
from vsr.core.errors import VsrError
from vsr.data.manifest import Clip
from vsr.media.audio import fit_length, read_wave
from vsr.media.extent import frame_times
from vsr.media.resample import named_part, stretches


def natural_wave(clip: Clip) -> np.ndarray:
    """The clip's own sound (S,): 640 samples for each frame of its video, or of its part of the video, at the time of
    that frame, for as many frames as its crop has; without a crop and a part, all sound of the video.

    Raises VsrError unreadable or no_sound.
    """
    times = _frame_times(clip)
    if times is None:  # sound alone: its frames would begin with it
        first, last = (round(seconds * FPS) * SAMPLES_PER_FRAME for seconds in (clip.start, clip.end))
        wave = read_wave(clip.video)[first : last or None]
    elif not (clip.start or clip.end) and len(stretches(times)) == 1:
        return read_wave(clip.video, clip.num_frames or None)
    else:
        wave = samples_of_frames(read_wave(clip.video, part=(times[0], times[-1] + 1 / FPS)), times - times[0])
    return fit_length(wave, clip.num_frames * SAMPLES_PER_FRAME) if clip.num_frames else wave


def _frame_times(clip: Clip) -> np.ndarray | None:
    """Times (T,) of the frames of a clip, at least one; None for a file of sound alone. Raises VsrError unreadable."""
    try:
        times = frame_times(clip.video, clip.start, clip.end)
    except VsrError as error:
        if error.reason == "no_video":
            return None
        raise
    if not len(times):
        raise VsrError("unreadable", f"{clip.video}: has no frames{named_part(clip.start, clip.end)}")
    return times


def samples_of_frames(wave: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """640 samples of a wave (S,) for each frame, shown at ``seconds`` (T,) of the wave; silence after its end."""
    whole = fit_length(wave, max(len(wave), round(seconds[-1] * SAMPLE_RATE) + SAMPLES_PER_FRAME))
    spans = [(round(seconds[start] * SAMPLE_RATE), stop - start) for start, stop in stretches(seconds)]
    return np.concatenate([whole[first : first + count * SAMPLES_PER_FRAME] for first, count in spans])
