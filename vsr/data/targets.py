"""Targets of heads for a clip: named arrays, one per clip or one value per frame.

Shapes: T frames, N values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from vsr.core.clock import FPS
from vsr.core.errors import VsrError
from vsr.core.tokens import BLANK, IGNORE
from vsr.data.manifest import Clip
from vsr.text.phonemes import arpabet
from vsr.text.tokenizer import TEXT, unit_of

TOKENS, FRAME_TOKENS = "tokens", "frame_tokens"  # the targets that every dataset of clips makes


@dataclass(frozen=True)
class Target:
    """Values (N, ...), or (T, ...) if ``per_frame``: these follow when frames are moved or left out."""

    values: np.ndarray
    per_frame: bool = False

    def at(self, frames: np.ndarray | slice) -> Target:
        """The target of a clip that consists of the given frames."""
        return Target(self.values[frames], True) if self.per_frame else self


@dataclass(frozen=True)
class Item:
    """One clip of a dataset: its modalities and its targets by name, not padded."""

    inputs: dict[str, Tensor]
    targets: dict[str, Tensor]


class Encoder(Protocol):
    """What targets need of a tokenizer."""

    def encode(self, text: str) -> list[int]: ...


class TargetSource(Protocol):
    """What a dataset needs of the settings of a head."""

    def tokenizer(self, shared: Any) -> Any: ...

    def targets(self, clip: Clip, frames: int, tokenizer: Any) -> dict[str, Target]: ...


def frame_targets(clip: Clip, num_frames: int, tokenizer) -> np.ndarray:
    """The token of each frame, a word's tokens spread evenly over its time; blank in silence, -1 without times.

    Tokens of phonemes and visemes follow the clip's own phonemes where it has them.
    """
    if clip.phones and unit_of(tokenizer) != TEXT:
        return unit_frames(clip, num_frames, tokenizer)
    if not clip.words:
        return np.full(num_frames, IGNORE)
    targets = np.full(num_frames, BLANK)
    for word, start, end in clip.words:
        tokens = tokenizer.encode(word)
        first, last = start * FPS, max(end * FPS, start * FPS + 1)
        for frame in range(round(first), min(num_frames, round(last))):
            place = int((frame + 0.5 - first) / (last - first) * len(tokens))
            targets[frame] = tokens[min(max(place, 0), len(tokens) - 1)] if tokens else BLANK
    return targets


def unit_frames(clip: Clip, num_frames: int, tokenizer) -> np.ndarray:
    """The phoneme or viseme of each frame, from the clip's own phonemes in IPA; blank in silence.

    Raises VsrError bad_manifest for a label that is not a sound of English.
    """
    targets = np.full(num_frames, BLANK)
    for label, start, end in clip.phones:
        try:
            tokens = tokenizer.ids(tokenizer.units_of(arpabet(label)))
        except ValueError as error:
            raise VsrError("bad_manifest", f"{clip.id}: {error}") from error
        edges = np.linspace(start * FPS, end * FPS, len(tokens) + 1)
        for token, first, last in zip(tokens, edges[:-1], edges[1:], strict=True):
            targets[round(first) : max(round(last), round(first) + 1)] = token
    return targets


def text_targets(clip: Clip, num_frames: int, tokenizer, rng: np.random.Generator | None = None) -> dict[str, Target]:
    """``tokens`` (U,) of the text, without eos, and ``frame_tokens`` (T,) of `frame_targets`; with ``rng`` a randomly
    drawn pronunciation of a word, where the tokenizer has several."""
    is_drawn = rng is not None and hasattr(tokenizer, "drawn")
    tokens = tokenizer.drawn(clip.text, rng, clip.id) if is_drawn else tokenizer.encode(clip.text)
    return {
        TOKENS: Target(np.array(tokens, dtype=np.int64)),
        FRAME_TOKENS: Target(frame_targets(clip, num_frames, tokenizer), per_frame=True),
    }


class Teacher:
    """All targets of a clip: those of its text, and those of additional heads, named HEAD.TARGET.

    Args:
        tokenizer: of the text, shared by heads without a tokenizer of their own.
        heads: name -> settings of a head.
    """

    def __init__(self, tokenizer: Encoder, heads: Mapping[str, TargetSource] | None = None):
        self.tokenizer = tokenizer
        self.heads = {name: (settings, settings.tokenizer(tokenizer)) for name, settings in (heads or {}).items()}

    def __call__(self, clip: Clip, num_frames: int, rng: np.random.Generator | None = None) -> dict[str, Target]:
        """``rng`` draws where a tokenizer leaves a choice."""
        targets = text_targets(clip, num_frames, self.tokenizer, rng)
        for name, (settings, tokenizer) in self.heads.items():
            head_targets = settings.targets(clip, num_frames, tokenizer)
            targets |= {f"{name}.{target}": values for target, values in head_targets.items()}
        return targets


def at_frames(targets: Mapping[str, Target], frames: np.ndarray | slice) -> dict[str, Target]:
    """All targets of a clip that consists of the given frames."""
    return {name: target.at(frames) for name, target in targets.items()}
