"""A worker with tiny models, and the page on a server of its own."""

import socket
import threading
from contextlib import contextmanager

import pytest

from lip2speech.web.jobs import Limits
from lip2speech.web.worker import Worker


@pytest.fixture
def make_worker(tiny_model, tiny_voice_folder):
    """Makes workers with tiny models; they are closed at the end."""
    workers = []

    def make_one(**limits):
        workers.append(Worker(Limits(**limits), str(tiny_model), str(tiny_voice_folder)))
        return workers[-1]

    yield make_one
    for worker in workers:
        worker.close()


@contextmanager
def serving(app):
    """The address of a server in a thread."""
    uvicorn = pytest.importorskip("uvicorn")
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
    finally:
        server.should_exit = True
        thread.join(30)
        listening.close()


@pytest.fixture(scope="module")
def served(tiny_model, tiny_voice_folder):
    """(address, worker) of the page with tiny models."""
    pytest.importorskip("gradio", reason="the page needs the extra 'web'")
    from lip2speech.web.app import build_app

    app = build_app(Limits(max_mb=1, max_seconds=5, queue=4), str(tiny_model), str(tiny_voice_folder))
    with serving(app) as address:
        yield address, app.state.worker
    assert not app.state.worker.store.root.exists()
