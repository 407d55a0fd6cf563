"""The inputs of a model for clips: pixels, and tracks of mouth points if it reads them and they are known.

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
from vsr.decoding.hearing import heard_if_understood
from vsr.face.head_turn import turned
from vsr.face.mouth_features import FEATURES, mouth_features
from vsr.face.mouth_points import MESHES, MouthMesh
from vsr.face.networks import Stock
from vsr.face.requested_points import RequestedPoints
from vsr.modelstore.folder import FUSED_READER

if TYPE_CHECKING:
    from vsr.face.mouth_crop import MouthClip
    from vsr.face.piece import Piece
    from vsr.modelstore.folder import LoadedModel

# Points of the mouth (T, 14, 2) in each clip, or what becomes them on request, or what is read of its track (T, F).
MouthPoints: TypeAlias = np.ndarray | RequestedPoints | None
Mouths = Sequence[MouthPoints] | None
Waves = Sequence[np.ndarray | None] | None  # sound (640 T,) of each clip


def reads_tracks(loaded: LoadedModel) -> bool:
    """Whether the model reads tracks of mouth points beside the pixels."""
    return loaded.config.get("kind") == FUSED_READER


def modalities_of(loaded: LoadedModel) -> tuple[str, ...]:
    """Names of what the model reads, such as "video" and "sound"."""
    return names_of(loaded.model.modality)


def chosen_modality(loaded: LoadedModel, wanted: str = "") -> str:
    """What is read of clips: "video", "sound" or "both"; "" is all that the model reads.

    Raises VsrError bad_options for a model that does not read that.
    """
    return modality_among(modalities_of(loaded), wanted, loaded.name, loaded.model.whole)


def lips_alone(loaded: LoadedModel) -> str:
    """The modality by which a model reads clips that have no sound, where it can; as `chosen_modality` takes it."""
    heard_too = {VIDEO, SOUND} <= set(modalities_of(loaded)) and not loaded.model.whole
    return VIDEO if heard_too else ""


def modality_among(read: tuple[str, ...], wanted: str, name: str, together: bool = False) -> str:
    """The same of a model that reads so much; ``together``: never one without the other. Raises VsrError."""
    whole = BOTH if VIDEO in read and SOUND in read else SOUND if SOUND in read else VIDEO
    if wanted not in ("", whole) and whole != BOTH:
        problem = "does not hear: it reads lips" if whole == VIDEO else "does not see: it reads sound"
        advice = "; --model grid-av does" if whole == VIDEO else ""
        raise VsrError("bad_options", f"{name} {problem} alone, so that --modality {wanted} cannot be had{advice}")
    if together and wanted not in ("", BOTH):
        raise VsrError("bad_options", f"{name} reads lips and sound together, and neither alone: --modality both")
    return wanted or whole


def mesh_for(loaded: LoadedModel) -> Stock[MouthMesh] | None:
    """What finds the points of the mouth that the model reads, not loaded yet; None if it reads none."""
    return MESHES if reads_tracks(loaded) else None


def asked_of(loaded: LoadedModel, clip: MouthClip | Piece, spans: Sequence[tuple[int, int]]) -> list[MouthPoints]:
    """The points of the mouth in parts (start, stop) of a clip, those of heads that are turned too far for the model
    left out."""

    def seen(start: int, stop: int) -> bool:
        return clip.points is None or not turned_away(loaded, clip.points[start:stop])

    return [clip.mouth_of(*span) if seen(*span) else None for span in spans]


def turned_away(loaded: LoadedModel, points: np.ndarray) -> bool:
    """Whether the points (T, 37, 2) are of a head that is turned too far for the model's reader of tracks."""
    widest = loaded.model.config.widest_turn if reads_tracks(loaded) else 0.0
    return bool(widest) and turned(points, widest)


def encode(loaded: LoadedModel, inputs: Mapping[str, Tensor], lengths: Tensor) -> Tensor:
    """Modalities (B, T, ...) by name, such as ``video``, lengths (B,) -> states (B, T, D).

    Raises VsrError bad_model for a model that reads something else.
    """
    return _encoded(loaded, Batch(dict(inputs), lengths, {}, []))


def form_of(loaded: LoadedModel) -> str:
    """The form in which the model takes sound, of `vsr.data.modalities`."""
    return loaded.model.sound_form


def sound_of(loaded: LoadedModel, waves: Sequence[np.ndarray], device: torch.device | str = "cpu") -> Tensor:
    """Waves (640 T,) of clips -> ``sound`` (B, T, ...) in the model's form, zero on padding."""
    form = form_of(loaded)
    inputs = [to_sound_input(wave, form) if len(wave) else empty_sound(0, form) for wave in waves]
    return torch.nn.utils.rnn.pad_sequence(inputs, batch_first=True).to(device)


def encode_clips(
    loaded: LoadedModel, video: Tensor, lengths: Tensor, mouths: Mouths = None, waves: Waves = None
) -> Tensor:
    """Network input (B, T, 1, 88, 88), lengths (B,), the points of the mouth in each clip and its sound -> states
    (B, T, D).

    Sound is heard where all clips have some. Points on request are looked at only where they would have a say.
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
    """What is read of a mouth, (T, F), of its points (T, 14, 2) or as it is stored; None where it was hardly seen."""
    return mouth if mouth.ndim == 2 else mouth_features(mouth)


def _encoded(loaded: LoadedModel, batch: Batch) -> Tensor:
    needed = modalities_of(loaded)
    if not any(name in batch.inputs for name in needed):
        problem = f"{loaded.name} reads {' and '.join(needed)} alone, and not mouth crops"
        advice = "" if SOUND in needed else ": join it with a reader of those by vsr fuse"
        raise VsrError("bad_model", problem + advice)
    return loaded.model.encode_batch(heard_if_understood(loaded, batch))


def encode_batch(loaded: LoadedModel, batch: Batch, clips: Sequence[Clip]) -> Tensor:
    """States (B, T, D) of a batch of ``clips``, with the tracks that their manifest names, if the model reads them.

    Raises VsrError bad_manifest for a track that cannot be read or is not as long as its crop.
    """
    if reads_tracks(loaded):
        known = (load_features(clip) if clip.track else None for clip in clips)
        batch = replace(batch, inputs=batch.inputs | {TRACKS: _padded(known, batch.video)})
    return _encoded(loaded, batch)


def _padded(features: Iterable[np.ndarray | None], video: Tensor) -> Tensor:
    """(B, T, F) on the video's device; zeros where a clip has no track, or the mouth is hardly seen."""
    tracks = video.new_zeros(*video.shape[:2], FEATURES)
    for row, own in zip(tracks, features, strict=True):
        if own is not None:
            row[: len(own)] = torch.from_numpy(own).to(tracks.dtype)
    return tracks
