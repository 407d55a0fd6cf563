"""A failure in one clip stays with that clip: scored apart, counted, in no mean, and never the end of a run."""

from argparse import ArgumentParser

import numpy as np
import pytest
import torch

from lip2speech.cli.commands import evaluate as verb
from lip2speech.evaluation import corpus as evaluation
from lip2speech.evaluation import metrics
from lip2speech.evaluation.corpus import Outcome, evaluate, evaluate_clip
from lip2speech.evaluation.intelligibility import stoi, stoi_aligned
from lip2speech.evaluation.summary import summarise, write_evaluation
from tests.conftest import talking_face, write_video
from vsr.core.errors import VsrError
from vsr.data.manifest import Clip, write_manifest
from vsr.media.audio import write_wave

SAID = "bin blue at f two now"


class Listener:
    """A recogniser that understands every voice and lists its input."""

    name = "listener"

    def __init__(self):
        self.heard = []

    def transcribe(self, wave):
        self.heard.append(wave)
        return SAID


@pytest.fixture
def clip(tmp_path):
    """A clip of 1 s whose video has no sound."""
    video = write_video(tmp_path / "film.mp4", talking_face(25, 64))
    return Clip("x", str(video), SAID, "s", 25)


def row_with(tmp_path, wave):
    """A row's folder with this wave as float, so that it may have NaN."""
    from scipy.io import wavfile

    folder = tmp_path / "row"
    folder.mkdir()
    wavfile.write(folder / "x.wav", 16_000, wave.astype(np.float32))
    return str(folder)


def test_ripple_of_the_spectrum_has_its_size_in_decibels():
    bands = np.arange(80) + 0.5
    ripple = torch.tensor(np.tile(0.5 * np.cos(np.pi * 3 * bands / 80), (10, 1)), dtype=torch.float32)
    expected = 20 / np.log(10) * 0.5 / np.sqrt(2)
    assert metrics.cepstral_distance(torch.zeros(10, 80), ripple) == pytest.approx(expected, rel=1e-4)
    assert metrics.cepstral_distance(ripple, ripple + 3) == pytest.approx(0, abs=1e-4), "loudness is not counted"


def test_short_clip_keeps_its_plain_figures():
    wave = np.random.default_rng(0).normal(0, 0.1, 8000).astype(np.float32)
    late = np.roll(wave, 3000)
    assert np.isnan(stoi_aligned(wave, late, 3000))
    assert np.isfinite(stoi(wave, late))


def test_estoi_is_reproducible(voice_like):
    stops = np.where(np.arange(48_000) < 24_000, voice_like, 0).astype(np.float32)
    np.random.seed(5)
    first = stoi(voice_like, stops, extended=True)
    assert np.random.random() == np.random.RandomState(5).random(), "the caller's random numbers are not touched"
    assert stoi(voice_like, stops, extended=True) == first


def test_voice_is_recognised_even_if_its_video_is_silent(clip, tmp_path, voice_like):
    recogniser = Listener()
    outcome = evaluate_clip(clip, "system", row_with(tmp_path, voice_like[:16_000]), recogniser)
    assert (outcome.reason, outcome.heard, outcome.figures) == ("no_sound", SAID, None)
    row = summarise([clip], [outcome], with_asr=True)["system"]
    assert row["failed"] == 1 and row["asr"]["wer"] == 0, "a mute video is not the system's error"


@pytest.mark.parametrize(
    ("wave", "reason", "heard"),
    [
        (np.zeros(16_000), "silent", False),
        (np.full(16_000, np.nan), "not_finite", False),
        (np.sin(np.arange(3000) * 0.3), "too_short", True),
    ],
)
def test_only_sound_reaches_the_recogniser(clip, tmp_path, wave, reason, heard):
    recogniser = Listener()
    outcome = evaluate_clip(clip, "system", row_with(tmp_path, wave), recogniser)
    assert outcome.reason == reason and bool(recogniser.heard) == heard
    row = summarise([clip], [outcome], with_asr=True)["system"]
    assert (row["too_short"], row["failed"]) == ((1, 0) if reason == "too_short" else (0, 1))
    assert row["figures"]["stoi"] is None
    assert row["asr"]["deletions"] == (0 if heard else 6)


def test_recogniser_hears_only_the_length_of_the_clip(clip, tmp_path, voice_like):
    recogniser = Listener()
    evaluate_clip(clip, "system", row_with(tmp_path, voice_like), recogniser)
    assert len(recogniser.heard[0]) == 640 * 25


def test_error_in_a_metric_is_an_outcome(clip, tmp_path, voice_like, monkeypatch):
    def fail(natural, voice, text):
        raise ZeroDivisionError("in a library")

    monkeypatch.setattr(evaluation, "measure", fail)
    monkeypatch.setattr(evaluation, "natural_wave", lambda clip: voice_like[:16_000])
    outcome = evaluate_clip(clip, "system", row_with(tmp_path, voice_like), None)
    assert outcome.reason == "internal" and "ZeroDivisionError" in outcome.message


def test_recogniser_without_texts_is_refused_before_any_work(clip, monkeypatch):
    monkeypatch.setattr(evaluation, "evaluate_clip", lambda *arguments: pytest.fail("work was begun"))
    with pytest.raises(VsrError, match="transcripts"):
        evaluate([Clip("x", clip.video, " ", "s", 25)], {"natural": None}, "pocketsphinx-grid")


def test_clips_without_text_count_only_for_the_metrics(clip):
    mute = Clip("y", clip.video, "", "s", 25)
    outcomes = [Outcome("r", "x", heard=SAID), Outcome("r", "y", heard="what was never said")]
    asr = summarise([clip, mute], outcomes, with_asr=True)["r"]["asr"]
    assert asr["wer"] == 0 and asr["scored"] == 1


def test_report_has_errors_versions_and_one_row_per_clip(clip, tmp_path):
    outcomes = [Outcome("r", "x", None, "bin blue\tat f\nsoon", "no_speech", "two\nlines")]
    result = write_evaluation(tmp_path / "out", [clip], outcomes, "self", "pocketsphinx-grid")
    assert {"pystoi", "pesq", "pocketsphinx"} <= result["versions"].keys()
    header, line = (tmp_path / "out/utterances.tsv").read_text(encoding="utf-8").splitlines()
    fields = dict(zip(header.split("\t"), line.split("\t"), strict=True))
    assert (fields["words"], fields["errors"], fields["message"]) == ("6", "2", "two lines")
    page = (tmp_path / "out/table.md").read_text(encoding="utf-8")
    assert "33.3 (" in page and "the clip's own recording" in page


def test_plots_are_drawn_for_clips_with_a_voice(clip, tmp_path, voice_like, monkeypatch, capsys):
    from lip2speech.evaluation import plots as images
    from lip2speech.inference.synthesizer import save_speech
    from lip2speech.models.voice import Speech

    system, copy = tmp_path / "system", tmp_path / "copy"
    for folder in (system, copy):
        folder.mkdir()
        write_wave(folder / "a.wav", voice_like[:16_000])
    write_wave(system / "b.wav", voice_like[:16_000])
    clips = [Clip(name, clip.video, SAID, "s") for name in "abc"]  # not cropped: no number of frames
    save_speech(copy, clips[0], Speech(torch.zeros(1, 100, 80), torch.arange(50)[None]))
    monkeypatch.setattr(images, "natural_wave", lambda clip: voice_like[:16_100])
    verb.draw_clips(clips, str(system), tmp_path / "drawn", str(copy))
    assert sorted(path.name for path in (tmp_path / "drawn").iterdir()) == ["a.png", "b.png"]
    assert capsys.readouterr().err.count("\n") == 1, "c has no voice: one line"


@pytest.mark.parametrize("options", [["--jobs", "0"], ["--plots", "-1"]])
def test_impossible_numbers_are_usage_errors(options, tmp_path, clip, capsys):
    parser = ArgumentParser()
    verb.add_arguments(parser)
    write_manifest(tmp_path / "m.jsonl", [clip])
    with pytest.raises(SystemExit) as caught:
        parser.parse_args(["--manifest", str(tmp_path / "m.jsonl"), "--out", str(tmp_path / "o"), *options])
    assert caught.value.code == 2
