"""Behind the page: a video becomes files; refusals, the line, no mixing, and nothing left behind."""

import asyncio
import gc
import importlib
import json
import os
import threading
import time
import weakref

import numpy as np
import pytest

from lip2speech.cli import main
from lip2speech.inference.dubbing import speak
from lip2speech.web import render
from lip2speech.web.jobs import Dropped
from lip2speech.web.media import playable_copy, recorded_seconds
from lip2speech.web.models import Models
from lip2speech.web.store import GRACE, Store
from tests.conftest import talking_face, write_sound, write_video
from tests.lip2speech.test_length import write_piped
from tests.local_hub import install
from tests.video.test_damage import damaged
from vsr.core.errors import VsrError
from vsr.decoding.options import DecodeOptions
from vsr.inference.transcriber import transcribe
from vsr.media.audio import read_wave, write_wave
from vsr.media.container import video_clock
from vsr.media.reader import probe


async def follow(worker, job):
    """Work to the end; what a visitor saw on the way."""
    seen = []
    async for ahead in worker.process(job):
        seen.append((ahead, job.stage, job.share))
    return seen


def done(worker, *videos):
    """Jobs that were worked on at once."""
    jobs = [worker.new_job(video) for video in videos]

    async def all_of_them():
        return await asyncio.gather(*(follow(worker, job) for job in jobs))

    return jobs, asyncio.run(all_of_them())


def refused(worker, video, reference=None):
    with pytest.raises(VsrError) as caught:
        asyncio.run(follow(worker, worker.new_job(video, reference)))
    return caught.value


@pytest.fixture(scope="session")
def other_clip(tmp_path_factory):
    """A talking face that says something else, in a format that browsers do not play."""
    images = talking_face(40)[::-1, :, ::-1].copy()
    return write_video(tmp_path_factory.mktemp("clips") / "other.mpg", images, codec="mpeg1video")


def test_a_video_becomes_files_with_what_the_tools_say(make_worker, face_clip):
    worker = make_worker()
    (job,), _ = done(worker, face_clip)
    transcript = transcribe(worker.models.reader, face_clip, DecodeOptions(nbest=5))
    printed = json.loads((job.folder / "0.json").read_text("utf-8"))
    assert printed["text"] == transcript.text and printed["file"] == "face.mp4"
    assert [word.word for word in job.faces[0].transcript.segments[0].words] == transcript.text.split()
    assert (job.folder / "0.txt").read_text("utf-8").strip() == transcript.text
    assert {path.name for path in job.folder.iterdir()} == {
        "source", "video.mp4", "page0.vtt", "0.srt", "0.vtt", "0.json", "0.txt", "0.mp4",
    }  # fmt: skip
    wave, heard = speak(worker.models.voice, face_clip).wave, read_wave(job.folder / "0.mp4", 25)
    assert np.corrcoef(wave[: len(heard)], heard)[0, 1] > 0.5
    assert job.stage == "done"


def test_two_at_once_do_not_mix(make_worker, face_clip, other_clip):
    worker = make_worker()
    (first, second), _ = done(worker, face_clip, other_clip)
    (alone,), _ = done(worker, other_clip)
    names = ("0.json", "0.mp4")
    own, others, again = ([(job.folder / name).read_bytes() for name in names] for job in (first, second, alone))
    assert own[0] != others[0] and own[1] != others[1]
    assert json.loads(others[0]) == json.loads(again[0]) and json.loads(own[0])["file"] == "face.mp4"
    assert len({first.token, second.token, alone.token}) == 3


def test_every_face_is_read_and_voiced(make_worker, tmp_path):
    face = talking_face(30)
    video = write_video(tmp_path / "two.mp4", np.concatenate([face, face[..., ::-1, :]], axis=2))
    worker = make_worker()
    (job,), _ = done(worker, video)
    assert len(job.faces) == 2 and all(face.voiced and face.portrait.startswith("data:") for face in job.faces)
    assert [face.transcript.faces for face in job.faces] in ([[0], [1]], [[1], [0]])

    async def look():
        async for _ in worker.inspect(job, 1):
            pass

    asyncio.run(look())
    assert "two.mp4" in (job.folder / "inspect1.html").read_text("utf-8")


def test_what_cannot_be_read_gives_one_line_without_the_servers_paths(make_worker, landscape_clip, face_clip, tmp_path):
    worker = make_worker(max_seconds=2, max_mb=1)
    (tmp_path / "text.mp4").write_text("not a video", encoding="utf-8")
    long = write_video(tmp_path / "long.mp4", np.zeros((80, 64, 64, 3), np.uint8))
    sound, silent = write_sound(tmp_path / "sound.mp4"), write_sound(tmp_path / "silent.mp4", 1.5)
    for error, reason, start in (
        (refused(worker, landscape_clip), "no_face", "landscape.mp4: no face"),
        (refused(worker, tmp_path / "text.mp4"), "unreadable", "text.mp4: not a recording"),
        (refused(worker, long), "too_long", "long.mp4: 3 s long; at most 2 s"),
        (refused(worker, sound), "no_video", "sound.mp4: holds sound"),
        (refused(worker, face_clip, silent), "silent_reference", "silent.mp4: is silent"),
        (refused(worker, tmp_path / "gone.mp4"), "unreadable", "gone.mp4: the file is no longer here"),
    ):
        assert error.reason == reason and error.message.startswith(start), error.message
        assert str(worker.store.root) not in error.message and "\n" not in error.message
    (tmp_path / "large.mp4").write_bytes(bytes(2**20 + 1))
    with pytest.raises(VsrError, match="large.mp4: 1 MB; at most 1 MB are taken"):
        worker.new_job(tmp_path / "large.mp4")


def test_the_line_is_kept_told_and_limited(make_worker, face_clip):
    worker = make_worker(queue=1)
    jobs = [worker.new_job(face_clip) for _ in range(3)]

    async def visit():
        first, second = (asyncio.create_task(follow(worker, job)) for job in jobs[:2])
        await asyncio.sleep(0.05)
        with pytest.raises(VsrError, match="2 clips are before yours. Please try again") as caught:
            await follow(worker, jobs[2])
        assert caught.value.reason == "busy"
        return await first, await second, await follow(worker, jobs[2])

    first, second, third = asyncio.run(visit())
    assert {ahead for ahead, _, _ in first} == {0} and second[0][:2] == (1, "waiting")
    assert third[0][0] == 0 and all(job.stage == "done" for job in jobs)


def test_a_visitor_who_leaves_frees_the_worker(make_worker, face_clip, tmp_path):
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
    assert not any(worker.store.desk.iterdir()) and not any(worker.store.gone.iterdir())


async def finished(worker):
    """Wait for what the worker still does."""
    await asyncio.get_running_loop().run_in_executor(worker._worker, int)


@pytest.mark.parametrize(
    "moment",
    [
        "lip2speech.web.reading.playable_copy", "vsr.inference.recognition.read_clip",
        "lip2speech.inference.dubbing.speak_clip", "vsr.media.audio.mux",
    ],
)  # fmt: skip
def test_what_is_dropped_does_not_come_back(make_worker, face_clip, monkeypatch, moment):
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
    assert not job.folder.exists() and not any(worker.store.jobs.iterdir()) and not any(worker.store.desk.iterdir())
    for result in ("video.mp4", "0.txt", "0.json", "page0.vtt", "0.mp4"):
        assert worker.store.result(job.token, result) is None


def test_a_page_that_is_dropped_does_not_come_back(make_worker, face_clip, monkeypatch):
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


def test_a_folder_loses_its_name_before_its_files(make_worker, tmp_path, monkeypatch):
    """What is moved into it while it is being removed finds no folder, and none is left."""
    worker = make_worker()
    folder, late = worker.store.new_job(), tmp_path / "late.txt"
    late.write_text("x", encoding="utf-8")

    def removing(path, **settings):
        with pytest.raises(FileNotFoundError):
            os.replace(late, folder / "0.txt")

    monkeypatch.setattr("shutil.rmtree", removing)
    worker.store.remove(folder)
    assert not folder.exists() and worker.store.result(folder.name, "0.txt") is None


def test_nobody_else_may_look_into_a_folder_of_the_page(make_worker, face_clip, voice_like, tmp_path):
    write_wave(tmp_path / "someone.wav", voice_like)
    worker = make_worker()
    job = worker.new_job(face_clip, tmp_path / "someone.wav")
    asyncio.run(follow(worker, job))
    folders = [worker.store.root, *(path for path in worker.store.root.rglob("*") if path.is_dir())]
    assert {path.name for path in folders} >= {"uploads", "jobs", "source", "reference", job.token}
    assert {oct(path.stat().st_mode & 0o777) for path in folders} == {"0o700"}


def test_what_the_server_writes_is_for_its_owner_alone(monkeypatch):
    uvicorn = pytest.importorskip("uvicorn")
    from lip2speech.web.app import serve

    found = []

    def serving(self, sockets):
        found.append(os.umask(0o077))

    monkeypatch.setattr(uvicorn.Server, "run", serving)
    usual = os.umask(0o022)
    try:
        serve(lambda *_: None, "127.0.0.1", 0)
    finally:
        os.umask(usual)
    assert found == [0o077]


def test_a_recording_without_a_length_is_voiced_and_told_to_its_end(make_worker, tmp_path):
    images = np.concatenate([talking_face(25, 128), np.zeros((50, 128, 128, 3), np.uint8)])
    (job,), _ = done(make_worker(), write_piped(tmp_path / "film.webm", images, "webm", "libvpx", {}))
    assert json.loads((job.folder / "0.json").read_text("utf-8"))["duration"] == pytest.approx(3, abs=0.1)
    assert len(read_wave(job.folder / "0.mp4")) == pytest.approx(48_000, abs=1100)


def test_old_files_go_and_new_ones_stay(tmp_path):
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


def test_only_results_can_be_asked_for():
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


def test_lips_at_rest_have_no_words_and_a_page_all_the_same(make_worker, tmp_path):
    worker = make_worker()
    (job,), _ = done(worker, write_video(tmp_path / "still.mp4", talking_face(1).repeat(75, axis=0)))
    assert job.stage == "done" and job.faces[0].transcript.segments == () and job.faces[0].voiced
    assert not read_wave(job.folder / "0.mp4").any(), "as lip2speech speak: who rests for seconds is not voiced"
    assert "No words were read." in render.words(job, 0)

    async def look():
        async for _ in worker.inspect(job, 0):
            pass

    asyncio.run(look())
    assert (job.folder / "inspect0.html").is_file()


def test_a_damaged_video_is_shown_as_far_as_it_can_be_read(make_worker, tmp_path):
    worker = make_worker()
    whole = write_video(tmp_path / "whole.mkv", talking_face(150), options={"g": "12"})
    (job,), _ = done(worker, damaged(whole, tmp_path / "film.mkv", share=0.05))
    assert job.stage == "done" and job.faces[0].voiced and str(tmp_path) not in job.faces[0].note
    assert "The video is damaged from" in job.faces[0].note


def test_a_failure_holds_no_frame(make_worker, landscape_clip, monkeypatch):
    held = []

    class Watching:
        def detect(self, frame):
            held.append(weakref.ref(frame))
            return []

        def reset(self):
            pass

    monkeypatch.setattr("vsr.face.detector.default_detector", Watching)
    gc.disable()
    try:
        error = refused(make_worker(), landscape_clip)
        assert error.reason == "no_face" and held and not any(frame() is not None for frame in held)
    finally:
        gc.enable()


def test_an_upload_goes_when_no_page_shows_it(make_worker):
    worker = make_worker()
    uploads, past = worker.store.uploads, time.time() - GRACE - 1
    shared, single, broken_off = uploads / "a" / "clip.mp4", uploads / "b" / "clip.mp4", uploads / "tmp1234"
    for path in (shared, single, broken_off):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
        for own in (path, path.parent):
            os.utime(own, (past, past))
    worker.keep("first", shared)
    worker.keep("second", shared, single)
    worker.sweep()
    assert shared.exists() and single.exists() and not broken_off.exists()
    worker.keep("second", shared, None)  # another video in place of the first
    worker.keep("first")  # has gone
    worker.sweep()
    assert shared.exists() and not single.exists()
    worker.keep("second")
    worker.sweep()
    assert not list(uploads.iterdir())


def test_copies_play_in_browsers_from_zero(tmp_path, face_clip, other_clip):
    late = write_video(tmp_path / "late.mkv", talking_face(20), times=np.arange(20) / 25 + 0.5)
    for number, (video, frames) in enumerate(((other_clip, 40), (late, 20), (face_clip, 25))):
        out = tmp_path / f"{number}.mp4"
        playable_copy(video, out)
        assert video_clock(out)[1] == 0 and probe(out).num_frames == frames
    assert (tmp_path / "2.mp4").read_bytes() == face_clip.read_bytes()
    assert recorded_seconds(late) == pytest.approx(0.8, abs=0.05)
    assert recorded_seconds(other_clip) == pytest.approx(1.6, abs=0.1) and recorded_seconds(other_clip, "audio") == 0
    assert recorded_seconds(write_sound(tmp_path / "sound.mp4", 1.5), "audio") == pytest.approx(1.5, abs=0.1)


def test_models_of_the_hub_are_there_before_the_first_visitor(tiny_model, tiny_voice_folder, tmp_path, monkeypatch):
    hub = install(monkeypatch, tmp_path)
    hub.add("org/reader", tiny_model)
    hub.add("org/voice", tiny_voice_folder)
    models = Models("org/reader", "org/voice")
    assert {"model.safetensors", "acoustic/model.safetensors", "vocoder/model.safetensors"} <= set(hub.fetched)
    assert models.reader.folder == tmp_path / "cache/org/reader/main" and models.voice.vocoder is not None
    with pytest.raises(VsrError, match="org/none: no such folder here, and no such model on the hub"):
        Models(None, "org/none")


def test_a_wrong_start_is_one_line(tmp_path, capsys):
    for options in (["--model", str(tmp_path / "no")], ["--voice", str(tmp_path / "no")], ["--max-mb", "0"]):
        assert main(["web", *options]) == (2 if "0" in options else 1)
        assert len(capsys.readouterr().err.splitlines()) == 1


def test_the_room_is_counted_while_files_go(tmp_path):
    """Visitors' files come and go while another's upload asks whether there is room."""
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
