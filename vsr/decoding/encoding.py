"""Encode clips: pixels, sound, and tracks of mouth points where the model reads them -> encoder states.

Shapes: B clips, T frames of the longest, F features of a track, D width of the states.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch
from torch import Tensor

from vsr.core.errors import VsrError
from vsr.data.batch import TRACKS, Batch
from vsr.data.manifest import Clip
from vsr.data.modalities import BOTH, SOUND, VIDEO, names_of
from vsr.data.mouth_track import load_features
from vsr.data.sound_input import empty_sound, to_sound_input
from vsr.decoding.hearing import without_unintelligible_sound
from vsr.face.head_turn import is_turned
from vsr.face.mouth_features import FEATURES, mouth_features
from vsr.face.mouth_points import MESHES, MouthMesh
from vsr.face.networks import Pool
from vsr.face.requested_points import RequestedPoints
from vsr.modelstore.folder import FUSED_READER

if TYPE_CHECKING:
    from vsr.face.mouth_crop import MouthClip
    from vsr.face.piece import Piece
    from vsr.modelstore.folder import LoadedModel

# Of each clip: mouth points (T, 14, 2), or a request that computes them when needed, or features of its track (T, F).
MouthPoints: TypeAlias = np.ndarray | RequestedPoints | None
Mouths = Sequence[MouthPoints] | None
Waves = Sequence[np.ndarray | None] | None  # sound (640 T,) of each clip


def reads_tracks(loaded: LoadedModel) -> bool:
    """Whether the model reads tracks of mouth points beside the pixels."""
    return loaded.config.get("kind") == FUSED_READER


def modalities_of(loaded: LoadedModel) -> tuple[str, ...]:
    """Names of the modalities that the model reads, such as "video" and "sound"."""
    return names_of(loaded.model.modality)


def chosen_modality(loaded: LoadedModel, requested: str = "") -> str:
    """The modality to read clips by: "video", "sound" or "both"; "" means all that the model reads.

    Raises VsrError bad_options for a model that does not read the wanted modality.
    """
    return modality_among(modalities_of(loaded), requested, loaded.name, loaded.model.whole)


def lips_alone(loaded: LoadedModel) -> str:
    """The modality for clips without sound, as `chosen_modality` takes it: video where the model can read it alone."""
    heard_too = {VIDEO, SOUND} <= set(modalities_of(loaded)) and not loaded.model.whole
    return VIDEO if heard_too else ""


def modality_among(available: tuple[str, ...], requested: str, name: str, together: bool = False) -> str:
    """`chosen_modality` of a model that reads the modalities ``available``; ``together``: video and sound only both at
    once.

    Raises VsrError bad_options.
    """
    whole = BOTH if VIDEO in available and SOUND in available else SOUND if SOUND in available else VIDEO
    if requested not in ("", whole) and whole != BOTH:
        problem = "does not hear: it reads lips" if whole == VIDEO else "does not see: it reads sound"
        advice = "; --model grid-av does" if whole == VIDEO else ""
        raise VsrError("bad_options", f"{name} {problem} alone, so that --modality {requested} cannot be had{advice}")
    if together and requested not in ("", BOTH):
        raise VsrError("bad_options", f"{name} reads lips and sound together, and neither alone: --modality both")
    return requested or whole


def mesh_for(loaded: LoadedModel) -> Pool[MouthMesh] | None:
    """The mesh network, not loaded yet, that finds the mouth points which the model reads; None if it reads none."""
    return MESHES if reads_tracks(loaded) else None


def usable_mouth_points(
    loaded: LoadedModel, clip: MouthClip | Piece, spans: Sequence[tuple[int, int]]
) -> list[MouthPoints]:
    """Mouth points in parts (start, stop) of a clip; None for parts where the head is turned too far for the model."""

    def seen(start: int, stop: int) -> bool:
        return clip.points is None or not turned_away(loaded, clip.points[start:stop])

    return [clip.mouth_of(*span) if seen(*span) else None for span in spans]


def turned_away(loaded: LoadedModel, points: np.ndarray) -> bool:
    """Whether the points (T, 37, 2) show a head that is turned too far for the model's reader of tracks."""
    widest = loaded.model.config.widest_turn if reads_tracks(loaded) else 0.0
    return bool(widest) and is_turned(points, widest)


def encode(loaded: LoadedModel, inputs: Mapping[str, Tensor], lengths: Tensor) -> Tensor:
    """Inputs (B, T, ...) by modality, such as ``video``, and lengths (B,) -> states (B, T, D).

    Raises VsrError bad_model for a model that reads none of these modalities.
    """
    return _encoded(loaded, Batch(dict(inputs), lengths, {}, []))


def form_of(loaded: LoadedModel) -> str:
    """The form in which the model takes sound, one of those in `vsr.data.modalities`."""
    return loaded.model.sound_form


def sound_of(loaded: LoadedModel, waves: Sequence[np.ndarray], device: torch.device | str = "cpu") -> Tensor:
    """Waves (640 T,) of clips -> ``sound`` (B, T, ...) in the model's form, zero on padding."""
    form = form_of(loaded)
    inputs = [to_sound_input(wave, form) if len(wave) else empty_sound(0, form) for wave in waves]
    return torch.nn.utils.rnn.pad_sequence(inputs, batch_first=True).to(device)


def encode_clips(
    loaded: LoadedModel, video: Tensor, lengths: Tensor, mouths: Mouths = None, waves: Waves = None
) -> Tensor:
    """Network input (B, T, 1, 88, 88), lengths (B,), mouth points and sound of each clip -> states (B, T, D).

    Sound is used only if all clips have it. Requested points are computed only where the model would weigh them.
    """
    if waves is not None and all(wave is not None for wave in waves):
        sound = sound_of(loaded, [wave for wave in waves if wave is not None], video.device)
        return encode(loaded, {VIDEO: video, SOUND: sound}, lengths)
    states = encode(loaded, {VIDEO: video}, lengths)
    if mouths is None or not reads_tracks(loaded):
        return states
    asked = loaded.model.asks_for_tracks(states, lengths).tolist()
    features = [None if mouth is None or not ask else _features(np.asarray(mouth))
                for mouth, ask in zip(mouths, asked, strict=True)]  # fmt: skip
    return loaded.model.with_tracks(states, lengths, _padded(features, video)) if any(asked) else states


def _features(mouth: np.ndarray) -> np.ndarray | None:
    """Features (T, F) of a mouth, from its points (T, 14, 2) or as stored; None where the mouth is hardly visible."""
    return mouth if mouth.ndim == 2 else mouth_features(mouth)


def _encoded(loaded: LoadedModel, batch: Batch) -> Tensor:
    needed = modalities_of(loaded)
    if not any(name in batch.inputs for name in needed):
        problem = f"{loaded.name} reads {' and '.join(needed)} alone, and not mouth crops"
        advice = "" if SOUND in needed else ": join it with a reader of those by vsr fuse"
        raise VsrError("bad_model", problem + advice)
    return loaded.model.encode_batch(without_unintelligible_sound(loaded, batch))


def encode_batch(loaded: LoadedModel, batch: Batch, clips: Sequence[Clip]) -> Tensor:
    """States (B, T, D) of a batch of ``clips``, with the tracks named in their manifest, if the model reads tracks.

    Raises VsrError bad_manifest for a track that cannot be read or is not as long as its crop.
    """
    if reads_tracks(loaded):
        features = (load_features(clip) if clip.track else None for clip in clips)
        batch = replace(batch, inputs=batch.inputs | {TRACKS: _padded(features, batch.video)})
    return _encoded(loaded, batch)


def _padded(features: Iterable[np.ndarray | None], video: Tensor) -> Tensor:
    """Tracks (B, T, F) on the video's device; zeros where a clip has no track, or the mouth is hardly visible."""
    tracks = video.new_zeros(*video.shape[:2], FEATURES)
    for row, track in zip(tracks, features, strict=True):
        if track is not None:
            row[: len(track)] = torch.from_numpy(track).to(tracks.dtype)
    return tracks
