"""Synthetic people: the puppet's photograph with another shape and a beard, each with a voice that fits the looks.

A wide face has a low voice and a narrow one a high voice; a bearded face has eSpeak's male voice, one without a beard
the female one. So a network that infers voices from faces can be tested on unseen people, without claims about real
ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from vsr.core.errors import VsrError
from vsr.core.progress import count_items
from vsr.corpora.lists import check_lists, write_lists
from vsr.corpora.puppet.portrait import MOUTH, SIZE, to_square
from vsr.corpora.puppet.render import draw_take, write_clip
from vsr.corpora.puppet.sentences import draw_splits, load_vocabulary
from vsr.corpora.puppet.speech import Voice, synthesiser
from vsr.data.manifest import Clip

WIDTHS = (0.84, 1.2)  # of the face, relative to the photograph
PITCHES = (90, 10)  # eSpeak's, for the narrowest and the widest face
BEARDED, SHAVEN = "en+m3", "en+f2"  # voices
DARKNESS = 0.5  # of a beard
CORPUS = "puppet identities"  # in the folder's ledger
LISTS = {"train": 4, "dev": 1, "test": 1}  # shares of people


@dataclass(frozen=True)
class Identity:
    """A person who does not exist: the width of the face, and whether it has a beard."""

    number: int
    width: float
    beard: bool

    @property
    def name(self) -> str:
        """The speaker's name in manifests."""
        return f"id{self.number:03d}"

    def voice(self, rate: int = 150) -> Voice:
        """The voice that fits the looks."""
        pitch = np.interp(np.log(self.width), np.log(WIDTHS), PITCHES)
        return Voice(BEARDED if self.beard else SHAVEN, rate, round(float(pitch)))

    def look(self) -> Callable[[np.ndarray], np.ndarray]:
        """A function from a frame (SIZE, SIZE, 3) uint8 of the puppet to the same frame with this face."""
        middle = (SIZE - 1) / 2
        stretch = np.array([[self.width, 0, middle * (1 - self.width)], [0, 1, 0]])
        shade = 1 - DARKNESS * self.beard * _beard()[..., None]

        def apply(frame: np.ndarray) -> np.ndarray:
            dark = (frame * shade).astype(np.uint8)
            return cv2.warpAffine(dark, stretch, (SIZE, SIZE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

        return apply


def draw_identity(seed: int, number: int) -> Identity:
    """Person ``number`` of a seed; every second one has a beard, and log widths are uniformly distributed."""
    low, high = np.log(WIDTHS)
    width = float(np.exp(np.random.default_rng([seed, 5, number]).uniform(low, high)))
    return Identity(number, width, bool(number % 2))


def prepare_identities(out: str | Path, people: int, clips: int, seed: int = 0) -> dict[str, int]:
    """Make ``clips`` sentences of GRID's grammar for each of ``people``; nobody is in two of train, dev and test.

    Writes out/video/NAME.mp4 and out/{train,dev,test}.jsonl; existing clips are kept. Raises VsrError: bad_corpus
    (fewer than six people), exists, no_speech.
    """
    if people < sum(LISTS.values()):
        raise VsrError("bad_corpus", f"{people} people are too few for train, dev and test: give 6 at least")
    check_lists(out, CORPUS, LISTS)
    out, counts = Path(out), {"test": people // 6, "dev": people // 6, "train": people - 2 * (people // 6)}
    vocabulary = load_vocabulary("grid")
    sentences = draw_splits(vocabulary, {split: count * clips for split, count in counts.items()}, seed)
    lists, first = {}, 0
    for split in LISTS:
        identities = [draw_identity(seed, number) for number in range(first, first + counts[split])]
        jobs = [(person, number, sentences[split][clips * place + number])
                for place, person in enumerate(identities) for number in range(clips)]  # fmt: skip
        lists[split] = [_clip(out, *job, vocabulary, seed) for job in count_items(jobs, split, len(jobs))]
        first += counts[split]
    return write_lists(out, CORPUS, lists)


def _clip(out: Path, person: Identity, number: int, text: str, vocabulary, seed: int) -> Clip:
    path = out / "video" / f"{person.name}_{number}.mp4"
    if not path.exists():
        rng, words = np.random.default_rng([seed, 6, person.number, number]), text.split()
        spoken = [vocabulary.spelling_of(word) for word in words]
        speech = synthesiser().speak(words, spoken, person.voice(int(rng.integers(130, 170))))
        write_clip(path, speech, draw_take(rng, speech.words[-1].end), look=person.look())
    return Clip(path.stem, str(path), text, person.name)


def _beard() -> np.ndarray:
    """How much of each pixel (SIZE, SIZE) a beard covers, 0 to 1: around and below the mouth."""
    (x, y), (column, row) = to_square(MOUTH), np.meshgrid(np.arange(SIZE), np.arange(SIZE))
    is_beard = np.hypot((column - x) / 62, (row - y - 12) / 46) < 1
    return cv2.GaussianBlur(is_beard.astype(np.float32), (0, 0), 7)
