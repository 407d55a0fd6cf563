"""Sound without faces, to learn units -> voice from: recordings become clips that are as long as their sound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from vsr.core.clock import SAMPLES_PER_FRAME
from vsr.core.progress import counted
from vsr.data.manifest import Clip
from vsr.data.recordings import recordings
from vsr.media.audio import read_wave

LONGEST = 500  # video frames that are taken of a recording, from its start
SHORTEST = 25
MANIFEST = "sound.jsonl"


def sound_clips(given: Sequence[str | Path]) -> list[Clip]:
    """Clips of sound files, folders of them and manifests, with their length in video frames; what is shorter than a
    second is left out. The speaker is what stands before the first hyphen of a file name (LibriSpeech), where a
    manifest does not say. Raises VsrError unreadable, no_sound, bad_manifest.
    """
    clips = recordings(given)
    measured = [_measured(clip) for clip in counted(clips, "lengths", len(clips))]
    return [clip for clip in measured if clip.num_frames >= SHORTEST]


def _measured(clip: Clip) -> Clip:
    frames = clip.num_frames or len(read_wave(clip.video)) // SAMPLES_PER_FRAME
    speaker = clip.speaker or Path(clip.video).stem.partition("-")[0]
    return replace(clip, num_frames=min(LONGEST, frames), speaker=speaker)
