"""Makes clips of the puppet: a sentence is spoken and rendered, with word and phoneme times in align files.

A clip is OUT/video/NAME.mp4 (or .wav), OUT/align/NAME.align and OUT/phones/NAME.align.
"""

from __future__ import annotations

import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vsr.core.clock import FPS, SAMPLES_PER_FRAME
from vsr.core.files import write_lines
from vsr.corpora.puppet.sentences import Vocabulary, load_vocabulary
from vsr.data.manifest import Clip

UNITS = 25_000  # align files count in 1/25 000 s, like GRID's: 1000 units are one frame
VIDEO, SOUND = "mp4", "wav"  # kinds of clips
VOICES = (
    "en",
    "en+f2",
    "en+m3",
    "en+f4",
    "en+m7",
    "en-GB-x-rp",
    "en-GB-x-rp+f3",
    "en-GB-scotland+m2",
    "en-US+f5",
)


@dataclass(frozen=True)
class Chunk:
    """Clips of one split made by one process, as espeak's speech depends a little on what it said before."""

    out_dir: str
    vocabulary: Vocabulary
    names: tuple[str, ...]
    sentences: tuple[str, ...]
    seeds: tuple[tuple[int, ...], ...]
    homophenes: bool = False
    voices: tuple[str, ...] = VOICES
    kind: str = VIDEO


def render_sentence(path: str | Path, sentence: str, seed: int = 0, vocabulary: str = "grid") -> Clip:
    """Make one clip of any sentence, such as the demo's RESERVED one; returns its manifest entry.

    Raises VsrError (no_speech, no_space, not_writable).
    """
    path = Path(path)
    speech, lead_s, _ = _say_and_film(path, sentence, load_vocabulary(vocabulary), np.random.default_rng([seed, 3]))
    words, phones = (
        tuple((span.label, lead_s + span.start, lead_s + span.end) for span in spans)
        for spans in (speech.words, speech.phonemes)
    )
    return Clip(id=path.stem, video=str(path), text=sentence, speaker="puppet", words=words, phones=phones)


def make_chunk(chunk: Chunk) -> int:
    """Make the clips of a chunk that do not exist yet; returns the size of the chunk. Sentences of a user's own
    vocabulary that espeak does not say word by word are left out. Raises VsrError."""
    from vsr.corpora.puppet.speech import Unsayable

    for name, sentence, seed in zip(chunk.names, chunk.sentences, chunk.seeds, strict=True):
        align = Path(chunk.out_dir, "align", f"{name}.align")
        video = None if align.exists() else Path(chunk.out_dir, "video", f"{name}.{chunk.kind}")
        try:
            speech, lead_s, num_frames = _say_and_film(
                video, sentence, chunk.vocabulary, np.random.default_rng(seed), chunk.homophenes, chunk.voices
            )
        except Unsayable:
            if not chunk.vocabulary.lines:
                raise
            continue
        if video:
            write_lines(Path(chunk.out_dir, "phones", align.name), align_lines(speech.phonemes, lead_s, num_frames))
            write_lines(align, align_lines(speech.words, lead_s, num_frames))  # last: it marks a finished clip
    return len(chunk.names)


def _say_and_film(
    path: Path | None, sentence: str, vocabulary: Vocabulary, rng, homophenes: bool = False, voices=VOICES
):
    """Speak a sentence and, if there is a path, write its clip; returns (speech, start in s, frames)."""
    from vsr.corpora.puppet.render import draw_take, write_clip, write_sound
    from vsr.corpora.puppet.speech import Voice, synthesiser

    name = voices[rng.integers(len(voices))]
    voice = Voice(name, int(rng.integers(120, 176)), int(rng.integers(30, 70)), int(rng.integers(3)))
    voice = Voice(name) if len(voices) == 1 else voice  # one voice, with one pace and pitch
    words = sentence.split()
    speech = synthesiser().speak(words, [vocabulary.spelling_of(word) for word in words], voice)
    take = draw_take(rng, speech.words[-1].end)
    if path and path.suffix == f".{SOUND}":
        return speech, take.lead_s, write_sound(path, speech, take)
    return speech, take.lead_s, write_clip(path, speech, take, homophenes) if path else len(take.motion)


def align_lines(words, lead_s: float, num_frames: int) -> Iterator[str]:
    """Lines ``START END WORD`` in 1/25 000 s from 0 to the clip's end, `sil` before and after; also for phonemes."""
    bounds = [round((lead_s + word.start) * UNITS) for word in words] + [round((lead_s + words[-1].end) * UNITS)]
    yield f"0 {bounds[0]} sil"
    for word, start, end in zip(words, bounds, bounds[1:], strict=False):
        yield f"{start} {end} {word.label}"
    yield f"{bounds[-1]} {num_frames * UNITS // FPS} sil"


def frames_of(path: str) -> int:
    """Number of video frames that a .wav of 16 kHz covers."""
    with wave.open(path) as sound:
        return sound.getnframes() // SAMPLES_PER_FRAME


def spans_of(path: Path) -> tuple[tuple[str, float, float], ...]:
    """(label, start, end) in seconds; () for phonemes of corpora made before these were stored."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else ()
    rows = (line.split() for line in lines)
    return tuple((label, int(start) / UNITS, int(end) / UNITS) for start, end, label in rows if label != "sil")
