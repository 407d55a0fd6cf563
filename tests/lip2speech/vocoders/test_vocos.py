"""A published Vocos: the same wave as by the package vocos, for any mel; anything else is refused."""

import json

import pytest
import torch
import yaml

from lip2speech.cli import main
from lip2speech.training.vocoder import begin_from
from lip2speech.vocoders.generator import Generator, GeneratorConfig
from lip2speech.vocoders.import_vocos import CLASSES, SETTINGS, WEIGHTS
from lip2speech.vocoders.vocos import Vocos, VocosConfig, load_vocos
from tests.local_hub import install

MELS = {
    "24 kHz, centred": (24000, 256, 64, 20, "center"),
    "16 kHz, same": (16000, 640, 160, 80, "same"),
    "odd sides": (22050, 100, 25, 13, "same"),
    "44.1 kHz": (44100, 512, 128, 32, "center"),
}
SIZES = {"dim": 16, "hidden": 24, "layers": 2}


def settings(rate, n_fft, hop, bands, padding):
    """`config.yaml` as published."""
    mel = {"sample_rate": rate, "n_fft": n_fft, "hop_length": hop, "n_mels": bands, "padding": padding}
    backbone = {"input_channels": bands, "dim": 16, "intermediate_dim": 24, "num_layers": 2}
    head = {"dim": 16, "n_fft": n_fft, "hop_length": hop, "padding": padding}
    parts = zip(CLASSES, (mel, backbone, head), strict=True)
    return {name: {"class_path": CLASSES[name], "init_args": arguments} for name, arguments in parts}


def published_folder(folder, mel="16 kHz, same", change=lambda settings: None, weights=None):
    """A folder with the two files; by default, weights of our own module under the published names."""
    contents = settings(*MELS[mel])
    if weights is None:
        weights = named_as_published(random_vocos(mel))
    change(contents)
    folder.mkdir(exist_ok=True)
    (folder / SETTINGS).write_text(yaml.safe_dump(contents))
    torch.save(weights, folder / WEIGHTS)
    return folder


def random_vocos(mel):
    rate, n_fft, hop, bands, padding = MELS[mel]
    torch.manual_seed(2)
    model = Vocos(VocosConfig(rate, bands, n_fft, hop, padding, n_fft, hop, padding, **SIZES))
    model.filters.uniform_(0, 1)
    return randomised(model)


def randomised(model):
    """The model with random weights, also for those that begin at zero."""
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return model.eval()


def named_as_published(model):
    from lip2speech.vocoders.import_vocos import TABLE
    from vsr.modelstore.importers.mapping import other_name

    return {other_name(name, TABLE): tensor for name, tensor in model.state_dict().items()}


def imported(folder, out):
    assert main(["import", "vocos", str(folder), "-o", str(out)]) == 0
    return load_vocos(out)


def oracle(folder):
    """The package's own model with random weights, saved as it saves its own."""
    package = pytest.importorskip("vocos", reason="the package vocos is not installed: nothing to compare with")
    torch.manual_seed(0)
    model = randomised(package.Vocos.from_hparams(str(folder / SETTINGS)))
    torch.save(model.state_dict(), folder / WEIGHTS)
    return model


@pytest.mark.parametrize("mel", MELS)
def test_import_gives_what_the_package_gives(tmp_path, mel):
    folder = published_folder(tmp_path / "in", mel)
    package_model, wave = oracle(folder), torch.rand(2, 5000, generator=torch.Generator().manual_seed(1)) - 0.5
    imported_model = imported(folder, tmp_path / "out")
    with torch.inference_mode():
        features = package_model.feature_extractor(wave)
        assert torch.allclose(imported_model.features(wave).transpose(1, 2), features, atol=1e-5)
        expected = package_model.decode(features)
        loudest = float(expected.abs().max())
        assert loudest > 0.01
        assert torch.allclose(imported_model.decode(features.transpose(1, 2)), expected, atol=1e-5 * max(1, loudest))
        assert torch.allclose(imported_model(wave), package_model(wave), atol=1e-4 * max(1, loudest))


@pytest.mark.parametrize("mel", MELS)
def test_clip_sounds_the_same_alone_and_beside_a_longer_one(mel):
    model = random_vocos(mel)
    bands, generator = model.config.n_mels, torch.Generator().manual_seed(3)
    features = torch.randn(2, 30, bands, generator=generator)
    with torch.inference_mode():
        together, alone = model.decode(features, torch.tensor([11, 30])), model.decode(features[:1, :11])
    size = alone.shape[1]
    assert torch.allclose(together[0, :size], alone[0], atol=1e-4 * max(1, float(alone.abs().max())))
    assert not together[0, size:].any()


def test_import_describes_the_model_and_can_be_repeated(tmp_path, capsys):
    folder = published_folder(tmp_path / "in")
    for _ in range(2):
        imported(folder, tmp_path / "out")
        output = capsys.readouterr().out
        assert "80 mel bands, 640/160 samples at 16000 Hz" in output and "licence" in output
    other = published_folder(tmp_path / "other")
    assert main(["import", "vocos", str(other), "-o", str(tmp_path / "out")]) == 1
    assert "another model" in capsys.readouterr().err


def test_model_of_the_hub_is_fetched(tmp_path, monkeypatch):
    hub = install(monkeypatch, tmp_path / "hub")
    hub.add("org/vocos", published_folder(tmp_path / "in"))
    monkeypatch.chdir(tmp_path)
    assert imported("org/vocos", tmp_path / "out").config.n_mels == 80
    assert sorted(hub.fetched) == [SETTINGS, WEIGHTS]
    assert json.loads((tmp_path / "out" / "config.json").read_text())["name"] == "org/vocos"


def encodec(settings):
    settings["feature_extractor"] = {"class_path": "vocos.feature_extractors.EncodecFeatures", "init_args": {}}


def bandwidths(settings):
    settings["backbone"]["init_args"]["adanorm_num_embeddings"] = 4


def resnet(settings):
    settings["backbone"]["class_path"] = "vocos.models.VocosResNetBackbone"


def any_class(settings):
    settings["head"]["class_path"] = "os.system"


def unknown(settings):
    settings["feature_extractor"]["init_args"]["f_max"] = 8000


def other_width(settings):
    settings["head"]["init_args"]["dim"] = 17


def wrong_hop(settings):
    settings["head"]["init_args"]["hop_length"] = 640


def text_for_a_number(settings):
    settings["backbone"]["init_args"]["num_layers"] = "two"


def more_layers(settings):
    settings["backbone"]["init_args"]["num_layers"] = 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (encodec, "EnCodec's codes"),
        (bandwidths, "EnCodec"),
        (resnet, "VocosResNetBackbone"),
        (any_class, "its head is os.system"),
        (unknown, "'f_max'"),
        (other_width, "head.dim is 17"),
        (wrong_hop, "hop is 640"),
        (text_for_a_number, "layers"),
        (more_layers, "lacks 'backbone.convnext.2"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_refuses_other_models_in_one_line(tmp_path, capsys, change, message):
    folder = published_folder(tmp_path / "in", change=change)
    assert main(["import", "vocos", str(folder), "-o", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1 and message in error and not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", [SETTINGS, WEIGHTS])
@pytest.mark.parametrize("content", [None, b"", b"<!doctype html>", b"[1, 2]", b"\x00\xff\xfe"], ids=str)
def test_refuses_wrong_files_in_one_line(tmp_path, capsys, name, content):
    folder = published_folder(tmp_path / "in")
    (folder / name).unlink() if content is None else (folder / name).write_bytes(content)
    assert main(["import", "vocos", str(folder), "-o", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1 and name in error and not (tmp_path / "out").exists()


def test_nothing_in_the_weights_is_run(tmp_path, capsys):
    folder = published_folder(tmp_path / "in", weights={"backbone.embed.weight": Touches(tmp_path / "touched")})
    assert main(["import", "vocos", str(folder), "-o", str(tmp_path / "out")]) == 1
    assert not (tmp_path / "touched").exists() and len(capsys.readouterr().err.splitlines()) == 1


class Touches:
    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


def vocoder(**changes):
    torch.manual_seed(5)
    sizes = {"units": 9, "unit_dim": 4, "speaker_dim": 4, "mel_skip": False} | SIZES | changes
    return Generator(GeneratorConfig(**sizes)).eval()


def inputs():
    generator = torch.Generator().manual_seed(6)
    return torch.randn(1, 24, 80, generator=generator), torch.zeros(1, 12, dtype=torch.long), torch.rand(1, 256)


def test_our_vocoder_starts_from_vocos(tmp_path):
    source = imported(published_folder(tmp_path / "in"), tmp_path / "out")
    generator, messages = vocoder(), []
    (mel, units, speaker), mask = inputs(), torch.ones(1, 24, dtype=torch.bool)
    with torch.inference_mode():
        assert not torch.allclose(generator.backbone(mel, units, speaker, mask), source.backbone(mel, mask), atol=1e-2)
    begin_from(str(tmp_path / "out"), generator, messages.append)
    with torch.inference_mode():
        assert torch.allclose(generator.backbone(mel, units, speaker, mask), source.backbone(mel, mask), atol=1e-6)
        assert torch.allclose(generator(mel, units, speaker), source.decode(mel), atol=1e-5)
    assert len(messages) == 1 and all(part in messages[0] for part in ("backbone", "first layer", "last layer"))


def test_units_and_speaker_have_gradients_there(tmp_path):
    imported(published_folder(tmp_path / "in"), tmp_path / "out")
    generator = vocoder()
    begin_from(str(tmp_path / "out"), generator, print)
    generator(*inputs()).square().mean().backward()
    assert all(generator.embed.weight.grad[:, part].any() for part in (slice(80, 84), slice(84, 88)))


def test_layers_of_other_shapes_keep_their_first_weights(tmp_path):
    source = imported(published_folder(tmp_path / "in", "24 kHz, centred"), tmp_path / "out")
    generator, fresh, messages = vocoder(), vocoder(), []
    begin_from(str(tmp_path / "out"), generator, messages.append)
    assert torch.equal(generator.embed.weight, fresh.embed.weight)
    assert torch.equal(generator.head.weight, fresh.head.weight)
    assert torch.equal(generator.blocks[1].scale, source.blocks[1].scale)
    assert messages[0].endswith("backbone")


@pytest.mark.parametrize(("changes", "message"), [({"layers": 3}, "layers is 2"), ({"kernel": 5}, "kernel is 7")])
def test_refuses_other_sizes(tmp_path, changes, message):
    from vsr.core.errors import VsrError

    imported(published_folder(tmp_path / "in"), tmp_path / "out")
    with pytest.raises(VsrError, match=message):
        begin_from(str(tmp_path / "out"), vocoder(**changes), print)
