"""The work of the API: a video becomes a transcript or a voice. Runs in the thread that has the models."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass, field
from pathlib import Path

from lip2speech.web.jobs import Job, Limits
from lip2speech.web.models import Models
from lip2speech.web.page_jobs import checked_seconds
from vsr.core.errors import Incomplete, VsrError
from vsr.core.progress import Watch
from vsr.output.transcript import Transcript


@dataclass
class ApiRequest:
    """A client's request and its result.

    Attributes:
        faces: as `--faces`.
        format: suffix of the voiced output: "wav" or "mp4".
        text: the words, for the voice: "none", "read" or words; empty: the default of the page.
        voice: "anonymous[:SEED]"; empty: the recording's voice, or the model's own.
        transcript, spoken: the result, once it is done; `spoken` is a file in the job's folder.
        warnings: {"reason", "message"} about the voiced output.
    """

    faces: str | int = "largest"
    format: str = "wav"
    text: str = ""
    voice: str = ""
    transcript: Transcript | None = None
    spoken: Path | None = None
    warnings: list[dict] = field(default_factory=list)


def transcribe_job(models: Models, limits: Limits, job: Job, api_request: ApiRequest) -> None:
    """Read the lips; fills `wish.transcript`. Raises VsrError, Dropped."""
    from vsr.inference.transcriber import transcribe

    _begin(job, limits)
    try:
        transcript = transcribe(models.reader, job.source, faces=api_request.faces, watch=_watch(job, "reading"))
    except Incomplete as error:
        transcript = error.record
    broken = transcript.error and (transcript.error[0], _with_file_name(job, transcript.error[1]))
    job.enter("done", 1.0)
    api_request.transcript = dataclasses.replace(transcript, file=job.name, error=broken)


def _with_file_name(job: Job, message: str) -> str:
    """A message with the file's name instead of the server's path."""
    return message.replace(str(job.source), job.name)


def speak_job(models: Models, limits: Limits, job: Job, api_request: ApiRequest) -> None:
    """Voice the faces; fills `wish.spoken`. Raises VsrError, Dropped."""
    from lip2speech.inference.dubbing import SpeakOptions, speak
    from lip2speech.inference.spoken import write_spoken
    from vsr.media.mux.mux import check_container

    _begin(job, limits)
    out = f"spoken.{api_request.format}"
    plan = None if api_request.format == "wav" else check_container(job.source, Path(out))
    text, reference = _text(models, job, api_request), _reference_embedding(job, api_request)
    try:
        spoken = speak(
            models.voice, job.source, reference, SpeakOptions(faces=api_request.faces), text, _watch(job, "voice")
        )
    except Incomplete as error:
        spoken = error.record
        api_request.warnings.append({"reason": error.reason, "message": _with_file_name(job, error.message)})
    api_request.warnings += spoken.warnings
    if warning := text.warning():
        api_request.warnings.append({"reason": "outside_domain", "message": warning})
    with job.result(out) as path:
        write_spoken(spoken.wave, job.source, path, plan)
    job.enter("done", 1.0)
    api_request.spoken = job.folder / out


def _reference_embedding(job: Job, api_request: ApiRequest):
    """The reference voice; None: the model's own. Raises VsrError."""
    from lip2speech.inference.reference import read_reference, reference_voice

    if not api_request.voice:
        return job.reference
    voice = reference_voice(read_reference(api_request.voice), job.source)
    if voice.note:
        api_request.warnings.append({"reason": "no_voice", "message": voice.note})
    return voice.vector


def _begin(job: Job, limits: Limits) -> None:
    """Begin a job, and refuse recordings that are too long. Raises VsrError too_long."""
    job.started_at = time.monotonic()
    job.enter("loading")
    checked_seconds(job.source, "video", limits)
    if job.reference is not None:
        checked_seconds(job.reference, "audio", limits)


def _watch(job: Job, stage: str) -> Watch:
    """A watch that reports progress to a job, and so ends the work of a dropped job."""
    return Watch(progress=lambda _, done, total: job.enter(stage, min(1.0, done / total) if total else None))


def _text(models: Models, job: Job, api_request: ApiRequest):
    """The text of the voice; words from a client are never taken for a file name. Raises VsrError."""
    from lip2speech.inference.synthesis_options import NONE, READ
    from lip2speech.inference.text import aligned_text, check_takes_words, open_text
    from lip2speech.models.flow_options import FlowOptions

    text = api_request.text or models.usual_text
    if text in (NONE, READ):
        return open_text(models.voice, text, FlowOptions(), job.source, api_request.faces)
    if not text.split():
        raise VsrError("bad_text", "text: there are no words in it")
    check_takes_words(models.voice, FlowOptions())
    return aligned_text(models.voice, " ".join(text.lower().split()), job.source, api_request.faces)
