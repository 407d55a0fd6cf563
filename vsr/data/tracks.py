"""Clips with tracks of mouth points -> batches for a reader of tracks; silence and new sentences are made on the way.

Shapes: points (T, 9, 2), measures (T, 8), features (T, F), as in `vsr.face.mouth_features`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
import torch

from vsr.core.clock import FPS
from vsr.core.errors import VsrError
from vsr.data.batch import TRACKS, CropDataset, as_tensors
from vsr.data.manifest import Clip
from vsr.data.mouth_track import Track, joined, load_track, span_of
from vsr.data.silences import Silences
from vsr.data.targets import Encoder, Item, Target, Taught, Teacher, at_frames
from vsr.data.track_augmentation import TrackAugmentation, another_face, at_times, masked, time_map, without_group
from vsr.data.track_style import Style, restyled, styles_of
from vsr.face.mouth_features import features_of

ROOM = 30  # frames that silence adds to a sentence, about


class TrackDataset(CropDataset):
    """Clips with their tracks; the variation of clip i in epoch e is fixed by the seed.

    Without ``augmentation`` the words are as they are, with silence from ``silences`` where they have none.
    """

    def __init__(
        self, clips: Sequence[Clip], tokenizer: Encoder, augmentation: TrackAugmentation | None = None,
        seed: int = 0, silences: Silences | None = None, heads: Mapping[str, Taught] | None = None,
    ):  # fmt: skip
        missing = [clip.id for clip in clips if not clip.track or clip.num_frames < 1]
        if missing:
            raise VsrError("bad_manifest", f"{len(missing)} clips have no track, such as {missing[0]}")
        self.clips, self.variation, self.seed = list(clips), augmentation, seed
        self.teacher = Teacher(tokenizer, heads)
        self.tracks = [load_track(clip) for clip in self.clips]
        self.silences = silences or Silences(self.clips, self.tracks)
        self._alike: dict[tuple, list[int]] = defaultdict(list)
        for index, clip in enumerate(self.clips):
            for place, (word, _, _) in enumerate(clip.words if _bare(clip) else ()):
                self._alike[clip.speaker, len(clip.words), place, word].append(index)

    def lengths(self) -> list[int]:
        """About how many frames each clip has in a batch."""
        return [clip.num_frames + (ROOM if _bare(clip) else 0) for clip in self.clips]

    def item(self, index: int, epoch: int = 0) -> Item:
        """``tracks`` (T, F) of one clip, and its targets."""
        rng, own = np.random.default_rng((self.seed, epoch, index)), self.variation
        clip, track = self._sentence(index, own, rng) if own else (self.clips[index], self.tracks[index])
        before = 0
        if _bare(clip):
            before, track = self.silences.around(track, own.silence if own else 1.0, rng)
        shifted = tuple((word, a + before / FPS, b + before / FPS) for word, a, b in clip.words)
        targets = self.teacher(replace(clip, words=shifted), len(track))
        if own:
            track = self._as_another(clip.speaker, track, own, rng) if own.style else track
            track, targets = _varied(track, targets, own, rng)
        features = features_of(track.points, track.measures)
        if own:
            features = without_group(masked(features, own.mask_frames, rng), own.drop, rng)
        return Item({TRACKS: torch.from_numpy(features)}, as_tensors(targets))

    @cached_property
    def _styles(self) -> dict[str, Style]:
        each = zip(self.clips, self.tracks, strict=True)
        return styles_of((clip.speaker, track.points, track.measures) for clip, track in each)

    def _as_another(self, speaker: str, track: Track, own: TrackAugmentation, rng: np.random.Generator) -> Track:
        """The track, or with its odds in part as somebody else of the list moves."""
        if rng.random() >= own.style:
            return track
        other = sorted(self._styles)[rng.integers(len(self._styles))]
        styles = self._styles[speaker], self._styles[other]
        return Track(*restyled(track.points, track.measures, *styles, rng.random()))

    def _sentence(self, index: int, own: TrackAugmentation, rng: np.random.Generator) -> tuple[Clip, Track]:
        """The clip, or one that goes on as others of the speaker do who say the same word in the same place."""
        clip, track = self.clips[index], self.tracks[index]
        if not _bare(clip) or len(clip.words) < 2 or rng.random() >= own.recombine:
            return clip, track
        for _ in range(rng.integers(1, 3)):
            place = int(rng.integers(1, len(clip.words)))
            others = self._alike[clip.speaker, len(clip.words), place - 1, clip.words[place - 1][0]]
            other = others[rng.integers(len(others))]
            clip, track = _continued(clip, track, self.clips[other], self.tracks[other], place)
        return clip, track


def _bare(clip: Clip) -> bool:
    """Whether there is nothing before and after the words."""
    return bool(clip.words) and span_of(clip) == (0, clip.num_frames)


def _continued(clip: Clip, track: Track, other: Clip, way: Track, place: int) -> tuple[Clip, Track]:
    """The words before ``place`` of one clip and those from it on of another."""
    here, there = (round(own.words[place][1] * FPS) for own in (clip, other))
    shift = (here - there) / FPS
    words = clip.words[:place] + tuple((word, a + shift, b + shift) for word, a, b in other.words[place:])
    track = joined([track[:here], way[there:]])
    return replace(clip, text=" ".join(word for word, _, _ in words), words=words, num_frames=len(track)), track


def _varied(
    track: Track, targets: dict[str, Target], own: TrackAugmentation, rng: np.random.Generator
) -> tuple[Track, dict[str, Target]]:
    """The track at another pace, of another face; targets per frame follow."""
    places = time_map(len(track), own, rng)
    points, measures = (at_times(values, places) for values in (track.points, track.measures))
    return Track(*another_face(points, measures, own, rng)), at_frames(targets, np.round(places).astype(int))
