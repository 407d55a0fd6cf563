"""Which of several faces speaks in a recording: by synchrony if a video shows this very speech, else by looks.

Synchrony (`vsr.decoding.synchrony`) slides the sound along the lips; it tells whether they belong together, for any
speaker. Looks tell little: a model of them (`lip2speech face`, after contrastive pretraining of speech and face
encoders, Speech-to-Face) holds for people like those of its training.

Shapes: T frames of a face, S of the sound, W width of an embedding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lip2speech.inference.face_voices import vector_of_crop
from lip2speech.models.face_voice import FaceVoice
from vsr.core.clock import FPS, SAMPLES_PER_FRAME
from vsr.core.errors import VsrError
from vsr.decoding.synchrony import Synchrony
from vsr.face.mouth_source import MouthSource

MIN_FRAMES = FPS  # frames that lips and sound must share
MAX_FRAMES = 60 * FPS  # frames of each that are compared
SPEAKS = 1.25  # score above which a face counts as speaking: the best of many shifts is above 0 by chance


@dataclass(frozen=True)
class Match:
    """How well a face of a video fits a recording.

    Args:
        start: seconds in the recording at which the video begins (negative: before it), at the best shift.
        score: logit of belonging together there, scaled down if only a part of them overlaps.
        cosine: between the voice predicted from the face and the recording's; None without a model of faces.
    """

    video: str
    face: int
    start: float
    score: float
    cosine: float | None = None

    @property
    def speaks(self) -> bool:
        """Whether it speaks this very recording."""
        return self.score > SPEAKS


def best_shift(model: Synchrony, lips: Tensor, sound: Tensor) -> tuple[int, float]:
    """Shift at which sound (S, W) and lips (T, W) agree best, and the score there.

    The shift is in frames of the sound before the first frame of the lips. Both need at least `MIN_FRAMES` frames.
    """
    cosines, scale, bias = lips @ sound.T, model.fusion.scale.item(), model.fusion.bias.item()
    shorter, best = min(len(lips), len(sound)), (0, -np.inf)
    for shift in range(MIN_FRAMES - len(lips), len(sound) - MIN_FRAMES + 1):
        overlap = cosines.diagonal(shift)
        score = scale * overlap.mean().item() + bias
        score *= len(overlap) / shorter if score > 0 else 1
        if score > best[1]:
            best = shift, score
    return best


def match_faces(
    model: Synchrony, wave: np.ndarray, videos: Sequence[str], faces: FaceVoice | None = None,
    voice: np.ndarray | None = None, on_error: Callable[[str, VsrError], None] | None = None,
) -> list[Match]:  # fmt: skip
    """Every face of the videos, best first: those that speak the recording, by score; then others, by looks, or by
    score without a model of looks.

    Args:
        wave: (S,) of the recording.
        faces: network that predicts a voice from a face; ``voice``: the recording's embedding (256,), to compare with.
        on_error: is called with each video that cannot be read and its error, and the run goes on; None: it is raised.

    Raises VsrError: too_short (under a second of sound); for videos as `vsr.face.mouth_source.MouthSource`.
    """
    if len(wave) < MIN_FRAMES * SAMPLES_PER_FRAME:
        raise VsrError("too_short", "a second of sound is needed to match a voice")
    sound = wave[: len(wave) // SAMPLES_PER_FRAME * SAMPLES_PER_FRAME][: MAX_FRAMES * SAMPLES_PER_FRAME]
    sound_states = model.hear(np.ascontiguousarray(sound, np.float32))
    fits: list[Match] = []
    for video in videos:
        try:
            fits += _matches_in_video(model, sound_states, video, faces, voice)
        except VsrError as error:
            if on_error is None:
                raise
            on_error(video, error)
    return sorted(fits, key=_fit, reverse=True)


def _fit(match: Match) -> tuple[bool, float]:
    return match.speaks, match.score if match.speaks or match.cosine is None else match.cosine


def _matches_in_video(
    model: Synchrony, sound_states: Tensor, video: str, faces: FaceVoice | None, voice
) -> list[Match]:
    """A match for each face: that of its piece that agrees best."""
    source = MouthSource(video, None)
    best: dict[int, Match] = {}
    for part in (part for block in source for part in block.parts):
        piece = part.piece
        if part.reason or len(piece.crop) < MIN_FRAMES:
            continue
        crop = piece.crop[:MAX_FRAMES]
        with torch.inference_mode():
            shift, score = best_shift(model, model.see(crop), sound_states)
        cosine = float(vector_of_crop(faces, crop) @ voice) if faces is not None else None
        match = Match(video, part.face, shift / FPS, score, cosine)
        previous = best.get(part.face)
        best[part.face] = match if previous is None or match.score > previous.score else previous
    source.check(bool(best))
    return list(best.values())


def chance(matches: Sequence[Match]) -> float:
    """The probability that a random choice among these faces is right."""
    return 1 / max(1, len(matches))
