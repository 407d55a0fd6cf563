"""Reads and writes sound on the video's clock.

Shapes: wave (S,) float32 in [-1, 1], mono, 16 kHz; its sample 0 is the start of the first video frame.
"""

from __future__ import annotations

import wave as riff
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from itertools import pairwise
from math import gcd
from pathlib import Path

import numpy as np

from vsr.core.clock import SAMPLE_RATE, SAMPLES_PER_FRAME
from vsr.core.errors import VsrError
from vsr.core.files import atomic_write
from vsr.media.channels import chosen_channels, mono
from vsr.media.concatenated import shifted_after_restarts, video_shifts
from vsr.media.container import decoded_frames, open_container, video_clock
from vsr.media.mux.mux import mux  # noqa: F401  known by this name
from vsr.media.mux.sound import to_pcm16
from vsr.media.seeking import RUN_UP
from vsr.media.sound_spans import Span, frames_of_span
from vsr.media.sound_stamps import plausible_pieces
from vsr.media.streams import sound_stream
from vsr.media.tags import riff_comment
from vsr.media.timestamps import RESTARTED

GAP = 0.005  # jitter of time stamps, seconds (Matroska rounds them to 1 ms); more is a gap
MAX_SECONDS = 4 * 3600.0  # sound beyond this is due to a damaged time stamp


def read_wave(path: str | Path, num_frames: int | None = None, part: tuple[float, float] | None = None) -> np.ndarray:
    """Read the sound of a recording from its first video frame on (of a sound file: from its start).

    Time stamps are followed, so start times, edit lists and the encoder's priming are all compensated; of several
    channels those that carry the voice are averaged (`vsr.media.channels`); the resampler has no delay.

    Args:
        path: a video or sound file.
        num_frames: of the video at 25 fps; the wave is cut, or padded with silence, to 640 samples for each.
        part: (start, end) in seconds after the container's start, at video frames; the wave ends earlier if the sound
            does.

    Raises:
        VsrError: unreadable, or no_sound.
    """
    origin, start = _clock(path)
    span = Span(origin, max(start, part[0] - RUN_UP), part[1]) if part and origin is not None else None
    rate, pieces = _sound(path, span)
    if origin is not None and _restarts([time for time, _ in pieces]):
        times = shifted_after_restarts([time for time, _ in pieces], video_shifts(path))
        pieces = [(time, samples) for time, (_, samples) in zip(times, pieces, strict=True)]
    begin = span.begin if span else start
    stamp = begin + origin if origin is not None else None
    wave = _laid_out(plausible_pieces(path, pieces, rate, stamp), rate, stamp)
    if not len(wave) and part is None:
        raise VsrError("no_sound", f"{path}: has no sound")
    wave = _resampled(wave, rate)
    if part:
        first, last = (max(0, round((seconds - begin) * SAMPLE_RATE)) for seconds in part)
        wave = wave[first:last]
    return wave if num_frames is None else fit_length(wave, SAMPLES_PER_FRAME * num_frames)


def fit_length(wave: np.ndarray, samples: int) -> np.ndarray:
    """Cut a wave (S,), or pad it with silence, to ``samples``."""
    return np.pad(wave[:samples], (0, max(0, samples - len(wave))))


def _clock(path: str | Path) -> tuple[float | None, float]:
    """Origin and second of the first video frame of the file; (None, 0) for a file without video."""
    try:
        return video_clock(path)
    except VsrError as error:
        if error.reason == "no_video":
            return None, 0.0
        raise


def _sound(path: str | Path, span: Span | None = None) -> tuple[int, list[tuple[float | None, np.ndarray]]]:
    """Sample rate, and (time stamp in seconds, samples) of every decoded piece, at least of those in ``span``."""
    with _opened_sound(path, span) as (frames, rate, channels):
        channels_of_layout = chosen_channels(frames) if channels > 1 else {}
    with _opened_sound(path, span) as (frames, rate, _):  # read again: all channels may not fit in memory
        pieces = [(frame.time, mono(frame, channels_of_layout)) for frame in frames]
    if not pieces and span is None:
        raise VsrError("no_sound", f"{path}: nothing of its sound can be decoded: write it again as .wav or .flac")
    return rate, pieces


@contextmanager
def _opened_sound(path: str | Path, span: Span | None) -> Iterator[tuple[Iterator, int, int]]:
    """Yield (decoded frames, sample rate, number of channels in the header) of a recording's sound. Raises VsrError."""
    with open_container(path) as container:
        if not container.streams.audio:
            raise VsrError("no_sound", f"{path}: has no sound track")
        stream = sound_stream(container)
        if stream is None:
            raise VsrError("no_sound", f"{path}: its sound track cannot be decoded: write it again as .wav or .flac")
        rate = stream.codec_context.sample_rate
        frames = frames_of_span(path, container, stream, span) if span else decoded_frames(container, stream)
        yield (frame for frame in frames if frame.sample_rate == rate), rate, stream.codec_context.channels


def _restarts(times: list[float | None]) -> bool:
    """Whether these are time stamps of several concatenated recordings."""
    stamps = [time for time in times if time is not None]
    return any(later < time - RESTARTED for time, later in pairwise(stamps))


def _laid_out(pieces: list[tuple[float | None, np.ndarray]], rate: int, start: float | None) -> np.ndarray:
    """Join pieces by their time stamps, from ``start`` on (None: from the first piece), with silence in gaps."""
    begin = next((time for time, _ in pieces if time is not None), 0.0) if start is None else start
    position, placed = None, []
    for time, samples in pieces:
        stamped_position = None if time is None else round((time - begin) * rate)
        if position is None or (stamped_position is not None and abs(stamped_position - position) > GAP * rate):
            position = stamped_position or 0
        placed.append((position, samples))
        position += len(samples)
    end = min(max((offset + len(samples) for offset, samples in placed), default=0), int(MAX_SECONDS * rate))
    wave = np.zeros(max(0, end), np.float32)
    for offset, samples in placed:
        inside = samples[max(0, -offset) : max(0, end - offset)]
        wave[max(0, offset) : max(0, offset) + len(inside)] = inside
    return wave


def _resampled(wave: np.ndarray, rate: int) -> np.ndarray:
    """Resample a wave (S,) from ``rate`` to 16 kHz, with a linear-phase filter whose delay is removed."""
    if rate == SAMPLE_RATE:
        return wave
    from scipy.signal import resample_poly

    common = gcd(rate, SAMPLE_RATE)
    return resample_poly(wave, SAMPLE_RATE // common, rate // common).astype(np.float32)


def write_wave(path: str | Path, wave: np.ndarray, comment: str = "") -> None:
    """Write a wave (S,) float as 16-bit mono RIFF at 16 kHz, atomically; values beyond [-1, 1] are clipped."""
    with atomic_write(path) as temporary:
        temporary.write_bytes(riff_bytes(wave, comment))


def riff_bytes(wave: np.ndarray, comment: str = "") -> bytes:
    """A wave (S,) float as a RIFF file of 16-bit mono at 16 kHz, with a comment; values beyond [-1, 1] are clipped."""
    buffer = BytesIO()
    with riff.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(to_pcm16(wave).tobytes())
    return riff_comment(buffer.getvalue(), comment) if comment else buffer.getvalue()
