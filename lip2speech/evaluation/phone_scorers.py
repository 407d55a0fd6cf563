"""A phoneme recogniser trained on neither GRID nor this voice, which gives phonemes, or from them GRID's words.

It is the network of the package `hama`, CTC over IPA, with weights in the package. Waves (S,) float32 at 16 kHz; T
frames of 20 ms; classes: 0 for the blank, then the 39 phonemes of `vsr.text.phonemes`.
"""

from __future__ import annotations

import numpy as np

from lip2speech.evaluation.slot_search import best_words
from vsr.core.packages import required_package
from vsr.corpora.puppet.sentences import GRID_SLOTS
from vsr.text.phonemes import PHONEMES, arpabet
from vsr.text.pronounce import CMU, Pronouncer

PHONES, GRID = "hama", "hama-grid"
CLASSES = {phone: number for number, phone in enumerate(PHONEMES, 1)}
LEAST = 1e-8  # smallest probability of a class


class HamaPhones:
    """Recognises phonemes, without dictionary or grammar: ARPAbet, separated by spaces.

    Raises VsrError missing_package.
    """

    name, unit = PHONES, "phoneme"

    def __init__(self):
        package = required_package("hama", "this scorer", "pip install hama, whose weights are in the package")
        self._model = package.ASRModel()
        self._classes = np.array([class_of(token) for token in self._model.decoder_tokens])

    def transcribe(self, wave: np.ndarray) -> str:
        """Greedy CTC decoding: the best class of each frame, without repeats and blanks."""
        best = self.log_probs(wave).argmax(1)
        collapsed = best[np.flatnonzero(np.diff(best, prepend=-1))]
        return " ".join(PHONEMES[number - 1] for number in collapsed if number)

    def log_probs(self, wave: np.ndarray) -> np.ndarray:
        """Log-probabilities (T, 40) of a wave (S,); tokens of the same phoneme are summed, those of other languages
        added to the blank."""
        sound = np.ascontiguousarray(wave, np.float32)[None]
        inputs = {"waveform": sound, "waveform_lengths": np.array([sound.shape[1]])}
        outputs, lengths = self._model.session.run(["log_probs", "out_lengths"], inputs)
        probabilities = np.exp(np.asarray(outputs[0][: int(np.ravel(lengths)[0])], np.float64))
        merged = np.zeros((len(probabilities), 1 + len(PHONEMES)))
        np.add.at(merged.T, self._classes, probabilities.T)
        return np.log(merged + LEAST)


class HamaGrid(HamaPhones):
    """Recognises the sentence of GRID's grammar that fits the phonemes best. Raises VsrError missing_package."""

    name, unit = GRID, "word"

    def __init__(self):
        super().__init__()
        pronouncer = Pronouncer((CMU,))
        self.slots = [{word: pronunciations(pronouncer, word) for word in slot} for slot in GRID_SLOTS]

    def transcribe(self, wave: np.ndarray) -> str:
        """Words, one of each slot; "" for a wave that is too short for six words."""
        return " ".join(best_words(self.log_probs(wave), self.slots))


def class_of(token: str) -> int:
    """The class of a token of hama, where a diphthong is one phoneme; 0 for tokens that are no English phoneme."""
    try:
        phones = arpabet(token)
    except ValueError:
        return 0
    return CLASSES[phones[0]] if len(phones) == 1 else 0


def pronunciations(pronouncer: Pronouncer, word: str) -> list[list[int]]:
    """The pronunciations of a word as classes; "a" is pronounced as the letter, not the article."""
    variants = [("EY",)] if word == "a" else pronouncer.variants(word)
    return [[CLASSES[phone] for phone in variant] for variant in variants]
