"""The worker's part of the API: one video becomes a transcript, or a voice. Runs in the thread that has the models."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass, field
from pathlib import Path

from lip2speech.web.jobs import Job, Limits
from lip2speech.web.models import Models
from lip2speech.web.reading import checked_seconds
from vsr.core.errors import Incomplete, VsrError
from vsr.core.progress import Watch
from vsr.output.transcript import Transcript


@dataclass
class Wish:
    """What a client asks for, and what comes of it.

    Attributes:
        faces: as `--faces`.
        format: suffix of what is spoken: "wav" or "mp4".
        text: what is said, for the voice: "none", "read" or words; empty: as the page does.
        voice: "anonymous[:SEED]"; empty: the recording's, or the model's own.
        transcript, spoken: the result, where it is done; `spoken` is a file in the job's folder.
        warnings: {"reason", "message"} of what must be known of what is spoken.
    """

    faces: str | int = "largest"
    format: str = "wav"
    text: str = ""
    voice: str = ""
    transcript: Transcript | None = None
    spoken: Path | None = None
    warnings: list[dict] = field(default_factory=list)


def transcribe_job(models: Models, limits: Limits, job: Job, wish: Wish) -> None:
    """Read the lips; fills `wish.transcript`. Raises VsrError, Dropped."""
    from vsr.inference.transcriber import transcribe

    _begin(job, limits)
    try:
        transcript = transcribe(models.reader, job.source, faces=wish.faces, watch=_watch(job, "reading"))
    except Incomplete as error:
        transcript = error.record
    broken = transcript.error and (transcript.error[0], _named(job, transcript.error[1]))
    job.enter("done", 1.0)
    wish.transcript = dataclasses.replace(transcript, file=job.name, error=broken)


def _named(job: Job, message: str) -> str:
    """A message with the file's name where the server's path stands."""
    return message.replace(str(job.source), job.name)


def speak_job(models: Models, limits: Limits, job: Job, wish: Wish) -> None:
    """Voice the faces; fills `wish.spoken`. Raises VsrError, Dropped."""
    from lip2speech.inference.dubbing import SpeakOptions, speak
    from lip2speech.inference.spoken import write_spoken
    from vsr.media.mux.mux import check_container

    _begin(job, limits)
    out = f"spoken.{wish.format}"
    plan = None if wish.format == "wav" else check_container(job.source, Path(out))
    text, who = _text(models, job, wish), _who(job, wish)
    try:
        spoken = speak(models.voice, job.source, who, SpeakOptions(faces=wish.faces), text, _watch(job, "voice"))
    except Incomplete as error:
        spoken = error.record
        wish.warnings.append({"reason": error.reason, "message": _named(job, error.message)})
    wish.warnings += spoken.warnings
    if guessed := text.warning():
        wish.warnings.append({"reason": "outside_domain", "message": guessed})
    with job.result(out) as path:
        write_spoken(spoken.wave, job.source, path, plan)
    job.enter("done", 1.0)
    wish.spoken = job.folder / out


def _who(job: Job, wish: Wish):
    """Whose voice it is to be; None: the model's own. Raises VsrError."""
    from lip2speech.inference.reference import read_reference, whose

    if not wish.voice:
        return job.reference
    found = whose(read_reference(wish.voice), job.source)
    if found.note:
        wish.warnings.append({"reason": "no_voice", "message": found.note})
    return found.vector


def _begin(job: Job, limits: Limits) -> None:
    """Refuse at once what is too long."""
    job.begun = time.monotonic()
    job.enter("loading")
    checked_seconds(job.source, "video", limits)
    if job.reference is not None:
        checked_seconds(job.reference, "audio", limits)


def _watch(job: Job, stage: str) -> Watch:
    """Notes in a job how far it is, which ends the work once nobody waits."""
    return Watch(progress=lambda _, done, total: job.enter(stage, min(1.0, done / total) if total else None))


def _text(models: Models, job: Job, wish: Wish):
    """What is said; words that a client gives are never taken for a file's name. Raises VsrError."""
    from lip2speech.inference.options import NONE, READ
    from lip2speech.inference.text import given_text, open_text
    from lip2speech.models.flow_options import FlowOptions

    text = wish.text or models.usual_text
    if text in (NONE, READ):
        return open_text(models.voice, text, FlowOptions(), job.source, wish.faces)
    if not text.split():
        raise VsrError("bad_text", "text: there are no words in it")
    _ = models.voice.listener
    return given_text(models.voice, " ".join(text.lower().split()), job.source, wish.faces)
