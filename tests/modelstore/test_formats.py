"""Model folders: format 2 has a part for each kind; format 1, which is flat, is read too; newer ones are refused."""

import json

import pytest
import torch

from vsr.core.errors import VsrError
from vsr.models.fusion import FusedConfig
from vsr.models.lipreader import LipReader, LipReaderConfig, attention_of, encoder_of, frontend_of
from vsr.modelstore.checkpoint import read_config
from vsr.modelstore.folder import NAMES, load_model, save_model
from vsr.modelstore.nested_settings import from_nested, to_nested
from vsr.text.tokenizer import CharTokenizer

# as a release with format 1 wrote it
OLD = {
    "name": "old", "window": 3.0, "format": 1,
    "model": {
        "vocab_size": 7, "frontend": "video_transformer", "frontend_width": 8, "frontend_layers": 1,
        "frontend_heads": 2, "tubelet_frames": 5, "tubelet_patch": 11, "tubelet_downscale": 2, "resnet_width": 64,
        "resnet_blocks": [2, 2, 2, 2], "resnet_activation": "silu", "encoder": "conformer", "dim": 16, "heads": 2,
        "hidden": 24, "layers": 1, "kernel": 5, "activation": "silu", "norm_eps": 1e-05, "decoder_layers": 1,
        "decoder_hidden": 24, "decoder_heads": 0, "dropout": 0.1, "ctc_weight": 0.3, "label_smoothing": 0.1,
        "alignment_weight": 0.5, "classes": 0, "boundary": False, "mixup": 0.0,
    },
}  # fmt: skip
TOKENS = CharTokenizer("abc ")
SMALL = {"vocab_size": 7, "dim": 16, "heads": 2, "hidden": 24, "layers": 1, "kernel": 5, "decoder_layers": 1}
CONFIGS = {
    "transformer": LipReaderConfig(**SMALL, frontend_width=8, frontend_heads=2, tubelet_patch=22),
    "resnet": LipReaderConfig(**SMALL, frontend="resnet3d", resnet_width=4, resnet_blocks=(1, 2), dropout=0.2),
    "tied": LipReaderConfig(**SMALL, encoder="av_hubert", decoder_heads=4, norm_eps=1e-12, ctc_weight=0.0),
    "tracks": LipReaderConfig(
        7, "landmarks", encoder="recurrent", dim=6, heads=2, frontend_width=6, frontend_heads=2, decoder_layers=0
    ),
    "attention": LipReaderConfig(**SMALL, attention_dropout=0.2),
    "nested": LipReaderConfig(**SMALL, frontend_settings={"width": 24}, encoder_settings={"dropout": 0.3}),
    "swin": LipReaderConfig(**SMALL, frontend="swin3d_t", alignment_weight=0.0),
    "words": LipReaderConfig(
        **SMALL | {"decoder_layers": 0}, classes=4, boundary=True, mixup=0.4, ctc_weight=0, alignment_weight=0
    ),
    "further": LipReaderConfig(**SMALL, further_heads={"word": {"kind": "ctc", "words": ["a"], "weight": 0.5}}),
    "bare": LipReaderConfig(**SMALL | {"vocab_size": 0, "decoder_layers": 0}, ctc_weight=0, alignment_weight=0),
}  # fmt: skip


@pytest.mark.parametrize("name", CONFIGS)
def test_settings_survive_the_stored_form(name):
    config = CONFIGS[name]
    stored = json.loads(json.dumps(to_nested(config)))
    restored = from_nested(stored)
    assert frontend_of(restored) == frontend_of(config) and encoder_of(restored) == encoder_of(config)
    assert json.loads(json.dumps(to_nested(restored))) == stored
    weights = ("ctc_weight", "alignment_weight", "classes", "boundary", "mixup", "vocab_size", "dim")
    assert [getattr(restored, key) for key in weights] == [getattr(config, key) for key in weights]
    if config.decoder_layers:
        assert attention_of(restored) == attention_of(config)


@pytest.mark.parametrize("name", ["transformer", "resnet", "tracks", "words", "further"])
def test_model_of_stored_settings_has_the_same_tensors(name):
    shapes = []
    for config in (CONFIGS[name], from_nested(to_nested(CONFIGS[name]))):
        shapes.append({name: tensor.shape for name, tensor in LipReader(config).state_dict().items()})
    assert shapes[0] == shapes[1]


def test_fused_reader_survives_the_stored_form():
    pixels = LipReaderConfig(**SMALL)
    tracks = LipReaderConfig(5, "landmarks", encoder="recurrent", dim=16, decoder_layers=0)
    config = FusedConfig(pixels, tracks, ("a", "b"), (0.5, 2.0), (0.1, 0.7))
    restored = from_nested(json.loads(json.dumps(to_nested(config))))
    assert to_nested(restored) == to_nested(config) and restored.track_weights == (0.5, 2.0)


def test_folder_of_format_1_reads_as_before_and_is_saved_as_format_2(tmp_path):
    torch.manual_seed(0)
    model = LipReader(LipReaderConfig(**OLD["model"])).eval()
    folder = save_model(tmp_path / "old", model, TOKENS)
    (folder / "config.json").write_text(json.dumps(OLD))
    old = load_model(folder)
    new = load_model(save_model(tmp_path / "new", old.model, old.tokenizer))
    stored = read_config(tmp_path / "new")
    assert stored["format"] == 2 and set(stored["model"]["heads"]) == {"ctc", "attention", "alignment"}
    assert stored["model"]["frontend"]["kind"] == "video_transformer" and stored["model"]["encoder"]["heads"] == 2
    video, lengths = torch.randn(1, 9, 1, 88, 88), torch.tensor([9])
    with torch.inference_mode():
        states = [reader.encode(video, lengths) for reader in (model, old.model, new.model)]
    assert all(torch.equal(states[0], reader) for reader in states[1:])


@pytest.mark.parametrize("name", NAMES)
def test_shipped_models_can_be_stored_in_format_2(name):
    config = load_model(name).model.config
    assert to_nested(from_nested(json.loads(json.dumps(to_nested(config))))) == to_nested(config)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda config: config.update(format=3), "format 3 in config.json is newer than this version, which reads"),
        (lambda config: config.update(format="2"), "format '2' in config.json is not one of 1 and 2"),
        (lambda config: config["model"].update(widht=1), "a model setting 'widht' unknown to this version"),
        (lambda config: config["model"].pop("heads"), "lack 'heads'"),
        (lambda config: config["model"]["encoder"].pop("kind"), "encoder needs a kind"),
        (lambda config: config["model"]["encoder"].update(kind="lstm"), "encoder is 'lstm'"),
        (lambda config: config["model"]["heads"]["attention"].update(depth=1), "heads.attention has a setting 'depth'"),
        (lambda config: config["model"].update(heads=3), "config.json"),
        (lambda config: config["model"].update(fusion={"kind": "sum"}), "fusion is 'sum'"),
    ],
)
def test_refuses_impossible_folders_in_one_line(tmp_path, change, message):
    folder = save_model(tmp_path, LipReader(CONFIGS["transformer"]), TOKENS)
    config = read_config(folder)
    change(config)
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(VsrError, match=message) as caught:
        load_model(folder)
    assert caught.value.reason == "bad_model" and len(str(caught.value).splitlines()) == 1


def test_further_head_needs_a_name_of_its_own():
    with pytest.raises(ValueError, match="further_heads.ctc: heads of the model itself have that name"):
        LipReaderConfig(**SMALL, further_heads={"ctc": {"kind": "ctc"}})
