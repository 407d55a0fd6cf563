"""The work of the page: a job's video becomes text, subtitles and voices in the job's folder.

Everything here runs in the one thread that has the models.
"""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

from lip2speech.inference.synthesis_options import NONE, READ
from lip2speech.web.jobs import Face, Job, Limits
from lip2speech.web.media import playable_copy, recorded_seconds
from lip2speech.web.models import Models
from vsr.core.clock import FPS
from vsr.core.errors import VsrError
from vsr.core.files import write_text
from vsr.core.progress import Watch
from vsr.inference.assemble import skipped_of, tracks_of
from vsr.output.subtitles import WRITERS, to_vtt
from vsr.output.transcript import Segment, TimedWord, Transcript

MAX_FACES = 4  # faces of a video that are read and voiced
FORMATS = ("srt", "vtt", "json", "txt")


def read_job(models: Models, limits: Limits, job: Job) -> None:
    """Find the faces, read them, voice them; `job.faces` grows meanwhile.

    Writes N.srt, .vtt, .json, .txt, .mp4 (voiced) and pageN.vtt (for the page's players) for each face N, and
    video.mp4, a copy that browsers play, to the job's folder. Raises VsrError, Dropped.
    """
    job.started_at = time.monotonic()
    job.enter("loading")
    vector = _reference(job, limits)  # first, to fail early
    seconds = checked_seconds(job.source, "video", limits)
    _ = models.reader, models.voice
    _check_text(models, job)
    clips = _faces(models, job, seconds)
    job.enter("reading")
    with job.result("video.mp4") as out:
        playable_copy(job.source, out)
    for number, clip in enumerate(clips):
        job.enter("reading", number / len(clips))
        job.faces.append(_transcribe(models, job, clip, number, alone=len(clips) == 1))
    for number, clip in enumerate(clips):
        job.enter("voice", number / len(clips) if number else None)
        _voice(models, job, clip, number, vector)
    job.enter("done", 1.0)


def inspect_job(models: Models, job: Job, number: int) -> None:
    """Write `inspectN.html`, the page of `lip2speech inspect`, for face ``number`` of a finished job."""
    from lip2speech.evaluation.report import render_voiced
    from lip2speech.inference.speakers import reference_embedding
    from vsr.report.collect import inspect_video

    name = f"inspect{number}.html"
    job.started_at = time.monotonic()
    job.enter("faces")
    try:
        if not (job.folder / name).exists():
            watch = Watch(progress=lambda *_: job.enter("faces"))
            face = job.faces[number].number
            inspection = inspect_video(models.reader, job.source, face=face, watch=watch, errors=[])
            page = render_voiced(inspection, models.voice, reference_embedding(job.reference))
            with job.result(name) as out:
                write_text(out, page)
    finally:
        job.stage = "done"  # the earlier results are still there


def checked_seconds(path: Path, kind: str, limits: Limits) -> float:
    """The length of a recording, checked against the limit. Raises VsrError too_long."""
    seconds = recorded_seconds(path, kind)
    if seconds > limits.max_seconds:
        raise VsrError("too_long", f"{path.name}: {seconds:.0f} s long; at most {limits.max_seconds:g} s are taken")
    return seconds


def _reference(job: Job, limits: Limits):
    """The speaker embedding (256,) of the reference; None: the model's own voice."""
    from lip2speech.inference.speakers import reference_embedding

    if job.reference is not None:
        checked_seconds(job.reference, "audio", limits)
    return reference_embedding(job.reference)


class _ReportingDetector:
    """A detector that reports its progress to a job, and stops when the job is dropped."""

    def __init__(self, job: Job, total: int):
        from vsr.face.detector import default_detector

        self._detector, self._job, self._total, self._count = default_detector(), job, max(1, total), 0

    def detect(self, frame):
        self._count += 1
        self._job.enter("faces", min(1.0, self._count / self._total))
        return self._detector.detect(frame)

    def reset(self) -> None:
        self._detector.reset()


def _faces(models: Models, job: Job, seconds: float) -> list:
    """A MouthClip of each face to read, those that speak first, of them the largest."""
    from vsr.decoding.encoding import mesh_for
    from vsr.face.mouth_crop import crop_tracks
    from vsr.media.container import video_clock

    broken: list[VsrError] = []
    clips = crop_tracks(job.source, _ReportingDetector(job, round(seconds * FPS)), mesh_for(models.reader), broken)
    job.broken = str(broken[0]).removeprefix(f"{job.source}: ") if broken else ""
    job.lead = video_clock(job.source)[1]
    job.aspect = clips[0].info.width / clips[0].info.height
    job.left_out = max(0, len(clips) - MAX_FACES)
    return clips[:MAX_FACES]


def _transcribe(models: Models, job: Job, clip, number: int, alone: bool) -> Face:
    """Read a face of a video and write its transcript in all formats."""
    from vsr.decoding.defaults import options_for
    from vsr.inference.face_report import face_report_of
    from vsr.inference.recognition import read_clip

    segments, seen = read_clip(models.reader, clip, options_for(models.reader, {"nbest": 5})), face_report_of(clip)
    transcript = Transcript(
        job.name, clip.info.fps, clip.info.end, models.reader.name, tuple(segments), tracks=tracks_of(seen.tracks),
        skipped=skipped_of(seen.skipped),
    )  # fmt: skip
    texts = {f"{number}.{name}": WRITERS[name](transcript) for name in FORMATS}
    for name, text in (
        texts | {f"page{number}.vtt": to_vtt(shift_earlier(transcript, job.lead), confidence_class)}
    ).items():
        with job.result(name) as out:
            write_text(out, text)
    return Face(transcript, "" if alone else _portrait(clip), number=clip.face)


def _portrait(clip) -> str:
    """The image of the face in the middle of its clip, as a data URL."""
    from vsr.report.images import image_url
    from vsr.report.stills import stills

    (still,) = stills(clip, 0, len(clip.crop), 1)
    return image_url(still.image)


def _voice(models: Models, job: Job, clip, number: int, vector) -> None:
    from lip2speech.inference.dubbing import speak_clip
    from lip2speech.inference.synthetic_marks import SYNTHETIC
    from vsr.media.mux.mux import mux

    words, note = _spoken_words(models, job, number)
    note += f" The video {job.broken}: what could not be read is left out." if job.broken else ""
    spoken = speak_clip(models.voice, clip, vector, words=words)
    with job.result(f"{number}.mp4") as out:
        mux(job.folder / "video.mp4", spoken.wave, out, comment=SYNTHETIC)
    job.faces[number] = dataclasses.replace(job.faces[number], voiced=True, note=note)


def _check_text(models: Models, job: Job) -> None:
    """Refuse a text that this voice cannot use. Raises VsrError no_listener, bad_text."""
    from lip2speech.inference.text import check_words, resolve_text_source
    from lip2speech.models.flow_options import FlowOptions

    if resolve_text_source(models.voice, job.text, FlowOptions()) not in (READ, NONE):
        check_words(models.voice, job.text)


def _spoken_words(models: Models, job: Job, number: int) -> tuple[list[TimedWord], str]:
    """The words that shape the voice of a face, and a note on them for the visitor. Raises VsrError bad_text."""
    from lip2speech.inference.text import aligned_text, guess_warning, trusted_words

    if job.text == NONE:
        return [], "Shaped by the lips alone."
    segments = job.faces[number].transcript.segments
    if job.text == READ:
        if not any(segment.words for segment in segments):
            return [], "Shaped by the lips alone: no words were read from them."
        if guess_warning(segments, models.reader.name):
            note = "Words that look unlike what the reader was trained on are guesses: left out."
            return trusted_words(segments), note
        return trusted_words(segments), "Shaped by the lips and the words read from them."
    if number:
        return [], "Shaped by the lips alone: the words given are those of the first face."
    words_by_face = aligned_text(models.voice, job.text, job.source, "largest").words_by_face
    return [word for words in words_by_face.values() for word in words], "Shaped by the lips and the words given."


def confidence_class(word: TimedWord) -> str:
    """The CSS class of a word in the page's subtitles: sure0 ... sure4, each for a fifth of the confidence range."""
    return f"sure{min(4, int(5 * word.confidence))}"


def shift_earlier(transcript: Transcript, seconds: float) -> Transcript:
    """The transcript with all times reduced by ``seconds``."""

    def shift(item: Segment | TimedWord, **changes):
        return dataclasses.replace(item, start=item.start - seconds, end=item.end - seconds, **changes)

    return dataclasses.replace(
        transcript,
        segments=tuple(
            shift(segment, words=tuple(shift(word) for word in segment.words)) for segment in transcript.segments
        ),
    )
