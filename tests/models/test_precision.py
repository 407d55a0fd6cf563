"""Lower precision: close to float32, only where allowed, recorded, and never mistaken for another one."""

import json

import pytest
import torch
from torch import nn

import vsr
from vsr.cli import main
from vsr.core.errors import VsrError
from vsr.decoding.options import DecodeOptions
from vsr.inference.records import BlockRecord
from vsr.inference.transcriber import Reading
from vsr.media.resample import Position
from vsr.models import precision as layers
from vsr.models.language import LanguageModel, LanguageModelConfig
from vsr.models.lipreader import LipReader, LipReaderConfig
from vsr.models.precision import BFloat16Linear, Int8Linear, lower_precision
from vsr.modelstore import precision as choice
from vsr.modelstore.folder import load_model
from vsr.modelstore.precision import chosen_precision, number_of_weights

LOWER = ("bfloat16", "int8")
NEAR = {"bfloat16": 0.03, "int8": 0.06}  # as a share of the range of the states
SIZES = {"vocab_size": 11, "dim": 32, "heads": 2, "hidden": 48, "layers": 2, "kernel": 5, "decoder_layers": 2}


def reader(frontend: str, **settings) -> LipReader:
    torch.manual_seed(0)
    sizes = {"frontend_width": 16, "frontend_layers": 1, "frontend_heads": 2, "resnet_width": 8}
    model = LipReader(LipReaderConfig(frontend=frontend, **SIZES, **sizes, **settings))
    for name, statistic in model.named_buffers():  # statistics as of a trained batch normalisation
        if name.endswith(("running_mean", "running_var")):
            statistic.uniform_(0.5, 1.5)
    return model.eval()


def inputs(frames=(9, 6)):
    video = torch.randn(len(frames), max(frames), 1, 88, 88, generator=torch.Generator().manual_seed(1))
    return video, torch.tensor(frames)


@pytest.mark.parametrize("frontend", ["video_transformer", "resnet3d"])
@pytest.mark.parametrize("name", LOWER)
@torch.inference_mode()
def test_states_are_near_those_of_float32_and_are_float32(frontend, name):
    exact = reader(frontend).encode(*inputs())
    near = lower_precision(reader(frontend), name).encode(*inputs())
    assert near.dtype == torch.float32
    assert 0 < (near - exact).abs().max() < NEAR[name] * (exact.max() - exact.min())


@pytest.mark.parametrize("activation", ["silu", "prelu"])
@torch.inference_mode()
def test_every_kind_of_resnet_can_be_lowered(activation):
    settings = {"resnet_activation": activation}
    exact, near = reader("resnet3d", **settings), lower_precision(reader("resnet3d", **settings), "bfloat16")
    assert (near.encode(*inputs()) - exact.encode(*inputs())).abs().max() < 0.2


@torch.inference_mode()
def test_clip_in_bfloat16_is_the_same_alone_and_beside_a_longer_one():
    model, (video, lengths) = lower_precision(reader("resnet3d"), "bfloat16"), inputs()
    alone = model.encode(video[1:, :6], lengths[1:])
    assert torch.allclose(alone[0], model.encode(video, lengths)[1, :6], atol=0.02)


@pytest.mark.parametrize("name", LOWER)
def test_layers_of_log_probabilities_stay_float32(name):
    model = lower_precision(reader("video_transformer"), name)
    for head in (model.ctc, model.alignment, model.decoder.out):
        assert isinstance(head, nn.Linear) and head.weight.dtype == torch.float32
    kind = {"bfloat16": BFloat16Linear, "int8": Int8Linear}[name]
    for part in (model.frontend, model.encoder, model.decoder.layers):
        types = [type(module) for module in part.modules()]
        assert kind in types and nn.Linear not in types


@pytest.mark.parametrize("name", LOWER)
@torch.inference_mode()
def test_language_model_is_lowered(name):
    torch.manual_seed(0)
    config = LanguageModelConfig(vocab_size=9, dim=32, heads=2, hidden=64, layers=2, embed_dim=16)
    model, tokens = LanguageModel(config).eval(), torch.tensor([[3, 4, 5, 6]])
    exact = model.token_losses(tokens)
    near = lower_precision(model, name).token_losses(tokens)
    assert near.dtype == torch.float32 and 0 < (near - exact).abs().max() < 0.1


def test_layers_that_a_library_inspects_stay():
    model = lower_precision(reader("swin3d_t", alignment_weight=0.0), "int8")
    inside = [type(module) for module in model.frontend.modules()]
    assert nn.Linear in inside
    video, lengths = inputs((16,))
    assert model.encode(video, lengths).isfinite().all()


def test_int8_is_refused_off_the_cpu():
    with pytest.raises(VsrError, match="int8 works only on the CPU"):
        lower_precision(reader("video_transformer").to("meta"), "int8")


def test_auto_lowers_only_big_models_to_what_the_processor_has(tiny_model, monkeypatch):
    assert number_of_weights(tiny_model) < choice.BIG
    assert chosen_precision(tiny_model) == "float32" == load_model(tiny_model, precision="auto").precision
    monkeypatch.setattr(choice, "BIG", 1)
    for support, expected in (((True, True), "bfloat16"), ((False, True), "int8"), ((False, False), "float32")):
        monkeypatch.setattr(layers, "native_bfloat16", lambda support=support: support[0])
        monkeypatch.setattr(layers, "native_int8", lambda support=support: support[1])
        assert chosen_precision(tiny_model) == expected == vsr.load_model(tiny_model).precision
        assert chosen_precision(tiny_model, device="cuda") == "float32"
        assert chosen_precision(tiny_model, "int8") == "int8"
    assert load_model(tiny_model).precision == "float32"  # for training


def test_unknown_precision_is_one_line(tiny_model):
    with pytest.raises(VsrError, match="precision is 'float8'; it can be auto, float32, bfloat16, int8"):
        load_model(tiny_model, precision="float8")


def test_refuses_journal_of_another_precision(tiny_model, face_clip, tmp_path):
    def reading(precision, resume=False):
        loaded = load_model(tiny_model, precision=precision)
        return Reading(loaded, face_clip, DecodeOptions(beam=2), "largest", tmp_path / "journal", resume)

    first = reading("bfloat16")
    block = BlockRecord(25, 1.0, Position(1.0, 25), False, 0, 1, (), (), (), (), ())
    first.journal.add(block)
    assert reading("bfloat16", resume=True).journal.blocks == [block]
    for other in ("float32", "int8"):
        with pytest.raises(VsrError, match="another video, model or options"):
            reading(other, resume=True)


def test_transcript_records_the_precision(tiny_model, face_clip, tmp_path):
    for name in ("float32", "int8"):
        out = tmp_path / name
        options = ("--model", str(tiny_model), "--beam", "2", "--precision", name, "--format", "json", "-o", str(out))
        assert main(["transcribe", str(face_clip), *options]) == 0
        provenance = json.loads((out / f"{face_clip.stem}.json").read_text())["provenance"]
        assert provenance.get("precision", "float32") == name


def test_transcripts_of_another_precision_are_made_again(tiny_model, face_clip, tmp_path, capsys):
    options = ("--model", str(tiny_model), "--beam", "2", "-o", str(tmp_path), "--format", "json", "--resume")
    assert main(["transcribe", str(face_clip), *options, "--precision", "int8"]) == 0
    file = tmp_path / f"{face_clip.stem}.json"
    before = file.stat().st_mtime_ns
    assert main(["transcribe", str(face_clip), *options, "--precision", "int8"]) == 0
    assert file.stat().st_mtime_ns == before
    assert main(["transcribe", str(face_clip), *options]) == 0
    assert "precision" not in json.loads(file.read_text())["provenance"]
