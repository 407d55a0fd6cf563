"""Foundation models from a local folder: two states per frame, padding without effect, frozen, refused in one line."""

import json
from dataclasses import asdict

import numpy as np
import pytest
import torch

from tests.data.test_audio_visual import make_clips
from tests.training.test_audio_visual import COMMON, LIPS, decode, train
from vsr.cli import main
from vsr.data.manifest import write_manifest
from vsr.data.modalities import SOUND
from vsr.models.foundation import Foundation, FoundationSettings, load_pretrained
from vsr.models.lipreader import LipReader, LipReaderConfig
from vsr.modelstore.folder import load_model
from vsr.modelstore.nested_settings import from_nested, to_nested
from vsr.text.tokenizer import CharTokenizer

transformers = pytest.importorskip("transformers")
TINY = {"vocab_size": 11, "dim": 16, "heads": 2, "hidden": 24, "layers": 1, "kernel": 5, "decoder_layers": 1}


def save_foundation(folder, kind):
    """A small model with random weights, as the transformers library saves it."""
    torch.manual_seed(0)
    small = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16,
             "conv_dim": [8] * 7, "num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2}  # fmt: skip
    whisper = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2, "vocab_size": 50,
               "decoder_attention_heads": 2, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16,
               "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1}  # fmt: skip
    config = transformers.AutoConfig.for_model(kind, **(whisper if kind == "whisper" else small))
    transformers.AutoModel.from_config(config).save_pretrained(folder)
    preprocessing = {"sampling_rate": 16_000, "do_normalize": True}
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessing), encoding="utf-8")
    return folder


@pytest.fixture(scope="module", params=["wav2vec2", "hubert", "whisper"])
def folder(request, tmp_path_factory):
    return save_foundation(tmp_path_factory.mktemp("foundation") / request.param, request.param)


def build_front_end(folder, **settings):
    torch.manual_seed(1)
    front = FoundationSettings(str(folder), **settings).build(16)
    load_pretrained(front, folder)
    return front.eval()


@torch.no_grad()
def test_states_of_a_clip_do_not_depend_on_padding_and_batch(folder):
    front, waves = build_front_end(folder), torch.randn(2, 12, 640, generator=torch.Generator().manual_seed(0)) * 0.1
    assert front.states(waves[0].flatten()).shape == (24, 16)
    mask = torch.arange(12)[None] < torch.tensor([[12], [5]])
    together, dirty = front(waves, mask), waves.clone()
    dirty[1, 5:] = 7.0
    torch.testing.assert_close(together, front(dirty, mask))
    alone = front(waves[1:, :5], mask[1:, :5])
    torch.testing.assert_close(together[1:, :5], alone, atol=1e-5, rtol=1e-4)
    assert together.shape == (2, 12, 16) and not together[1, 5:].any()


def test_weights_are_those_of_the_folder_and_stay_frozen(folder):
    front = build_front_end(folder).train()
    stored = transformers.AutoModel.from_pretrained(folder)
    stored = (stored.encoder if front.kind == "whisper" else stored).state_dict()
    for name, tensor in front.pretrained.state_dict().items():
        torch.testing.assert_close(tensor, stored[name], rtol=0, atol=0)
    front(torch.randn(1, 6, 640) * 0.1, torch.ones(1, 6, dtype=torch.bool)).sum().backward()
    assert all(tensor.grad is None for tensor in front.pretrained.parameters()) and front.out.weight.grad is not None
    assert not front.pretrained.training
    tuned = build_front_end(folder, frozen=False).train()
    tuned(torch.randn(1, 6, 640) * 0.1, torch.ones(1, 6, dtype=torch.bool)).sum().backward()
    assert any(tensor.grad is not None for tensor in tuned.pretrained.parameters())


def test_folder_is_needed_only_once(folder):
    config = LipReaderConfig(frontend="foundation", frontend_settings={"path": str(folder)}, **TINY)
    reloaded = from_nested(json.loads(json.dumps(to_nested(config))))
    assert "gone" not in reloaded.frontend_settings["path"]
    moved = reloaded.frontend_settings | {"path": "gone"}
    assert asdict(FoundationSettings(**moved))["settings"] == asdict(FoundationSettings(str(folder)))["settings"]
    model = LipReader(LipReaderConfig(frontend="foundation", frontend_settings=moved, **TINY))
    assert model.modality == SOUND and model.sound_form == "wave" and isinstance(model.frontend, Foundation)


def test_impossible_foundations_are_refused_in_one_line(tmp_path):
    folder = save_foundation(tmp_path / "w", "wav2vec2")
    with pytest.raises(ValueError, match="layer is 9; that model has 0 to 2"):
        FoundationSettings(str(folder), layer=9)
    (folder / "preprocessor_config.json").write_text('{"sampling_rate": 8000}', encoding="utf-8")
    with pytest.raises(ValueError, match="hears 8000 samples a second, and sound here has 16000"):
        FoundationSettings(str(folder))
    (folder / "config.json").write_text('{"model_type": "bert"}', encoding="utf-8")
    with pytest.raises(ValueError, match="a model of the kind 'bert'"):
        FoundationSettings(str(folder))
    for path in ("", str(tmp_path / "none")):
        with pytest.raises(ValueError, match="folder of a"):
            FoundationSettings(path)


def test_only_safetensors_are_read(tmp_path):
    folder = save_foundation(tmp_path / "w", "wav2vec2")
    front = FoundationSettings(str(folder)).build(16)
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")
    with pytest.raises(Exception, match="weights cannot be used"):
        load_pretrained(front, folder)


def test_model_with_a_foundation_is_trained_and_decodes_without_the_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    folder = save_foundation(tmp_path / "w", "wav2vec2")
    clips = make_clips(tmp_path, 6)
    write_manifest("train.jsonl", clips[:4])
    write_manifest("dev.jsonl", clips[4:])
    (tmp_path / "tokens").mkdir()
    CharTokenizer("ab ").save(tmp_path / "tokens")
    sound = "{kind: foundation, path: w}"
    (tmp_path / "ssl.yaml").write_text(f"""
data: {{train: [train.jsonl], dev: [dev.jsonl], tokenizer: tokens, frames_per_batch: 60}}
model: {{frontend: {{kind: audio_visual, video: {LIPS}, sound: {sound}}}, {COMMON}}}
trainer: {{max_epochs: 1, precision: 32-true, threads: 1, accelerator: cpu}}
""")
    assert train("ssl") == 0
    assert "foundation w: 0.0 M parameters" in capsys.readouterr().out
    state = torch.load("ssl/last.pt", weights_only=True)["model"]
    assert not any("pretrained" in name for name in state)  # frozen: not stored with the run
    (folder / "config.json").rename(folder / "was.json")
    tensors = load_model("ssl/model").model.frontend.streams[SOUND].pretrained.state_dict()
    assert all(np.isfinite(tensor.numpy()).all() for tensor in tensors.values())
    assert decode("ssl", "out.jsonl") == 0
    capsys.readouterr()
    assert main(["train", "--config", "ssl.yaml", "--out", "again"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
