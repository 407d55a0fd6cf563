"""STOI and ESTOI, intelligibility of a voice, over the whole clip or only its words.

Waves are (S,) float32 at 16 kHz, both equally long.
"""

from __future__ import annotations

from importlib.util import module_from_spec
from types import ModuleType, SimpleNamespace

import numpy as np

from lip2speech.evaluation.alignment import shifted
from vsr.core.clock import SAMPLE_RATE
from vsr.core.errors import VsrError
from vsr.core.packages import required_package
from vsr.core.required import required

MIN_SECONDS = 0.45  # below it STOI has fewer than 30 frames and returns a constant


def stoi(natural: np.ndarray, voice: np.ndarray, extended: bool = False) -> float:
    """(Extended) short-time objective intelligibility. Raises VsrError too_short."""
    return float(_pystoi().stoi(natural, voice, SAMPLE_RATE, extended=extended))


def _pystoi() -> ModuleType:
    """A copy of `pystoi.stoi` for one call, with its own random state and handling of warnings.

    ESTOI adds noise from numpy's global state: another draw changes the figure of a voice that stops early by 0.006,
    and a global seed would affect all threads. For too little speech it warns and returns 1e-5, which would distort a
    mean.
    """
    module, utils = _copy("pystoi.stoi"), _copy("pystoi.utils")
    vars(utils).update(np=_Numpy())
    vars(module).update(utils=utils, warnings=SimpleNamespace(warn=_refuse))
    return module


def _copy(name: str) -> ModuleType:
    spec = required(required_package(name, "STOI", "pip install pystoi==0.4.1").__spec__, f"the spec of {name}")
    module = module_from_spec(spec)
    required(spec.loader, f"the loader of {name}").exec_module(module)
    return module


class _Numpy:
    """numpy with a fixed random state."""

    def __init__(self):
        self.random = np.random.RandomState(0)

    def __getattr__(self, name: str):
        return getattr(np, name)


def _refuse(message: str, category: type) -> None:
    raise VsrError("too_short", f"too little speech for STOI: {message}")


def stoi_aligned(
    natural: np.ndarray,
    voice: np.ndarray,
    lag: int,
    speech_span: tuple[float, float] | None = None,
    extended: bool = False,
) -> float:
    """STOI after undoing a lag in samples, of all or only of ``speech_span`` (start and end in seconds of the natural
    recording); NaN where too little speech is left."""
    natural, voice = shifted(natural, voice, lag)
    if speech_span is not None:
        cut = max(0, -lag)  # samples at the start of the natural recording that are cut off
        part = slice(*(max(0, round(seconds * SAMPLE_RATE) - cut) for seconds in speech_span))
        natural, voice = natural[part], voice[part]
    try:
        check_length(voice, "voice")
        return stoi(natural, voice, extended)
    except VsrError:
        return float("nan")  # the unaligned figures of a short clip remain valid


def check_length(wave: np.ndarray, name: str) -> None:
    """Refuse a wave that is too short for STOI. Raises VsrError too_short."""
    if len(wave) < MIN_SECONDS * SAMPLE_RATE:
        seconds = len(wave) / SAMPLE_RATE
        raise VsrError("too_short", f"the {name} lasts {seconds:.2f} s; STOI needs {MIN_SECONDS} s")
