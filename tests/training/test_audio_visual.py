"""An audio-visual model is trained by the same command, begins as the lip reader it started from, and decodes."""

import json
import shutil

import pytest
import torch
import yaml

from tests.data.test_audio_visual import make_clips
from vsr.cli import main
from vsr.data.manifest import write_manifest
from vsr.data.modalities import SOUND, VIDEO
from vsr.models.lipreader import LipReader, LipReaderConfig
from vsr.models.streams import Streams
from vsr.modelstore.folder import load_model
from vsr.text.tokenizer import CharTokenizer
from vsr.training.initialisation import copy_weights

PART = {"width": 8, "layers": 1, "heads": 2}
LIPS = "{kind: video_transformer, width: 8, layers: 1, heads: 2}"
COMMON = "dim: 16, heads: 2, hidden: 24, layers: 1, kernel: 5, decoder_layers: 1, decoder_hidden: 24"
SETTINGS = """
data: {{train: [train.jsonl], dev: [dev.jsonl], tokenizer: tokens, frames_per_batch: 60}}
model: {{frontend: {frontend}, {common}}}
trainer: {{max_epochs: 1, precision: 32-true, threads: 1, accelerator: cpu}}
"""


def write(path, frontend):
    path.write_text(SETTINGS.format(frontend=frontend, common=COMMON), encoding="utf-8")


@pytest.fixture()
def corpus(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    clips = make_clips(tmp_path, 8)
    write_manifest("train.jsonl", clips[:5])
    write_manifest("dev.jsonl", clips[5:])
    (tmp_path / "tokens").mkdir()
    CharTokenizer("ab ").save(tmp_path / "tokens")
    sound = "{kind: mel, width: 8}"
    write(tmp_path / "av.yaml", f"{{kind: audio_visual, video: {LIPS}, sound: {sound}, frozen: [video]}}")
    write(tmp_path / "lips.yaml", LIPS)
    write(tmp_path / "sound.yaml", sound)
    return tmp_path


def train(name, *options):
    return main(["train", "--config", f"{name}.yaml", "--out", name, *options])


def decode(name, out, *options):
    return main(["decode", "--model", f"{name}/model", "--manifest", "dev.jsonl", "--out", out, *options])


def texts(path):
    return [json.loads(line)["text"] for line in open(path, encoding="utf-8")]


def test_training_of_lips_then_of_both_streams(corpus, capsys):
    assert train("lips") == 0
    assert train("av", "--set", "trainer.init_from=lips/model") == 0
    output = capsys.readouterr().out
    assert all(name in output for name in ("dev_wer_video", "dev_wer_sound", "dev_wer "))
    lips, both = load_model("lips/model").model, load_model("av/model").model
    for name, tensor in lips.frontend.state_dict().items():  # frozen: equal to the bit
        torch.testing.assert_close(both.frontend.streams[VIDEO].state_dict()[name], tensor, rtol=0, atol=0)
    for name in ("video", "sound", "both"):
        assert decode("av", f"{name}.jsonl", "--modality", name) == 0
    assert decode("av", "all.jsonl") == 0 and texts("all.jsonl") == texts("both.jsonl")
    assert "modality" in (corpus / ".made.jsonl").read_text(encoding="utf-8")


def test_model_begun_from_a_lip_reader_gives_the_same_states():
    torch.manual_seed(0)
    common = yaml.safe_load(f"{{{COMMON}, vocab_size: 6}}")
    lips = LipReader(LipReaderConfig(frontend="video_transformer", frontend_settings=PART, **common)).eval()
    settings = {"video": {"kind": "video_transformer", **PART}, "sound": {"kind": "mel", "width": 8}}
    both = LipReader(LipReaderConfig(frontend="audio_visual", frontend_settings=settings, **common)).eval()
    assert "new in frontend" in copy_weights(lips, both)
    video, lengths = torch.randn(2, 9, 1, 88, 88), torch.tensor([9, 6])
    with torch.no_grad():
        both_streams = Streams({VIDEO: video, SOUND: torch.randn(2, 9, 4, 80)})
        torch.testing.assert_close(both.encode(video, lengths), lips.encode(video, lengths), rtol=0, atol=0)
        assert not torch.allclose(both.encode(both_streams, lengths), lips.encode(video, lengths), atol=1e-3)


def test_resume_needs_the_frozen_weights_of_the_start(corpus, capsys):
    options = ["--set", "trainer.init_from=lips/model"]
    assert train("lips") == 0 and train("av", *options) == 0
    assert not any("streams.video" in name for name in torch.load("av/last.pt", weights_only=True)["model"])
    assert train("av", "--resume", *options) == 0
    assert main(["train", "--config", "lips.yaml", "--out", "other", "--set", "seed=1"]) == 0
    shutil.rmtree("lips/model")
    shutil.copytree("other/model", "lips/model")
    capsys.readouterr()
    assert train("av", "--resume", *options) == 1
    assert "frozen" in capsys.readouterr().err


def test_model_of_sound_alone_is_trained_and_decodes(corpus, capsys):
    assert train("sound") == 0
    assert decode("sound", "out.jsonl") == 0 and decode("sound", "out.jsonl", "--modality", "sound") == 0
    assert decode("sound", "out.jsonl", "--modality", "video") == 2
    assert "does not see" in capsys.readouterr().err


def test_lip_reader_refuses_sound_and_clips_without_sound_are_refused(corpus, capsys):
    assert train("lips") == 0
    capsys.readouterr()
    assert decode("lips", "out.jsonl", "--modality", "sound") == 2
    errors = capsys.readouterr().err
    assert "does not hear" in errors and len(errors.splitlines()) == 1
    write_manifest("train.jsonl", make_clips(corpus, 5, silent=range(5)))
    assert train("av") == 1
    assert "run vsr waves first" in capsys.readouterr().err
