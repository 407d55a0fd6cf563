"""Behind the page: a video becomes files; refusals, the queue, and no mixing."""

import asyncio
import gc
import json
import weakref

import numpy as np
import pytest

from lip2speech.cli import main
from lip2speech.inference.dubbing import speak
from lip2speech.web import render
from lip2speech.web.media import playable_copy, recorded_seconds
from lip2speech.web.models import Models
from tests.conftest import talking_face, write_sound, write_video
from tests.lip2speech.test_sound_length import write_piped
from tests.lip2speech.web.visits import done, follow, refused
from tests.local_hub import install
from tests.video.test_damage import damaged
from vsr.core.errors import VsrError
from vsr.decoding.options import DecodeOptions
from vsr.inference.transcriber import transcribe
from vsr.media.audio import read_wave
from vsr.media.container import video_clock
from vsr.media.reader import probe


@pytest.fixture(scope="session")
def other_clip(tmp_path_factory):
    """A talking face that says something else, in a format that browsers do not play."""
    images = talking_face(40)[::-1, :, ::-1].copy()
    return write_video(tmp_path_factory.mktemp("clips") / "other.mpg", images, codec="mpeg1video")


def test_video_becomes_the_files_that_the_commands_give(make_worker, face_clip):
    worker = make_worker()
    (job,), _ = done(worker, face_clip)
    transcript = transcribe(worker.models.reader, face_clip, DecodeOptions(nbest=5))
    record = json.loads((job.folder / "0.json").read_text("utf-8"))
    assert record["text"] == transcript.text and record["file"] == "face.mp4"
    assert [word.word for word in job.faces[0].transcript.segments[0].words] == transcript.text.split()
    assert (job.folder / "0.txt").read_text("utf-8").strip() == transcript.text
    assert {path.name for path in job.folder.iterdir()} == {
        "source", "video.mp4", "page0.vtt", "0.srt", "0.vtt", "0.json", "0.txt", "0.mp4",
    }  # fmt: skip
    wave, sound_of_video = speak(worker.models.voice, face_clip).wave, read_wave(job.folder / "0.mp4", 25)
    assert np.corrcoef(wave[: len(sound_of_video)], sound_of_video)[0, 1] > 0.5
    assert job.stage == "done"


def test_two_jobs_at_once_do_not_mix(make_worker, face_clip, other_clip):
    worker = make_worker()
    (first, second), _ = done(worker, face_clip, other_clip)
    (alone,), _ = done(worker, other_clip)
    names = ("0.json", "0.mp4")
    first_files, second_files, alone_files = (
        [(job.folder / name).read_bytes() for name in names] for job in (first, second, alone)
    )
    assert first_files[0] != second_files[0] and first_files[1] != second_files[1]
    assert (
        json.loads(second_files[0]) == json.loads(alone_files[0]) and json.loads(first_files[0])["file"] == "face.mp4"
    )
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


def test_unreadable_video_is_one_line_without_paths_of_the_server(make_worker, landscape_clip, face_clip, tmp_path):
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


def test_queue_is_kept_reported_and_limited(make_worker, face_clip):
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


def test_recording_without_a_length_is_processed_to_its_end(make_worker, tmp_path):
    images = np.concatenate([talking_face(25, 128), np.zeros((50, 128, 128, 3), np.uint8)])
    (job,), _ = done(make_worker(), write_piped(tmp_path / "film.webm", images, "webm", "libvpx", {}))
    assert json.loads((job.folder / "0.json").read_text("utf-8"))["duration"] == pytest.approx(3, abs=0.1)
    assert len(read_wave(job.folder / "0.mp4")) == pytest.approx(48_000, abs=1100)


def test_lips_at_rest_have_no_words_and_a_page(make_worker, tmp_path):
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


def test_damaged_video_is_shown_as_far_as_readable(make_worker, tmp_path):
    worker = make_worker()
    whole = write_video(tmp_path / "whole.mkv", talking_face(150), options={"g": "12"})
    (job,), _ = done(worker, damaged(whole, tmp_path / "film.mkv", share=0.05))
    assert job.stage == "done" and job.faces[0].voiced and str(tmp_path) not in job.faces[0].note
    assert "The video is damaged from" in job.faces[0].note


def test_failure_holds_no_frame(make_worker, landscape_clip, monkeypatch):
    frames = []

    class Watching:
        def detect(self, frame):
            frames.append(weakref.ref(frame))
            return []

        def reset(self):
            pass

    monkeypatch.setattr("vsr.face.detector.default_detector", Watching)
    gc.disable()
    try:
        error = refused(make_worker(), landscape_clip)
        assert error.reason == "no_face" and frames and not any(frame() is not None for frame in frames)
    finally:
        gc.enable()


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


def test_models_of_the_hub_are_loaded_before_the_first_visitor(tiny_model, tiny_voice_folder, tmp_path, monkeypatch):
    hub = install(monkeypatch, tmp_path)
    hub.add("org/reader", tiny_model)
    hub.add("org/voice", tiny_voice_folder)
    models = Models("org/reader", "org/voice")
    assert {"model.safetensors", "acoustic/model.safetensors", "vocoder/model.safetensors"} <= set(hub.fetched)
    assert models.reader.folder == tmp_path / "cache/org/reader/main" and models.voice.vocoder is not None
    with pytest.raises(VsrError, match="org/none: no such folder here, and no such model on the hub"):
        Models(None, "org/none")


def test_wrong_start_is_one_line(tmp_path, capsys):
    for options in (["--model", str(tmp_path / "no")], ["--voice", str(tmp_path / "no")], ["--max-mb", "0"]):
        assert main(["web", *options]) == (2 if "0" in options else 1)
        assert len(capsys.readouterr().err.splitlines()) == 1
