"""Files of the page: who may see them, when they are removed, and how much space they may take."""

import asyncio
import os
import subprocess
import sys
import threading
import time

import pytest

from lip2speech.web.store import GRACE, Store
from tests.lip2speech.web.visits import follow
from vsr.media.audio import write_wave


def test_folders_of_the_page_are_private(make_worker, face_clip, voice_like, tmp_path):
    write_wave(tmp_path / "someone.wav", voice_like)
    worker = make_worker()
    job = worker.new_job(face_clip, tmp_path / "someone.wav")
    asyncio.run(follow(worker, job))
    folders = [worker.store.root, *(path for path in worker.store.root.rglob("*") if path.is_dir())]
    assert {path.name for path in folders} >= {"uploads", "jobs", "source", "reference", job.token}
    assert {oct(path.stat().st_mode & 0o777) for path in folders} == {"0o700"}


def test_files_of_the_server_are_private(monkeypatch):
    uvicorn = pytest.importorskip("uvicorn")
    from lip2speech.web.app import serve

    umasks = []

    def serving(self, sockets):
        umasks.append(os.umask(0o077))

    monkeypatch.setattr(uvicorn.Server, "run", serving)
    before = os.umask(0o022)
    try:
        serve(lambda *_: None, "127.0.0.1", 0)
    finally:
        os.umask(before)
    assert umasks == [0o077]


def test_files_of_a_killed_server_are_removed_by_the_next(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    code = "import os; from lip2speech.web.store import Store; store = Store(60, 1e9); store.new_job(); os._exit(9)"
    subprocess.run([sys.executable, "-c", code], env=os.environ | {"TMPDIR": str(tmp_path)}, check=False)
    (leftover,) = tmp_path.iterdir()
    (tmp_path / "lip2speech-web.other").mkdir()  # another server's, which it does not hold yet
    first = Store(60, 1e9)
    assert not leftover.exists() and first.root.exists()
    second = Store(60, 1e9)
    assert first.root.exists(), "a server that runs keeps its own"
    first.close()
    second.close()
    assert [path.name for path in tmp_path.iterdir()] == ["lip2speech-web.other"]


def test_old_files_are_removed_and_new_ones_stay(tmp_path):
    store = Store(keep=60, room=1000)
    old, new, upload = store.new_job(), store.new_job(), store.uploads / "hash"
    upload.mkdir()
    for folder in (old, new, upload):
        (folder / "0.txt").write_text("x" * 100, encoding="utf-8")
    past = time.time() - 61
    for path in (old, old / "0.txt", upload, upload / "0.txt"):
        os.utime(path, (past, past))
    assert not store.is_full() and store.sweep({old}, {upload}) == 1
    assert old.exists() and store.sweep() == 1
    assert not old.exists() and not upload.exists() and store.result(new.name, "0.txt").is_file()
    (new / "1.txt").write_bytes(bytes(1000))
    assert store.is_full()
    store.close()
    assert not store.root.exists()


def test_only_results_are_handed_out():
    store = Store(keep=60, room=1000)
    job = store.new_job()
    (job / "source").mkdir()
    for path in (job / "0.txt", job / "source" / "1.txt", store.jobs / "2.txt"):
        path.write_text("x", encoding="utf-8")
    assert store.result(job.name, "0.txt") == job / "0.txt"
    for token, name in (
        (job.name, "source/1.txt"), (job.name, "../2.txt"), (job.name, "source"), ("..", "0.txt"), ("", "2.txt"),
        (job.name[:-1], "0.txt"), (job.name, "9.txt"),
    ):  # fmt: skip
        assert store.result(token, name) is None
    store.close()


def test_upload_is_removed_when_no_page_shows_it(make_worker):
    worker = make_worker()
    uploads, past = worker.store.uploads, time.time() - GRACE - 1
    shared, single, broken_off = uploads / "a" / "clip.mp4", uploads / "b" / "clip.mp4", uploads / "tmp1234"
    for path in (shared, single, broken_off):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
        for file_or_folder in (path, path.parent):
            os.utime(file_or_folder, (past, past))
    worker.record_uploads("first", shared)
    worker.record_uploads("second", shared, single)
    worker.sweep()
    assert shared.exists() and single.exists() and not broken_off.exists()
    worker.record_uploads("second", shared, None)  # another video instead of the first
    worker.record_uploads("first")  # has left
    worker.sweep()
    assert shared.exists() and not single.exists()
    worker.record_uploads("second")
    worker.sweep()
    assert not list(uploads.iterdir())


def test_space_is_measured_while_files_are_removed(tmp_path):
    """Files of visitors come and go while another upload asks for space."""
    store, over = Store(60, 1e9), threading.Event()

    def come_and_go():
        while not over.is_set():
            folder = store.new_job()
            for name in "ab":
                (folder / name).mkdir()
                (folder / name / "file").write_bytes(b"x")
            store.remove(folder)

    visitors = [threading.Thread(target=come_and_go) for _ in range(2)]
    for visitor in visitors:
        visitor.start()
    try:
        assert not any(store.is_full() for _ in range(300))
    finally:
        over.set()
        for visitor in visitors:
            visitor.join()
        store.close()
