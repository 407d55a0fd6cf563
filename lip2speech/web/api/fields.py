"""The fields of requests and responses, from which the OpenAPI document is made."""

from __future__ import annotations

from typing import Literal

from fastapi import UploadFile
from pydantic import BaseModel, ConfigDict, Field

from lip2speech.inference.consent_statement import STATEMENT
from vsr.output.subtitles import WRITERS

TEXTS = ("text", *(name for name in WRITERS if name not in ("txt", "json")))  # answers that are text
ANSWERS = ("json", "verbose_json", *TEXTS)
Faces = Field("largest", pattern=r"^(largest|all|[1-9][0-9]?)$", description="largest, all, or how many of the largest")


class Form(BaseModel):
    """What every form has; a field that is not known is refused, so that nothing is silently left undone."""

    model_config = ConfigDict(extra="forbid")
    file: UploadFile = Field(description="A video of a talking face, of any kind that FFmpeg's libraries know")
    model: str = Field("", description="A name of /v1/models; empty: the one that is served")
    faces: str = Faces


class TranscriptionForm(Form):
    response_format: Literal[ANSWERS] = Field("json", description="Shape of the answer")  # type: ignore[valid-type]
    granularities: list[Literal["word", "segment"]] = Field(
        default=["segment"], alias="timestamp_granularities[]", description="What verbose_json gives times of"
    )
    unsure: Literal["mark", "drop", "keep"] | None = Field(
        None,
        description="Words not to be believed, in texts; default: mark in text and subtitles outside of the domain",
    )


class SpeechForm(Form):
    response_format: Literal["wav", "mp4"] = Field("wav", description="The sound, or the video with it")
    reference: UploadFile | None = Field(
        None, description=f"A recording of the voice to speak with. Whoever gives one says: {STATEMENT}"
    )
    voice: str = Field(
        "",
        pattern=r"^(anonymous(:[0-9]{1,9})?)?$",
        description="anonymous[:SEED]: nobody's, far from the video's; empty: the reference's, or the model's own",
    )
    text: str = Field(
        "", max_length=2000, description="What is said: none, read (from the lips: usual for a voice that can) or words"
    )


class Warned(BaseModel):
    reason: str
    message: str


class Transcription(BaseModel):
    """response_format json."""

    text: str
    warnings: list[Warned] = Field(description="What must be known before the words are believed")


class WordTime(BaseModel):
    word: str
    start: float = Field(description="Seconds in the video")
    end: float
    confidence: float = Field(description="Calibrated chance that the word is right")
    face: int


class SegmentTime(BaseModel):
    id: int
    start: float
    end: float
    text: str
    confidence: float
    in_domain: float | None = Field(description="Chance that the lips look like what the model was trained on")
    face: int


class VerboseTranscription(Transcription):
    """response_format verbose_json; words and segments as `timestamp_granularities[]` asks for."""

    task: Literal["transcribe"]
    model: str
    duration: float
    segments: list[SegmentTime] | None = None
    words: list[WordTime] | None = None


class Model(BaseModel):
    id: str
    object: Literal["model"]
    kind: Literal["reader", "voice"]
    endpoint: str


class ModelList(BaseModel):
    object: Literal["list"]
    data: list[Model]


class Health(BaseModel):
    status: Literal["ok"]
    version: str


class ErrorFields(BaseModel):
    message: str
    type: Literal["invalid_request_error", "server_error"]
    param: str | None = Field(description="The field that is wrong")
    code: str = Field(description="For programs: the reason of a VsrError, or what HTTP has against the request")


class Problem(BaseModel):
    error: ErrorFields
