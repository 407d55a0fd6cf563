"""A number of sentences -> a folder of puppet clips with alignments (the layout of GRID) and manifests.

out/video/NAME.mp4 (or .wav)  out/align/NAME.align  out/phones/NAME.align  out/{train,dev,test}.jsonl  out/corpus.json
"""

from __future__ import annotations

import multiprocessing
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vsr.core.artifacts import identify
from vsr.core.clock import FPS, SAMPLES_PER_FRAME
from vsr.core.errors import VsrError
from vsr.core.files import write_lines
from vsr.core.progress import counted
from vsr.core.worker import spawning, start_worker
from vsr.corpora.puppet.description import claim
from vsr.corpora.puppet.languages import ENGLISH, LANGUAGES, SLOTS, check_sayable, voices_of
from vsr.corpora.puppet.parallel import draw_parallel, translations, vocabulary_of
from vsr.corpora.puppet.sentences import Vocabulary, draw_splits, load_vocabulary
from vsr.data.manifest import Clip, write_manifest

VERSION = 1  # of the look and sound; a corpus of another version is not continued
HOMOPHENES = 2  # the version in which all sounds of a viseme class look the same
UNITS = 25_000  # align files count in 1/25 000 s, as GRID's: 1000 units are one frame
CHUNK = 24  # clips a worker process makes before a fresh one takes over
CHUNK_OF_SOUND = 200  # the same where no frames are drawn
VIDEO, SOUND = "mp4", "wav"  # what clips are
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
    """Clips of one split made by one process: what espeak says depends a little on what it said before."""

    out_dir: str
    vocabulary: Vocabulary
    names: tuple[str, ...]
    sentences: tuple[str, ...]
    seeds: tuple[tuple[int, ...], ...]
    homophenes: bool = False
    voices: tuple[str, ...] = VOICES
    kind: str = VIDEO


def prepare_puppet(
    out_dir: str | Path,
    num_train: int,
    num_dev: int,
    num_test: int,
    seed: int = 0,
    vocabulary: str = "grid",
    jobs: int = 2,
    homophenes: bool = False,
    language: str = ENGLISH,
) -> dict[str, int]:
    """Make the corpus in `out_dir` and return the number of clips of train, dev and test.

    Args:
        num_train, num_dev, num_test: clips of each split; no sentence is in two splits.
        seed: of sentences, voices and everything seen; the same call gives the same frames.
        vocabulary: ``grid`` or the path of a text file with one sentence a line.
        jobs: worker processes.
        homophenes: one pose of the mouth for all sounds of a viseme class (`vsr.text.visemes`), such as p, b and m.
        language: one of `vsr.corpora.puppet.languages`; its clips say it in the manifest.

    A run that was stopped goes on where it was.  Raises VsrError: bad_corpus (too few sentences, or the
    folder holds another corpus), no_speech (espeak-ng is missing or cannot say a word), no_space,
    not_writable.
    """
    out_dir = Path(out_dir)
    counts = {"dev": num_dev, "test": num_test, "train": num_train}
    _check_counts(counts, jobs)
    source, voices = _spoken(vocabulary, language)
    version = HOMOPHENES if homophenes else VERSION
    description = {"corpus": "puppet", "version": version, "seed": seed, "vocabulary": vocabulary, "counts": counts}
    text = {"text": identify(vocabulary)["sha256"]} if vocabulary != "grid" else {}  # the file may have been edited
    named = {"language": language} if language != ENGLISH else {}
    claim(out_dir, description | text | named)
    made = Rendering(out_dir, source, voices, seed, homophenes, named.get("language", ""))
    return made.render(draw_splits(source, counts, seed), jobs)


def prepare_parallel(
    out_dir: str | Path, language: str, num_train: int, num_dev: int, num_test: int, seed: int = 0, jobs: int = 2,
    homophenes: bool = False, kind: str = VIDEO, count: int = 0,
) -> dict[str, int]:  # fmt: skip
    """The same with sentences of `vsr.corpora.puppet.parallel`, whose clips have their translations in the manifest.

    The n-th clip of a list says the same in every language (of one seed); names begin with the language, and with the
    number of voices that were asked for.

    Args:
        kind: "mp4", or "wav" for the sound alone, which takes a hundredth of the time.
        count: of the language's voices, the first so many speak, one alone at one pace and pitch; 0: all.
    """
    source, out_dir = vocabulary_of(language), Path(out_dir)
    counts = {"dev": num_dev, "test": num_test, "train": num_train}
    _check_counts(counts, jobs)
    voices = VOICES if language == ENGLISH else voices_of(language)
    if count > len(voices):
        raise VsrError("bad_corpus", f"the puppet has {len(voices)} voices of {language}, not {count}")
    voices = voices[: count or None]
    check_sayable(language, sorted(source.words()))
    splits = draw_parallel(source, counts, seed)
    version = HOMOPHENES if homophenes else VERSION
    description = {"corpus": "parallel", "version": version, "seed": seed, "language": language, "counts": counts}
    sound = {"kind": kind} if kind != VIDEO else {}
    claim(out_dir, description | sound | ({"voices": count} if count else {}))
    before = f"{language}{count or ''}_"
    return Rendering(out_dir, source, voices, seed, homophenes, language, before, kind).render(splits, jobs)


def _check_counts(counts: dict[str, int], jobs: int) -> None:
    if min(counts.values()) < 0 or jobs < 1:
        raise VsrError("bad_corpus", "numbers of clips must not be negative and jobs must be at least 1")


@dataclass(frozen=True)
class Rendering:
    """Sentences of splits become clips and manifests in a folder; ``before`` opens every name."""

    out_dir: Path
    vocabulary: Vocabulary
    voices: tuple[str, ...]
    seed: int
    homophenes: bool = False
    language: str = ""
    before: str = ""
    kind: str = VIDEO

    def render(self, splits: dict[str, list[str]], jobs: int) -> dict[str, int]:
        """Make what is not there yet; the number of clips of train, dev and test. Raises VsrError."""
        _make_all([chunk for split, lines in splits.items() for chunk in self._chunks(split, lines)], jobs)
        for split, sentences in splits.items():
            names = self._names(split, len(sentences))
            clips = [self._clip(name, text) for name, text in zip(names, sentences, strict=True)]
            write_manifest(self.out_dir / f"{split}.jsonl", clips)
        return {split: len(splits[split]) for split in ("train", "dev", "test")}

    def _names(self, split: str, count: int) -> list[str]:
        return [f"{self.before}puppet_{split}_{i:05d}" for i in range(count)]

    def _chunks(self, split: str, sentences: list[str]) -> Iterator[Chunk]:
        names, number = self._names(split, len(sentences)), ("train", "dev", "test").index(split)
        size = CHUNK if self.kind == VIDEO else CHUNK_OF_SOUND
        for start in range(0, len(names), size):
            stop = min(start + size, len(names))
            if all((self.out_dir / "align" / f"{name}.align").exists() for name in names[start:stop]):
                continue
            seeds = tuple((self.seed, 2, number, i) for i in range(start, stop))
            said = tuple(names[start:stop]), tuple(sentences[start:stop])
            yield Chunk(str(self.out_dir), self.vocabulary, *said, seeds, self.homophenes, self.voices, self.kind)

    def _clip(self, name: str, text: str) -> Clip:
        """The manifest's line of a clip, with its words and phonemes from the align files."""
        words, phones = (_spans(self.out_dir / kind / f"{name}.align") for kind in ("align", "phones"))
        others = translations(text, self.language) if self.before else {}
        video = str(self.out_dir / "video" / f"{name}.{self.kind}")
        heard = {"sound": video, "num_frames": _frames_of(video)} if self.kind == SOUND else {}
        return Clip(
            name, video, text, "puppet", words=words, phones=phones, language=self.language, translations=others,
            **heard,
        )  # fmt: skip


def _spoken(vocabulary: str, language: str) -> tuple[Vocabulary, tuple[str, ...]]:
    """Sentences and voices of a language. Raises VsrError bad_corpus for one that the puppet cannot speak."""
    if language == ENGLISH:
        return load_vocabulary(vocabulary), VOICES
    if language not in LANGUAGES:
        raise VsrError("bad_corpus", f"the puppet does not speak {language!r}: it can be {', '.join(LANGUAGES)}")
    source = load_vocabulary(vocabulary, SLOTS[language])
    check_sayable(language, sorted(source.words()))
    return source, voices_of(language)


def render_sentence(path: str | Path, sentence: str, seed: int = 0, vocabulary: str = "grid") -> Clip:
    """Make one clip of any sentence, such as the demo's RESERVED one; returns its line of a manifest.

    Raises VsrError (no_speech, no_space, not_writable).
    """
    path = Path(path)
    speech, lead_s, _ = _say_and_film(path, sentence, load_vocabulary(vocabulary), np.random.default_rng([seed, 3]))
    words, phones = (
        tuple((own.label, lead_s + own.start, lead_s + own.end) for own in spans)
        for spans in (speech.words, speech.phonemes)
    )
    return Clip(id=path.stem, video=str(path), text=sentence, speaker="puppet", words=words, phones=phones)


def make_chunk(chunk: Chunk) -> int:
    """Make the clips of a chunk, those excepted that are there; returns how many clips the chunk has."""
    for name, sentence, seed in zip(chunk.names, chunk.sentences, chunk.seeds, strict=True):
        align = Path(chunk.out_dir, "align", f"{name}.align")
        video = None if align.exists() else Path(chunk.out_dir, "video", f"{name}.{chunk.kind}")
        speech, lead_s, num_frames = _say_and_film(
            video, sentence, chunk.vocabulary, np.random.default_rng(seed), chunk.homophenes, chunk.voices
        )
        if video:
            write_lines(Path(chunk.out_dir, "phones", align.name), align_lines(speech.phonemes, lead_s, num_frames))
            write_lines(align, align_lines(speech.words, lead_s, num_frames))  # last: it marks a finished clip
    return len(chunk.names)


def _say_and_film(
    path: Path | None, sentence: str, vocabulary: Vocabulary, rng, homophenes: bool = False, voices=VOICES
):
    """Speak a sentence and, where there is a path, write its clip; (speech, start in s, frames)."""
    from vsr.corpora.puppet.render import draw_take, write_clip, write_sound
    from vsr.corpora.puppet.speech import Voice, synthesiser

    name = voices[rng.integers(len(voices))]
    voice = Voice(name, int(rng.integers(120, 176)), int(rng.integers(30, 70)), int(rng.integers(3)))
    voice = Voice(name) if len(voices) == 1 else voice  # one voice, with one pace and pitch
    words = sentence.split()
    speech = synthesiser().speak(words, [vocabulary.spoken(word) for word in words], voice)
    take = draw_take(rng, speech.words[-1].end)
    if path and path.suffix == f".{SOUND}":
        return speech, take.lead_s, write_sound(path, speech, take)
    return speech, take.lead_s, write_clip(path, speech, take, homophenes) if path else len(take.motion)


def align_lines(words, lead_s: float, num_frames: int) -> Iterator[str]:
    """Lines ``START END WORD`` in 1/25 000 s from 0 to the clip's end, `sil` before and after; of phonemes likewise."""
    bounds = [round((lead_s + word.start) * UNITS) for word in words] + [round((lead_s + words[-1].end) * UNITS)]
    yield f"0 {bounds[0]} sil"
    for word, start, end in zip(words, bounds, bounds[1:], strict=False):
        yield f"{start} {end} {word.label}"
    yield f"{bounds[-1]} {num_frames * UNITS // FPS} sil"


def _make_all(chunks: list[Chunk], jobs: int) -> None:
    """Make the chunks in fresh processes, with a progress bar."""
    if not chunks:
        return
    with spawning():  # here, where the thread begins that starts later processes
        pool = multiprocessing.get_context("spawn").Pool(jobs, start_worker, (jobs,), maxtasksperchild=1)
    with pool:
        for _ in counted(pool.imap_unordered(make_chunk, chunks), "puppet", len(chunks)):
            pass


def _frames_of(path: str) -> int:
    """Video frames that a .wav of 16 kHz covers."""
    with wave.open(path) as sound:
        return sound.getnframes() // SAMPLES_PER_FRAME


def _spans(path: Path) -> tuple[tuple[str, float, float], ...]:
    """(label, start, end) in seconds; none where a corpus was made before its phonemes were kept."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else ()
    rows = (line.split() for line in lines)
    return tuple((label, int(start) / UNITS, int(end) / UNITS) for start, end, label in rows if label != "sil")
