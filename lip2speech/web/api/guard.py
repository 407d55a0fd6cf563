"""Checks before a request is read: its key, the number of requests, its size and the speed of its upload."""

from __future__ import annotations

import asyncio

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response

from lip2speech.web.api.keys import Keys, is_local
from lip2speech.web.api.problems import problem
from lip2speech.web.jobs import Limits
from lip2speech.web.store import Store

FORM_BYTES = 2**20  # bytes of a form besides its files
FILES = 2  # files of a form: video and reference
SPARE = 4  # forms that may be in upload beside the queue, as in `Limits.room`
PAUSE = 60.0  # longest pause of an upload, in seconds


class Guard:
    """ASGI middleware that refuses requests before they are read; `waiting` counts the forms in progress."""

    def __init__(self, app, keys: Keys, limits: Limits, store: Store):
        self.app, self.keys, self.limits, self.store = app, keys, limits, store
        self.waiting = 0

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers, is_form = Headers(scope=scope), scope["method"] == "POST"
        refused = self._without_key(scope["path"], headers) or (self._too_much(headers) if is_form else None)
        if refused is not None:
            await refused(scope, receive, send)
            return
        self.waiting += is_form
        try:
            await self.app(scope, Body(receive, self.max_bytes).receive if is_form else receive, send)
        finally:
            self.waiting -= is_form

    @property
    def max_bytes(self) -> int:
        """The limit of a form, in bytes."""
        return FILES * self.limits.max_mb * 2**20 + FORM_BYTES

    def _without_key(self, path: str, headers: Headers) -> Response | None:
        """The response to a request without a valid key, or not from this machine; None if it is admitted."""
        if not self.keys:
            if is_local(headers):
                return None
            return problem(403, "not_local", "without keys only programs on this machine are answered, not pages")
        if not path.startswith("/v1/") or self.keys.admit(headers):
            return None
        return problem(401, "no_key", "this server wants a key: Authorization: Bearer KEY")

    def _too_much(self, headers: Headers) -> Response | None:
        """The response to a form that is too large or for which there is no room; None if it is accepted."""
        length = headers.get("content-length", "0")
        if length.isascii() and length.isdigit() and int(length) > self.max_bytes:
            return problem(413, "too_large", f"at most {self.limits.max_mb} MB a file are taken")
        if self.waiting >= self.limits.queue + SPARE:
            return problem(503, "busy", f"{self.waiting} requests are before this one; please try again")
        if self.store.is_full():
            return problem(507, "no_space", "no room for more just now; please try again later")
        return None


class Body:
    """The body of a form, with limits of its size and of pauses in the upload."""

    def __init__(self, receive, max_bytes: int):
        self._receive, self._left, self._more = receive, max_bytes, True

    async def receive(self) -> dict:
        """The next message. Raises HTTPException 408, 413."""
        if not self._more:
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._receive(), PAUSE)
        except asyncio.TimeoutError:
            raise HTTPException(408, f"nothing came for {PAUSE:.0f} s") from None
        self._left -= len(message.get("body", b""))
        self._more = message.get("more_body", False)
        if self._left < 0:
            raise HTTPException(413, "the form is larger than this server takes")
        return message
