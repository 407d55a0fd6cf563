"""Corruption of the sound of a clip: settings with a probability and values for each kind, and the draw for one clip.

The room is applied first, then noise at its ratio to the voice as it is heard in the room, then the channel: stretches
that are lost, clipping, low-pass, codec. Shapes: wave (S,) float32 in [-1, 1], mono, 16 kHz.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vsr.core.clock import SAMPLE_RATE
from vsr.core.errors import VsrError
from vsr.core.numbers import ANY, COUNT, SHARE, Range
from vsr.data.video_corruption import NEVER, Amount, check_choice
from vsr.media.bandwidth import clipped, companded, low_passed, with_gaps
from vsr.media.levels import mix_at_snr, stretch
from vsr.media.mixing import KINDS, noise_of
from vsr.media.reverberation import response, reverberated

BABBLE = "babble"


@dataclass(frozen=True)
class Noise:
    """Noise of one of ``kinds`` (babble, white, pink, or a sound file) at one of the ratios ``snr`` (dB), or with
    ``evenly`` at any ratio from the least to the greatest; babble is ``voices`` other clips at once."""

    p: float = 1.0
    kinds: tuple[str, ...] = (BABBLE,)
    snr: tuple[float, ...] = (0.0,)
    voices: int = 6
    evenly: bool = False

    def __post_init__(self):
        check_choice("corruption.sound.noise", self, snr=ANY, voices=COUNT)

    def ratio(self, rng: np.random.Generator) -> float:
        """A signal-to-noise ratio, dB."""
        return float(rng.uniform(min(self.snr), max(self.snr)) if self.evenly else rng.choice(self.snr))


@dataclass(frozen=True)
class Gaps:
    """``count`` stretches of silence, each of at most ``share`` of the clip (four of an eighth: Hong et al. 2023)."""

    p: float = 1.0
    count: tuple[int, ...] = (4,)
    share: float = 0.125

    def __post_init__(self):
        check_choice("corruption.sound.gaps", self, count=COUNT, share=SHARE)


@dataclass(frozen=True)
class DrawnSound:
    """The corruption drawn for one clip: noise ("" for none) at ``snr`` dB, with the ids of the ``voices`` of babble;
    T60 (seconds), clipped share, cut-off (Hz), bits of the codec, each 0 for none; gaps as (start, stop) shares of the
    clip; the seed of noise and room."""

    noise: str = ""
    snr: float = 0.0
    voices: tuple[str, ...] = ()
    reverberation: float = 0.0
    gaps: tuple[tuple[float, float], ...] = ()
    clipping: float = 0.0
    bandwidth: float = 0.0
    codec: int = 0
    seed: int = 0

    def wave(self, wave: np.ndarray, sound_of: Callable[[str], np.ndarray]) -> np.ndarray:
        """(S,) -> the same, corrupted; ``sound_of``: returns the wave of a voice of babble, or of a noise file.

        Raises VsrError no_sound for a ratio to silence.
        """
        rng = np.random.default_rng(self.seed)
        if self.reverberation:
            wave = reverberated(wave, response(self.reverberation, rng))
        if self.noise:
            wave = mix_at_snr(wave, self._noise(len(wave), rng, sound_of), self.snr)
        wave = with_gaps(wave, [(round(a * len(wave)), round(b * len(wave))) for a, b in self.gaps])
        if self.clipping:
            wave = clipped(wave, self.clipping)
        if self.bandwidth:
            wave = low_passed(wave, self.bandwidth)
        return companded(wave, self.codec) if self.codec else wave

    def _noise(self, samples: int, rng: np.random.Generator, sound_of: Callable[[str], np.ndarray]) -> np.ndarray:
        if self.noise in KINDS:
            return noise_of(self.noise, samples, [sound_of(name) for name in self.voices], rng)
        return stretch(sound_of(self.noise), samples, rng)


LIMITS = {"reverberation": Range(above=0, most=20), "clipping": Range(above=0, below=1),
          "bandwidth": Range(above=0, below=SAMPLE_RATE / 2), "codec": Range(least=2, most=16)}  # fmt: skip


@dataclass(frozen=True)
class SoundCorruption:
    """How sound is corrupted; by default not at all. Of the amounts, ``reverberation`` is T60 in seconds, ``clipping``
    a share of the samples, ``bandwidth`` the cut-off in Hz, ``codec`` bits of G.711's curve."""

    noise: Noise = field(default_factory=lambda: Noise(p=0.0))
    reverberation: Amount = NEVER
    gaps: Gaps = field(default_factory=lambda: Gaps(p=0.0))
    clipping: Amount = NEVER
    bandwidth: Amount = NEVER
    codec: Amount = NEVER

    def __post_init__(self):
        for name, limits in LIMITS.items():
            amount = getattr(self, name)
            if amount.p:
                check_choice(f"corruption.sound.{name}", amount, values=limits)

    @property
    def changes_nothing(self) -> bool:
        """Whether no clip is ever changed."""
        return not any(kind.p for kind in vars(self).values())

    @property
    def needs_voices(self) -> bool:
        """Whether other clips are needed, for babble."""
        return self.noise.p > 0 and BABBLE in self.noise.kinds

    def check_files(self) -> None:
        """Raise VsrError bad_config for a noise that is neither a kind nor a file."""
        absent = [kind for kind in self.noise.kinds if kind not in KINDS and not Path(kind).is_file()]
        if self.noise.p and absent:
            known = f"{', '.join(KINDS)} or a sound file"
            raise VsrError("bad_config", f"data.corruption.sound.noise.kinds: there is no '{absent[0]}'; give {known}")

    def draw(self, clips: Sequence[str], rng: np.random.Generator, clip_id: str = "") -> DrawnSound:
        """The corruption of one clip; ``clips``: names of clips that may babble, except its ``clip_id``. Raises
        VsrError bad_config where babble is drawn and there is no other clip."""
        noise: dict[str, Any] = {}
        if rng.random() < self.noise.p:
            noise = {"noise": str(rng.choice(self.noise.kinds)), "snr": self.noise.ratio(rng)}
            if noise["noise"] == BABBLE:
                noise["voices"] = self._voices(clips, rng, clip_id)
        amounts: dict[str, Any] = {name: amount.draw(rng) for name, amount in vars(self).items() if name in LIMITS}
        gaps = self._gaps(rng) if rng.random() < self.gaps.p else ()
        codec = round(amounts.pop("codec"))
        return DrawnSound(**noise, **amounts, codec=codec, gaps=gaps, seed=int(rng.integers(2**31)))

    def _voices(self, clips: Sequence[str], rng: np.random.Generator, clip_id: str) -> tuple[str, ...]:
        drawn = rng.choice(len(clips), min(self.noise.voices + 1, len(clips)), replace=False) if clips else ()
        voices = [clips[index] for index in drawn if clips[index] != clip_id]
        if not voices:
            raise VsrError("bad_config", "babble needs other clips: the list has only one")
        return tuple(voices[: self.noise.voices])

    def _gaps(self, rng: np.random.Generator) -> tuple[tuple[float, float], ...]:
        gaps = []
        for _ in range(int(rng.choice(self.gaps.count))):
            length = float(rng.uniform(0, self.gaps.share))
            start = float(rng.uniform(0, 1 - length))
            gaps.append((start, start + length))
        return tuple(gaps)
