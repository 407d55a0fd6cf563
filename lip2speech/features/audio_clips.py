"""Clips of audio without video, for pretraining on units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from vsr.core.clock import SAMPLES_PER_FRAME
from vsr.core.progress import count_items
from vsr.data.manifest import Clip
from vsr.data.recordings import recordings
from vsr.media.audio import read_wave

LONGEST = 500  # video frames that are used of a recording, from its start
SHORTEST = 25
MANIFEST = "sound.jsonl"


def sound_clips(paths: Sequence[str | Path]) -> list[Clip]:
    """Clips of audio files, folders of them and manifests, with their length in video frames; clips shorter than a
    second are left out. Without a speaker in the manifest, it is the part of the file name before the first hyphen
    (LibriSpeech). Raises VsrError unreadable, no_sound, bad_manifest.
    """
    clips = recordings(paths)
    measured = [_with_length(clip) for clip in count_items(clips, "lengths", len(clips))]
    return [clip for clip in measured if clip.num_frames >= SHORTEST]


def _with_length(clip: Clip) -> Clip:
    frames = clip.num_frames or len(read_wave(clip.video)) // SAMPLES_PER_FRAME
    speaker = clip.speaker or Path(clip.video).stem.partition("-")[0]
    return replace(clip, num_frames=min(LONGEST, frames), speaker=speaker)
