"""STOI and ESTOI: how much of a voice can be understood, of all of it or of the words alone.

Waves are (S,) float32 at 16 kHz, both equally long.
"""

from __future__ import annotations

from importlib.util import module_from_spec
from types import ModuleType, SimpleNamespace

import numpy as np

from lip2speech.evaluation.alignment import shifted
from vsr.core.clock import SAMPLE_RATE
from vsr.core.errors import VsrError
from vsr.core.packages import needed
from vsr.core.present import present

MIN_SECONDS = 0.45  # below it STOI has no 30 frames and answers with a constant


def stoi(natural: np.ndarray, voice: np.ndarray, extended: bool = False) -> float:
    """(Extended) short-time objective intelligibility. Raises VsrError too_short."""
    return float(_pystoi().stoi(natural, voice, SAMPLE_RATE, extended=extended))


def _pystoi() -> ModuleType:
    """A copy of `pystoi.stoi` for one call, with random numbers and warnings of its own.

    ESTOI adds noise from numpy's common state: drawn again, it moves the figure of a voice that stops by 0.006, and a
    seed would be every thread's. Of too little speech it warns and answers 1e-5, which would spoil a mean.
    """
    module, utils = _copy("pystoi.stoi"), _copy("pystoi.utils")
    vars(utils).update(np=_Numpy())
    vars(module).update(utils=utils, warnings=SimpleNamespace(warn=_refuse))
    return module


def _copy(name: str) -> ModuleType:
    spec = present(needed(name, "STOI", "pip install pystoi==0.4.1").__spec__, f"the spec of {name}")
    module = module_from_spec(spec)
    present(spec.loader, f"the loader of {name}").exec_module(module)
    return module


class _Numpy:
    """numpy, whose random numbers are the same each time."""

    def __init__(self):
        self.random = np.random.RandomState(0)

    def __getattr__(self, name: str):
        return getattr(np, name)


def _refuse(message: str, category: type) -> None:
    raise VsrError("too_short", f"too little speech for STOI: {message}")


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


def check_length(wave: np.ndarray, name: str) -> None:
    """Raises VsrError too_short."""
    if len(wave) < MIN_SECONDS * SAMPLE_RATE:
        seconds = len(wave) / SAMPLE_RATE
        raise VsrError("too_short", f"the {name} lasts {seconds:.2f} s; STOI needs {MIN_SECONDS} s")
