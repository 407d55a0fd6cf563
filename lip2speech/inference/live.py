"""Live voicing: each utterance is spoken as soon as the lips rest.

Times are seconds of the stream; waves (S,) float32 at 16 kHz.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from statistics import median
from typing import BinaryIO

import numpy as np
import torch

from lip2speech.inference.folder import LoadedVoice
from lip2speech.inference.mixer import Mixer
from lip2speech.inference.speakers import speaker_of
from lip2speech.inference.synthesis_options import NONE, READ_ALL
from lip2speech.inference.synthetic_marks import SYNTHETIC
from lip2speech.inference.text import guess_warning, read_line, trusted_words, words_spoken_between
from lip2speech.inference.voicing import voice_of
from lip2speech.inference.voicing_inputs import VoicingInputs
from lip2speech.models.flow_options import FlowOptions
from lip2speech.models.pull import SpokenWord
from vsr.core.clock import SAMPLE_RATE
from vsr.inference.live.session import Caption
from vsr.media.audio import write_wave
from vsr.media.mux.sound import to_pcm16
from vsr.media.tags import endless_riff
from vsr.output.transcript import Segment


@dataclass(frozen=True)
class Utterance:
    """A voiced utterance. start: second of its first frame; wave; line: the recognised words, guesses marked; warning:
    about guesses, or None; delay: seconds from the capture of its last frame to its voice."""

    start: float
    wave: np.ndarray
    line: str
    warning: str | None
    delay: float


class LiveVoice:
    """Voices the final captions of a `vsr.inference.live.session.Session` in order, in a thread beside it.

    Args:
        loaded: the voice.
        reader: name of the lip reader, for warnings.
        vector: speaker embedding (256,), None for the model's own voice.
        text: "read", "read!" or "none".
    """

    def __init__(self, loaded: LoadedVoice, reader: str, vector: torch.Tensor | None, options: FlowOptions, text: str):
        self.loaded, self.reader, self.options, self.text = loaded, reader, options, text
        self.speaker = speaker_of(loaded, vector)
        self._pool = ThreadPoolExecutor(1)
        words = loaded.listener.config.words[:1] if text != NONE and loaded.has_listener else ()
        warm_up_words = [SpokenWord(word, 0.0, 0.4) for word in words]
        crop = np.zeros((12, 96, 96), np.uint8)
        # warm-up: the first call takes longest
        voice_of(loaded, crop, self.speaker, VoicingInputs(options, warm_up_words))

    def follow(self, captions: Iterable[Caption], on_utterance: Callable[[Utterance], None]) -> None:
        """Pass the voiced utterance of each final caption to ``on_utterance``, in order, as soon as it is ready.

        Raises VsrError not_finite, and what ``on_utterance`` raises.
        """
        pending: deque[Future] = deque()
        try:
            for caption in captions:
                if caption.final and caption.mouths:
                    pending.append(self._pool.submit(self._deliver, caption, on_utterance))
                while pending and pending[0].done():
                    pending.popleft().result()
            while pending:
                pending.popleft().result()
        finally:
            self._pool.shutdown(cancel_futures=True)

    def _deliver(self, caption: Caption, on_utterance: Callable[[Utterance], None]) -> None:
        on_utterance(self._voice_caption(caption))

    def _voice_caption(self, caption: Caption) -> Utterance:
        segment = segment_of(caption)
        words = [] if self.text == NONE else trusted_words([segment], self.text == READ_ALL)
        times = np.array([mouth.time for mouth in caption.mouths])
        crop = np.stack([mouth.crop for mouth in caption.mouths])
        directions = VoicingInputs(self.options, words_spoken_between(words, times))
        wave = voice_of(self.loaded, crop, self.speaker, directions)
        warning = None if self.text == NONE else guess_warning([segment], self.reader, self.text == READ_ALL)
        delay = time.monotonic() - caption.mouths[-1].at
        return Utterance(float(times[0]), wave, read_line([segment]), warning, delay)


def segment_of(caption: Caption) -> Segment:
    """A final caption as a segment of a transcript."""
    words, mouths = caption.standing, caption.mouths
    sure = sum(word.confidence for word in words) / len(words) if words else 0.0
    return Segment(mouths[0].time, mouths[-1].time, caption.person, sure, words, (), caption.in_domain)


class LiveOutput:
    """The output of live voices: a .wav that is written at the end, with each voice at its time; or a .wav stream for
    a player, with one voice directly after the other."""

    def __init__(self, out: str, stream: BinaryIO | None = None):
        self.out, self.mixer = out, Mixer()
        self.delays: list[float] = []
        self.stream = stream or (sys.stdout.buffer if out == "-" else None)
        if self.stream:
            _send(self.stream, endless_riff(SYNTHETIC))

    def add(self, utterance: Utterance) -> None:
        """Add the voice of an utterance."""
        self.delays.append(utterance.delay)
        if self.stream:
            _send(self.stream, to_pcm16(utterance.wave).tobytes())
        else:
            self.mixer.add(0, round(utterance.start * SAMPLE_RATE), utterance.wave)

    def close(self) -> None:
        """Write the .wav, if the output is a file. Raises VsrError not_writable, no_space."""
        if not self.stream and self.delays:
            write_wave(self.out, self.mixer.mixed(0), SYNTHETIC)

    def summary(self) -> str:
        """How many utterances were voiced, and their delay, as a line of text."""
        if not self.delays:
            return "nothing was said"
        late = f"{median(self.delays):.1f} s behind the lips (longest: {max(self.delays):.1f} s)"
        return f"{len(self.delays)} utterance{'s' * (len(self.delays) > 1)}, voiced {late}"


def _send(stream: BinaryIO, data: bytes) -> None:
    stream.write(data)
    stream.flush()
