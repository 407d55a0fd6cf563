"""Clips with tracks of mouth points -> batches for a reader of tracks; silence and new sentences are made on the way.

Published tracks begin with the first word and end with the last. What is before and after comes from clips of the same
list that have it: their lips' way to the first word, and from the last, is laid on another face.

Shapes: points (T, 9, 2), measures (T, 8), features (T, F), as in `vsr.face.mouth_features`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch

from vsr.core.clock import FPS
from vsr.core.errors import VsrError
from vsr.data.batch import TRACKS, CropDataset, as_tensors
from vsr.data.manifest import Clip
from vsr.data.targets import Encoder, Item, Target, Taught, Teacher, at_frames
from vsr.data.track_augmentation import TrackAugmentation, another_face, at_times, masked, time_map, without_group
from vsr.data.track_style import Style, restyled, styles_of
from vsr.face.mouth_features import CORNERS, FEWEST, features_of, read_track, repaired, with_changes

SHORTEST = 4  # frames of silence that are kept as such
ROOM = 30  # frames that silence adds to a sentence, about


@dataclass(frozen=True)
class Track:
    """points (T, 9, 2) and measures (T, 8) of one clip."""

    points: np.ndarray
    measures: np.ndarray

    def __getitem__(self, span: slice) -> Track:
        return Track(self.points[span], self.measures[span])

    def __len__(self) -> int:
        return len(self.points)

    @property
    def width(self) -> float:
        """Mean width of the mouth, pixels."""
        line = (self.points[:, CORNERS[1]] - self.points[:, CORNERS[0]]).mean(0)
        return max(float(np.linalg.norm(line)), 1e-3)


def joined(tracks: Sequence[Track]) -> Track:
    """One behind the other."""
    return Track(np.concatenate([own.points for own in tracks]), np.concatenate([own.measures for own in tracks]))


def load_track(clip: Clip) -> Track:
    """The clip's track, its gaps filled. Raises VsrError bad_manifest."""
    try:
        points, measures, _ = repaired(*read_track(clip.track))
    except (OSError, ValueError, KeyError) as error:
        raise VsrError("bad_manifest", f"cannot read the track of {clip.id}: {error}") from error
    return Track(points, measures)


def load_features(clip: Clip) -> np.ndarray | None:
    """What is read of the clip's track, (T, F); None where the mouth was hardly seen. Raises VsrError bad_manifest."""
    try:
        points, measures, known = repaired(*read_track(clip.track))
    except (OSError, ValueError, KeyError) as error:
        raise VsrError("bad_manifest", f"cannot read the track of {clip.id}: {error}") from error
    if len(points) != clip.num_frames:
        problem = f"the track of {clip.id} has {len(points)} frames, its crop {clip.num_frames}"
        raise VsrError("bad_manifest", f"{problem}: run vsr crop again")
    return features_of(points, measures) if known.mean() >= FEWEST else None


def span_of(clip: Clip) -> tuple[int, int]:
    """(first, one past the last) frame of the words; all frames where word times are unknown."""
    if not clip.words:
        return 0, clip.num_frames
    return round(clip.words[0][1] * FPS), min(clip.num_frames, round(clip.words[-1][2] * FPS))


class Silences:
    """What mouths do before the first word and after the last, as ways from there, in mouth widths."""

    def __init__(self, clips: Sequence[Clip], tracks: Sequence[Track]):
        self.before, self.after = [], []
        for clip, track in zip(clips, tracks, strict=True):
            first, last = span_of(clip)
            if clip.words and SHORTEST <= first < len(track):
                self.before.append(_way(track[:first], track[first : first + 1], track.width))
            if clip.words and last <= len(track) - SHORTEST:
                self.after.append(_way(track[last:], track[last - 1 : last], track.width))

    def around(self, track: Track, probability: float, rng: np.random.Generator) -> tuple[int, Track]:
        """The words' track with silence; how many frames are before them."""
        width = track.width
        before, after = (_some(own, probability, rng) for own in (self.before, self.after))
        parts = [track]
        if before is not None:
            start = before[len(before) - _length(before, rng) :]
            parts.insert(0, _laid(start, track[:1], width))
        if after is not None:
            parts.append(_laid(after[: _length(after, rng)], track[-1:], width))
        whole = joined(parts)
        whole.measures[:, :6] = np.maximum(whole.measures[:, :6], 0)
        return len(parts[0]) if before is not None else 0, Track(whole.points, with_changes(whole.measures))


def _way(track: Track, origin: Track, width: float) -> Track:
    return Track((track.points - origin.points) / width, track.measures - origin.measures)


def _laid(way: Track, origin: Track, width: float) -> Track:
    return Track((origin.points + way.points * width).astype(np.float32), origin.measures + way.measures)


def _some(ways: list[Track], probability: float, rng: np.random.Generator) -> Track | None:
    return ways[rng.integers(len(ways))] if ways and rng.random() < probability else None


def _length(way: Track, rng: np.random.Generator) -> int:
    """All of it, or as often a part."""
    return int(rng.integers(0, len(way) + 1)) if rng.random() < 0.5 else len(way)


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
