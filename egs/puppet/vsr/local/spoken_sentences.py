"""Sentences of the puppet's grammar with their sound, synthesised by espeak."""

import math

import numpy as np
from scipy.signal import resample_poly

from vsr.core.clock import SAMPLE_RATE, SAMPLES_PER_FRAME
from vsr.corpora.puppet.languages import SLOTS, voices_of
from vsr.corpora.puppet.sentences import load_vocabulary
from vsr.corpora.puppet.speech import Voice, synthesiser

SILENT = 8  # frames of silence before and after a sentence


def synthesised_sentences(language: str, count: int, excluded: set[str], seed: int) -> list[tuple[str, np.ndarray]]:
    """``count`` sentences not in ``excluded``, each with its wave (640 T,) at 16 kHz; voices are drawn at random."""
    vocabulary, rng = load_vocabulary("grid", SLOTS[language]), np.random.default_rng((seed, 9))
    sentences: list[tuple[str, np.ndarray]] = []
    while len(sentences) < count:
        text = vocabulary.sentence(int(rng.integers(vocabulary.size)))
        if text not in excluded:
            sentences.append((text, synthesised(text, random_voice(language, rng))))
    return sentences


def random_voice(language: str, rng: np.random.Generator) -> Voice:
    """A voice of the language, with a random rate and pitch."""
    return Voice(str(rng.choice(voices_of(language))), int(rng.integers(120, 176)), int(rng.integers(30, 70)))


def synthesised(text: str, voice: Voice) -> np.ndarray:
    """The wave (640 T,) of a sentence at 16 kHz, between silences."""
    words = text.split()
    utterance = synthesiser().speak(words, words, voice)
    wave = at_16_khz(utterance.samples.astype(np.float32) / 32768, utterance.rate)
    padded = np.pad(wave, SILENT * SAMPLES_PER_FRAME)
    return padded[: len(padded) // SAMPLES_PER_FRAME * SAMPLES_PER_FRAME]


def at_16_khz(wave: np.ndarray, rate: int) -> np.ndarray:
    """Resample a wave (S,) from ``rate`` to 16 kHz."""
    common = math.gcd(rate, SAMPLE_RATE)
    return resample_poly(wave, SAMPLE_RATE // common, rate // common).astype(np.float32)
