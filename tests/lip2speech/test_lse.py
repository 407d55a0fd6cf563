"""LSE-C and LSE-D: what is refused before any work, and with the package what its networks make of a video."""

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
    given = ["--manifest", str(folder / "list.jsonl"), "--out", str(folder / "out"), "--syncnet", str(weights)]
    return main(["evaluate", *given])


def test_weights_that_are_not_there_are_named(tmp_path, capsys):
    (tmp_path / NETWORK).write_bytes(b"x")
    assert run(tmp_path, Clip("x", "x.mp4", "bin", "s", 25), tmp_path) == 1
    shown = capsys.readouterr().err
    assert f"holds no {DETECTOR}" in shown and shown.count("\n") == 1 and not (tmp_path / "out").exists()


def test_its_package_is_named_where_it_is_not_there(tmp_path, monkeypatch, capsys):
    for name in (NETWORK, DETECTOR):
        (tmp_path / name).write_bytes(b"x")
    monkeypatch.setitem(__import__("sys").modules, "syncnet_python", None)
    assert run(tmp_path, Clip("x", "x.mp4", "bin", "s", 25), tmp_path) == 1
    assert "pip install syncnet-python" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_parts_of_videos_are_refused(tmp_path, capsys):
    assert run(tmp_path, Clip("x", "x.mp4", "bin", "s", 25, start=1.0, end=2.0), tmp_path) == 1
    assert "x is a part of x.mp4" in capsys.readouterr().err


def test_its_figures_are_columns_where_they_are_asked_for(tmp_path, voice_like):
    (tmp_path / "row").mkdir()
    write_wave(tmp_path / "row" / "x.wav", voice_like[:16_000])
    clip = Clip("x", str(tmp_path / "row" / "x.wav"), "bin blue", "s", 25)
    asked = evaluate_clip(clip, "r", None, None, (), None, lambda clip, voice: Lse(6.5, float("nan")))
    shown = table(summarise([clip], [asked], False))
    assert "| LSE-C |" in shown and "| 6.50 |" in shown and "LSE-D" not in shown and "DistillMOS" not in shown
    pytest.importorskip("syncnet_python", reason="pip install syncnet-python for its version")
    assert "syncnet-python" in write_evaluation(tmp_path / "out", [clip], [asked], "cross", "")["versions"]


class Networks:
    """Weights drawn for the classes of the package."""

    def __init__(self, folder):
        self.package = pytest.importorskip("syncnet_python", reason="pip install syncnet-python, and ffmpeg")
        from syncnet_python.detectors.s3fd.nets import S3FDNet

        torch.manual_seed(0)
        # As the published file is: the format of PyTorch before 1.6.
        weights = self.package.SyncNetModel().state_dict()
        torch.save(weights, folder / NETWORK, _use_new_zipfile_serialization=False)
        torch.save(S3FDNet(device="cpu").state_dict(), folder / DETECTOR)


def test_a_file_that_would_run_something_is_refused(tmp_path):
    Networks(tmp_path)
    (tmp_path / NETWORK).write_bytes(pickle.dumps(print))
    with pytest.raises(VsrError, match="no checkpoint that can be read safely"):
        SyncNet(tmp_path)


def test_weights_of_another_network_are_refused(tmp_path):
    Networks(tmp_path)
    torch.save({"x": torch.zeros(1)}, tmp_path / NETWORK)
    with pytest.raises(VsrError, match=f"{NETWORK} holds other weights"):
        SyncNet(tmp_path)


def test_the_networks_of_the_package_see_the_video_and_hear_the_voice(tmp_path, voice_like, capfd):
    Networks(tmp_path)
    film = write_video(tmp_path / "x.mp4", talking_face(FRAMES))
    clip, sync = Clip("x", str(film), "bin", "s", FRAMES), SyncNet(tmp_path)
    voice = voice_like[: 640 * FRAMES]
    finds = sync._pipeline.s3fd  # which finds nothing with weights that are drawn
    finds.detect_faces = lambda *_, **__: np.empty((0, 5))
    assert all(np.isnan(sync(clip, voice)))
    finds.detect_faces = lambda *_, **__: np.array([[60.0, 40, 200, 210, 0.99]])
    found = sync(clip, voice)
    assert found.c > 0 and found.d > 0 and sync(clip, voice) == found
    assert sync(clip, np.roll(voice, 8000)) != found
    assert capfd.readouterr() == ("", "")
