"""Lower precision: close to float32, only where it may be, recorded, and never taken for another one."""

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
NEAR = {"bfloat16": 0.03, "int8": 0.06}  # of the range of the states
SIZES = {"vocab_size": 11, "dim": 32, "heads": 2, "hidden": 48, "layers": 2, "kernel": 5, "decoder_layers": 2}


def reader(frontend: str, **more) -> LipReader:
    torch.manual_seed(0)
    sizes = {"frontend_width": 16, "frontend_layers": 1, "frontend_heads": 2, "resnet_width": 8}
    model = LipReader(LipReaderConfig(frontend=frontend, **SIZES, **sizes, **more))
    for name, own in model.named_buffers():  # statistics of a batch normalisation that was used
        if name.endswith(("running_mean", "running_var")):
            own.uniform_(0.5, 1.5)
    return model.eval()


def shown(frames=(9, 6)):
    video = torch.randn(len(frames), max(frames), 1, 88, 88, generator=torch.Generator().manual_seed(1))
    return video, torch.tensor(frames)


@pytest.mark.parametrize("frontend", ["video_transformer", "resnet3d"])
@pytest.mark.parametrize("name", LOWER)
@torch.inference_mode()
def test_states_are_near_those_of_float32_and_are_float32(frontend, name):
    exact = reader(frontend).encode(*shown())
    near = lower_precision(reader(frontend), name).encode(*shown())
    assert near.dtype == torch.float32
    assert 0 < (near - exact).abs().max() < NEAR[name] * (exact.max() - exact.min())


@pytest.mark.parametrize("activation", ["silu", "prelu"])
@torch.inference_mode()
def test_every_kind_of_resnet_can_be_lowered(activation):
    given = {"resnet_activation": activation}
    exact, near = reader("resnet3d", **given), lower_precision(reader("resnet3d", **given), "bfloat16")
    assert (near.encode(*shown()) - exact.encode(*shown())).abs().max() < 0.2


@torch.inference_mode()
def test_a_clip_alone_in_bfloat16_is_the_same_beside_a_longer_one():
    model, (video, lengths) = lower_precision(reader("resnet3d"), "bfloat16"), shown()
    alone = model.encode(video[1:, :6], lengths[1:])
    assert torch.allclose(alone[0], model.encode(video, lengths)[1, :6], atol=0.02)


@pytest.mark.parametrize("name", LOWER)
def test_what_makes_log_probabilities_stays_float32(name):
    model = lower_precision(reader("video_transformer"), name)
    for head in (model.ctc, model.alignment, model.decoder.out):
        assert isinstance(head, nn.Linear) and head.weight.dtype == torch.float32
    kind = {"bfloat16": BFloat16Linear, "int8": Int8Linear}[name]
    for part in (model.frontend, model.encoder, model.decoder.layers):
        found = [type(own) for own in part.modules()]
        assert kind in found and nn.Linear not in found


@pytest.mark.parametrize("name", LOWER)
@torch.inference_mode()
def test_a_language_model_is_lowered_too(name):
    torch.manual_seed(0)
    config = LanguageModelConfig(vocab_size=9, dim=32, heads=2, hidden=64, layers=2, embed_dim=16)
    model, tokens = LanguageModel(config).eval(), torch.tensor([[3, 4, 5, 6]])
    exact = model.token_losses(tokens)
    near = lower_precision(model, name).token_losses(tokens)
    assert near.dtype == torch.float32 and 0 < (near - exact).abs().max() < 0.1


def test_layers_that_a_library_looks_into_stay():
    model = lower_precision(reader("swin3d_t", alignment_weight=0.0), "int8")
    inside = [type(own) for own in model.frontend.modules()]
    assert nn.Linear in inside
    video, lengths = shown((16,))
    assert model.encode(video, lengths).isfinite().all()


def test_int8_is_refused_off_the_cpu():
    with pytest.raises(VsrError, match="int8 works only on the CPU"):
        lower_precision(reader("video_transformer").to("meta"), "int8")


def test_auto_lowers_big_models_alone_and_only_to_what_the_processor_has(tiny_model, monkeypatch):
    assert number_of_weights(tiny_model) < choice.BIG
    assert chosen_precision(tiny_model) == "float32" == load_model(tiny_model, precision="auto").precision
    monkeypatch.setattr(choice, "BIG", 1)
    for has, expected in (((True, True), "bfloat16"), ((False, True), "int8"), ((False, False), "float32")):
        monkeypatch.setattr(layers, "native_bfloat16", lambda has=has: has[0])
        monkeypatch.setattr(layers, "native_int8", lambda has=has: has[1])
        assert chosen_precision(tiny_model) == expected == vsr.load_model(tiny_model).precision
        assert chosen_precision(tiny_model, device="cuda") == "float32"
        assert chosen_precision(tiny_model, "int8") == "int8"
    assert load_model(tiny_model).precision == "float32"  # what training begins with


def test_a_precision_that_is_not_known_is_one_line(tiny_model):
    with pytest.raises(VsrError, match="precision is 'float8'; it can be auto, float32, bfloat16, int8"):
        load_model(tiny_model, precision="float8")


def test_a_journal_of_another_precision_is_refused(tiny_model, face_clip, tmp_path):
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


def test_the_transcript_records_it(tiny_model, face_clip, tmp_path):
    for name in ("float32", "int8"):
        out = tmp_path / name
        args = ("--model", str(tiny_model), "--beam", "2", "--precision", name, "--format", "json", "-o", str(out))
        assert main(["transcribe", str(face_clip), *args]) == 0
        made = json.loads((out / f"{face_clip.stem}.json").read_text())["provenance"]
        assert made.get("precision", "float32") == name


def test_what_was_read_in_another_precision_is_read_again(tiny_model, face_clip, tmp_path, capsys):
    args = ("--model", str(tiny_model), "--beam", "2", "-o", str(tmp_path), "--format", "json", "--resume")
    assert main(["transcribe", str(face_clip), *args, "--precision", "int8"]) == 0
    file = tmp_path / f"{face_clip.stem}.json"
    before = file.stat().st_mtime_ns
    assert main(["transcribe", str(face_clip), *args, "--precision", "int8"]) == 0
    assert file.stat().st_mtime_ns == before
    assert main(["transcribe", str(face_clip), *args]) == 0
    assert "precision" not in json.loads(file.read_text())["provenance"]
