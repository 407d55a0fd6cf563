"""Metrics of synthesised speech against the natural recording. Waves are (S,) float32 at 16 kHz, both equally long.

As in the published tables, nothing is aligned or level-normalised before a metric; the offset and the aligned figures
show the effect of a shift.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from lip2speech.evaluation.alignment import offset
from lip2speech.evaluation.intelligibility import check_length, stoi, stoi_aligned
from lip2speech.features.pitch import FROM_SOURCE, pitch
from lip2speech.features.speaker import speaker_vector
from vsr.core.clock import HOP, SAMPLE_RATE
from vsr.core.errors import VsrError
from vsr.core.packages import required_package
from vsr.media.filterbank import cosines
from vsr.media.mel import log_mel

SILENT = 1e-4  # peak
CEPSTRA = 13
PESQ_FROM_SOURCE = "pip install pesq, which needs a C compiler and Python's headers (Debian: gcc python3-dev)"


@dataclass(frozen=True)
class Utterance:
    """The figures of one clip.

    stoi, estoi: Taal et al. 2011, Jensen and Taal 2016 (pystoi). pesq_nb, pesq_wb: ITU-T P.862 at 16 kHz, narrow and
    wide band. mcd: mel-cepstral distance, dB, without alignment. f0: mean error where both are voiced, cents, NaN if
    there are no such frames; voicing: share of frames that are voiced in only one. offset_ms: shift of the voice
    against the natural one, positive when late; offset_size_ms: its absolute value, so that early and late clips do
    not cancel in a mean; stoi_aligned: STOI after undoing the shift, NaN where too little speech is left. stoi_words,
    estoi_words: also aligned, and only from the first word to the last, NaN without word times: STOI ignores only what
    is 40 dB below the loudest, so the noise in a recording's pauses counts as speech that must be matched. speaker:
    cosine of GE2E vectors. dnsmos: overall (Reddy et al. 2022). distillmos, lse_c, lse_d: see
    `lip2speech.evaluation.distillmos` and `lip2speech.evaluation.lse`, NaN if not requested.
    """

    stoi: float
    estoi: float
    pesq_nb: float
    pesq_wb: float
    mcd: float
    f0: float
    voicing: float
    offset_ms: float
    offset_size_ms: float
    stoi_aligned: float
    stoi_words: float
    estoi_words: float
    speaker: float
    dnsmos: float
    distillmos: float = math.nan
    lse_c: float = math.nan
    lse_d: float = math.nan


def measure(natural: np.ndarray, voice: np.ndarray, speech_span: tuple[float, float] | None = None) -> Utterance:
    """All figures of one clip; ``speech_span``: start and end of the words, seconds.

    Raises VsrError too_short, silent, not_finite, no_speech.
    """
    length = min(len(natural), len(voice)) // HOP * HOP
    natural, voice = natural[:length], voice[:length]
    check(natural, voice)
    shift = offset(natural, voice)
    f0, voicing = pitch_errors(natural, voice)
    words, extended = (
        stoi_aligned(natural, voice, shift, speech_span, extend) if speech_span else math.nan
        for extend in (False, True)
    )
    return Utterance(
        stoi=stoi(natural, voice),
        estoi=stoi(natural, voice, extended=True),
        pesq_nb=pesq(natural, voice, "nb"),
        pesq_wb=pesq(natural, voice, "wb"),
        mcd=mel_cepstral_distance(natural, voice),
        f0=f0,
        voicing=voicing,
        offset_ms=1000 * shift / SAMPLE_RATE,
        offset_size_ms=1000 * abs(shift) / SAMPLE_RATE,
        stoi_aligned=stoi_aligned(natural, voice, shift),
        stoi_words=words,
        estoi_words=extended,
        speaker=float(speaker_vector(natural) @ speaker_vector(voice)),
        dnsmos=dnsmos(voice),
    )


def check_packages() -> None:
    """Check that the required packages are installed. Raises VsrError missing_package."""
    required_package("pesq", "PESQ", PESQ_FROM_SOURCE)
    required_package("pyworld", "the pitch of a voice", FROM_SOURCE)


def check(natural: np.ndarray, voice: np.ndarray) -> None:
    """Refuse waves that the metrics cannot measure. Raises VsrError too_short, not_finite, silent."""
    for name, wave in (("natural recording", natural), ("voice", voice)):
        check_length(wave, name)
        check_sound(wave, name)


def check_sound(wave: np.ndarray, name: str) -> None:
    """Refuse a wave that is not finite or silent. Raises VsrError not_finite, silent."""
    if not np.isfinite(wave).all():
        raise VsrError("not_finite", f"the {name} holds NaN or infinity")
    if np.abs(wave).max(initial=0) < SILENT:
        raise VsrError("silent", f"the {name} is silent")


def pesq(natural: np.ndarray, voice: np.ndarray, band: str) -> float:
    """PESQ at 16 kHz; ``band`` is "nb" or "wb". Raises VsrError no_speech, missing_package."""
    itu = required_package("pesq", "PESQ", PESQ_FROM_SOURCE)
    try:
        return float(itu.pesq(SAMPLE_RATE, natural, voice, band))
    except itu.NoUtterancesError as error:
        raise VsrError("no_speech", "PESQ finds no speech") from error
    except (itu.PesqError, ValueError) as error:
        raise VsrError("no_speech", f"PESQ fails: {error}") from error


def mel_cepstral_distance(natural: np.ndarray, voice: np.ndarray) -> float:
    """Mel-cepstral distance (Kubichek 1993) over cepstra 1 to 12 of our log-mel, mean over frames, dB."""
    mels = [log_mel(torch.from_numpy(np.ascontiguousarray(wave))) for wave in (natural, voice)]
    return cepstral_distance(*mels)


def cepstral_distance(first: torch.Tensor, second: torch.Tensor) -> float:
    """10 / ln 10 * sqrt(2 sum of squared differences) of the cepstra of two (N, bands) log magnitudes, dB.

    Cepstra are the weights of the cosines that sum to the log magnitude, as in SPTK; so the distance is the root mean
    square difference in dB of the parts that 12 cosines represent.
    """
    bands = first.shape[1]
    difference = (first - second) @ (cosines(CEPSTRA, bands)[:, 1:] * (2 / bands) ** 0.5)
    return float(10 / np.log(10) * (2 * difference.square().sum(1)).sqrt().mean())


def pitch_errors(natural: np.ndarray, voice: np.ndarray) -> tuple[float, float]:
    """(mean error in cents where both are voiced, share of frames in which only one is)."""
    natural_f0, voice_f0 = pitch(natural), pitch(voice)
    is_voiced = (natural_f0 > 0) & (voice_f0 > 0)
    cents = 1200 * np.abs(np.log2(natural_f0[is_voiced] / voice_f0[is_voiced]))
    return float(cents.mean()) if is_voiced.any() else float("nan"), float(np.mean((natural_f0 > 0) != (voice_f0 > 0)))


def dnsmos(voice: np.ndarray) -> float:
    """Overall score of DNSMOS P.835."""
    from speechmos import dnsmos as model

    return float(model.run(np.clip(voice, -1, 1), SAMPLE_RATE)["ovrl_mos"])
