"""Visitors who leave: the worker is free, and nothing of theirs comes back."""

import asyncio
import importlib
import os

import pytest

from lip2speech.web.jobs import Dropped
from tests.conftest import talking_face, write_video
from tests.lip2speech.web.visits import done, follow


def test_visitor_who_leaves_frees_the_worker(make_worker, face_clip, tmp_path):
    worker = make_worker()
    done(worker, face_clip)
    long = write_video(tmp_path / "long.mp4", talking_face(25).repeat(40, axis=0), options={"preset": "ultrafast"})
    leaving, waiting, staying = worker.new_job(long), worker.new_job(face_clip), worker.new_job(face_clip)

    async def visit():
        work = worker.process(leaving)
        async for _ in work:
            if leaving.stage == "faces":
                break
        behind, last = (asyncio.create_task(follow(worker, job)) for job in (waiting, staying))
        await asyncio.sleep(0.05)
        worker.drop(waiting)
        await work.aclose()
        with pytest.raises(Dropped):
            await behind
        await last

    asyncio.run(visit())
    assert leaving.dropped and leaving.faces == [] and staying.stage == "done"
    assert not waiting.folder.exists() and not leaving.folder.exists()
    assert not any(worker.store.scratch.iterdir()) and not any(worker.store.gone.iterdir())


async def finished(worker):
    """Wait until the worker is idle."""
    await asyncio.get_running_loop().run_in_executor(worker._worker, int)


@pytest.mark.parametrize(
    "moment",
    [
        "lip2speech.web.page_jobs.playable_copy", "vsr.inference.recognition.read_clip",
        "lip2speech.inference.dubbing.speak_clip", "vsr.media.mux.mux.mux",
    ],
)  # fmt: skip
def test_results_of_a_dropped_job_do_not_come_back(make_worker, face_clip, monkeypatch, moment):
    """Whatever the worker is at: no text, frame or voice of a visitor who has left is written or handed out."""
    worker = make_worker()
    job, (module, name) = worker.new_job(face_clip), moment.rsplit(".", 1)
    work = getattr(importlib.import_module(module), name)

    def dropping(*args, **kwargs):
        worker.drop(job)
        return work(*args, **kwargs)

    monkeypatch.setattr(moment, dropping)

    async def visit():
        with pytest.raises(Dropped):
            await follow(worker, job)
        await finished(worker)

    asyncio.run(visit())
    assert not job.folder.exists() and not any(worker.store.jobs.iterdir()) and not any(worker.store.scratch.iterdir())
    for result in ("video.mp4", "0.txt", "0.json", "page0.vtt", "0.mp4"):
        assert worker.store.result(job.token, result) is None


def test_page_of_a_dropped_job_does_not_come_back(make_worker, face_clip, monkeypatch):
    worker = make_worker()
    (job,), _ = done(worker, face_clip)
    from lip2speech.evaluation.report import render_voiced

    def dropping(*args, **kwargs):
        worker.drop(job)
        return render_voiced(*args, **kwargs)

    monkeypatch.setattr("lip2speech.evaluation.report.render_voiced", dropping)

    async def visit():
        with pytest.raises(Dropped):
            async for _ in worker.inspect(job, 0):
                pass
        await finished(worker)

    asyncio.run(visit())
    assert not any(worker.store.jobs.iterdir()) and worker.store.result(job.token, "inspect0.html") is None


def test_folder_is_renamed_before_its_files_are_removed(make_worker, tmp_path, monkeypatch):
    """A file that is moved there meanwhile finds no folder, and none is left."""
    worker = make_worker()
    folder, late = worker.store.new_job(), tmp_path / "late.txt"
    late.write_text("x", encoding="utf-8")

    def removing(path, **settings):
        with pytest.raises(FileNotFoundError):
            os.replace(late, folder / "0.txt")

    with monkeypatch.context() as patch:  # not until the worker is closed: its own folder must be removed
        patch.setattr("shutil.rmtree", removing)
        worker.store.remove(folder)
    assert not folder.exists() and worker.store.result(folder.name, "0.txt") is None
