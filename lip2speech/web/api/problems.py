"""Errors as JSON: {"error": {"message", "type", "param", "code"}}, with an HTTP status for programs."""

from __future__ import annotations

import logging

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from vsr.core.errors import CLIP_REASONS, VsrError

RETRY_SECONDS = "30"
WRONG_CLIP = (*CLIP_REASONS, "no_sound", "silent_reference", "short_reference", "no_voice", "not_finite")
STATUS = {
    **dict.fromkeys(WRONG_CLIP, 422), **dict.fromkeys(("too_large", "too_long"), 413),
    **dict.fromkeys(("bad_request", "bad_config", "bad_options", "bad_text", "no_listener"), 400),
    **dict.fromkeys(("busy", "too_slow"), 503), "no_space": 507,
}  # fmt: skip
NO_FILE = "it must be a file with a name, as -F FIELD=@FILE of curl sends one"
PLAIN = {  # (field, pydantic's error type) -> message, where pydantic's own is in terms of Python
    ("faces", "string_pattern_mismatch"): "it can be largest, all, or how many of the largest, from 1 to 99",
    ("voice", "string_pattern_mismatch"): "it can be anonymous or anonymous:SEED, such as anonymous:7",
    ("file", "value_error"): NO_FILE,
    ("reference", "value_error"): NO_FILE,
}
CODES = {401: "no_key", 403: "not_local", 404: "not_found", 405: "not_allowed", 408: "slow_upload", 413: "too_large"}


def problem(status: int, code: str, message: str, param: str | None = None) -> JSONResponse:
    """An error response."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    headers = (
        {"Retry-After": RETRY_SECONDS} if status == 503 else {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    )
    error = {"message": message, "type": kind, "param": param, "code": code}
    return JSONResponse({"error": error}, status, headers)


def add_handlers(app: FastAPI) -> None:
    """Add handlers that return every error in the same shape."""
    app.add_exception_handler(VsrError, _vsr_error)
    app.add_exception_handler(RequestValidationError, _wrong_fields)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)


async def _vsr_error(request: Request, error) -> JSONResponse:
    return problem(STATUS.get(error.reason, 500), error.reason, error.message)


async def _wrong_fields(request: Request, error) -> JSONResponse:
    """Report the first wrong field, without repeating its value."""
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"][1:]) or None
    default = "there is no such field" if first["type"] == "extra_forbidden" else first["msg"]
    message = PLAIN.get((field or "", first["type"]), default.removeprefix("Value error, "))
    return problem(400, "bad_request", f"{field}: {message}" if field else message, field)


async def _http(request: Request, error) -> JSONResponse:
    code = CODES.get(error.status_code, "bad_request" if error.status_code < 500 else "internal")
    answer = problem(error.status_code, code, str(error.detail))
    answer.headers.update(error.headers or {})
    return answer


async def _unexpected(request: Request, error) -> JSONResponse:
    """The last resort: unexpected errors go to the server's log, not to the client."""
    logging.getLogger(__name__).error("a request failed", exc_info=error)
    return problem(500, "internal", "something went wrong on the server; its log says what")
