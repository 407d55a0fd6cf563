"""A model that needs lips and sound together is trained, decodes, and never gets a clip without one of them."""

import dataclasses

import pytest

from tests.training.test_audio_visual import corpus, decode, texts, train, write  # noqa: F401  fixture
from vsr.cli import main
from vsr.data.manifest import read_manifest, write_manifest

ENCODER = "encoder: {kind: conformer, layers: 1, heads: 2, hidden: 24, kernel: 5}"
LIPS = f"{{kind: encoded, frontend: {{kind: video_transformer, width: 8, layers: 1, heads: 2}}, {ENCODER}}}"
SOUND = f"{{kind: encoded, frontend: {{kind: resnet1d, width: 4, blocks: [1, 1, 1, 1]}}, {ENCODER}}}"
FRONT = f"{{kind: audio_visual, video: {LIPS}, sound: {SOUND}, fusion: {{kind: mlp, hidden: 12}}, whole: true}}"
KEPT = "data.modality_dropout={video: 0, sound: 0}"


@pytest.fixture
def whole_config(corpus):  # noqa: F811
    write(corpus / "whole.yaml", FRONT)
    return corpus


def test_model_of_both_streams_is_trained_decodes_and_resumes(whole_config, capsys):
    assert train("whole", "--set", KEPT) == 0
    output = capsys.readouterr().out
    assert "dev_wer" in output and "dev_wer_video" not in output
    assert decode("whole", "all.jsonl") == 0 and decode("whole", "both.jsonl", "--modality", "both") == 0
    assert texts("all.jsonl") == texts("both.jsonl")
    assert train("whole", "--resume", "--set", KEPT, "trainer.max_epochs=2") == 0
    capsys.readouterr()
    assert decode("whole", "lips.jsonl", "--modality", "video") == 2
    assert "lips and sound together, and neither alone" in capsys.readouterr().err


def test_refuses_settings_and_clips_that_lack_a_stream(whole_config, capsys):
    assert train("whole") == 1
    assert "set data.modality_dropout to" in capsys.readouterr().err
    clips = read_manifest("train.jsonl")
    write_manifest("train.jsonl", [dataclasses.replace(clips[0], sound=""), *clips[1:]])
    assert train("whole", "--set", KEPT) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "1 clips have no sound" in line


@pytest.mark.parametrize("kind", ["filter_bank", "{kind: resnet1d, width: 4, blocks: [1, 1, 1, 1], normalise: false}"])
def test_front_ends_of_the_waveform_are_trained(corpus, capsys, kind):  # noqa: F811
    write(corpus / "wave.yaml", kind)
    assert main(["train", "--config", "wave.yaml", "--out", "wave"]) == 0
    assert decode("wave", "out.jsonl", "--modality", "sound") == 0
