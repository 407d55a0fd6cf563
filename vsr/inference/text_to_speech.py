"""Text to speech by eSpeak NG, in any of its languages, as a sound file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vsr.core.clock import SAMPLE_RATE
from vsr.core.files import check_output
from vsr.media.audio import write_wave
from vsr.media.tags import commented_kind

MARK = "said by eSpeak NG for vsr"  # a comment in the metadata
ALOUD = commented_kind("a phrase that vsr said", MARK)


def say(sentence: str, path: str | Path, voice: str = "en") -> None:
    """Write a .wav (16 kHz) of a sentence, spoken by ``voice``, an eSpeak NG voice such as "en" or "de+f3".

    Raises VsrError: no_speech where eSpeak NG or the voice is missing, not_writable.
    """
    from scipy.signal import resample_poly

    from vsr.corpora.puppet.speech import Voice, synthesiser

    check_output(path, kind=ALOUD)
    speech = synthesiser().speak([sentence], [sentence], Voice(voice))
    wave = resample_poly(speech.samples.astype(np.float64) / 2**15, SAMPLE_RATE, speech.rate)
    write_wave(path, wave.astype(np.float32), MARK)
