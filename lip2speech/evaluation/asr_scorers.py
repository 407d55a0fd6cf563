"""Speech recognisers that measure the intelligibility of synthesised speech, behind one interface."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np

from lip2speech.evaluation.phone_scorers import GRID, PHONES, HamaGrid, HamaPhones
from vsr.core.clock import SAMPLE_RATE
from vsr.core.errors import VsrError
from vsr.corpora.puppet.sentences import GRID_SLOTS
from vsr.media.mux.sound import to_pcm16
from vsr.media.whisper import WEIGHTS, FasterWhisper

SILENCE = SAMPLE_RATE // 5  # samples before the speech, and twice as many after, which recognisers need
WHISPER_WINDOW = 30 * SAMPLE_RATE
NOISE_STD = 1e-4  # standard deviation of the noise in that silence


class Recogniser(Protocol):
    """A recogniser with a name."""

    name: str

    def transcribe(self, wave: np.ndarray) -> str:
        """Transcript, in lower case, of a wave (S,) float32 at 16 kHz."""
        ...


class PocketSphinxGrid:
    """CMU PocketSphinx with the grammar of GRID's sentences; works offline, with the acoustic model in its wheel."""

    name = "pocketsphinx-grid"
    slots: Sequence[Sequence[str]] = GRID_SLOTS  # the possible words at each position of a sentence

    def __init__(self):
        self._turn = threading.Lock()  # the decoder is not thread-safe

    @cached_property
    def _decoder(self):
        from pocketsphinx import Config, Decoder, get_model_path

        models = Path(get_model_path()) / "en-us"
        settings = {"hmm": str(models / "en-us"), "dict": str(models / "cmudict-en-us.dict"), "logfn": os.devnull}
        decoder = Decoder(Config(samprate=float(SAMPLE_RATE), **settings))
        decoder.add_jsgf_string("grid", grammar_of(self.slots))
        decoder.activate_search("grid")
        return decoder

    def transcribe(self, wave: np.ndarray) -> str:
        with self._turn:
            # Reset the cepstral mean for each clip, so that the order of the clips has no effect.
            self._decoder.reinit_feat()
            self._decoder.start_utt()
            self._decoder.process_raw(to_pcm16(in_silence(wave)).tobytes(), full_utt=True)
            self._decoder.end_utt()
            hypothesis = self._decoder.hyp()
        return re.sub(r"\(\d+\)", "", hypothesis.hypstr) if hypothesis else ""


def grammar_of(slots: Sequence[Sequence[str]]) -> str:
    """JSGF grammar of the sentences with one of the given words in each slot."""
    rules = "".join(f"<slot{n}> = {' | '.join(words)};\n" for n, words in enumerate(slots))
    sentence = " ".join(f"<slot{n}>" for n in range(len(slots)))
    return f"#JSGF V1.0;\ngrammar own;\npublic <sentence> = {sentence};\n{rules}"


def in_silence(wave: np.ndarray) -> np.ndarray:
    """Pad a wave (S,) at 16 kHz with faint noise, always the same, before and after."""
    rng = np.random.default_rng(0)
    before, after = (rng.normal(0, NOISE_STD, count).astype(np.float32) for count in (SILENCE, 2 * SILENCE))
    return np.concatenate([before, wave, after])


class Transformer:
    """Whisper, or wav2vec 2.0 with a CTC head, from a local folder or the hub. Raises VsrError bad_asr."""

    def __init__(self, kind: str, model: str):
        from transformers import pipeline

        self.name = f"{kind}:{model}"
        try:
            self._recognise = pipeline("automatic-speech-recognition", model=model, device="cpu")
        except (OSError, ValueError, KeyError) as error:
            reason = str(error).splitlines()[0]
            raise VsrError("bad_asr", f"{model}: no recogniser there ({reason}); give a local folder") from error
        model_type = self._recognise.model.config.model_type
        if (model_type == "whisper") != (kind == "whisper"):
            raise VsrError(
                "bad_asr", f"{model}: holds a {model_type} model, not {kind}; the table would name it wrongly"
            )

    def transcribe(self, wave: np.ndarray) -> str:
        sound = {"raw": wave, "sampling_rate": SAMPLE_RATE}
        return self._recognise(sound, **self._options(len(wave)))["text"].strip().lower()

    def _options(self, samples: int) -> dict:
        """Decoding options of Whisper for a number of samples; empty for a CTC model."""
        if self._recognise.model.config.model_type != "whisper":
            return {}
        # A multilingual model may detect a wrong language for a poor voice; beyond 30 s Whisper needs time stamps.
        multilingual = getattr(self._recognise.model.generation_config, "is_multilingual", False)
        options = {"generate_kwargs": {"language": "en", "task": "transcribe"}} if multilingual else {}
        return options | {"return_timestamps": samples > WHISPER_WINDOW}


def names_of(text: str) -> list[str]:
    """The recognisers in NAME[,NAME]; the first is the main scorer of every table. Raises VsrError bad_asr."""
    names = [name.strip() for name in text.split(",")] if text else []
    if len({display_name(name) for name in names}) < len(names):
        raise VsrError("bad_asr", f"'{text}': give each recogniser once")
    if names and names[0] == PHONES:
        raise VsrError("bad_asr", f"{PHONES} gives phonemes: name a recogniser of words before it")
    return names


def display_name(name: str) -> str:
    """Name of a recogniser in tables: for a folder only its last part."""
    kind, colon, model = name.partition(":")
    return f"{kind}:{Path(model).resolve().name}" if colon and Path(model).is_dir() else name


def package_of(name: str) -> str:
    """The package that runs a recogniser."""
    kind, _, model = name.partition(":")
    if kind == "whisper" and (Path(model) / WEIGHTS).is_file():
        return "faster-whisper"
    if kind in (PHONES, GRID):
        return "hama"
    return "pocketsphinx" if kind == PocketSphinxGrid.name else "transformers"


def open_scorer(name: str) -> Recogniser:
    """Open a recogniser: ``pocketsphinx-grid``, ``hama-grid``, ``hama`` (phonemes), ``whisper:MODEL`` (transformers, or
    a folder of CTranslate2) or ``wav2vec2:MODEL``.

    Raises VsrError bad_asr, missing_package.
    """
    kind, _, model = name.partition(":")
    if package_of(name) == "faster-whisper":
        return FasterWhisper(model)
    scorers: dict[str, Callable[[], Recogniser]] = {
        PocketSphinxGrid.name: PocketSphinxGrid, GRID: HamaGrid, PHONES: HamaPhones
    }  # fmt: skip
    if name in scorers:
        return scorers[name]()
    if kind in ("whisper", "wav2vec2") and model:
        return Transformer(kind, model)
    choices = "pocketsphinx-grid, hama-grid, whisper:MODEL, wav2vec2:MODEL, or hama beside one of them"
    raise VsrError("bad_asr", f"'{name}' is no recogniser; give {choices}")
