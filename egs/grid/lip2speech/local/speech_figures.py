"""Figures of one synthesised clip: its wrong words, and its similarity to the recording during speech."""

import numpy as np

from lip2speech.evaluation.asr_scorers import PocketSphinxGrid
from lip2speech.evaluation.intelligibility import stoi_aligned
from lip2speech.evaluation.metrics import pesq
from vsr.evaluation.wer import word_errors


def speech_figures(clip, natural: np.ndarray, wave: np.ndarray, scorer: PocketSphinxGrid, speech_span=None) -> dict:
    """STOI and ESTOI of the words, or of ``speech_span`` (seconds), PESQ nb and wrong words of a wave (S,)."""
    span = speech_span or (clip.words[0][1], clip.words[-1][2])
    stoi, estoi = (stoi_aligned(natural, wave, 0, span, extended) for extended in (False, True))
    errors = word_errors(clip.text, scorer.transcribe(wave))[0]
    return {"stoi": stoi, "estoi": estoi, "pesq": pesq(natural, wave, "nb"), "errors": errors}
