"""Synthetic speaking styles: the same sentences neutral, lively, sad and angry, by eSpeak's rate, pitch, pitch range
and loudness. Sound only; results on them say nothing about real emotions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.signal import resample_poly

from vsr.core.clock import SAMPLE_RATE, SAMPLES_PER_FRAME
from vsr.core.progress import count_items
from vsr.corpora.lists import check_lists, write_lists
from vsr.corpora.puppet.description import SPLITS
from vsr.corpora.puppet.sentences import draw_splits, load_vocabulary
from vsr.corpora.puppet.speech import Voice, synthesiser
from vsr.data.manifest import Clip
from vsr.media.audio import write_wave

HELD_OUT = ("en-GB-scotland+m2", "en-US+f5")  # voices of dev and test only
CORPUS = "puppet styles"  # in the folder's ledger
VOICES = ("en", "en+f2", "en+m3", "en+f4", "en+m7", "en-GB-x-rp", "en-GB-x-rp+f3")
ROOM = SAMPLE_RATE // 5  # samples of silence before and after


@dataclass(frozen=True)
class Style:
    """Changes of a voice: added to rate (words a minute) and pitch; range of the pitch, and loudness."""

    rate: int
    pitch: int
    spread: int
    volume: int

    def applied_to(self, voice: Voice) -> Voice:
        """The voice in this style."""
        pitch = int(np.clip(voice.pitch + self.pitch, 0, 99))
        return replace(voice, rate=voice.rate + self.rate, pitch=pitch, spread=self.spread, volume=self.volume)


STYLES = {
    "neutral": Style(0, 0, 40, 100), "lively": Style(20, 20, 95, 110),
    "sad": Style(-30, -15, 5, 55), "angry": Style(25, 5, 60, 180),
}  # fmt: skip


def prepare_styles(out: str | Path, train: int, dev: int, test: int, seed: int = 0) -> dict[str, int]:
    """Say sentences of GRID's grammar in all styles: out/sound/NAME.wav and out/{train,dev,test}.jsonl.

    ``train``, ``dev``, ``test``: number of sentences. In the manifests the style is the only word, from the first to
    the last sound, so that `lip2speech listener` learns it; voices of dev and test are in no training list, and no
    sentence is in two lists. Raises VsrError no_speech, exists.
    """
    check_lists(out, CORPUS, SPLITS)
    out, vocabulary = Path(out), load_vocabulary("grid")
    sentences = draw_splits(vocabulary, {"dev": dev, "test": test, "train": train}, seed)
    lists = {}
    for split in SPLITS:
        voices = VOICES if split == "train" else HELD_OUT
        pairs = [(text, style) for text in sentences[split] for style in STYLES]
        lists[split] = [
            _clip(out, split, place // len(STYLES), text, style, voices, seed)
            for place, (text, style) in enumerate(count_items(pairs, split, len(pairs)))
        ]
    return write_lists(out, CORPUS, lists)


def _clip(out: Path, split: str, number: int, text: str, style: str, voices, seed: int) -> Clip:
    rng = np.random.default_rng([seed, 7, number])  # the same voice in all styles of a sentence
    name, words = f"{split}_{number:04d}_{style}", text.split()
    voice = Voice(voices[rng.integers(len(voices))], int(rng.integers(130, 160)), int(rng.integers(35, 60)))
    spoken = [load_vocabulary("grid").spelling_of(word) for word in words]
    speech = synthesiser().speak(words, spoken, STYLES[style].applied_to(voice))
    samples = speech.samples.astype(np.float32) / 32768
    wave = np.pad(resample_poly(samples, SAMPLE_RATE, speech.rate).astype(np.float32), ROOM)
    frames = len(wave) // SAMPLES_PER_FRAME
    path = out / "sound" / f"{name}.wav"
    write_wave(path, wave[: frames * SAMPLES_PER_FRAME])
    start = ROOM / SAMPLE_RATE
    return Clip(name, str(path), text, voice.name, frames, words=((style, start, start + speech.words[-1].end),))
