"""One clip, corrupted, written as a recording or as mouth crops.

Shapes: crop (T, 96, 96) uint8; box (T, 4) pixels: left, top, right, bottom of the lips in each frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from vsr.core.errors import VsrError, cause_of
from vsr.core.typed_json import to_plain
from vsr.data.corruption import VIDEO, Corruption, generator_of
from vsr.data.crop_files import read_crop, write_crop
from vsr.data.manifest import Clip
from vsr.data.sound import natural_wave
from vsr.data.sound_corruption import DrawnSound
from vsr.data.video_corruption import DrawnVideo, VideoCorruption
from vsr.media.audio import write_wave
from vsr.media.extent import frame_times
from vsr.media.mux.written import write_recording
from vsr.media.reader import frames_of_part

LIPS = slice(17, 37)  # of a face's 37 points
ROUND = 0.1  # margin on each side of the lips, as a share of the size of their box
Writer = Callable[[Path, bool], dict]  # (where, lossless) -> what was done, for JSON


def write_crops(clip: Clip, settings: VideoCorruption, seed: int) -> tuple[str, Writer]:
    """The suffix and the writer of a clip's corrupted crops. Raises VsrError bad_manifest."""
    try:
        crop = read_crop(clip.crop)
    except (OSError, ValueError, EOFError) as error:
        raise VsrError("bad_manifest", f"cannot read the crop of {clip.id}: {cause_of(error)}") from error
    drawn = settings.draw(len(crop), generator_of(seed, clip.id, VIDEO))

    def write(path: Path, lossless: bool) -> dict:
        write_crop(path, drawn.crop(crop), "npy")
        return {"video": to_plain(drawn)}

    return ".npy", write


def corrupted_recording(
    clip: Clip, sound: DrawnSound, voices: Mapping[str, Clip], settings: Corruption, seed: int
) -> tuple[str, Writer]:
    """The suffix and the writer of a clip's corrupted recording.

    Raises VsrError: unreadable; no_sound, no_video where that stream is to be corrupted but missing; no_face where the
    mouth is to be covered but not found.
    """
    wave = _wave(clip, sound, voices, required=not settings.sound.changes_nothing)
    times = _times(clip)
    if times is None:
        if not settings.video.changes_nothing:
            raise VsrError("no_video", f"{clip.video}: has no frames to corrupt")
        return ".wav", lambda path, _: _write_sound(path, wave, sound)
    drawn = settings.video.draw(len(times), generator_of(seed, clip.id, VIDEO))
    boxes = mouth_boxes(clip, times) if drawn.covers else None
    done = {"sound": to_plain(sound), "video": to_plain(drawn)}

    def write(path: Path, lossless: bool) -> dict:
        write_recording(path, corrupted_frames(clip, drawn, len(times), boxes), wave, lossless)
        return done

    return ".mkv", write


def _write_sound(path: Path, wave: np.ndarray | None, sound: DrawnSound) -> dict:
    assert wave is not None  # a file without frames and without sound cannot be read
    write_wave(path, wave)
    return {"sound": to_plain(sound)}


def _wave(clip: Clip, sound: DrawnSound, voices: Mapping[str, Clip], required: bool) -> np.ndarray | None:
    """The clip's corrupted wave; None if it has none and none is needed."""
    try:
        wave = natural_wave(replace(clip, num_frames=0))
    except VsrError as error:
        if required or error.reason != "no_sound":
            raise
        return None
    return sound.wave(wave, lambda name: _voice(voices[name]))


def _voice(clip: Clip) -> np.ndarray:
    """The sound of a babbling clip; empty if it has none."""
    try:
        return natural_wave(replace(clip, num_frames=0))
    except VsrError as error:
        if error.reason != "no_sound":
            raise
        return np.zeros(0, np.float32)


def _times(clip: Clip) -> np.ndarray | None:
    """(T,) seconds of the clip's frames; None if it is sound alone."""
    try:
        return frame_times(clip.video, clip.start, clip.end)
    except VsrError as error:
        if error.reason == "no_video":
            return None
        raise


def corrupted_frames(clip: Clip, corruption: DrawnVideo, count: int, boxes: np.ndarray | None) -> Iterator[np.ndarray]:
    """The frames (H, W, 3) of a clip, corrupted; a dropped frame repeats the one before."""
    shown, last = corruption.frame_indices(count), None
    for index, (frame, _) in enumerate(frames_of_part(clip.video, clip.start, clip.end)):
        if last is None or index >= count or shown[index] == index:
            last = corruption.frame(index, frame, None if boxes is None else boxes[min(index, count - 1)])
        yield last


def mouth_boxes(clip: Clip, times: np.ndarray) -> np.ndarray:
    """(T, 4) pixels round the lips of the face that fills the screen most, at the frames' ``times`` (T,) seconds; where
    the face is not seen, the box of the nearest frame. Raises VsrError no_face, and errors of
    `vsr.face.mouth_crop.crop_video`.
    """
    from vsr.face.mouth_crop import crop_video

    mouth = crop_video(clip.video, start=clip.start, end=clip.end)
    assert mouth.points is not None
    lips = mouth.points[:, LIPS].astype(np.float64)
    low, high = lips.min(axis=1), lips.max(axis=1)
    boxes = np.concatenate([low - ROUND * (high - low), high + ROUND * (high - low)], axis=1)
    nearest = np.abs(mouth.times[None] - times[:, None]).argmin(axis=1)
    return boxes[nearest]
