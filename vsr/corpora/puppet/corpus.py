"""Makes a folder of puppet clips with alignments (the layout of GRID) and manifests from a number of sentences.

out/video/NAME.mp4 (or .wav)  out/align/NAME.align  out/phones/NAME.align  out/{train,dev,test}.jsonl  out/corpus.json
"""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from vsr.core.artifacts import identify
from vsr.core.errors import VsrError
from vsr.core.progress import count_items
from vsr.core.worker import ignore_interrupts_in_children, run_until_asked_to_end, start_worker
from vsr.corpora.lists import write_lists
from vsr.corpora.puppet.clips import SOUND, VIDEO, VOICES, Chunk, frames_of, make_chunk, spans_of
from vsr.corpora.puppet.description import CORPUS, SPLITS, claim
from vsr.corpora.puppet.languages import ENGLISH, LANGUAGES, SLOTS, check_sayable, voices_of
from vsr.corpora.puppet.parallel import draw_parallel, translations, vocabulary_of
from vsr.corpora.puppet.sentences import Vocabulary, draw_splits, load_vocabulary
from vsr.data.manifest import Clip

VERSION = 1  # of look and sound; a corpus of another version is not continued
HOMOPHENES = 2  # the version in which all sounds of a viseme class look the same
CHUNK = 24  # clips that a worker process makes before a fresh one replaces it
CHUNK_OF_SOUND = 200  # the same for clips without frames


@dataclass(frozen=True)
class PuppetSettings:
    """The size and settings of a corpus.

    Args:
        train, dev, test: clips of each split; no sentence is in two splits.
        seed: of sentences, voices and looks; the same seed gives the same frames.
        homophenes: one mouth pose for all sounds of a viseme class (`vsr.text.visemes`), such as p, b and m.
        jobs: worker processes.

    Raises VsrError bad_corpus.
    """

    train: int
    dev: int
    test: int
    seed: int = 0
    homophenes: bool = False
    jobs: int = 2

    def __post_init__(self):
        if min(self.counts.values()) < 0 or self.jobs < 1:
            raise VsrError("bad_corpus", "numbers of clips must not be negative and jobs must be at least 1")

    @property
    def counts(self) -> dict[str, int]:
        """Clips by split."""
        return {"dev": self.dev, "test": self.test, "train": self.train}

    def description(self, corpus: str, **more: str) -> dict:
        """The description that distinguishes corpora in a folder (`vsr.corpora.puppet.description`)."""
        version = HOMOPHENES if self.homophenes else VERSION
        return {"corpus": corpus, "version": version, "seed": self.seed, "counts": self.counts} | more


def prepare_puppet(
    out_dir: str | Path, settings: PuppetSettings, vocabulary: str = "grid", language: str = ENGLISH
) -> dict[str, int]:
    """Make the corpus in `out_dir` and return the number of clips of train, dev and test.

    Args:
        vocabulary: ``grid`` or the path of a text file with one sentence per line.
        language: one of `vsr.corpora.puppet.languages`; it is in the manifest, and except for English in the clips'
            names, so that lists of several languages can be trained on together.

    A run that was stopped resumes. Raises VsrError: bad_corpus (too few sentences, or the folder holds another
    corpus), exists (it holds other lists), no_speech (espeak-ng is missing or cannot say a word), no_space,
    not_writable.
    """
    out_dir = Path(out_dir)
    source, voices = _vocabulary_and_voices(vocabulary, language)
    text = {"text": identify(vocabulary)["sha256"]} if vocabulary != "grid" else {}  # the file may be edited later
    non_english = {"language": language} if language != ENGLISH else {}
    claim(out_dir, settings.description("puppet", vocabulary=vocabulary, **text, **non_english))
    prefix = f"{language}_" if non_english else ""
    rendering = Rendering(
        out_dir, source, voices, settings.seed, settings.homophenes, non_english.get("language", ""), prefix
    )
    return rendering.render(draw_splits(source, settings.counts, settings.seed), settings.jobs)


def prepare_parallel(
    out_dir: str | Path, language: str, settings: PuppetSettings, kind: str = VIDEO, count: int = 0
) -> dict[str, int]:
    """Like `prepare_puppet`, with sentences of `vsr.corpora.puppet.parallel` and their translations in the manifest.

    The n-th clip of a list has the same meaning in every language (with the same seed); names begin with the language
    and the number of voices, if one was given.

    Args:
        kind: "mp4", or "wav" for sound only, which takes a hundredth of the time.
        count: number of the language's voices that speak, a single one at one pace and pitch; 0: all.

    Raises VsrError like `prepare_puppet`.
    """
    source, out_dir = vocabulary_of(language), Path(out_dir)
    voices = VOICES if language == ENGLISH else voices_of(language)
    if count > len(voices):
        raise VsrError("bad_corpus", f"the puppet has {len(voices)} voices of {language}, not {count}")
    voices = voices[: count or None]
    check_sayable(language, sorted(source.words()))
    splits = draw_parallel(source, settings.counts, settings.seed)
    sound = {"kind": kind} if kind != VIDEO else {}
    claim(out_dir, settings.description("parallel", language=language, **sound) | ({"voices": count} if count else {}))
    prefix = f"{language}{count or ''}_"
    rendering = Rendering(
        out_dir, source, voices, settings.seed, settings.homophenes, language, prefix, kind, translated=True
    )  # fmt: skip
    return rendering.render(splits, settings.jobs)


@dataclass(frozen=True)
class Rendering:
    """Makes clips and manifests of split sentences in a folder; ``before`` is the prefix of every name; manifests of
    ``translated`` sentences have the translations."""

    out_dir: Path
    vocabulary: Vocabulary
    voices: tuple[str, ...]
    seed: int
    homophenes: bool = False
    language: str = ""
    before: str = ""
    kind: str = VIDEO
    translated: bool = False

    def render(self, splits: dict[str, list[str]], jobs: int) -> dict[str, int]:
        """Make clips that do not exist yet; returns the number of clips of train, dev and test. Raises VsrError."""
        _make_all([chunk for split, lines in splits.items() for chunk in self._chunks(split, lines)], jobs)
        lists = {}
        for split in SPLITS:
            texts = self._existing_texts(split, splits[split])
            lists[split] = [self._clip(name, text) for name, text in texts.items()]
        return write_lists(self.out_dir, CORPUS, lists)

    def _existing_texts(self, split: str, sentences: list[str]) -> dict[str, str]:
        """Name -> text of the clips that exist; prints on stderr how many are left out. Raises VsrError."""
        texts = dict(zip(self._names(split, len(sentences)), sentences, strict=True))
        missing = {name: text for name, text in texts.items() if not self._is_made(name)}
        if missing:
            reason = f"which espeak-ng does not say word by word, such as {next(iter(missing.values()))!r}"
            message = f"{len(missing)} of {len(texts)} sentences of {split} are left out, {reason}"
            if len(missing) == len(texts):
                raise VsrError("no_speech", message)
            print(f"vsr prepare puppet: {message}", file=sys.stderr)
        return {name: text for name, text in texts.items() if name not in missing}

    def _is_made(self, name: str) -> bool:
        return (self.out_dir / "align" / f"{name}.align").exists()

    def _names(self, split: str, count: int) -> list[str]:
        return [f"{self.before}puppet_{split}_{i:05d}" for i in range(count)]

    def _chunks(self, split: str, sentences: list[str]) -> Iterator[Chunk]:
        names, number = self._names(split, len(sentences)), SPLITS.index(split)
        size = CHUNK if self.kind == VIDEO else CHUNK_OF_SOUND
        for start in range(0, len(names), size):
            stop = min(start + size, len(names))
            if all(map(self._is_made, names[start:stop])):
                continue
            seeds = tuple((self.seed, 2, number, i) for i in range(start, stop))
            names_and_texts = tuple(names[start:stop]), tuple(sentences[start:stop])
            yield Chunk(
                str(self.out_dir), self.vocabulary, *names_and_texts, seeds, self.homophenes, self.voices, self.kind
            )

    def _clip(self, name: str, text: str) -> Clip:
        """The manifest entry of a clip, with its words and phonemes from the align files."""
        words, phones = (spans_of(self.out_dir / kind / f"{name}.align") for kind in ("align", "phones"))
        translated = translations(text, self.language) if self.translated else {}
        video = str(self.out_dir / "video" / f"{name}.{self.kind}")
        clip = Clip(
            name, video, text, "puppet", words=words, phones=phones, language=self.language, translations=translated
        )  # fmt: skip
        return replace(clip, sound=video, num_frames=frames_of(video)) if self.kind == SOUND else clip


def _vocabulary_and_voices(vocabulary: str, language: str) -> tuple[Vocabulary, tuple[str, ...]]:
    """Sentences and voices of a language. Raises VsrError bad_corpus for a language that the puppet cannot speak."""
    if language == ENGLISH:
        return load_vocabulary(vocabulary), VOICES
    if language not in LANGUAGES:
        raise VsrError("bad_corpus", f"the puppet does not speak {language!r}: it can be {', '.join(LANGUAGES)}")
    source = load_vocabulary(vocabulary, SLOTS[language])
    check_sayable(language, sorted(source.words()))
    return source, voices_of(language)


def _make_all(chunks: list[Chunk], jobs: int) -> None:
    """Make the chunks in fresh processes, with a progress bar."""
    if not chunks:
        return
    with ignore_interrupts_in_children():  # here, because the pool's thread that starts later processes begins here
        pool = multiprocessing.get_context("spawn").Pool(jobs, start_worker, (jobs,), maxtasksperchild=1)
    with pool:
        for _ in count_items(
            pool.imap_unordered(partial(run_until_asked_to_end, make_chunk), chunks), "puppet", len(chunks)
        ):
            pass
