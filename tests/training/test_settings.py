"""Impossible settings are refused in one line, every recipe's configuration builds a model, and every head learns."""

import math
from pathlib import Path

import pytest
import torch
import yaml

from lip2speech.models.face_voice import FaceVoice, FaceVoiceConfig
from lip2speech.models.listener import Listener, ListenerConfig
from lip2speech.models.text_units import TextUnits
from lip2speech.models.token_model import TokenModel
from lip2speech.models.voice_config import VoiceConfig
from lip2speech.training.acoustic import VoiceTrainConfig
from lip2speech.training.face_voice import FaceTrainConfig
from lip2speech.training.listener import ListenerTrainConfig
from lip2speech.training.text_units import TextTrainConfig
from lip2speech.training.tokens import TokenTrainConfig
from lip2speech.training.translator import TranslatorTrainConfig
from lip2speech.vocoders.config import VocoderTrainConfig
from lip2speech.vocoders.generator import Generator
from vsr.core.errors import VsrError
from vsr.data.batch import Batch
from vsr.models.language import LanguageModel
from vsr.models.lipreader import LipReader, LipReaderConfig
from vsr.models.uninitialised import uninitialised
from vsr.objectives.registry import objective_of
from vsr.text.ipa import SOUNDS
from vsr.training.config import OptimConfig, TrainConfig, TrainerConfig, load_config
from vsr.training.language import LanguageTrainConfig
from vsr.training.restoring_config import RestorerTrainConfig
from vsr.training.typed_yaml import build

ROOT = Path(__file__).parents[2]
READER = {"data": {"train": ["a"], "dev": ["b"], "tokenizer": "t"}}
SPEECH = {"data": {"train": ["a"], "dev": ["b"], "features": "f", "units": "u"}}
VOCODER = {"data": {"train": ["a"], "dev": ["b"], "features": "f"}}

OPTIM = [f"optim.{value}" for value in (
    "lr=-1", "lr=0", "lr=.inf", "lr=.nan", "lr=1e999", "weight_decay=-1", "weight_decay=.nan", "warmup_steps=-3",
    "clip=0", "clip=-1", "clip=.nan", "ema=2", "ema=1", "ema=-0.1", "ema=.nan",
    "accumulate=0", "accumulate=1.5",
)]  # fmt: skip
TRAINER = [f"trainer.{value}" for value in (
    "threads=-1", "threads=0", "threads=1000000", "keep_epochs=-1", "keep_epochs=0", "keep_best=-1", "max_epochs=0",
    "max_minutes=-1", "max_minutes=.nan", "checkpoint_minutes=-1", "devices=0", "num_nodes=-1", "workers=-1",
    "strategy=fast", "precision=bf16-true", "precision=64-true", "precision=half",
)]  # fmt: skip
SEEDS = ["seed=-1", "seed=18446744073709551616", "seed=1.5", "seed=.nan"]
MODEL = [f"model.{value}" for value in (
    "dim=63", "dim=0", "dim=-64", "heads=0", "heads=5", "heads=-4", "layers=0", "layers=-1", "hidden=0", "kernel=0",
    "kernel=4", "dropout=1", "dropout=-0.1", "dropout=.nan", "attention_dropout=1",
    "decoder_layers=-1", "decoder_heads=7", "decoder_hidden=0",
    "frontend_heads=0", "frontend_heads=3", "frontend_width=0", "frontend_layers=-1", "tubelet_frames=0",
    "tubelet_patch=7", "tubelet_downscale=0", "tubelet_patch=0", "resnet_width=0", "resnet_blocks=[]",
    "resnet_blocks=[2,0]", "ctc_weight=-1", "ctc_weight=1", "ctc_weight=.nan", "alignment_weight=-1",
    "label_smoothing=1", "label_smoothing=.inf", "norm_eps=0", "classes=-1", "mixup=-1", "frontend_width=1000",
)]  # fmt: skip
DATA = ["data.frames_per_batch=0", "data.frames_per_batch=-5", "data.max_frames=-1", "data.augmentation.turn=.nan"]
DATA += [f"data.augmentation.{value}" for value in ("flip=2", "speed=1", "mask_frames=-1", "turn=-1", "zoom=.inf")]


def check_refused(tmp_path, settings, kind, setting, build_model):
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    with pytest.raises(VsrError) as caught:
        build_model(load_config(tmp_path / "c.yaml", [setting], kind))
    assert caught.value.reason == "bad_config" and "\n" not in str(caught.value)
    name = setting.partition("=")[0].rpartition(".")[2]
    assert name in str(caught.value) or "model." in setting


def reader_of(config):
    from vsr.training.model_settings import built

    with uninitialised(memory=False):
        return built(LipReader, config.model_config(40))


@pytest.mark.parametrize("setting", [*OPTIM, *TRAINER, *SEEDS, *MODEL, *DATA])
def test_setting_out_of_range_is_refused_in_one_line(tmp_path, setting):
    check_refused(tmp_path, READER, TrainConfig, setting, reader_of)


@pytest.mark.parametrize("setting", ["seed=-1", "optim.ema=1", "data.views=-1", "data.protocol=own", "model.heads=3"])
def test_setting_of_the_voice_is_refused(tmp_path, setting):
    check_refused(tmp_path, SPEECH, VoiceTrainConfig, setting, lambda config: config.model_config({}, 200))


@pytest.mark.parametrize(
    "setting",
    [
        "seed=-1",
        "data.segment=0",
        "data.noise=.nan",
        "data.corruption=2",
        "gan.width=0",
        "gan.mel=-1",
        "model.kernel=4",
        "optim.accumulate=2",
    ],  # fmt: skip
)
def test_setting_of_the_vocoder_is_refused(tmp_path, setting):
    check_refused(tmp_path, VOCODER, VocoderTrainConfig, setting, lambda config: config.model_config())


@pytest.mark.parametrize(
    "setting", ["seed=-1", "data.max_tokens=0", "data.tokens_per_batch=-1", "model.heads=0", "model.layers=0"]
)
def test_setting_of_the_language_model_is_refused(tmp_path, setting):
    check_refused(tmp_path, READER, LanguageTrainConfig, setting, lambda config: config.model_config(40))


@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0])
def test_settings_made_in_python_are_checked(value):
    for kind, name in ((OptimConfig, "lr"), (OptimConfig, "clip"), (TrainerConfig, "max_minutes")):
        with pytest.raises(VsrError, match=f"{name} is "):
            kind(**{name: value})


def vocabulary_of(settings):
    return settings["model"].get("classes", 40) + 3


@pytest.mark.parametrize("path", sorted(ROOT.glob("egs/*/*/conf/*.yaml")), ids=lambda path: str(path.relative_to(ROOT)))
def test_configuration_of_every_recipe_builds_its_model(path):
    settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    if "llm" in settings:
        load_config(path, (), RestorerTrainConfig)
        return  # of somebody else's language model: nothing is built of the configuration alone
    with uninitialised(memory=False):
        if path.stem == "lm":
            model = LanguageModel(load_config(path, (), LanguageTrainConfig).model_config(40))
        elif path.parts[-3] == "vsr":
            model = LipReader(load_config(path).model_config(vocabulary_of(settings)))
        elif path.stem.startswith("listener"):
            model = Listener(ListenerConfig(words=("a",), **load_config(path, (), ListenerTrainConfig).model))
        elif path.stem.startswith("translator"):
            model = load_config(path, (), TranslatorTrainConfig).model_config(200).build()
        elif path.stem == "say":
            model = TextUnits(load_config(path, (), TextTrainConfig).model_config(200, SOUNDS))
        elif path.stem.startswith("face"):
            model = FaceVoice(FaceVoiceConfig(**load_config(path, (), FaceTrainConfig).model))
        elif path.stem.startswith("vocoder"):
            model = Generator(load_config(path, (), VocoderTrainConfig).model_config())
        elif "generator" in settings["model"]:
            model = TokenModel(load_config(path, (), TokenTrainConfig).model_config(VoiceConfig()))
        else:
            from lip2speech.models.voice import Voice

            reader = {"vocab_size": 40}
            model = Voice(load_config(path, (), VoiceTrainConfig).model_config(reader, 200))
    assert sum(parameter.numel() for parameter in model.parameters()) > 10_000


TINY = {"vocab_size": 9, "dim": 16, "heads": 2, "hidden": 24, "layers": 1, "kernel": 5, "decoder_layers": 1}
FRONTENDS = {
    "video_transformer": {"frontend_width": 8, "frontend_layers": 1, "frontend_heads": 2},
    "resnet3d": {"resnet_width": 8, "resnet_blocks": (1, 1, 1, 1)},
}


def batch_of(frames=12):
    return Batch(
        {"video": torch.randn(2, frames, 1, 88, 88, generator=torch.Generator().manual_seed(0))},
        torch.tensor([frames, frames - 4]),
        {
            "tokens": torch.tensor([[2, 3, 4], [5, 6, -1]]),
            "frame_tokens": torch.arange(2 * frames).view(2, frames) % 7,
        },
        ["a", "b"],
    )


@pytest.mark.parametrize("frontend", FRONTENDS)
def test_gradient_of_every_head_reaches_the_front_end(frontend):
    """Each output alone has gradients in its head, the encoder and the front end, and in no other head."""
    torch.manual_seed(0)
    model = LipReader(LipReaderConfig(frontend=frontend, dropout=0.0, **TINY, **FRONTENDS[frontend])).train()
    states = model.encode(batch_of().video, batch_of().lengths)
    outputs = {
        "ctc": model.ctc(states), "alignment": model.alignment(states),
        "decoder": model.decoder(torch.tensor([[8, 2], [8, 5]]), states, batch_of().lengths),
    }  # fmt: skip
    for head, output in outputs.items():
        model.zero_grad()
        output.square().sum().backward(retain_graph=True)
        parts = {name.split(".")[0] for name, p in model.named_parameters() if p.grad is not None and p.grad.any()}
        assert parts == {"frontend", "encoder", head}


def test_every_parameter_has_a_gradient_of_the_loss():
    torch.manual_seed(0)
    model = LipReader(LipReaderConfig(dropout=0.0, **TINY, **FRONTENDS["video_transformer"])).train()
    objective_of(model.config)(model, batch_of())["loss"].backward()
    idle = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    assert idle == []


def test_losses_in_bf16_are_near_those_in_fp32():
    torch.manual_seed(0)
    model = LipReader(LipReaderConfig(dropout=0.0, **TINY, **FRONTENDS["video_transformer"])).eval()
    exact = objective_of(model.config)(model, batch_of())
    with torch.autocast("cpu", torch.bfloat16):
        rounded = objective_of(model.config)(model, batch_of())
    rounded["loss"].backward()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)
    for name in ("loss", "ctc", "attention", "alignment"):
        assert rounded[name].item() == pytest.approx(exact[name].item(), rel=0.05)


def test_clip_without_tokens_has_a_finite_loss():
    torch.manual_seed(0)
    model = LipReader(LipReaderConfig(dropout=0.0, **TINY, **FRONTENDS["video_transformer"])).train()
    batch = batch_of()
    batch.targets["tokens"] = torch.full((2, 0), -1)
    loss = objective_of(model.config)(model, batch)["loss"]
    loss.backward()
    assert loss.isfinite()


def test_numbers_in_yaml_must_be_finite():
    for text in (".nan", ".inf", "-.inf"):
        with pytest.raises(VsrError, match="optim.lr: expected a finite number, got"):
            build(TrainConfig, yaml.safe_load(f"optim: {{lr: {text}}}") | READER)
