"""Bindings of the library espeak-ng by ctypes: loaded and started once per process; converts text to IPA.

Source of the interface: speak_lib.h of espeak-ng 1.51. The library keeps global state: one thread.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from functools import lru_cache
from typing import Any

from vsr.core.errors import VsrError

SYNCHRONOUS = 2  # nothing is played
PHONEME_EVENTS, PHONEME_IPA = 1, 2  # options of espeak_Initialize
UTF8 = 1
IPA_PARTED = 2 | ord("_") << 8  # phoneme mode of espeak_TextToPhonemes: IPA with "_" between phonemes


@lru_cache(maxsize=1)
def espeak_library() -> tuple[Any, int]:
    """(library, sampling rate). Raises VsrError no_speech if it is missing or cannot start."""
    library, data = _load_library()
    rate = library.espeak_Initialize(SYNCHRONOUS, 0, data, PHONEME_EVENTS | PHONEME_IPA)
    if rate <= 0:
        raise VsrError("no_speech", "espeak-ng cannot start: its voice data are missing (Debian package espeak-ng)")
    library.espeak_SetVoiceByName.argtypes = [ctypes.c_char_p]
    library.espeak_TextToPhonemes.argtypes = [ctypes.POINTER(ctypes.c_char_p), ctypes.c_int, ctypes.c_int]
    library.espeak_TextToPhonemes.restype = ctypes.c_char_p
    return library, rate


def ipa_of(text: str, voice: str = "en-us") -> str:
    """The pronunciation of a text by a voice, in IPA. Raises VsrError no_speech."""
    library, _ = espeak_library()
    if library.espeak_SetVoiceByName(voice.encode("utf-8")) != 0:
        raise VsrError("no_speech", f"espeak-ng has no voice {voice!r}")
    rest, clauses = ctypes.c_char_p(text.encode("utf-8")), []
    while rest.value:
        clauses.append((library.espeak_TextToPhonemes(ctypes.byref(rest), UTF8, IPA_PARTED) or b"").decode("utf-8"))
    return " ".join(clauses)


def _load_library() -> tuple[Any, bytes | None]:
    """(library, folder of its data or None): the system's library, else that of the package espeakng-loader."""
    for name in (ctypes.util.find_library("espeak-ng"), "libespeak-ng.so.1"):
        if name:
            try:
                return ctypes.CDLL(name), None
            except OSError:
                continue
    try:
        import espeakng_loader

        return ctypes.CDLL(espeakng_loader.get_library_path()), espeakng_loader.get_data_path().encode("utf-8")
    except (ImportError, OSError) as error:
        problem = "the library libespeak-ng is missing: apt-get install espeak-ng, or pip install espeakng-loader"
        raise VsrError("no_speech", problem) from error
