"""The ONNX graph computes what the reader does, at any length; readers without such a graph are refused in one line."""

import json
import sys

import numpy as np
import pytest
import torch

from vsr.cli import main
from vsr.data.transforms import to_network_input
from vsr.models.lengths import gather_frames, scatter_frames, unpadded
from vsr.models.lipreader import LipReader, LipReaderConfig
from vsr.modelstore import onnx_export
from vsr.modelstore.folder import load_model, save_model
from vsr.text.tokenizer import CharTokenizer, collapse

for package in ("onnx", "onnxscript"):
    pytest.importorskip(package, reason="vsr export needs onnx and onnxscript: pip install 'vsr-lip2speech[export]'")
onnxruntime = pytest.importorskip("onnxruntime", reason="pip install onnxruntime")

RESNET = {"frontend": "resnet3d", "resnet_width": 8, "activation": "relu", "ctc_weight": 0.1, "alignment_weight": 0.0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small reader in the layout of the published ones."""
    torch.manual_seed(0)
    tokenizer = CharTokenizer()
    config = LipReaderConfig(
        tokenizer.vocab_size, dim=32, heads=2, hidden=32, layers=1, kernel=3, decoder_layers=1, decoder_hidden=32,
        **RESNET,
    )  # fmt: skip
    return save_model(tmp_path_factory.mktemp("onnx") / "reader", LipReader(config), tokenizer, {"name": "small"})


@pytest.fixture(scope="module")
def graph(folder):
    path = folder.parent / "small.onnx"
    assert main(["export", "onnx", str(folder), "-o", str(path)]) == 0
    return path


@pytest.mark.slow
@pytest.mark.parametrize("frames", [1, 5, 40, 200])
def test_graph_computes_what_the_reader_does(folder, graph, frames):
    loaded = load_model(folder)
    crop = np.random.default_rng(frames).integers(0, 255, (frames, 96, 96), dtype=np.uint8)
    video = to_network_input(crop)
    session = onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
    states, ctc = session.run(["states", "ctc"], {"video": video[:, 0].numpy()})
    with torch.inference_mode():
        reader_states = loaded.model.encode(video[None], torch.tensor([frames]))
        expected = loaded.model.ctc_log_probs(reader_states)[0].numpy()
    assert np.abs(states - reader_states[0].numpy()).max() < 1e-4 and np.abs(ctc - expected).max() < 1e-4
    tokens = json.loads(session.get_modelmeta().custom_metadata_map["tokens"])
    text = "".join(tokens[token] for token in collapse(ctc.argmax(-1).tolist()))
    assert text == "".join(loaded.tokenizer.pieces(collapse(expected.argmax(-1).tolist())))


def test_differing_graph_is_not_written(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(onnx_export, "_export_program", lambda *_: FakeProgram())
    monkeypatch.setattr(onnx_export, "compared", lambda *_: {"states": 0.5})
    out = tmp_path / "small.onnx"
    assert main(["export", "onnx", str(folder), "-o", str(out)]) == 1
    line = capsys.readouterr().err
    assert "would not give the same output (states 5.0e-01)" in line and line.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


class FakeProgram:
    """Of a graph that nobody runs."""

    class model:
        metadata_props: dict = {}

    def save(self, path, external_data):
        with open(path, "wb") as stream:
            stream.write(b"graph")


def test_reader_of_more_than_pixels_is_refused(tmp_path, capsys):
    assert main(["export", "onnx", "grid-tracks", "-o", str(tmp_path / "no.onnx")]) == 1
    assert "only readers of pixels" in capsys.readouterr().err and list(tmp_path.iterdir()) == []


def test_model_is_not_overwritten(folder, capsys):
    assert main(["export", "onnx", str(folder), "-o", str(folder / "config.json")]) == 1
    assert "is what is read" in capsys.readouterr().err
    load_model(folder)


def test_missing_package_is_named(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    assert main(["export", "onnx", str(folder), "-o", str(tmp_path / "no.onnx")]) == 1
    assert "vsr-lip2speech[export]" in capsys.readouterr().err


def test_gathering_and_scattering_without_padding_are_inverse():
    x, mask = torch.randn(2, 5, 3), torch.ones(2, 5, dtype=torch.bool)
    gathered = gather_frames(x, mask)
    with unpadded():
        assert torch.equal(gather_frames(x, mask), gathered)
        assert torch.equal(scatter_frames(gathered, mask), x)
    mask[1, 3:] = False
    assert len(gather_frames(x, mask)) == 8  # elsewhere padding is left out again
