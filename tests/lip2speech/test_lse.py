"""LSE-C and LSE-D: what is refused before any work, and with the package, figures of its networks."""

import pickle

import numpy as np
import pytest
import torch

from lip2speech.cli import main
from lip2speech.evaluation.corpus import evaluate_clip
from lip2speech.evaluation.lse import DETECTOR, NETWORK, Lse, SyncNet
from lip2speech.evaluation.summary import summarise, table, write_evaluation
from tests.conftest import talking_face, write_video
from vsr.core.errors import VsrError
from vsr.data.manifest import Clip, write_manifest
from vsr.media.audio import write_wave

FRAMES = 60  # the package follows no face for less than 50


def run(folder, clip, weights):
    """Exit code of `lip2speech evaluate --syncnet`."""
    write_manifest(folder / "list.jsonl", [clip])
    options = ["--manifest", str(folder / "list.jsonl"), "--out", str(folder / "out"), "--syncnet", str(weights)]
    return main(["evaluate", *options])


def test_missing_weights_are_named(tmp_path, capsys):
    (tmp_path / NETWORK).write_bytes(b"x")
    assert run(tmp_path, Clip("x", "x.mp4", "bin", "s", 25), tmp_path) == 1
    errors = capsys.readouterr().err
    assert f"holds no {DETECTOR}" in errors and errors.count("\n") == 1 and not (tmp_path / "out").exists()


def test_missing_package_is_named(tmp_path, monkeypatch, capsys):
    for name in (NETWORK, DETECTOR):
        (tmp_path / name).write_bytes(b"x")
    monkeypatch.setitem(__import__("sys").modules, "syncnet_python", None)
    assert run(tmp_path, Clip("x", "x.mp4", "bin", "s", 25), tmp_path) == 1
    assert "pip install syncnet-python" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_refuses_parts_of_videos(tmp_path, capsys):
    assert run(tmp_path, Clip("x", "x.mp4", "bin", "s", 25, start=1.0, end=2.0), tmp_path) == 1
    assert "x is a part of x.mp4" in capsys.readouterr().err


def test_figures_are_columns_if_asked_for(tmp_path, voice_like):
    (tmp_path / "row").mkdir()
    write_wave(tmp_path / "row" / "x.wav", voice_like[:16_000])
    clip = Clip("x", str(tmp_path / "row" / "x.wav"), "bin blue", "s", 25)
    outcome = evaluate_clip(clip, "r", None, None, (), None, lambda clip, voice: Lse(6.5, float("nan")))
    page = table(summarise([clip], [outcome], False))
    assert "| LSE-C |" in page and "| 6.50 |" in page and "LSE-D" not in page and "DistillMOS" not in page
    pytest.importorskip("syncnet_python", reason="pip install syncnet-python for its version")
    assert "syncnet-python" in write_evaluation(tmp_path / "out", [clip], [outcome], "cross", "")["versions"]


class Networks:
    """Random weights for the classes of the package."""

    def __init__(self, folder):
        self.package = pytest.importorskip("syncnet_python", reason="pip install syncnet-python, and ffmpeg")
        from syncnet_python.detectors.s3fd.nets import S3FDNet

        torch.manual_seed(0)
        # In the format of the published file: PyTorch before 1.6.
        weights = self.package.SyncNetModel().state_dict()
        torch.save(weights, folder / NETWORK, _use_new_zipfile_serialization=False)
        torch.save(S3FDNet(device="cpu").state_dict(), folder / DETECTOR)


def test_refuses_pickle_that_would_run_code(tmp_path):
    Networks(tmp_path)
    (tmp_path / NETWORK).write_bytes(pickle.dumps(print))
    with pytest.raises(VsrError, match="no checkpoint that can be read safely"):
        SyncNet(tmp_path)


def test_refuses_weights_of_another_network(tmp_path):
    Networks(tmp_path)
    torch.save({"x": torch.zeros(1)}, tmp_path / NETWORK)
    with pytest.raises(VsrError, match=f"{NETWORK} holds other weights"):
        SyncNet(tmp_path)


def test_figures_depend_on_video_and_voice(tmp_path, voice_like, capfd):
    Networks(tmp_path)
    video = write_video(tmp_path / "x.mp4", talking_face(FRAMES))
    clip, sync = Clip("x", str(video), "bin", "s", FRAMES), SyncNet(tmp_path)
    voice = voice_like[: 640 * FRAMES]
    detector = sync._pipeline.s3fd  # finds nothing with random weights
    detector.detect_faces = lambda *_, **__: np.empty((0, 5))
    assert all(np.isnan(sync(clip, voice)))
    detector.detect_faces = lambda *_, **__: np.array([[60.0, 40, 200, 210, 0.99]])
    figures = sync(clip, voice)
    assert figures.c > 0 and figures.d > 0 and sync(clip, voice) == figures
    assert sync(clip, np.roll(voice, 8000)) != figures
    assert capfd.readouterr() == ("", "")
