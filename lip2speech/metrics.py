"""How close a synthesised voice is to the natural one. All waves are (S,) float32 at 16 kHz, both equally long.

Nothing is aligned or made equally loud before a metric, as in the published tables; `offset` tells how much a shift
would bring.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch

from lip2speech.features.mel import log_mel
from lip2speech.features.pitch import pitch
from lip2speech.features.speaker import speaker_vector
from vsr.clock import HOP, SAMPLE_RATE
from vsr.errors import VsrError

MIN_SECONDS = 0.45  # below it STOI has no 30 frames and answers with a constant
MAX_OFFSET = SAMPLE_RATE // 5  # samples of the search, each way
SILENT = 1e-4  # peak
CEPSTRA = 13


@dataclass(frozen=True)
class Utterance:
    """The figures of one clip.

    stoi, estoi: Taal et al. 2011, Jensen and Taal 2016 (pystoi). pesq_nb, pesq_wb: ITU-T P.862 at 16 kHz, narrow and
    wide band. mcd: mel-cepstral distance, dB, without alignment. f0: mean error where both are voiced, cents, NaN where
    that is nowhere; voicing: share of frames voiced in one alone. offset_ms: shift of the voice against the natural
    one, positive when late; offset_size_ms: without its sign, so that early and late clips do not cancel in a mean;
    stoi_aligned: STOI after undoing it, NaN where too little is left. stoi_words, estoi_words: aligned too, and from
    the first word to the last alone, NaN where nobody knows when they are: STOI leaves out only what is 40 dB below
    the loudest, so the noise in a recording's pauses counts as speech that must be matched. speaker: cosine of GE2E
    vectors. dnsmos: overall (Reddy et al. 2022).
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


def measure(natural: np.ndarray, voice: np.ndarray, said: tuple[float, float] | None = None) -> Utterance:
    """All figures of one clip; ``said``: from when to when words are spoken, seconds.

    Raises VsrError too_short, silent, not_finite, no_speech.
    """
    length = min(len(natural), len(voice)) // HOP * HOP
    natural, voice = natural[:length], voice[:length]
    check(natural, voice)
    shift = offset(natural, voice)
    f0, voicing = pitch_errors(natural, voice)
    words, extended = (stoi_aligned(natural, voice, shift, said, e) if said else math.nan for e in (False, True))
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


def check(natural: np.ndarray, voice: np.ndarray) -> None:
    """Refuse what no metric can judge. Raises VsrError too_short, not_finite, silent."""
    for name, wave in (("natural recording", natural), ("voice", voice)):
        check_length(wave, name)
        check_sound(wave, name)


def check_length(wave: np.ndarray, name: str) -> None:
    """Raises VsrError too_short."""
    if len(wave) < MIN_SECONDS * SAMPLE_RATE:
        seconds = len(wave) / SAMPLE_RATE
        raise VsrError("too_short", f"the {name} lasts {seconds:.2f} s; STOI needs {MIN_SECONDS} s")


def check_sound(wave: np.ndarray, name: str) -> None:
    """Raises VsrError not_finite, silent."""
    if not np.isfinite(wave).all():
        raise VsrError("not_finite", f"the {name} holds NaN or infinity")
    if np.abs(wave).max(initial=0) < SILENT:
        raise VsrError("silent", f"the {name} is silent")


def stoi(natural: np.ndarray, voice: np.ndarray, extended: bool = False) -> float:
    """(Extended) short-time objective intelligibility. Raises VsrError too_short."""
    import warnings

    from pystoi import stoi as pystoi

    with warnings.catch_warnings(), same_noise():
        # Below 30 frames of speech pystoi warns and answers 1e-5, which would spoil a mean.
        warnings.simplefilter("error", RuntimeWarning)
        try:
            return float(pystoi(natural, voice, SAMPLE_RATE, extended=extended))
        except RuntimeWarning as warning:
            raise VsrError("too_short", f"too little speech for STOI: {warning}") from warning


@contextmanager
def same_noise() -> Iterator[None]:
    """pystoi adds noise from numpy's common state; drawn anew, it moves the ESTOI of a voice that stops by 0.006."""
    state = np.random.get_state()
    np.random.seed(0)
    try:
        yield
    finally:
        np.random.set_state(state)


def pesq(natural: np.ndarray, voice: np.ndarray, band: str) -> float:
    """PESQ at 16 kHz; ``band`` is "nb" or "wb". Raises VsrError no_speech."""
    from pesq import NoUtterancesError, PesqError
    from pesq import pesq as itu

    try:
        return float(itu(SAMPLE_RATE, natural, voice, band))
    except NoUtterancesError as error:
        raise VsrError("no_speech", "PESQ finds no speech") from error
    except (PesqError, ValueError) as error:
        raise VsrError("no_speech", f"PESQ fails: {error}") from error


def stoi_aligned(
    natural: np.ndarray, voice: np.ndarray, lag: int, said: tuple[float, float] | None = None, extended: bool = False
) -> float:
    """STOI once a lag of so many samples is undone, of all or of what is ``said`` from one second of the natural
    recording to another; NaN where too little speech is left for it."""
    natural, voice = shifted(natural, voice, lag)
    if said is not None:
        cut = max(0, -lag)  # samples of the natural recording that have nothing beside them
        part = slice(*(max(0, round(seconds * SAMPLE_RATE) - cut) for seconds in said))
        natural, voice = natural[part], voice[part]
    try:
        check_length(voice, "voice")
        return stoi(natural, voice, extended)
    except VsrError:
        return float("nan")  # the plain figures of a short clip stand all the same


def mel_cepstral_distance(natural: np.ndarray, voice: np.ndarray) -> float:
    """Mel-cepstral distance (Kubichek 1993) over cepstra 1 to 12 of our log-mel, mean over frames, dB."""
    mels = [log_mel(torch.from_numpy(np.ascontiguousarray(wave))) for wave in (natural, voice)]
    return cepstral_distance(*mels)


def cepstral_distance(first: torch.Tensor, second: torch.Tensor) -> float:
    """10 / ln 10 * sqrt(2 sum of squared differences) of the cepstra of two (N, bands) log magnitudes, dB.

    Cepstra are the weights of the cosines that add up to the log magnitude, as in SPTK; so the distance is the
    root mean square difference in dB of what 12 cosines can tell.
    """
    from torchaudio.functional import create_dct

    bands = first.shape[1]
    cosines = create_dct(CEPSTRA, bands, "ortho")[:, 1:] * (2 / bands) ** 0.5
    difference = (first - second) @ cosines
    return float(10 / np.log(10) * (2 * difference.square().sum(1)).sqrt().mean())


def pitch_errors(natural: np.ndarray, voice: np.ndarray) -> tuple[float, float]:
    """(mean error in cents where both are voiced, share of frames in which one alone is)."""
    true, made = pitch(natural), pitch(voice)
    both = (true > 0) & (made > 0)
    cents = 1200 * np.abs(np.log2(true[both] / made[both]))
    return float(cents.mean()) if both.any() else float("nan"), float(np.mean((true > 0) != (made > 0)))


def offset(natural: np.ndarray, voice: np.ndarray) -> int:
    """Samples by which the voice lags, from the correlation of the loudness in bands within +-200 ms."""
    contours = [_contours(wave) for wave in (natural, voice)]
    size = 2 * len(contours[0])
    spectra = [np.fft.rfft(contour, size, axis=0) for contour in contours]
    correlation = np.fft.irfft((spectra[0].conj() * spectra[1]).sum(1), size)
    reach = MAX_OFFSET // CONTOUR_HOP
    lags = np.arange(-reach, reach + 1)
    return int(lags[np.argmax(correlation[lags])]) * CONTOUR_HOP


CONTOUR_HOP = 16  # samples: 1 ms


def _contours(wave: np.ndarray) -> np.ndarray:
    """Log-loudness of 8 bands each millisecond, zero mean: (S / 16, 8)."""
    sound = torch.from_numpy(np.ascontiguousarray(wave))
    spectrum = torch.stft(sound, 512, CONTOUR_HOP, window=torch.hann_window(512), return_complex=True).abs()
    bands = torch.stack([band.square().mean(0) for band in spectrum[4:228].chunk(8)], 1).clamp(min=1e-6).log()
    return (bands - bands.mean(0)).numpy()


def shifted(natural: np.ndarray, voice: np.ndarray, lag: int) -> tuple[np.ndarray, np.ndarray]:
    """Both waves cut so that a voice that lags by ``lag`` samples lies on the natural one."""
    length = len(natural) - abs(lag)
    return natural[max(0, -lag) :][:length], voice[max(0, lag) :][:length]


def dnsmos(voice: np.ndarray) -> float:
    """Overall score of DNSMOS P.835."""
    from speechmos import dnsmos as model

    return float(model.run(np.clip(voice, -1, 1), SAMPLE_RATE)["ovrl_mos"])
