"""Self-training: readings replace missing texts only; clips that cannot be read are left out."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from vsr.cli import main
from vsr.core.errors import VsrError
from vsr.data.manifest import Clip, write_manifest
from vsr.data.speaker_clips import transcribed_clips, untranscribed_clips
from vsr.models.lipreader import LipReader, LipReaderConfig
from vsr.modelstore.folder import load_model, save_model
from vsr.text.tokenizer import CharTokenizer
from vsr.training import personal, personal_clips, self_training
from vsr.training.adapting import AdaptationSettings
from vsr.training.self_training import Untranscribed, read_differently, readings, self_trained

PIXELS = {
    "frontend_width": 16, "frontend_layers": 1, "frontend_heads": 2, "dim": 32, "heads": 2, "hidden": 32, "layers": 1,
    "decoder_layers": 1, "decoder_hidden": 32,
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torch.manual_seed(0)
    tokenizer = CharTokenizer()
    return save_model(
        tmp_path_factory.mktemp("m") / "m", LipReader(LipReaderConfig(tokenizer.vocab_size, **PIXELS)), tokenizer, {}
    )


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("crops"), np.random.default_rng(0)
    clips = []
    for number, text in enumerate(("a", "b", "a and b", "b a", "and", "a a")):
        crop = folder / f"c{number}.npy"
        np.save(crop, rng.integers(0, 255, (20, 96, 96), np.uint8))
        clips.append(Clip(f"c{number}", str(folder / f"c{number}.mp4"), text, "x", 20, str(crop)))
    return clips


def spy_on_adaptation(monkeypatch, texts):
    """The calls of the adaptation; a model is the number of adaptations that it has had."""
    calls = []

    def adapt(model, read_clips, settings, label):
        calls.append((model, {clip.id: clip.text for clip in read_clips}, settings.steps, label))
        return model + 1

    monkeypatch.setattr(
        self_training, "readings", lambda model, read_clips: {c.id: texts(model, c) for c in read_clips}
    )
    return calls, adapt


def test_each_round_learns_the_latest_readings_beside_the_transcripts(monkeypatch, clips):
    calls, adapt = spy_on_adaptation(monkeypatch, lambda model, clip: f"{clip.id} by {model}")
    further = Untranscribed(tuple(clips[4:]), 2)
    assert self_trained(0, clips[:2], further, AdaptationSettings(steps=12), adapt, print) == 3
    transcripts = {"c0": "a", "c1": "b"}
    assert [call[:2] for call in calls] == [
        (0, transcripts),
        (1, transcripts | {"c4": "c4 by 1", "c5": "c5 by 1"}),
        (2, transcripts | {"c4": "c4 by 2", "c5": "c5 by 2"}),
    ]
    assert [steps for _, _, steps, _ in calls] == [12, 10, 10] and len({label for *_, label in calls}) == 3


def test_without_further_clips_it_is_adaptation_and_without_texts_it_begins_with_a_reading(monkeypatch, clips):
    calls, adapt = spy_on_adaptation(monkeypatch, lambda model, clip: "said")
    assert self_trained(0, clips[:2], Untranscribed((), 5), AdaptationSettings(), adapt, print) == 1
    assert self_trained(0, [], Untranscribed(tuple(clips), 1), AdaptationSettings(), adapt, print) == 1
    assert set(calls[1][1].values()) == {"said"} and len(calls[1][1]) == len(clips)


def test_readings_outside_the_domain_or_empty_are_left_out(monkeypatch, clips):
    records = [{"id": "c0", "text": "a", "in_domain": 0.9}, {"id": "c1", "text": "b", "in_domain": 0.1},
             {"id": "c2", "text": " ", "in_domain": None}, {"id": "c3", "text": "b", "in_domain": None}]  # fmt: skip
    monkeypatch.setattr(self_training, "options_for", lambda model: None)
    monkeypatch.setattr(self_training, "records_of", lambda model, read_clips, options, modality: records)
    monkeypatch.setattr(self_training, "lips_alone", lambda model: "")
    assert readings(None, clips[:4]) == {"c0": "a", "c3": "b"}
    lines, adapted_to = [], []
    adapt = lambda model, read_clips, settings, label: adapted_to.append([clip.id for clip in read_clips])  # noqa: E731
    self_trained(None, [], Untranscribed(tuple(clips[:4]), 1), AdaptationSettings(), adapt, lines.append)
    assert adapted_to == [["c0", "c3"]] and "2 of 4" in lines[0] and "c1" in lines[0]


def test_refuses_if_no_clip_can_be_read(monkeypatch, clips):
    monkeypatch.setattr(self_training, "readings", lambda model, read_clips: {})
    with pytest.raises(VsrError, match="no untranscribed clip") as error:
        self_trained(0, [], Untranscribed(tuple(clips)), AdaptationSettings(), lambda *arguments: 1, lambda line: None)
    assert error.value.reason == "bad_manifest"


def test_without_readings_the_transcripts_are_learnt_once(monkeypatch, clips):
    monkeypatch.setattr(self_training, "readings", lambda model, read_clips: {})
    labels, lines = [], []
    adapt = lambda model, read_clips, settings, label: labels.append(label) or model + 1  # noqa: E731
    assert (
        self_trained(0, clips[:2], Untranscribed(tuple(clips[4:]), 2), AdaptationSettings(), adapt, lines.append) == 1
    )
    assert labels == ["transcripts"] and "2 of 2 untranscribed clips are left out" in lines[0]


def test_readings_are_compared_by_words():
    assert read_differently({"x": "a b c", "y": "d"}, {"x": "a c c", "z": "e"}) == (2, 4)


def test_left_out_clip_is_in_no_adaptation_that_reads_it(monkeypatch, folder, clips):
    loaded, adapted_to = load_model(folder), []

    def adapt_model(model, adapted_clips, settings, bar, say):
        adapted_to.append({clip.id for clip in adapted_clips})
        return model

    monkeypatch.setattr(personal, "adapt_model", adapt_model)
    monkeypatch.setattr(
        self_training, "readings", lambda model, adapted_clips: dict.fromkeys([c.id for c in adapted_clips], "a")
    )
    personal.adapt_to(loaded, clips[:4], Untranscribed(tuple(clips[4:]), 1), AdaptationSettings(steps=1), 2, print)
    folds, whole = adapted_to[:4], adapted_to[4:]
    assert all(len(fold & {"c0", "c1", "c2", "c3"}) == 2 for fold in folds), "half of the transcripts in each fold"
    assert whole == [{"c0", "c1", "c2", "c3"}, {clip.id for clip in clips}]


def test_clips_with_a_text_or_without_video_are_not_untranscribed(tmp_path):
    for name in ("a.mp4", "b.MKV", "c.mp4", "d.wav"):
        (tmp_path / name).touch()
    (tmp_path / "a.txt").write_text("bin blue")
    untranscribed = untranscribed_clips(tmp_path, transcribed_clips(tmp_path))
    assert [clip.video.rsplit("/")[-1] for clip in untranscribed] == ["b.MKV", "c.mp4"]
    assert not any(clip.text for clip in untranscribed) and all(
        clip.id.startswith("untranscribed.") for clip in untranscribed
    )


def test_manifest_gives_its_clips_without_texts_except_transcribed_ones(tmp_path, clips):
    write_manifest(tmp_path / "l.jsonl", [replace(clip, words=((clip.text.split()[0], 0, 0.1),)) for clip in clips])
    untranscribed = untranscribed_clips(tmp_path / "l.jsonl", clips[:2])
    assert [clip.video for clip in untranscribed] == [clip.video for clip in clips[2:]]
    assert not any(clip.text or clip.words for clip in untranscribed) and all(clip.crop for clip in untranscribed)
    with pytest.raises(VsrError, match="no videos without text"):
        untranscribed_clips(tmp_path / "l.jsonl", clips)


@pytest.mark.parametrize("texts", [0, 4])
def test_adapt_learns_from_its_own_readings(texts, folder, clips, tmp_path, capsys):
    write_manifest(tmp_path / "all.jsonl", [replace(clip, text="zebra") if texts == 0 else clip for clip in clips])
    command = ["adapt", "--untranscribed", str(tmp_path / "all.jsonl"), "--rounds", "1", "--anyway", "--folds", "2"]
    if texts:
        write_manifest(tmp_path / "some.jsonl", clips[:texts])
        command.insert(1, str(tmp_path / "some.jsonl"))
    assert main([*command, "--model", str(folder), "-o", str(tmp_path / "m"), "--steps", "1"]) == 0
    output = capsys.readouterr().out
    assert ("left-out WER" if texts else "not measured") in output and "words are read differently now" in output
    about = json.loads((tmp_path / "m" / "config.json").read_text())["adapted"]
    assert (about["clips"], about["untranscribed"], about["rounds"]) == (texts, len(clips) - texts, 1)
    card = (tmp_path / "m" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert f"{len(clips) - texts} clips without text" in card and ("transcribed clips" in card) is bool(texts)


@pytest.mark.parametrize(
    "options, message",
    [([], "give clips"), (["l.jsonl", "--rounds", "2"], "--rounds"), (["l.jsonl", "--folds", "-2"], "--folds is -2")],
)
def test_refuses_options_that_do_not_go_together(options, message, tmp_path, capsys):
    assert main(["adapt", *options, "--model", "gone", "-o", str(tmp_path / "m")]) == 2
    errors = capsys.readouterr().err.strip()
    assert message in errors and len(errors.splitlines()) == 1


def test_unusable_video_is_left_out_alone(monkeypatch, folder, clips, tmp_path):
    def speech(clip, *arguments):
        if clip.id == "c0":
            raise VsrError("at_rest", f"{clip.video}: no lips are seen to speak")
        return [[clip], [replace(clip, num_frames=50)], [clip]]

    monkeypatch.setattr(personal_clips, "speech_clips", speech)
    lines, videos = [], [replace(clip, crop="") for clip in clips[:2]]
    refused = []
    with personal_clips.cropped_clips(load_model(folder), [], videos, None, lines.append, refused) as (texts, footage):
        assert not texts and [clip.id for clip in footage] == ["c1"]
    assert not refused, "that nobody speaks in footage is no failure"
    assert lines[0].startswith("left out: ") and lines[0].count("c0.mp4") == 1 and "(1 s)" in lines[1]
    assert "2 other faces (3 s) left out" in lines[1]
