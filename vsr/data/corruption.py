"""Corruption of both streams of a clip from one record of settings: for training (`data.corruption`) and for distorted
test sets (`vsr corrupt`).

All draws come from a generator fixed by the clip and a seed: a clip is corrupted in the same way on every machine,
whatever other clips are in its list. Only the voices of babble depend on that list.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from vsr.core.errors import VsrError
from vsr.data.manifest import Clip
from vsr.data.sound_corruption import DrawnSound, SoundCorruption
from vsr.data.video_corruption import VideoCorruption
from vsr.media.audio import read_wave

SOUND, VIDEO = 1, 2  # numbers of the streams in a seed
OWN = 0xC0  # keeps the draws apart from those of augmentation


@dataclass(frozen=True)
class Corruption:
    """What may happen to sound and to frames; each kind has a probability ``p`` and lists of values, one of which is
    drawn per clip."""

    sound: SoundCorruption = field(default_factory=SoundCorruption)
    video: VideoCorruption = field(default_factory=VideoCorruption)

    @property
    def changes_nothing(self) -> bool:
        """Whether no clip is ever changed."""
        return self.sound.changes_nothing and self.video.changes_nothing

    def check_streams(self, video: bool, sound: bool) -> None:
        """Raise VsrError bad_config for a stream that the model does not read, and for missing noise files."""
        for name, settings, is_read in (("video", self.video, video), ("sound", self.sound, sound)):
            if not is_read and not settings.changes_nothing:
                what = "frames" if name == "video" else "sound"
                raise VsrError("bad_config", f"data.corruption.{name}: this model reads no {what}")
        self.sound.check_files()


def generator_of(seed: int, name: str, stream: int) -> np.random.Generator:
    """The random generator for one stream of the clip with the id ``name``."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
    return np.random.default_rng((seed, OWN, stream, int.from_bytes(digest[:8], "big")))


def corrupted_crop(crop: np.ndarray, settings: VideoCorruption, seed: tuple[int, ...]) -> np.ndarray:
    """Corrupt the crop (T, 96, 96) of a training clip; ``seed``: for example of the run, the epoch and the clip."""
    if settings.changes_nothing:
        return crop
    return settings.draw(len(crop), np.random.default_rng((*seed, OWN, VIDEO))).crop(crop)


def drawn_sound(
    settings: SoundCorruption, seed: tuple[int, ...], clip_id: str, voices: Mapping[str, Clip]
) -> DrawnSound:
    """Draw the corruption for the sound of the training clip with the id ``clip_id``; ``voices``: id -> clip to
    babble."""
    if settings.changes_nothing:
        return DrawnSound()
    return settings.draw(list(voices), np.random.default_rng((*seed, OWN, SOUND)), clip_id)


def corrupted_wave(
    wave: np.ndarray, corruption: DrawnSound, voices: Mapping[str, Clip], wave_of: Callable[[Clip], np.ndarray]
) -> np.ndarray:
    """Corrupt the sound (S,) of a training clip as drawn, with ``voices`` as in `drawn_sound`; silence is unchanged.

    ``wave_of``: gives the sound of a clip.
    """
    try:
        return corruption.wave(wave, lambda name: wave_of(voices[name]) if name in voices else read_wave(name))
    except VsrError as error:
        if error.reason != "no_sound":
            raise
        return wave
