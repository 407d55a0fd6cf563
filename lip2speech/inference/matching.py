"""Which of several faces speaks in a recording: by synchrony where it speaks just this, else by how it looks.

Synchrony (`vsr.decoding.synchrony`) slides the sound along the lips; it says whether they belong together, whoever it
is. How a face looks says little: what is learned of it (`lip2speech face`, after contrastive pretraining of speech and
face encoders, Speech-to-Face) holds for people like those of its training.

Shapes: T frames of a face, S of the sound, W width of an embedding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lip2speech.inference.faces import vector_of_crop
from lip2speech.models.face_voice import FaceVoice
from vsr.core.clock import FPS, SAMPLES_PER_FRAME
from vsr.core.errors import VsrError
from vsr.decoding.synchrony import Synchrony
from vsr.face.mouth_source import MouthSource

LEAST = FPS  # frames that lips and sound must share
MOST = 60 * FPS  # frames of each that are compared
SPEAKS = 1.25  # score above which a face speaks a recording: the best of many shifts is above 0 by chance


@dataclass(frozen=True)
class Match:
    """How well a face of a video fits a recording.

    Args:
        start: seconds in the recording at which the video begins (negative: before it), where they agree best.
        score: logit of belonging together there, less where only a part of them overlaps.
        cosine: of the voice that the face may have to the recording's; None without a model of faces.
    """

    video: str
    face: int
    start: float
    score: float
    cosine: float | None = None

    @property
    def speaks(self) -> bool:
        """Whether it speaks just this recording."""
        return self.score > SPEAKS


def best_shift(model: Synchrony, see: Tensor, hear: Tensor) -> tuple[int, float]:
    """Frames of the sound (S, W) before the first of the lips (T, W) where both agree best, and the score there.

    Both have `LEAST` frames at least.
    """
    cosines, scale, bias = see @ hear.T, model.fusion.scale.item(), model.fusion.bias.item()
    shorter, best = min(len(see), len(hear)), (0, -np.inf)
    for shift in range(LEAST - len(see), len(hear) - LEAST + 1):
        along = cosines.diagonal(shift)
        score = scale * along.mean().item() + bias
        score *= len(along) / shorter if score > 0 else 1
        if score > best[1]:
            best = shift, score
    return best


def matches(
    model: Synchrony, wave: np.ndarray, videos: Sequence[str], faces: FaceVoice | None = None,
    voice: np.ndarray | None = None, unread: Callable[[str, VsrError], None] | None = None,
) -> list[Match]:  # fmt: skip
    """Every face of the videos, the best first: those that speak the recording, by score; others by looks, or by score
    where no looks are known.

    Args:
        wave: (S,) of the recording.
        faces: what takes a voice from a face; ``voice``: the recording's vector (256,), which it is compared with.
        unread: is given each video that cannot be read, and why, and the others are compared; None: it is raised.

    Raises VsrError: too_short (under a second of sound); of videos as `vsr.face.mouth_source.MouthSource`.
    """
    if len(wave) < LEAST * SAMPLES_PER_FRAME:
        raise VsrError("too_short", "a second of sound is needed to match a voice")
    whole = wave[: len(wave) // SAMPLES_PER_FRAME * SAMPLES_PER_FRAME][: MOST * SAMPLES_PER_FRAME]
    hear = model.hear(np.ascontiguousarray(whole, np.float32))
    found: list[Match] = []
    for video in videos:
        try:
            found += _of_video(model, hear, video, faces, voice)
        except VsrError as error:
            if unread is None:
                raise
            unread(video, error)
    return sorted(found, key=_fit, reverse=True)


def _fit(own: Match) -> tuple[bool, float]:
    return own.speaks, own.score if own.speaks or own.cosine is None else own.cosine


def _of_video(model: Synchrony, hear: Tensor, video: str, faces: FaceVoice | None, voice) -> list[Match]:
    """A match for each face; of its pieces the one counts that agrees best."""
    source = MouthSource(video, None)
    each: dict[int, Match] = {}
    for part in (part for own in source for part in own.parts):
        piece = part.piece
        if part.reason or len(piece.crop) < LEAST:
            continue
        crop = piece.crop[:MOST]
        with torch.inference_mode():
            shift, score = best_shift(model, model.see(crop), hear)
        cosine = float(vector_of_crop(faces, crop) @ voice) if faces is not None else None
        own = Match(video, part.face, shift / FPS, score, cosine)
        before = each.get(part.face)
        each[part.face] = own if before is None or own.score > before.score else before
    source.check(bool(each))
    return list(each.values())


def chance(found: Sequence[Match]) -> float:
    """That a guess among these faces is right."""
    return 1 / max(1, len(found))
