"""The web page and its server: gradio's components for the input, our own HTML for the results.

Gradio is imported when a page is built, after its upload folder has been set. Nothing is loaded from the network:
fonts, scripts and styles are local, telemetry is off, and a Content-Security-Policy limits the browser to this server.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from lip2speech.web.jobs import Limits
from lip2speech.web.worker import Worker
from vsr.core.errors import VsrError
from vsr.core.machine import AUTO

STATIC = Path(__file__).parent / "static"
FONT = ("system-ui", "Segoe UI", "Roboto", "Helvetica Neue", "DejaVu Sans", "sans-serif")
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: blob:; "
    "worker-src 'self' blob:; frame-src 'self'; object-src 'none'; base-uri 'self'; form-action 'self'; "
    "frame-ancestors 'self'"
)
HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
PAGE_POLICY = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; "
    "media-src data:; frame-ancestors 'self'"
)
SWEEP_SECONDS = 30.0


def build_app(limits: Limits, model: str | None = None, voice: str | None = None, precision: str = AUTO):
    """The FastAPI application of the page; its `state.worker` runs the models. Raises VsrError missing_package."""
    worker = Worker(limits, model, voice, precision)
    os.environ["GRADIO_TEMP_DIR"] = str(worker.store.uploads)
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    try:
        import gradio
        from fastapi import FastAPI

        from lip2speech.web.page import build_page
    except ImportError as error:
        raise VsrError("missing_package", f"the page needs gradio: {error}; install the extra 'web'") from error

    app = FastAPI(lifespan=lifespan_of(worker), docs_url=None, redoc_url=None, openapi_url=None)
    app.state.worker = worker
    app.add_middleware(UploadQuota, store=worker.store)
    app.add_middleware(Headers)
    app.get("/results/{token}/{name}")(_results(worker))
    head = f"<style>{_static('style.css')}</style><script>{_static('page.js')}</script>"
    theme = gradio.themes.Base(font=FONT, font_mono=("ui-monospace", "monospace"))
    return gradio.mount_gradio_app(
        app, build_page(worker), path="/", head=head, theme=theme, footer_links=[], run_history=False, ssr_mode=False,
        max_file_size=limits.max_mb * 2**20, allowed_paths=[str(STATIC)], show_error=True, pwa=False,
    )  # fmt: skip


def _static(name: str) -> str:
    return (STATIC / name).read_text(encoding="utf-8")


def lifespan_of(worker: Worker):
    """The lifespan of the application: old files are removed while the server runs, and all when it ends."""

    @asynccontextmanager
    async def lifespan(app):
        sweeping = asyncio.create_task(_sweep(worker))
        try:
            yield
        finally:
            sweeping.cancel()
            worker.close()

    return lifespan


async def _sweep(worker: Worker) -> None:
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        worker.sweep()


class Headers:
    """ASGI middleware that adds the headers of `HEADERS` that a response lacks."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        async def sending(message):
            if message["type"] == "http.response.start":
                present = {name.lower() for name, _ in message["headers"]}
                added = [(name, value) for name, value in HEADERS if name not in present]
                message = {**message, "headers": [*message["headers"], *added]}
            await send(message)

        await self.app(scope, receive, sending if scope["type"] == "http" else send)


class UploadQuota:
    """ASGI middleware that refuses uploads while the store is full."""

    def __init__(self, app, store):
        self.app, self.store = app, store

    async def __call__(self, scope, receive, send):
        from fastapi.responses import PlainTextResponse

        upload = scope["type"] == "http" and scope["method"] == "POST" and scope["path"].endswith("/upload")
        if upload and self.store.is_full():
            full = PlainTextResponse("No room for more just now; please try again later.", status_code=507)
            await full(scope, receive, send)
        else:
            await self.app(scope, receive, send)


def _results(worker: Worker):
    """The route for results, which are served to whoever knows the job's token."""
    from fastapi.responses import FileResponse, PlainTextResponse

    def results(token: str, name: str):
        path = worker.store.result(token, name)
        if path is None:
            return PlainTextResponse("This result has been removed.", status_code=404)
        headers = {"Cache-Control": "private, no-store"}
        if path.suffix == ".html":
            headers["Content-Security-Policy"] = PAGE_POLICY
        return FileResponse(path, headers=headers)

    return results


def serve(app, host: str, port: int) -> None:
    """Serve until interrupted; files of this process are readable by its owner only. Raises VsrError port_in_use."""
    import socket

    import uvicorn

    from lip2speech.web.server import Server

    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family)
    except OSError as error:
        raise VsrError("port_in_use", f"cannot listen on {host}, port {port}: {error.strerror}") from error
    with suppress(OSError):  # a server whose output is closed serves all the same
        print(f"http://{f'[{host}]' if ':' in host else host}:{port}  (Ctrl-C ends it)", flush=True)
    os.umask(0o077)  # gradio creates the upload folders
    with listening:
        Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=2)).run([listening])
