"""`lip2speech say` and the training of its model: files, refusals, and what is learnt."""

import numpy as np
import pytest
import torch
import yaml

from lip2speech.cli import main
from lip2speech.features.phones import phones_in
from lip2speech.inference.saying import open_text_units
from lip2speech.models.parts import save_part
from lip2speech.models.text_units import PAUSE, TextUnitsConfig
from lip2speech.training.text_units import TextDataset, TextTrainConfig, phones_among
from tests.lip2speech.tiny import UNITS, save_units_voice, tiny_codebook
from tests.lip2speech.tiny_units import PHONES, TEXT, TEXT_UNITS, tiny_text_units
from vsr.core.errors import VsrError
from vsr.data.manifest import Clip, read_manifest, write_manifest
from vsr.media.audio import read_wave, write_wave
from vsr.media.units import Codebook
from vsr.training.config import load_config


@pytest.fixture(scope="module")
def codebook():
    return tiny_codebook()


@pytest.fixture(scope="module")
def voice(tmp_path_factory, codebook):
    """A folder with a tiny voice that speaks units."""
    return save_units_voice(tmp_path_factory.mktemp("saying"), codebook)


@pytest.fixture(scope="module")
def text_model(tmp_path_factory, codebook):
    """A folder with a tiny text-to-units model."""
    folder = tmp_path_factory.mktemp("units") / "model"
    save_part(folder, tiny_text_units(languages=("en",)), {"kind": "text"})
    codebook.save(folder / "units.safetensors")
    return folder


def command_of(voice, text_model, out, *options):
    return [
        "say",
        TEXT,
        "-o",
        str(out),
        "--model",
        str(voice),
        "--units-model",
        str(text_model),
        "--consent",
        "--steps",
        "1",
        *options,
    ]


def test_text_becomes_a_file_marked_as_synthetic(voice, text_model, tmp_path, capsys):
    out = tmp_path / "said.wav"
    assert main(command_of(voice, text_model, out)) == 0 and "s of speech" in capsys.readouterr().out
    wave = read_wave(out)
    assert len(wave) % 640 == 0 and b"synthetic" in out.read_bytes()
    assert main(command_of(voice, text_model, out, "--duration", "1.2345", "--watermark")) == 0
    assert "as fast as the model" in capsys.readouterr().out and len(read_wave(out)) == 19_752
    assert main(command_of(voice, text_model, out, "--reference", "anonymous:3")) == 0
    assert len(read_wave(out)) == len(wave) and not np.array_equal(read_wave(out), wave)


@pytest.mark.parametrize("options, message, status", [
    (["--language", "es"], "this model says en", 2),
    (["--duration", "0.2"], "need 0.30 s at least", 1),
    (["--duration", "21"], "at most 20 s for each sentence", 1),
    (["--duration", "nan"], "--duration", 2),
    (["--reference", "own"], "no voice of its own", 2),
    (["--reference", "none.wav"], "none.wav: no such file", 1),
    (["-o", "said.mp4"], "must end in .wav", 2),
])  # fmt: skip
def test_refuses_impossible_options_before_models_are_loaded(
    voice, text_model, tmp_path, monkeypatch, capsys, options, message, status
):
    monkeypatch.setattr("lip2speech.inference.folder.load_model", lambda *_: pytest.fail("a model was loaded"))
    monkeypatch.chdir(tmp_path)
    assert main(command_of(voice, text_model, tmp_path / "no.wav", *options)) == status
    assert message in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_refuses_voice_of_other_units_or_of_lips(voice, text_model, tiny_voice_folder, codebook, tmp_path, capsys):
    assert main(command_of(tiny_voice_folder, text_model, tmp_path / "no.wav")) == 1
    assert "data.seen: units" in capsys.readouterr().err
    assert main(command_of(voice, voice / "acoustic", tmp_path / "no.wav")) == 1
    assert "says no text" in capsys.readouterr().err
    save_part(tmp_path / "other", tiny_text_units(languages=("en",)), {"kind": "text"})
    Codebook(codebook.centres + 1, "mfcc").save(tmp_path / "other/units.safetensors")
    assert main(command_of(voice, tmp_path / "other", tmp_path / "no.wav")) == 1
    assert "other units" in capsys.readouterr().err and not (tmp_path / "no.wav").exists()


@pytest.fixture
def lists(tmp_path, codebook, monkeypatch, voice_like):
    """A training and a dev clip with word times, and the configuration of a run."""
    monkeypatch.chdir(tmp_path)
    codebook.save("units.safetensors")
    words = tuple((word, 0.3 * n, 0.3 * (n + 1)) for n, word in enumerate(TEXT.split()))
    for name in ("train", "dev"):
        write_wave(f"{name}.wav", voice_like[: 640 * 40])
        write_manifest(f"{name}.jsonl", [Clip(name, f"{name}.wav", TEXT, "s", 40, sound=f"{name}.wav", words=words)])
    sizes = {name: value for name, value in TEXT_UNITS.items() if name not in ("units", "phones", "scripts")}
    config = {
        "data": {"train": "train.jsonl", "dev": "dev.jsonl", "units": "units.safetensors"},
        "model": sizes | {"kind": "text", "languages": ["en"]},
        "optim": {"lr": 0.01, "warmup_steps": 1, "ema": 0.5},
        "trainer": {"max_epochs": 40, "precision": "32-true", "threads": 1},
    }
    (tmp_path / "t.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return tmp_path


def test_model_is_trained_and_says_its_text(lists, voice, capsys):
    assert main(["train", "--config", "t.yaml", "--dry-run"]) == 0
    assert "durations (weight 1), of phones of en" in capsys.readouterr().out
    assert main(["train", "--config", "t.yaml", "--out", "run"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if "dev_ms" in line]
    first, last = (float(line[line.index("dev_units") + 1]) for line in (lines[0], lines[-1]))
    assert last < first / 2
    model = open_text_units("run/model")
    assert model.config.phones == tuple(sorted(set(phones_in(TEXT, "en")))) and model.config.scripts == ("LATIN",)
    data = TextDataset(read_manifest("train.jsonl"), {"train": torch.zeros(80, dtype=torch.long)}, model.config)
    batch = data.batch([0])
    log_durations = model.durations(model.read(batch.phones, batch.lengths, batch.language))
    error = (log_durations - torch.log1p(batch.steps.float()))[batch.phones != PAUSE].mean()
    assert abs(error.item()) < 0.002  # converged, and stored in half precision
    assert main(command_of(voice, "run/model", "said.wav")) == 0
    assert len(read_wave("said.wav")) == pytest.approx(640 * 40, rel=0.3)


def test_clips_that_cannot_be_learnt_are_named():
    config, units = TextUnitsConfig(**TEXT_UNITS), {"x": torch.zeros(10, dtype=torch.long)}
    phones = (("ð", 0.0, 0.1), ("ə", 0.1, 0.2))
    good = Clip("x", "x.wav", "the", language="en", phones=phones)
    batch = TextDataset([good], units, config).batch([0])
    assert batch.steps.tolist() == [[5, 5]] and config.ids(["ð", "ə"]) == batch.phones[0].tolist()
    assert phones_among([good], ["en"]) == {"ð", "ə"}
    for clip, message in (
        (Clip("x", "x.wav", "the", phones=phones), "x does not say its language"),
        (Clip("x", "x.wav", "the", phones=phones, language="fr"), "x speaks fr: model.languages has en, es"),
        (Clip("x", "x.wav", "q", phones=(("q", 0.0, 0.1),), language="en"), "x: the phone 'q' is not one of"),
    ):
        with pytest.raises(VsrError, match=message):
            TextDataset([clip], units, config)


def test_refuses_impossible_setting(lists):
    with pytest.raises(VsrError, match="layers"):
        load_config("t.yaml", ["model.layers=0"], TextTrainConfig).model_config(UNITS, PHONES)
