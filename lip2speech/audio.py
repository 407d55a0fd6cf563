"""Sound on the picture's clock: read it from any recording, write it, lay it under a video.

Shapes: wave (S,) float32 in [-1, 1], mono, 16 kHz; its sample 0 is the start of the first video frame.
"""

from __future__ import annotations

import errno
import wave as riff
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from io import BytesIO
from itertools import pairwise
from math import gcd
from pathlib import Path

import numpy as np

from lip2speech.channels import chosen_channels, mono
from lip2speech.sound_stamps import believed
from vsr.clock import FPS, SAMPLE_RATE, SAMPLES_PER_FRAME
from vsr.data.manifest import Clip
from vsr.errors import VsrError
from vsr.files import atomic_write
from vsr.video.container import decoded_frames, open_container, opened, short_reason, video_clock
from vsr.video.joined import BEGUN_ANEW, picture_shifts, shifted_anew
from vsr.video.streams import sound_stream

GAP = 0.005  # seconds by which time stamps may jitter (Matroska rounds them to 1 ms) before a gap is believed
MAX_SECONDS = 4 * 3600.0  # sound beyond this is a damaged time stamp


def read_wave(path: str | Path, num_frames: int | None = None) -> np.ndarray:
    """The sound of a recording from its first video frame on (of a sound file: from its start).

    Time stamps are followed, so start times, edit lists and the encoder's priming are all undone; of several channels
    those that carry the voice are averaged (`lip2speech.channels`); the resampler has no delay.

    Args:
        path: a video or sound file.
        num_frames: of the video at 25 fps; the wave is cut, or padded with silence, to 640 samples for each.

    Raises:
        VsrError: unreadable, or no_sound.
    """
    origin, start = _clock(path)
    rate, pieces = _sound(path)
    if origin is not None and _begins_anew([time for time, _ in pieces]):
        times = shifted_anew([time for time, _ in pieces], picture_shifts(path))
        pieces = [(time, samples) for time, (_, samples) in zip(times, pieces, strict=True)]
    begin = start + origin if origin is not None else None
    wave = _laid_out(believed(path, pieces, rate, begin), rate, begin)
    if not len(wave):
        raise VsrError("no_sound", f"{path}: has no sound")
    wave = _resampled(wave, rate)
    return wave if num_frames is None else fit_length(wave, SAMPLES_PER_FRAME * num_frames)


def natural_wave(clip: Clip) -> np.ndarray:
    """The clip's own sound (S,): of a part of a video, from the frame on where its crop begins. It has 640 samples for
    each frame of the crop; a clip that is not cropped has all of its sound.

    Raises VsrError unreadable or no_sound.
    """
    if not (clip.start or clip.end):
        return read_wave(clip.video, clip.num_frames or None)
    first, last = (round(seconds * FPS) * SAMPLES_PER_FRAME for seconds in (clip.start, clip.end))
    wave = read_wave(clip.video)[first : last or None]
    return fit_length(wave, clip.num_frames * SAMPLES_PER_FRAME) if clip.num_frames else wave


def fit_length(wave: np.ndarray, samples: int) -> np.ndarray:
    """Wave (S,) cut, or padded with silence, to ``samples``."""
    return np.pad(wave[:samples], (0, max(0, samples - len(wave))))


def _clock(path: str | Path) -> tuple[float | None, float]:
    """Origin and first video frame of the file; (None, 0) for a file of sound alone."""
    try:
        return video_clock(path)
    except VsrError as error:
        if error.reason == "no_video":
            return None, 0.0
        raise


def _sound(path: str | Path) -> tuple[int, list[tuple[float | None, np.ndarray]]]:
    """Sample rate, and (time stamp in seconds, samples) of every decoded piece."""
    with _opened_sound(path) as (frames, rate, channels):
        chosen = chosen_channels(frames) if channels > 1 else {}
    with _opened_sound(path) as (frames, rate, _):  # again: all channels of a long film would fill the memory
        pieces = [(frame.time, mono(frame, chosen)) for frame in frames]
    if not pieces:
        raise VsrError("no_sound", f"{path}: nothing of its sound can be decoded: write it again as .wav or .flac")
    return rate, pieces


@contextmanager
def _opened_sound(path: str | Path) -> Iterator[tuple[Iterator, int, int]]:
    """(decoded frames, their rate, channels by the header) of the sound of a recording. Raises VsrError."""
    with open_container(path) as container:
        if not container.streams.audio:
            raise VsrError("no_sound", f"{path}: has no sound track")
        stream = sound_stream(container)
        if stream is None:
            raise VsrError("no_sound", f"{path}: its sound track cannot be decoded: write it again as .wav or .flac")
        rate = stream.codec_context.sample_rate
        frames = (frame for frame in decoded_frames(container, stream) if frame.sample_rate == rate)
        yield frames, rate, stream.codec_context.channels


def _begins_anew(times: list[float | None]) -> bool:
    """Whether these are the time stamps of several recordings put together."""
    known = [time for time in times if time is not None]
    return any(later < time - BEGUN_ANEW for time, later in pairwise(known))


def _laid_out(pieces: list[tuple[float | None, np.ndarray]], rate: int, start: float | None) -> np.ndarray:
    """Pieces on one line that begins at the time stamp ``start`` (None: with the first piece); silence in gaps."""
    begin = next((time for time, _ in pieces if time is not None), 0.0) if start is None else start
    place, placed = None, []
    for time, samples in pieces:
        stamped = None if time is None else round((time - begin) * rate)
        if place is None or (stamped is not None and abs(stamped - place) > GAP * rate):
            place = stamped or 0
        placed.append((place, samples))
        place += len(samples)
    end = min(max((at + len(s) for at, s in placed), default=0), int(MAX_SECONDS * rate))
    wave = np.zeros(max(0, end), np.float32)
    for at, samples in placed:
        kept = samples[max(0, -at) : max(0, end - at)]
        wave[max(0, at) : max(0, at) + len(kept)] = kept
    return wave


def _resampled(wave: np.ndarray, rate: int) -> np.ndarray:
    """(S,) at ``rate`` -> 16 kHz, by a linear-phase filter whose delay is taken out."""
    if rate == SAMPLE_RATE:
        return wave
    from scipy.signal import resample_poly

    common = gcd(rate, SAMPLE_RATE)
    return resample_poly(wave, SAMPLE_RATE // common, rate // common).astype(np.float32)


def write_wave(path: str | Path, wave: np.ndarray) -> None:
    """Write (S,) float as 16-bit mono RIFF at 16 kHz, atomically; what is beyond [-1, 1] is clipped."""
    with atomic_write(path) as temporary:
        temporary.write_bytes(riff_bytes(wave))


def riff_bytes(wave: np.ndarray) -> bytes:
    """(S,) float as a file of 16-bit mono RIFF at 16 kHz; what is beyond [-1, 1] is clipped."""
    whole = BytesIO()
    with riff.open(whole, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(to_pcm16(wave).tobytes())
    return whole.getvalue()


def to_pcm16(wave: np.ndarray) -> np.ndarray:
    """Float wave in [-1, 1] -> int16."""
    return np.round(np.clip(wave, -1, 1) * 32767).astype("<i2")


def mux(video: str | Path, wave: np.ndarray, out: str | Path) -> None:
    """Write the picture of ``video``, untouched, with ``wave`` (S,) as its sound; sample 0 is at the first frame.

    Raises VsrError "unreadable" where the container of ``out`` cannot hold the video's codec; no_space, not_writable.
    """
    import av

    origin, start = video_clock(video)
    with atomic_write(out) as temporary, opened(video) as (source, picture):
        try:
            with av.open(str(temporary), "w") as target:
                _mux_streams(source, picture, target, wave, origin + start)
        except (av.error.FFmpegError, ValueError) as error:
            if getattr(error, "errno", None) == errno.ENOSPC:
                raise OSError(errno.ENOSPC, "No space left on device") from error  # told by `atomic_write`
            why = f"cannot hold the picture of {video} ({short_reason(error)}): try .mkv"
            raise VsrError("unreadable", f"{out}: {why}") from error


def _mux_streams(source, picture, target, wave: np.ndarray, start: float) -> None:
    """Copy the video packets, their time stamps beginning at zero, and encode the sound beside them."""
    copied = target.add_stream_from_template(picture)
    codec = "libopus" if target.format.name in ("webm", "matroska,webm") else "aac"
    sound = target.add_stream(codec, rate=48_000 if codec == "libopus" else SAMPLE_RATE, layout="mono")
    shift, following = round(start / picture.time_base), None
    for packet in source.demux(picture):
        if packet.dts is None:
            continue
        if following is not None and packet.dts - shift < following - BEGUN_ANEW / picture.time_base:
            shift = packet.dts - following
        following = packet.dts - shift + (packet.duration or 0)
        packet.pts = None if packet.pts is None else packet.pts - shift
        packet.dts -= shift
        packet.stream = copied
        target.mux(packet)
    for frame in _audio_frames(wave):
        target.mux(sound.encode(frame))
    target.mux(sound.encode())


def _audio_frames(wave: np.ndarray, size: int = 1024) -> Iterator:
    import av

    for at in range(0, len(wave), size):
        frame = av.AudioFrame.from_ndarray(to_pcm16(wave[None, at : at + size]), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, at, Fraction(1, SAMPLE_RATE)
        yield frame
