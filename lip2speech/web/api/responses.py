"""Responses of /v1/transcriptions: a transcript in the requested format."""

from __future__ import annotations

from fastapi.responses import JSONResponse, Response

from lip2speech.web.api import fields
from vsr.output.subtitles import WRITERS
from vsr.output.transcript import Transcript
from vsr.output.unsure_words import readable

WARNING = "X-Warning"  # header of text and sound responses: the reasons of warnings
XML = ("ttml", "eaf")


def transcription(transcript: Transcript, form: fields.TranscriptionForm) -> Response:
    """The response of /v1/transcriptions."""
    if form.response_format == "json":
        plain = fields.Transcription.model_validate({"text": transcript.text, "warnings": transcript.warnings})
        return JSONResponse(plain.model_dump())
    if form.response_format == "verbose_json":
        return JSONResponse(verbose(transcript, set(form.granularities)).model_dump(exclude_unset=True))
    name = "txt" if form.response_format == "text" else form.response_format
    text = WRITERS[name](readable(transcript, name, form.unsure))
    return Response(text, media_type=media_type(name), headers=warning_header(transcript.warnings))


def warning_header(warnings: list[dict]) -> dict[str, str]:
    """The header with the reasons of warnings, for responses without a field for them; {} without warnings."""
    reasons = ", ".join(warning["reason"] for warning in warnings)
    return {WARNING: reasons} if reasons else {}


def media_type(name: str) -> str:
    """The media type of a format of `WRITERS`."""
    kind = "text/vtt" if name == "vtt" else "application/xml" if name in XML else "text/plain"
    return f"{kind}; charset=utf-8"


def verbose(transcript: Transcript, granularities: set[str]) -> fields.VerboseTranscription:
    """The response in verbose_json, with times; ``granularities``: "segment", "word" or both."""
    answer: dict = {
        "task": "transcribe", "model": transcript.model, "text": transcript.text, "warnings": transcript.warnings,
        "duration": round(transcript.duration or 0.0, 3),
    }  # fmt: skip
    segments = [(number, segment, segment.to_json()) for number, segment in enumerate(transcript.segments)]
    names = set(fields.SegmentTime.model_fields)
    if "segment" in granularities:
        answer["segments"] = [
            {"id": number} | {key: record[key] for key in names - {"id"}} for number, _, record in segments
        ]
    if "word" in granularities:
        answer["words"] = [
            word.to_json() | {"face": segment.face} for _, segment, _ in segments for word in segment.words
        ]
    return fields.VerboseTranscription.model_validate(answer)
