"""The inspection page with a voice: its sound is the voice, on the axis of the frames."""

import base64
import dataclasses
import io
import re
import wave as riff

import numpy as np
import pytest

from lip2speech.cli import main
from lip2speech.evaluation.report import render_voiced, shown_part
from lip2speech.inference.dubbing import speak_clip
from lip2speech.inference.folder import load_model
from tests.report.test_inspect import structure
from vsr.decoding.options import DecodeOptions
from vsr.media.audio import fit_length
from vsr.media.mux.mux import mux
from vsr.media.mux.sound import to_pcm16
from vsr.modelstore.folder import load_model as load_reader
from vsr.report.collect import inspect_video


@pytest.fixture(scope="module")
def sounding_clip(face_clip, tmp_path_factory):
    """The clip of a face with a tone as sound."""
    out = tmp_path_factory.mktemp("clip") / "tone.mp4"
    mux(face_clip, 0.5 * np.sin(np.arange(16_000) * 2 * np.pi * 440 / 16_000).astype(np.float32), out)
    return out


@pytest.fixture(scope="module")
def voice(tiny_voice_folder):
    return load_model(tiny_voice_folder)


def inspected(tiny_model, video):
    return inspect_video(load_reader(tiny_model), video, DecodeOptions(beam=2, nbest=2))


def sounds(page):
    """The samples of each <audio> of a page, int16."""
    for data in re.findall(r'src="data:audio/wav;base64,([^"]+)"', page):
        with riff.open(io.BytesIO(base64.b64decode(data))) as file:
            assert (file.getframerate(), file.getnchannels()) == (16_000, 1)
            yield np.frombuffer(file.readframes(file.getnframes()), "<i2")


def test_page_plays_the_voice_and_the_sound_of_the_video(tiny_model, voice, sounding_clip):
    inspection = inspected(tiny_model, sounding_clip)
    page = render_voiced(inspection, voice)
    voiced, recorded = sounds(page)
    spoken = speak_clip(voice, inspection.clip).wave
    assert len(voiced) == len(recorded) == 640 * len(inspection.crop)
    assert np.array_equal(voiced, to_pcm16(fit_length(spoken, len(voiced))))
    spectrum = np.abs(np.fft.rfft(recorded.astype(float)))
    assert abs(int(spectrum.argmax()) * 16_000 / len(recorded) - 440) < 2
    assert {"audio", "canvas", "svg"} <= set(structure(page).tags)
    assert page.count('class="mel"') == page.count('class="wave"') == 2


def test_silent_video_has_only_the_voice(tiny_model, voice, face_clip):
    page = render_voiced(inspected(tiny_model, face_clip), voice)
    assert len(list(sounds(page))) == 1 and "own sound" not in page


def test_sound_is_cut_to_the_frames_shown(tiny_model, face_clip):
    inspection = inspected(tiny_model, face_clip)
    later = dataclasses.replace(inspection.clip, times=inspection.clip.times + 0.2)
    moved = dataclasses.replace(inspection, clip=later, span=(5, 15))
    samples = np.arange(16_000, dtype=np.float32)
    assert np.array_equal(shown_part(samples, moved), samples[640 * 10 : 640 * 20])
    assert shown_part(samples[:100], moved).shape == (6400,)


def test_command_writes_the_page_or_nothing(tiny_model, tiny_voice_folder, face_clip, tmp_path, capsys):
    models = ["--model", str(tiny_model), "--voice", str(tiny_voice_folder), "--beam", "5"]
    assert main(["inspect", str(face_clip), "-o", str(tmp_path / "report.html"), *models]) == 0
    (tmp_path / "text.mp4").write_text("no video", encoding="utf-8")
    assert main(["inspect", str(tmp_path / "text.mp4"), "-o", str(tmp_path / "no.html"), *models]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert main(["inspect", str(face_clip), "-o", str(tmp_path / "no.html"), *models, "--reference", "face"]) == 2
    assert "--reference face is of lip2speech speak" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "text.mp4"]
