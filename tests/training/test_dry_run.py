"""`train --dry-run`: every recipe's configuration is built without data; impossible combinations are refused."""

from pathlib import Path

import pytest
import torch

from lip2speech.vocoders.config import VocoderTrainConfig
from vsr.cli import main
from vsr.models.lipreader import LipReader
from vsr.training.config import TrainConfig, load_config
from vsr.training.dry_run import lip_reader_lines, parameters, tokenizer_for

ROOT = Path(__file__).parents[2]
READERS = [path for path in sorted(ROOT.glob("egs/*/vsr/conf/*.yaml")) if path.stem != "lm"]
OTHERS = ("vocoder", "listener", "translator", "face")
VOICES = [path for path in sorted(ROOT.glob("egs/*/lip2speech/conf/*.yaml")) if not path.stem.startswith(OTHERS)]
FACES = sorted(ROOT.glob("egs/*/lip2speech/conf/face*.yaml"))


def name_of(path):
    return path.relative_to(ROOT / "egs").as_posix()


@pytest.mark.parametrize("path", READERS, ids=name_of)
def test_every_reader_is_built_without_data(path, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "--config", str(path), "--dry-run"]) == 0
    output = capsys.readouterr().out
    assert "parameters; reads" in output and "weight" in output and "AdamW" in output
    assert "without effect" not in output
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", VOICES, ids=name_of)
def test_every_voice_is_built_without_data(path, tmp_path, monkeypatch, capsys):
    from lip2speech.cli import main as voice

    monkeypatch.chdir(tmp_path)
    assert voice(["train", "--config", str(path), "--dry-run"]) == 0
    assert "are trained" in capsys.readouterr().out and not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", sorted(ROOT.glob("egs/*/lip2speech/conf/translator*.yaml")), ids=name_of)
def test_every_translator_is_built_without_data(path, tmp_path, monkeypatch, capsys):
    from lip2speech.cli import main as voice

    monkeypatch.chdir(tmp_path)
    assert voice(["translator", "--config", str(path), "--dry-run"]) == 0
    assert "learns units" in capsys.readouterr().out and not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", sorted(ROOT.glob("egs/*/lip2speech/conf/listener*.yaml")), ids=name_of)
def test_every_listener_is_built_without_data(path, tmp_path, monkeypatch, capsys):
    from lip2speech.cli import main as voice

    monkeypatch.chdir(tmp_path)
    assert voice(["listener", "--config", str(path), "--dry-run"]) == 0
    assert "words is said" in capsys.readouterr().out and not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", sorted(ROOT.glob("egs/*/lip2speech/conf/vocoder*.yaml")), ids=name_of)
def test_every_vocoder_is_built_without_data(path, tmp_path, monkeypatch, capsys):
    from lip2speech.cli import main as voice
    from lip2speech.vocoders.generator import Generator

    config = load_config(path, kind=VocoderTrainConfig)
    monkeypatch.chdir(tmp_path)
    assert voice(["vocoder", "--config", str(path), "--dry-run"]) == 0
    output = capsys.readouterr().out
    assert f"{parameters(Generator(config.model_config())):,}\n" in output and "clips a batch" in output
    assert f"  log-mel, weight {config.gan.mel:g}\n" in output and not list(tmp_path.iterdir())
    assert ("losses of the source" in output) == ("source" in path.stem)


@pytest.mark.parametrize("path", sorted(ROOT.glob("egs/*/vsr/conf/lm.yaml")), ids=name_of)
def test_every_language_model_is_built_without_data(path, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["lm", "train", "--config", str(path), "--dry-run"]) == 0
    output = capsys.readouterr().out
    assert "learns the next of" in output and "characters are assumed" in output and "tokens a batch" in output
    assert not list(tmp_path.iterdir())
    assert main(["lm", "train", "--config", str(path), "--dry-run", "--set", "trainer.init_from=exp/lm/model"]) == 1
    assert "not for language models" in capsys.readouterr().err


@pytest.mark.parametrize("path", FACES, ids=name_of)
def test_face_voice_is_built_without_data(path, tmp_path, monkeypatch, capsys):
    from lip2speech.cli import main as voice

    monkeypatch.chdir(tmp_path)
    assert voice(["face", "--config", str(path), "--dry-run"]) == 0
    assert "clips a batch" in capsys.readouterr().out and not list(tmp_path.iterdir())


def test_number_of_parameters_is_that_of_the_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = load_config(ROOT / "egs/puppet/vsr/conf/tiny.yaml", kind=TrainConfig)
    model = LipReader(config.model_config(tokenizer_for(config)[0].vocab_size))
    assert not any(parameter.is_meta for parameter in model.parameters())
    assert next(lip_reader_lines(config)).startswith(f"model: {parameters(model):,} parameters")
    assert torch.get_default_dtype() == torch.float32


def test_accumulated_batches_are_printed(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    config = str(ROOT / "egs/lrs3/vsr/conf/published.yaml")
    assert main(["train", "--config", config, "--dry-run", "--set", "optim.accumulate=32"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "1800 frames a batch, 32 batches a step"


@pytest.mark.parametrize(
    "setting, message",
    [
        ("model.decoder_layers=0 model.ctc_weight=0 model.alignment_weight=0", "no head to train"),
        ("model.frontend=mirror", "mirror"),
        ("objective=luck", "luck"),
        ("data.unit=syllable", "syllable"),
        ("model.dimm=3", "dimm"),
        ("objective=mwer trainer.strategy=fsdp", "the objective mwer needs ddp"),
    ],
)
def test_refuses_impossible_settings_in_one_line(setting, message, capsys):
    path = str(ROOT / "egs/puppet/vsr/conf/tiny.yaml")
    assert main(["train", "--config", path, "--dry-run", "--set", *setting.split()]) == 1
    output = capsys.readouterr()
    assert message in output.err and "\n" not in output.err.strip() and not output.out


def test_refuses_tokenizer_of_other_units(tmp_path, capsys, monkeypatch):
    from vsr.text.tokenizer import CharTokenizer

    monkeypatch.chdir(tmp_path)
    (tmp_path / "data/phoneme").mkdir(parents=True)
    CharTokenizer().save(tmp_path / "data/phoneme")
    assert main(["train", "--config", str(ROOT / "egs/grid/vsr/conf/vallr.yaml"), "--dry-run"]) == 1
    assert "data.unit is phoneme, but the tokenizer of data/phoneme is of text" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name, head, folder", [("llm_stack", "llm", "SmolLM2-135M-Instruct"), ("flamingo", "text", "whisper-base")]
)
def test_missing_backbone_is_named(name, head, folder, tmp_path, monkeypatch, capsys, recwarn):
    monkeypatch.chdir(tmp_path)
    command = ["train", "--config", str(ROOT / f"egs/grid/vsr/conf/{name}.yaml"), "--dry-run"]
    line = f"not found here: backbone models/{folder}; training looks for it on the hub"
    assert main(command) == 0 and capsys.readouterr().out.count(line) == 1
    backbone = tmp_path / "models" / folder
    backbone.mkdir(parents=True)
    line = f"not found: backbone models/{folder} holds no GGUF files and no safetensors"
    assert main(command) == 0 and capsys.readouterr().out.count(line) == 1
    (backbone / "model.safetensors").touch()
    assert main(command) == 0 and "not found" not in capsys.readouterr().out
    assert main([*command, "--set", f"model.further_heads.{head}.backbone={tmp_path}/nowhere"]) == 0
    assert f"not found: backbone {tmp_path}/nowhere is no folder and no GGUF file" in capsys.readouterr().out
    assert not [warning for warning in recwarn if "is_gradient_checkpointing" in str(warning.message)]


def test_settings_of_another_encoder_are_reported(capsys):
    """MONA's configuration asked for 6 layers of 3072 where its encoder did not look, and got 12 of 2048."""
    command = ["train", "--config", str(ROOT / "egs/lrs3/vsr/conf/mona.yaml"), "--dry-run"]
    assert main(command) == 0
    asked = capsys.readouterr().out
    assert "RelativeTransformer" in asked and "without effect" not in asked
    assert main([*command, "--set", "model.encoder=relative_transformer", "model.layers=6", "model.hidden=3072"]) == 0
    got = capsys.readouterr().out
    assert "without effect: model.layers, model.hidden; " in got
    sizes = [next(line for line in output.splitlines() if "RelativeTransformer" in line) for output in (asked, got)]
    assert sizes[0] != sizes[1]


def test_objective_is_printed_with_its_settings(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "--config", str(ROOT / "egs/grid/vsr/conf/usr.yaml"), "--dry-run"]) == 0
    assert "learns by usr (weight 1.0, above 0.8, masked 0.4, span 10):" in capsys.readouterr().out
