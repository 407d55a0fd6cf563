"""The expert loss: its crop is that of vsr crop, its gradient reaches the pixels, the real video has no loss."""

import json

import numpy as np
import pytest
import torch

from tests.conftest import talking_face, write_video
from vsr.cli import main
from vsr.core.errors import VsrError
from vsr.face.geometry import cut_mouth
from vsr.face.soft_crop import averaging, soft_crop
from vsr.inference.expert import EDGE, Expert, ladder
from vsr.modelstore.folder import load_model


def matrix(scale, angle, shift):
    """A similarity (2, 3) from the frame to the crop."""
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.column_stack([turn, shift])


@pytest.mark.parametrize(
    ("scale", "angle", "shift"),
    [(1.0, 0.0, (-80.0, -100.0)), (0.9, 0.2, (-60.3, -110.7)), (1.3, -0.1, (-150.2, -90.9)), (0.41, 0.15, (-8.6, 3.3)),
     (0.23, 0.0, (20.0, 10.0)), (0.8, 0.3, (60.0, -150.0))],
)  # fmt: skip
def test_soft_crop_equals_the_crop_within_a_gray_level(scale, angle, shift):
    frame = talking_face(1)[0]
    transform = matrix(scale, angle, shift)
    hard = cut_mouth(frame, transform).astype(float)
    soft = soft_crop(torch.from_numpy(frame).permute(2, 0, 1)[None].float(), transform[None])[0].numpy()
    assert np.abs(soft - hard).max() <= 1.25 and np.abs(soft - hard).mean() < 0.3


@pytest.mark.parametrize(("small", "large"), [(3, 10), (4, 8), (1, 5), (7, 7)])
def test_averaging_keeps_the_mean(small, large):
    weights = averaging(small, large)
    assert torch.allclose(weights.sum(1), torch.ones(small, dtype=torch.float64))
    assert torch.allclose(weights.sum(0), torch.full((large,), small / large, dtype=torch.float64))


@pytest.fixture
def expert(tiny_model):
    return Expert(load_model(str(tiny_model)))


@pytest.fixture
def lips():
    return np.random.default_rng(0).integers(0, 255, (20, 96, 96), np.uint8)


def test_real_video_has_no_loss_and_degraded_ones_have(expert, lips):
    other = np.random.default_rng(1).integers(0, 255, (15, 96, 96), np.uint8)
    scores = {name: expert.scores(video, lips) for name, video in ladder(lips, other).items()}
    assert list(scores) == ["real", "two frames late", "blurred", "another sentence", "still"]
    assert scores["real"]["features"] == pytest.approx(0, abs=1e-5) and scores["real"]["states"] == pytest.approx(
        0, abs=1e-5
    )
    assert all(score["features"] > 1e-4 for name, score in scores.items() if name != "real")


def test_loss_of_a_text_is_its_ctc_loss(expert, lips):
    crop = torch.from_numpy(lips).float()
    states = expert.steps(crop)[1]
    log_probs = expert.loaded.model.ctc_log_probs(states[None]).float().transpose(0, 1)
    tokens = torch.tensor(expert.loaded.tokenizer.encode("bin"))
    expected = torch.nn.functional.ctc_loss(log_probs, tokens[None], (20,), (3,), reduction="sum") / 3
    assert float(expert.loss(crop, text="bin")["text"]) == pytest.approx(float(expected), rel=1e-5)


def test_gradient_of_every_level_reaches_the_pixels(expert):
    """Compared with finite differences, through crop, front end, encoder and head; no weight has a gradient."""
    expert.loaded.model.double()
    frames = torch.rand(8, 3, 40, 40, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 255
    transforms = np.stack([matrix(2.0, 0.05 * number, (4.0, 6.0)) for number in range(8)])
    real = torch.rand(8, 96, 96, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * 255
    direction = torch.randn(frames.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    for level in ("features", "states", "text"):
        value = lambda pixels: expert.loss(expert.mouths(pixels, transforms), real, "b")[level]  # noqa: E731, B023
        pixels = frames.clone().requires_grad_()
        value(pixels).backward()
        step = 1e-3 if level != "text" else 1e-1
        numeric = (float(value(frames + step * direction)) - float(value(frames - step * direction))) / (2 * step)
        assert float((pixels.grad * direction).sum()) == pytest.approx(numeric, rel=1e-3, abs=1e-9)
        assert float(pixels.grad.abs().sum()) > 0
    assert all(weight.grad is None for weight in expert.loaded.model.parameters())
    expert.loaded.model.float()


def test_descending_the_loss_approaches_the_real_lips(expert, lips):
    """Pixels of a still face are moved by the gradient alone."""
    real = torch.from_numpy(lips).float()
    fake = real[:1].repeat(len(real), 1, 1).requires_grad_()
    optimiser, values = torch.optim.Adam([fake], 5.0), []
    for _ in range(8):
        optimiser.zero_grad()
        loss = expert.loss(fake, real)["features"]
        loss.backward()
        optimiser.step()
        values.append(float(loss.detach()))
    assert values[-1] < 0.8 * values[0]


def test_refuses_crops_and_models_that_cannot_be_compared(expert, lips):
    crop = torch.from_numpy(lips).float()
    for arguments in ((crop[:5], crop), (crop[: 2 * EDGE], None)):
        with pytest.raises(ValueError, match="frames"):
            expert.loss(*arguments)
    with pytest.raises(VsrError, match="is no reader of pixels with CTC"):
        Expert(load_model("grid-tracks"))


def test_expert_command_prints_scores_beside_references(tiny_model, tmp_path, capsys):
    real, still = talking_face(20), talking_face(1).repeat(20, 0)
    for name, frames in (("real", real), ("still", still)):
        write_video(tmp_path / f"{name}.mp4", frames)
    videos = [str(tmp_path / f"{name}.mp4") for name in ("real", "still")]
    out = tmp_path / "o.jsonl"
    assert main(["expert", *videos, "--model", str(tiny_model), "--text", "bin", "--out", str(out)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("real: features 0.000, states 0.000, text ") and lines[-1].startswith(videos[1])
    rows = {row["file"]: row for row in map(json.loads, out.read_text().splitlines())}
    assert list(rows) == ["real", "two frames late", "blurred", "still", videos[1]] and "wer" in rows["real"]
    assert main(["expert", videos[0], str(tmp_path / "none.mp4"), "--model", str(tiny_model)]) == 1
    assert "none.mp4" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"), [("a " * 99, "the text needs"), ("a \u00e9", "cannot write"), ("!", "no words")]
)
def test_text_that_has_no_ctc_loss_gets_no_figure(tiny_model, lips, tmp_path, capsys, text, message):
    """Its loss would be 0, the best there is, or that of other tokens."""
    with pytest.raises(VsrError, match=message) as caught:
        Expert(load_model(str(tiny_model))).scores(lips, lips, text)
    assert caught.value.reason == "bad_text"
    real = write_video(tmp_path / "real.mp4", talking_face(25))
    assert main(["expert", str(real), str(real), "--model", str(tiny_model), "--text", text]) == 1
    captured = capsys.readouterr()
    assert not captured.out and message in captured.err and captured.err.count("\n") == 1
