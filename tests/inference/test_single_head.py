"""`vsr transcribe --head`: the text of one head, its words spread over the time of speech."""

import json

import numpy as np
import pytest
import torch

from vsr.cli import main
from vsr.models.lipreader import LipReader, LipReaderConfig
from vsr.modelstore.folder import save_model
from vsr.text.tokenizer import CharTokenizer


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model with random weights, CTC and a translation head."""
    torch.manual_seed(1)
    tokenizer = CharTokenizer()
    head = {"kind": "translation", "language": "es", "pieces": ["▁perro", "▁rojo", "▁duerme"], "heads": 2}
    head |= {"layers": 1, "hidden": 32}
    config = LipReaderConfig(
        vocab_size=tokenizer.vocab_size, frontend_width=16, frontend_layers=1, frontend_heads=2, dim=32, heads=2,
        hidden=32, layers=1, kernel=3, decoder_layers=0, alignment_weight=0.0, further_heads={"es": head},
    )  # fmt: skip
    model = LipReader(config)
    with torch.no_grad():
        model.heads["es"].out.bias[-1] = -2.0  # otherwise it would end where it begins
    return save_model(tmp_path_factory.mktemp("models") / "es", model, tokenizer, {"name": "es"})


@pytest.fixture(scope="module")
def mouth(tmp_path_factory, make_video):
    gray = np.random.default_rng(0).integers(0, 255, (30, 96, 96, 1), np.uint8).repeat(3, -1)
    return make_video(tmp_path_factory.mktemp("clips") / "mouth.mp4", gray)


def test_head_writes_the_text(folder, mouth, capsys):
    command = ["transcribe", str(mouth), "--cropped", "--model", str(folder), "--format", "json", "--head", "es"]
    assert main([*command, "--nbest", "2"]) == 0
    record = json.loads(capsys.readouterr().out)
    record = record[0] if isinstance(record, list) else record
    assert record["text"] and set(record["text"].split()) <= {"perro", "rojo", "duerme"}
    (segment,) = record["segments"]
    edges = [time for word in segment["words"] for time in (word["start"], word["end"])]
    assert edges == sorted(edges) and edges[0] == segment["start"] and edges[-1] == segment["end"]
    assert all(0 < word["confidence"] < 1 for word in segment["words"]) and len(segment["nbest"]) == 2
    assert record["provenance"]["search"]["head"] == "es"


def test_head_gives_the_same_text_in_decode(folder, mouth, tmp_path, capsys):
    from vsr.data.manifest import Clip, write_manifest

    clip = Clip("a", str(mouth), "x", num_frames=30, crop=str(mouth))
    write_manifest(tmp_path / "m.jsonl", [clip])
    options = ["--model", str(folder), "--head", "es"]
    files = ["--manifest", str(tmp_path / "m.jsonl"), "--out", str(tmp_path / "h")]
    assert main(["decode", *options, "--device", "cpu", *files]) == 0
    capsys.readouterr()
    assert main(["transcribe", str(mouth), "--cropped", *options]) == 0
    assert capsys.readouterr().out.strip() == json.loads((tmp_path / "h").read_text())["text"]


def test_without_the_option_no_head_is_recorded(folder, mouth, capsys):
    assert main(["transcribe", str(mouth), "--cropped", "--model", str(folder), "--format", "json"]) == 0
    record = json.loads(capsys.readouterr().out)
    record = record[0] if isinstance(record, list) else record
    assert "head" not in record["provenance"]["search"]


@pytest.mark.parametrize("options, message, status", [
    (["--head", "fr"], "has no head 'fr'; it has ctc or es", 2),
    (["--head", "es", "--method", "ctc_beam"], "leave --method out, or --head", 2),
    (["--head", "es", "--beam", "3"], "leave --beam out, or --head", 2),
    (["--head", ""], "--head is empty", 2),
])  # fmt: skip
def test_refuses_head_that_does_not_exist_or_fit(folder, mouth, capsys, options, message, status):
    assert main(["transcribe", str(mouth), "--cropped", "--model", str(folder), *options]) == status
    assert message in capsys.readouterr().err
