"""`lip2speech translate` and `lip2speech translator`: recordings and lips in another language, refusals, training."""

import shutil

import numpy as np
import pytest
import torch
import yaml

from lip2speech.cli import main
from lip2speech.inference.folder import load_model, save_voice
from lip2speech.inference.languages import check_language, languages_of
from lip2speech.inference.translating import open_translator, say, translate_wave
from lip2speech.models.parts import save_part
from lip2speech.training.translator import TranslatorTrainConfig
from tests.lip2speech.tiny import UNITS, save_units_voice, speakers, tiny_codebook, tiny_vocoder, tiny_voice
from tests.lip2speech.tiny_units import LANGUAGES, TRANSLATOR, parallel_clips, tiny_translator
from vsr.core.errors import VsrError
from vsr.data.manifest import Clip, write_manifest
from vsr.media.audio import read_wave, write_wave
from vsr.media.units import Codebook
from vsr.training.config import load_config


@pytest.fixture(scope="module")
def codebook():
    return tiny_codebook()


@pytest.fixture(scope="module")
def voice(tmp_path_factory, codebook):
    """A folder with a tiny voice that speaks units and translates."""
    folder = save_units_voice(tmp_path_factory.mktemp("translating"), codebook)
    model = tiny_translator()
    with torch.no_grad():
        model.decoder.out.bias[-1] = -1.0
    save_part(folder / "translator", model)
    codebook.save(folder / "translator/units.safetensors")
    return folder


@pytest.fixture
def recording(tmp_path, voice_like):
    write_wave(tmp_path / "said.wav", voice_like[:20_001])
    return tmp_path / "said.wav"


@pytest.mark.parametrize("samples", [640, 641, 16_000, 40_001])
def test_same_duration_is_exactly_that_of_the_source(voice, voice_like, samples):
    loaded = load_model(voice)
    translation = translate_wave(open_translator(loaded), voice_like[:samples], "de")
    assert len(translation.units) == 2 * -(-samples // 640)
    assert say(loaded, translation.units, speakers(1), samples=samples).shape == (samples,)


def test_recording_speaks_another_language(voice, recording, tmp_path, capsys):
    command = ["translate", str(recording), "--to", "es", "--model", str(voice), "--consent", "--steps", "1"]
    assert main([*command, "-o", str(tmp_path / "es.wav")]) == 0
    assert "s of speech in es" in capsys.readouterr().out
    assert len(read_wave(tmp_path / "es.wav")) == 20_001
    assert main([*command, "-o", str(tmp_path / "free.wav"), "--duration", "free"]) == 0
    assert len(read_wave(tmp_path / "free.wav")) % 640 == 0


def test_lips_of_a_video_are_voiced_and_translated(voice, tiny_voice_folder, face_clip, tmp_path):
    command = ["translate", str(face_clip), "--to", "de", "--model", str(voice), "--lips", str(tiny_voice_folder)]
    out = tmp_path / "de.mp4"
    assert main([*command, "-o", str(out), "--consent", "--steps", "1"]) == 0
    assert len(read_wave(out)) == pytest.approx(16_000, abs=640) and b"synthetic" in out.read_bytes()


@pytest.mark.parametrize("options, message", [
    (["--to", "fr"], "speaks en, es, de"),
    (["--to", "Spanish"], "the code of a language, such as es"),
    (["--to", "es", "--reference", "none.wav"], "none.wav: no such file"),
    (["--to", "es", "--duration", "free", "-o", "x.mp4"], "write a .wav"),
    (["--to", "es", "--modality", "sound", "--lips", "m"], "--lips works only with --modality video"),
    (["--to", "es", "--modality", "video", "--reference", "own"], "does not use"),
    (["--to", "es", "-o", "x"], "the suffix says"),
])  # fmt: skip
def test_refuses_options_that_do_not_go_together_early(
    voice, recording, tmp_path, monkeypatch, capsys, options, message
):
    monkeypatch.chdir(tmp_path)
    command = ["translate", str(recording), "--model", str(voice)]
    assert main([*command, *([] if "-o" in options else ["-o", "x.wav"]), *options]) == (
        1 if "none.wav" in options else 2
    )
    assert message in capsys.readouterr().err and not (tmp_path / "x.wav").exists()


def test_voice_without_translator_says_what_to_give(voice, recording, tiny_voice_folder, tmp_path, capsys, codebook):
    command = ["translate", str(recording), "--to", "es", "-o", str(tmp_path / "x.wav"), "--consent"]
    for model in ([], ["--model", str(tiny_voice_folder)]):
        assert main([*command, *model]) == 1 and "give a voice that has it as --model" in capsys.readouterr().err
    other = tmp_path / "other"
    save_voice(other / "acoustic", tiny_voice(), Codebook(codebook.centres + 1, "mfcc"), {"seen": "units"})
    save_part(other / "vocoder", tiny_vocoder())
    save_part(other / "translator", tiny_translator())
    codebook.save(other / "translator/units.safetensors")
    assert main([*command, "--model", str(other)]) == 1 and "other units" in capsys.readouterr().err
    assert languages_of(voice) == list(LANGUAGES)
    with pytest.raises(VsrError, match="en, es, de"):
        check_language(voice, "xx")


def test_missing_file_is_named_before_a_missing_translator(tmp_path, capsys):
    assert main(["translate", "none.wav", "--to", "es", "-o", str(tmp_path / "x.wav")]) == 1
    assert "none.wav: no such file" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["translator", "listener", "face", "train"])
def test_missing_configuration_is_refused_before_anything_is_written(verb, tmp_path, capsys):
    assert main([verb, "--config", "none.yaml", "--out", str(tmp_path / "run")]) == 1
    assert "--config none.yaml: no such file" in capsys.readouterr().err and not (tmp_path / "run").exists()


def test_refuses_too_long_or_empty_sound(voice):
    loaded = open_translator(load_model(voice))
    with pytest.raises(VsrError, match="longer than the 20 s"):
        translate_wave(loaded, np.zeros(640 * 501, np.float32), "es")
    with pytest.raises(VsrError, match="no sound"):
        translate_wave(loaded, np.zeros(0, np.float32), "es")


def test_too_long_recording_is_refused_before_a_model_is_loaded(voice, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("lip2speech.inference.folder.load_model", lambda *_: pytest.fail("a model was loaded"))
    write_wave(tmp_path / "long.wav", np.zeros(640 * 501, np.float32))
    command = ["translate", str(tmp_path / "long.wav"), "-o", str(tmp_path / "no.wav"), "--to", "es", "--consent"]
    assert main([*command, "--model", str(voice)]) == 1
    assert "long.wav is longer than the 20 s" in capsys.readouterr().err and not (tmp_path / "no.wav").exists()


@pytest.fixture
def lists(tmp_path, codebook, monkeypatch, voice_like):
    """Clips of three languages that say the same, and the configuration of a run."""
    monkeypatch.chdir(tmp_path)
    codebook.save("units.safetensors")
    for name in ("train", "dev"):
        clips = []
        for number, clip in enumerate(parallel_clips()):
            path = tmp_path / f"{name}_{clip.id}.wav"
            write_wave(path, voice_like[640 * number : 640 * (number + 8)])
            taken = {"language": clip.language, "translations": clip.translations}
            clips.append(Clip(f"{name}_{clip.id}", str(path), clip.text, "s", 8, sound=str(path), **taken))
        write_manifest(f"{name}.jsonl", clips)
    config = {
        "data": {"train": "train.jsonl", "targets": "train.jsonl", "dev": "dev.jsonl", "dev_targets": "dev.jsonl",
                 "units": "units.safetensors", "replaced": 0.0},
        "model": {name: size for name, size in TRANSLATOR.items() if name != "units"} | {"languages": list(LANGUAGES)},
        "optim": {"lr": 0.01, "warmup_steps": 1, "ema": 0.5},
        "trainer": {"max_epochs": 60, "precision": "32-true", "threads": 1},
    }  # fmt: skip
    (tmp_path / "t.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("kind", ["autoregressive", "masked"])
def test_translator_is_trained_and_joins_its_voice(lists, voice, recording, capsys, kind):
    settings = ["--set", f"model.kind={kind}"]
    assert main(["translator", "--config", "t.yaml", "--dry-run", *settings]) == 0
    assert "en, es, de" in capsys.readouterr().out
    assert main(["translator", "--config", "t.yaml", "--out", "run", *settings]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "dev_units" in line]
    assert len(lines) >= 2
    shutil.copytree(voice, lists / "own", ignore=shutil.ignore_patterns("translator"))
    shutil.copytree(lists / "run/model", lists / "own/translator")
    assert open_translator(load_model(lists / "own")).languages == LANGUAGES
    command = ["translate", str(recording), "--to", "es", "--model", str(lists / "own"), "--consent", "--steps", "1"]
    assert main([*command, "-o", "es.wav"]) == 0 and len(read_wave("es.wav")) == 20_001
    with pytest.raises(VsrError, match="model.kind is 'mask'; it can be masked"):
        load_config("t.yaml", ["model.kind=mask"], TranslatorTrainConfig).model_config(UNITS)


def test_refuses_clips_without_a_translation(lists, capsys):
    assert main(["translator", "--config", "t.yaml", "--out", "m", "--set", "model.languages=[fr]"]) == 1
    assert "no training clip is said in another language by the targets: fr" in capsys.readouterr().err
    assert load_config("t.yaml", [], TranslatorTrainConfig).data.replaced == 0.0
