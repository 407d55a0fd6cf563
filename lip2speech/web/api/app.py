"""The routes of the API; worker, limits and queue are as for the page."""

from __future__ import annotations

import asyncio
import re
import secrets
import shutil
from collections import Counter
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Annotated

from fastapi import FastAPI, Form, Request, UploadFile
from fastapi.responses import FileResponse, Response
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool

from lip2speech.web.api import fields
from lip2speech.web.api.guard import Guard
from lip2speech.web.api.jobs import ApiRequest, speak_job, transcribe_job
from lip2speech.web.api.keys import Keys
from lip2speech.web.api.openapi import PROBLEMS, SPOKEN, TRANSCRIBED, document
from lip2speech.web.api.problems import add_handlers, problem
from lip2speech.web.api.responses import transcription, warning_header
from lip2speech.web.app import Headers, lifespan_of
from lip2speech.web.jobs import Dropped, Job, Limits
from lip2speech.web.worker import Worker
from vsr.core.version import __version__

LOOK = 0.5  # seconds between two checks whether the client is still connected
NOBODY = 499  # status of the response to a client that has disconnected
MULTIPART = Form(media_type="multipart/form-data")
SOUNDS = {"wav": "audio/wav", "mp4": "video/mp4"}


def build_api(limits: Limits, model: str | None = None, voice: str | None = None, keys: Keys | None = None) -> FastAPI:
    """The FastAPI application of the API; its `state.worker` runs the models. Raises VsrError as `Worker`."""
    worker, keys = Worker(limits, model, voice), keys or Keys()
    app = FastAPI(lifespan=lifespan_of(worker), docs_url=None, redoc_url=None)
    app.state.worker = worker
    app.add_middleware(Guard, keys=keys, limits=limits, store=worker.store)
    app.add_middleware(Headers)
    add_handlers(app)
    add_routes(app, worker)
    app.openapi = document(app, limits, bool(keys))
    return app


def add_routes(app: FastAPI, worker: Worker) -> None:
    """Add all routes of the API."""
    _add_transcriptions(app, worker)
    _add_speech(app, worker)
    _add_facts(app, worker.models.names)


def _add_transcriptions(app: FastAPI, worker: Worker) -> None:
    names = worker.models.names

    @app.post("/v1/audio/transcriptions", responses=TRANSCRIBED, response_class=Response)
    @app.post("/v1/transcriptions", responses=TRANSCRIBED, response_class=Response)
    async def transcriptions(request: Request, form: Annotated[fields.TranscriptionForm, MULTIPART]) -> Response:
        """Read the lips in a video."""

        def answer(job: Job, api_request: ApiRequest) -> Response:
            assert api_request.transcript is not None
            worker.drop(job)
            return transcription(api_request.transcript, form)

        return await FormRequest(worker, request, form).run(
            names["reader"], transcribe_job, ApiRequest(_faces(form)), answer
        )


def _add_speech(app: FastAPI, worker: Worker) -> None:
    names = worker.models.names

    @app.post("/v1/speech", responses=SPOKEN, response_class=Response)
    async def speech(request: Request, form: Annotated[fields.SpeechForm, MULTIPART]) -> Response:
        """Give the face in a video its voice."""

        def answer(job: Job, api_request: ApiRequest) -> Response:
            assert api_request.spoken is not None
            kind, headers = SOUNDS[form.response_format], warning_header(api_request.warnings)
            return FileResponse(api_request.spoken, 200, headers, kind, background=BackgroundTask(worker.drop, job))

        if form.voice and form.reference:
            return problem(400, "bad_options", "voice: a reference is given, too: give one of them", "voice")
        wish = ApiRequest(_faces(form), form.response_format, form.text, form.voice)
        return await FormRequest(worker, request, form).run(names["voice"], speak_job, wish, answer)


def _add_facts(app: FastAPI, names: dict[str, str]) -> None:
    """Add the routes about the server itself."""

    @app.get("/v1/models", responses=PROBLEMS)
    async def models() -> fields.ModelList:
        """The reader and the voice that are served."""
        endpoints = {"reader": "/v1/transcriptions", "voice": "/v1/speech"}
        entries = [{"id": names[kind], "object": "model", "kind": kind, "endpoint": endpoints[kind]} for kind in names]
        return fields.ModelList.model_validate({"object": "list", "data": entries})

    @app.get("/healthz")
    async def healthz() -> fields.Health:
        """Whether the server answers; needs no key."""
        return fields.Health(status="ok", version=__version__)


class FormRequest:
    """One request in the queue, dropped when its client disconnects."""

    def __init__(self, worker: Worker, request: Request, form: fields.Form):
        self.worker, self.request, self.form = worker, request, form

    async def run(
        self, name: str, work: Callable, api_request: ApiRequest, answer: Callable[[Job, ApiRequest], Response]
    ) -> Response:
        """Do the work with the model ``name`` and return the response. Raises VsrError."""
        if self.form.model not in ("", name):
            return problem(404, "unknown_model", f"model: {self.form.model!r} is not served here; {name!r} is", "model")
        if repeated := await self._repeated_field():
            return problem(400, "bad_options", f"{repeated}: is given twice; send each once", repeated)
        job = await run_in_threadpool(self._job)
        watching = asyncio.create_task(self._watch(job))
        try:
            async with aclosing(self.worker.do(job, work, api_request)) as line:
                async for _ in line:
                    pass
            return answer(job, api_request)
        except Dropped:
            return Response(status_code=NOBODY)
        except BaseException:
            self.worker.drop(job)
            raise
        finally:
            watching.cancel()

    async def _repeated_field(self) -> str | None:
        """A field that the form has twice, one of which would silently be ignored; None if there is none."""
        counts = Counter(name for name, _ in (await self.request.form()).multi_items())
        return next((name for name, count in counts.items() if count > 1 and not name.endswith("[]")), None)

    async def _watch(self, job: Job) -> None:
        while not await self.request.is_disconnected():
            await asyncio.sleep(LOOK)
        job.dropped = True

    def _job(self) -> Job:
        """Save the files of the form and create a job. Raises VsrError too_large."""
        folder = self.worker.store.uploads / secrets.token_urlsafe(16)
        reference = getattr(self.form, "reference", None)
        try:
            video = _save_upload(self.form.file, folder / "video")
            return self.worker.new_job(video, reference and _save_upload(reference, folder / "reference"))
        finally:
            self.worker.store.remove(folder)


def _save_upload(upload: UploadFile, folder: Path) -> Path:
    """Save a file of a form under its own name, without folders and control characters."""
    folder.mkdir(mode=0o700, parents=True)
    last = re.split(r"[/\\]", upload.filename or "")[-1]
    name = re.sub(r"[\x00-\x1f\x7f]", "_", last)[-100:].encode("utf-8", "replace").decode()
    path = folder / (name if name.strip(". ") else "clip")
    with path.open("wb") as out:
        shutil.copyfileobj(upload.file, out, 2**20)
    return path


def _faces(form: fields.Form) -> str | int:
    return int(form.faces) if form.faces.isdigit() else form.faces
