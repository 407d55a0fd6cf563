"""The OpenAPI document: the responses of the routes, and the key, if keys are used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from lip2speech.web.api import fields
from lip2speech.web.api.responses import WARNING, media_type
from lip2speech.web.jobs import Limits
from vsr.core.version import __version__

SAID = {
    400: "A field that is missing, wrong or unknown", 401: "No key, or a wrong one",
    403: "A page of a browser, on a server without keys", 404: "No such model", 408: "The upload stood still",
    413: "Too large or too long", 422: "A video or recording that cannot be used; `code` is the reason",
    500: "A fault of the server", 503: "The line is full, or the work took too long: see Retry-After",
    507: "No room on the server",
}  # fmt: skip
TEXT: dict[str, Any] = {"schema": {"type": "string"}}
WARNED = {WARNING: {"description": "Reasons of warnings, with texts and sounds", "schema": {"type": "string"}}}
BYTES: dict[str, Any] = {"schema": {"type": "string", "contentMediaType": "application/octet-stream"}}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Error responses in the shape of `fields.Problem`."""
    return {status: {"model": fields.Problem, "description": SAID[status]} for status in statuses}


PROBLEMS = problems(401, 403)
TRANSCRIBED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The transcript in the format that was asked for",
        "model": fields.VerboseTranscription | fields.Transcription,
        "content": {media_type(name).partition(";")[0]: TEXT for name in ("txt", "vtt", "ttml")},
        "headers": WARNED,
    },
    **problems(*SAID),
}
SPOKEN: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The sound, or the video with it",
        "content": {"audio/wav": BYTES, "video/mp4": BYTES},
        "headers": WARNED,
    },
    **problems(*SAID),
}


def document(app: FastAPI, limits: Limits, has_keys: bool) -> Callable[[], dict[str, Any]]:
    """The function that makes `/openapi.json`."""

    def openapi() -> dict[str, Any]:
        about = (
            f"Reads and voices talking faces: at most {limits.max_mb} MB and {limits.max_seconds:g} s each, one "
            f"at a time, {limits.queue} waiting. A synthetic voice can be wrong; warnings say when words are guesses."
        )
        schema = get_openapi(title="lip2speech", version=__version__, description=about, routes=app.routes)
        if has_keys:
            schema["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
            for path, methods in schema["paths"].items():
                for operation in methods.values() if path.startswith("/v1/") else ():
                    operation["security"] = [{"key": []}]
        return schema

    return openapi
