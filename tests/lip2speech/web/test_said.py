"""The page's text: read, typed or none, and the note on what shaped the voice."""

import asyncio

import av
import numpy as np
import pytest

from lip2speech.inference.synthetic_marks import SYNTHETIC
from lip2speech.web.jobs import Limits
from lip2speech.web.page import SAID, text_source
from lip2speech.web.worker import Worker
from tests.conftest import talking_face, write_video
from vsr.core.errors import VsrError
from vsr.media.audio import read_wave

EXAMPLE = "lip2speech/web/static/example.mp4"


@pytest.fixture(scope="module")
def shipped():
    worker = Worker(Limits(), None, None)
    yield worker
    worker.close()


def voiced(worker, video, text):
    """The face, its voice and the comment of its video."""
    job = worker.new_job(video, text=text)

    async def work():
        async for _ in worker.process(job):
            pass

    asyncio.run(work())
    with av.open(str(job.folder / "0.mp4")) as container:
        comment = container.metadata["comment"]
    return job.faces[0], read_wave(job.folder / "0.mp4"), comment


def test_words_shape_the_voice_and_are_noted(shipped):
    texts = ("none", "read", "place blue by m five please", "place blue by n nine now")
    results = [voiced(shipped, EXAMPLE, text) for text in texts]
    assert [face.note.rsplit(" ", 1)[1] for face, *_ in results] == ["alone.", "them.", "given.", "given."]
    assert all(comment == SYNTHETIC for *_, comment in results)
    none, read, right, wrong = (wave for _, wave, _ in results)
    assert not np.array_equal(none, read) and not np.array_equal(right, wrong)


def test_text_is_read_by_default_if_the_voice_can_be_pulled(shipped, make_worker):
    assert shipped.models.usual_text == "read" and make_worker().models.usual_text == "none"
    assert {shipped.models.usual_text, "none"} <= set(SAID.values())


def test_words_outside_the_domain_shape_no_voice(shipped, tmp_path):
    video = write_video(tmp_path / "face.mp4", talking_face(36))
    (_, alone, _), (face, read, _) = (voiced(shipped, video, text) for text in ("none", "read"))
    assert np.array_equal(alone, read) and "guesses" in face.note


def test_face_at_rest_is_noted_as_without_words(shipped, tmp_path):
    still = write_video(tmp_path / "still.mp4", np.repeat(talking_face(1), 36, axis=0))
    face, wave, _ = voiced(shipped, still, "read")
    assert face.note == "Shaped by the lips alone: no words were read from them." and not wave.any()


def test_refuses_impossible_text_before_the_work(shipped, make_worker, face_clip):
    with pytest.raises(VsrError, match="does not know 'elephant'"):
        voiced(shipped, EXAMPLE, "bin elephant")
    with pytest.raises(VsrError, match="has no listener"):
        voiced(make_worker(), face_clip, "read")


def test_typed_text_counts_only_if_chosen():
    none, read, typed = SAID
    assert (text_source(none, "bin"), text_source(read, "bin")) == ("none", "read")
    assert text_source(typed, "  Bin \n BLUE ") == "bin blue"
    with pytest.raises(VsrError, match="Type the words"):
        text_source(typed, "  ")
