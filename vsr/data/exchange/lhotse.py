"""lhotse: a ``cuts.jsonl.gz`` of MonoCuts over video recordings, word times as alignments, crops as custom fields."""

from __future__ import annotations

from pathlib import Path

from vsr.core.clock import FPS, SAMPLE_RATE
from vsr.core.errors import VsrError, cause_of
from vsr.core.files import atomic_write
from vsr.data.exchange.convert import Settings, id_of, unique
from vsr.data.manifest import Clip

FILE = "cuts.jsonl.gz"


def _lhotse():
    try:
        import lhotse
    except ImportError as error:
        raise VsrError("bad_config", "lhotse is not installed: pip install vsr-lip2speech[exchange]") from error
    return lhotse


def read(path: Path, settings: Settings) -> list[Clip]:
    """Clips of a cut set (the file, or a folder with cuts.jsonl.gz), one per cut; each cut has one supervision.

    Raises VsrError bad_manifest.
    """
    lhotse = _lhotse()
    path = path / FILE if path.is_dir() else path
    try:
        cuts = list(lhotse.CutSet.from_file(path))
        return unique([_clip(cut) for cut in cuts], path)
    except (OSError, ValueError, KeyError, TypeError, AssertionError, AttributeError) as error:
        raise VsrError("bad_manifest", f"cannot read cuts from {path}: {cause_of(error)}") from error


def _clip(cut) -> Clip:
    if len(cut.supervisions) != 1:
        raise ValueError(f"the cut {cut.id} has {len(cut.supervisions)} supervisions, one is expected")
    supervision, custom = cut.supervisions[0], cut.custom or {}
    words = tuple((item.symbol, item.start, item.end) for item in (supervision.alignment or {}).get("word", ()))
    to_end = cut.end >= cut.recording.duration - 0.5 / FPS
    return Clip(
        id_of(cut.id), cut.recording.sources[0].source, supervision.text or "", supervision.speaker or "",
        int(custom.get("num_frames", 0)), custom.get("crop", ""), words, cut.start, 0.0 if to_end else cut.end,
    )  # fmt: skip


def write(clips: list[Clip], out: Path, settings: Settings) -> None:
    """Write ``out/cuts.jsonl.gz``; every video is opened once. Raises VsrError if one cannot be read."""
    lhotse = _lhotse()
    recordings = {video: _recording(video) for video in dict.fromkeys(clip.video for clip in clips)}
    with atomic_write(out / FILE) as temporary:
        # lhotse chooses the format by the file name, and the temporary one ends in .gz alone.
        plain = temporary.with_name(f"{temporary.name}.jsonl.gz")
        try:
            lhotse.CutSet.from_cuts(_cut(clip, recordings[clip.video]) for clip in clips).to_file(plain)
            plain.replace(temporary)
        finally:
            plain.unlink(missing_ok=True)


def _recording(video: str):
    from lhotse import Recording
    from lhotse.audio import AudioSource, VideoInfo

    from vsr.media.reader import probe

    info = probe(video)
    image = VideoInfo(info.fps, round(info.duration * info.fps), info.height, info.width)
    return Recording(
        id_of(video), [AudioSource("file", [0], video, image)], SAMPLE_RATE,
        round(info.end * SAMPLE_RATE), info.end,
    )  # fmt: skip


def _cut(clip: Clip, recording):
    from lhotse import MonoCut, SupervisionSegment
    from lhotse.supervision import AlignmentItem

    duration = min(clip.end or recording.duration, recording.duration) - clip.start
    words = [AlignmentItem(word, start, round(end - start, 4)) for word, start, end in clip.words]
    supervision = SupervisionSegment(
        clip.id, recording.id, 0.0, duration, text=clip.text, speaker=clip.speaker or None,
        alignment={"word": words} if words else None,
    )  # fmt: skip
    custom = {"crop": clip.crop, "num_frames": clip.num_frames} if clip.crop else None
    return MonoCut(clip.id, clip.start, duration, 0, [supervision], recording=recording, custom=custom)
