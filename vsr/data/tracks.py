"""Clips with tracks of mouth points -> batches for a track reader; silence and new sentences are made on the fly.

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
from vsr.data.mouth_track import Track, join_tracks, load_track, span_of
from vsr.data.silences import Silences
from vsr.data.targets import Encoder, Item, Target, TargetSource, Teacher, at_frames
from vsr.data.track_augmentation import (
    TrackAugmentation,
    another_face,
    at_times,
    mask_stretches,
    time_map,
    without_group,
)
from vsr.data.track_style import Style, restyled, styles_of
from vsr.face.mouth_features import features_of

ROOM = 30  # frames that silence adds to a sentence, approximately


class TrackDataset(CropDataset):
    """Clips with their tracks; the variation of clip i in epoch e is fixed by the seed.

    Without ``augmentation`` clips are unchanged but for silence from ``silences`` where they have none.
    """

    def __init__(
        self, clips: Sequence[Clip], tokenizer: Encoder, augmentation: TrackAugmentation | None = None,
        seed: int = 0, silences: Silences | None = None, heads: Mapping[str, TargetSource] | None = None,
    ):  # fmt: skip
        missing = [clip.id for clip in clips if not clip.track or clip.num_frames < 1]
        if missing:
            raise VsrError("bad_manifest", f"{len(missing)} clips have no track, such as {missing[0]}")
        self.clips, self.variation, self.seed = list(clips), augmentation, seed
        self.teacher = Teacher(tokenizer, heads)
        self.tracks = [load_track(clip) for clip in self.clips]
        self.silences = silences or Silences(self.clips, self.tracks)
        self._same_word: dict[tuple, list[int]] = defaultdict(list)
        for index, clip in enumerate(self.clips):
            for place, (word, _, _) in enumerate(clip.words if _fills_clip(clip) else ()):
                self._same_word[clip.speaker, len(clip.words), place, word].append(index)

    def lengths(self) -> list[int]:
        """The approximate number of frames of each clip in a batch."""
        return [clip.num_frames + (ROOM if _fills_clip(clip) else 0) for clip in self.clips]

    def item(self, index: int, epoch: int = 0) -> Item:
        """``tracks`` (T, F) of one clip, and its targets."""
        rng, variation = np.random.default_rng((self.seed, epoch, index)), self.variation
        clip, track = self._sentence(index, variation, rng) if variation else (self.clips[index], self.tracks[index])
        offset = 0
        if _fills_clip(clip):
            offset, track = self.silences.with_silences(track, variation.silence if variation else 1.0, rng)
        shifted = tuple((word, a + offset / FPS, b + offset / FPS) for word, a, b in clip.words)
        choices = np.random.default_rng((self.seed, epoch, index, 1))
        targets = self.teacher(replace(clip, words=shifted), len(track), choices)
        if variation:
            track = self._in_other_style(clip.speaker, track, variation, rng) if variation.style else track
            track, targets = _varied(track, targets, variation, rng)
        features = features_of(track.points, track.measures)
        if variation:
            features = without_group(mask_stretches(features, variation.mask_frames, rng), variation.drop, rng)
        return Item({TRACKS: torch.from_numpy(features)}, as_tensors(targets))

    @cached_property
    def _styles(self) -> dict[str, Style]:
        pairs = zip(self.clips, self.tracks, strict=True)
        return styles_of((clip.speaker, track.points, track.measures) for clip, track in pairs)

    def _in_other_style(
        self, speaker: str, track: Track, variation: TrackAugmentation, rng: np.random.Generator
    ) -> Track:
        """The track, or with probability ``style`` moved part of the way to another speaker's style."""
        if rng.random() >= variation.style:
            return track
        other = sorted(self._styles)[rng.integers(len(self._styles))]
        styles = self._styles[speaker], self._styles[other]
        return Track(*restyled(track.points, track.measures, *styles, rng.random()))

    def _sentence(self, index: int, variation: TrackAugmentation, rng: np.random.Generator) -> tuple[Clip, Track]:
        """The clip, or its start continued with other sentences of the speaker that share a word at the same place."""
        clip, track = self.clips[index], self.tracks[index]
        if not _fills_clip(clip) or len(clip.words) < 2 or rng.random() >= variation.recombine:
            return clip, track
        for _ in range(rng.integers(1, 3)):
            place = int(rng.integers(1, len(clip.words)))
            candidates = self._same_word[clip.speaker, len(clip.words), place - 1, clip.words[place - 1][0]]
            other = candidates[rng.integers(len(candidates))]
            clip, track = _continued(clip, track, self.clips[other], self.tracks[other], place)
        return clip, track


def _fills_clip(clip: Clip) -> bool:
    """Whether the words fill the clip, with nothing before and after them."""
    return bool(clip.words) and span_of(clip) == (0, clip.num_frames)


def _continued(clip: Clip, track: Track, other: Clip, other_track: Track, place: int) -> tuple[Clip, Track]:
    """The words of one clip before ``place``, then those of another clip from ``place`` on."""
    cut, other_cut = (round(source.words[place][1] * FPS) for source in (clip, other))
    shift = (cut - other_cut) / FPS
    words = clip.words[:place] + tuple((word, a + shift, b + shift) for word, a, b in other.words[place:])
    track = join_tracks([track[:cut], other_track[other_cut:]])
    return replace(clip, text=" ".join(word for word, _, _ in words), words=words, num_frames=len(track)), track


def _varied(
    track: Track, targets: dict[str, Target], variation: TrackAugmentation, rng: np.random.Generator
) -> tuple[Track, dict[str, Target]]:
    """The track at another pace and of another face; per-frame targets follow."""
    places = time_map(len(track), variation, rng)
    points, measures = (at_times(values, places) for values in (track.points, track.measures))
    return Track(*another_face(points, measures, variation, rng)), at_frames(targets, np.round(places).astype(int))
