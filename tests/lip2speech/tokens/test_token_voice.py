"""A token model from its training to a voice, by the commands; refusals."""

import shutil

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import save_file

from lip2speech.cli import main
from lip2speech.inference.folder import load_model
from lip2speech.inference.token_voice import TokenVoice, with_tokens
from lip2speech.models.flow_options import FlowOptions
from lip2speech.models.token_model import TokenConfig, TokenModel
from lip2speech.models.token_options import TokenOptions
from lip2speech.training.tokens import condition_width, token_batch
from tests.conftest import talking_face, write_video
from tests.lip2speech.tiny import speakers, speech_batch, tiny_voice
from vsr.core.files import read_json
from vsr.data.manifest import Clip, write_manifest
from vsr.media.audio import read_wave

FRAMES = 20
KINDS = {
    "lm": {"kind": "lm", "predictions": 3, "dim": 16, "layers": 1, "heads": 2, "hidden": 32},
    "masked": {"kind": "masked", "dim": 16, "layers": 1, "heads": 2, "hidden": 32, "kernel": 3},
}


@pytest.fixture(scope="module")
def lists(tmp_path_factory):
    """Clips with crops and features."""
    folder = tmp_path_factory.mktemp("lists")
    rng = np.random.default_rng(0)
    for name, count in (("train", 4), ("dev", 2)):
        clips = []
        for i in range(count):
            name_of_clip = f"{name}{i}"
            np.save(folder / f"{name_of_clip}.npy", rng.integers(0, 255, (FRAMES, 96, 96), np.uint8))
            clips.append(
                Clip(name_of_clip, f"{name_of_clip}.mp4", "", "s", FRAMES, str(folder / f"{name_of_clip}.npy"))
            )
            stored = {
                "mel": torch.randn(4 * FRAMES, 80), "units": torch.zeros(2 * FRAMES, dtype=torch.int16),
                "wave": torch.zeros(640 * FRAMES, dtype=torch.int16), "speaker": speakers(1)[0].clone(),
            }  # fmt: skip
            save_file(stored, str(folder / f"{name_of_clip}.safetensors"))
        write_manifest(folder / f"{name}.jsonl", clips)
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_batch_has_its_share_in_the_loss_of_a_step(kind):
    """Of several ranks, or accumulated: each batch counted the same, however many frames it has."""
    voice, batch = tiny_voice(encoder="frozen"), speech_batch([5, 3])
    batch.visual = torch.randn(2, 5, 2 * voice.reader.config.dim)
    config = TokenConfig(condition=condition_width(voice.config), books=2, size=4, generator=KINDS[kind])
    model = TokenModel(config).eval()
    model.codec.fit(voice.normalise(batch.mel).flatten(0, 1), 0)
    losses = []
    for shares in ({}, {"frames": torch.tensor(0.25)}):
        batch.shares = shares
        torch.manual_seed(0)
        losses.append(model.loss(token_batch(voice, model.codec, batch))["loss"])
    assert losses[1].item() == pytest.approx(losses[0].item() / 4)


@pytest.fixture(scope="module", params=KINDS)
def trained(request, lists, tiny_voice_folder, tmp_path_factory):
    """(kind, folder of a token model) after a few steps."""
    out = tmp_path_factory.mktemp(request.param)
    config = {
        "data": {
            "train": [str(lists / "train.jsonl")], "dev": [str(lists / "dev.jsonl")], "features": str(lists),
            "voice": str(tiny_voice_folder), "views": 1, "frames_per_batch": 60,
        },
        "model": {"books": 2, "size": 8, "generator": KINDS[request.param]},
        "optim": {"lr": 0.01, "warmup_steps": 1, "ema": 0.5},
        "trainer": {"max_epochs": 2, "precision": "32-true", "threads": 1},
    }  # fmt: skip
    (out / "c.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    assert main(["train", "--config", str(out / "c.yaml"), "--out", str(out / "run")]) == 0
    assert not (out / "run/model/log").exists()
    return request.param, out / "run/model"


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    return write_video(tmp_path_factory.mktemp("video") / "face.mp4", talking_face(30))


def options_of(kind):
    return ["--decode", "verified", "--heads", "2"] if kind == "lm" else ["--steps", "2"]


def test_video_is_voiced_by_tokens(trained, video, tiny_voice_folder, tmp_path):
    kind, model = trained
    assert read_json(model / "config.json")["model"]["generator"]["kind"] == kind
    options = ["--model", str(tiny_voice_folder), "--tokens", str(model), *options_of(kind)]
    assert main(["speak", str(video), "-o", str(tmp_path / "out.wav"), *options]) == 0
    assert main(["speak", str(video), "-o", str(tmp_path / "flow.wav"), "--model", str(tiny_voice_folder)]) == 0
    by_tokens, by_flow = read_wave(tmp_path / "out.wav"), read_wave(tmp_path / "flow.wav")
    assert len(by_tokens) == len(by_flow) and np.abs(by_tokens).max() > 0 and not np.allclose(by_tokens, by_flow)


def test_clip_speaks_alike_alone_and_in_a_batch(trained, tiny_voice_folder):
    loaded = with_tokens(load_model(tiny_voice_folder), trained[1], TokenOptions(steps=2))
    assert isinstance(loaded.voice, TokenVoice)
    visual = torch.randn(2, 12, 32, generator=torch.Generator().manual_seed(0))
    lengths, voices = torch.tensor([7, 12]), speakers(2)
    both = loaded.voice.speak_features(visual, lengths, voices, FlowOptions())
    single = loaded.voice.speak_features(visual[:1, :7], lengths[:1], voices[:1], FlowOptions())
    assert torch.allclose(both.mel[:1, :28], single.mel, atol=1e-4) and not (both.mel[0, 28:] - both.mel[0, 28]).any()


def test_manifest_is_voiced_again_with_another_token_model(trained, lists, tiny_voice_folder, tmp_path, capsys):
    kind, model = trained
    folders = [
        "--acoustic", str(tiny_voice_folder / "acoustic"), "--vocoder", str(tiny_voice_folder / "vocoder"),
        "--manifest", str(lists / "dev.jsonl"), "--features", str(lists), "--out", str(tmp_path / "out"),
    ]  # fmt: skip
    for options, message in ((options_of(kind), "2 clips"), (options_of(kind), "0 clips"), (None, "2 clips")):
        tokens = [] if options is None else ["--tokens", str(model), *options]
        assert main(["synthesize", *folders, "--text", "none", *tokens]) == 0
        assert message in capsys.readouterr().out


@pytest.mark.parametrize(
    "options_given, message",
    [
        (["--decode", "viterbi"], "give --tokens"),
        (["--heads", "2"], "give --tokens"),
        (["--tokens", "absent"], "is no folder of a token model"),
        (["--tokens", "MODEL", "--text", "bin blue"], "--text works only with the flow"),
        (["--tokens", "MODEL", "--noisy"], "--noisy works only with the flow"),
        (["--tokens", "MODEL", "--decode", "best"], "it can be greedy, viterbi, verified"),
        (["--tokens", "MODEL", "--heads", "4"], "greedy decoding uses one head"),
        (["--tokens", "MODEL", "--decode", "verified", "--heads", "9"], "--heads"),
    ],
)
def test_refuses_what_a_token_model_cannot_do(
    trained, video, tiny_voice_folder, tmp_path, options_given, message, capsys
):
    options = [str(trained[1]) if option == "MODEL" else option for option in options_given]
    command = ["speak", str(video), "-o", str(tmp_path / "o.wav"), "--model", str(tiny_voice_folder)]
    assert main([*command, *options]) == (1 if "absent" in options else 2)
    errors = capsys.readouterr().err
    assert message in errors and errors.strip().count("\n") == 0 and not (tmp_path / "o.wav").exists()


def test_refuses_token_model_of_another_voice(trained, tmp_path, tiny_voice_folder, video, capsys):
    copy_of_model = shutil.copytree(trained[1], tmp_path / "model")
    config = (copy_of_model / "config.json").read_text()
    (copy_of_model / "config.json").write_text(config.replace('"condition": ', '"condition": 1'))
    options = ["--model", str(tiny_voice_folder), "--tokens", str(copy_of_model)]
    assert main(["speak", str(video), "-o", str(tmp_path / "o.wav"), *options]) == 1
    assert not (tmp_path / "o.wav").exists()
