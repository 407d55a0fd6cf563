"""`vsr import`: a checkpoint and its tokenizer become a folder that transcribes; failures leave nothing behind."""

import json
from pathlib import Path

import pytest
import torch

from tests.published.formula import weights
from vsr.cli import main
from vsr.core.tokens import UNK
from vsr.modelstore.folder import load_model
from vsr.text.tokenizer import MARK, SentencePieceTokenizer, sentence_pieces, train_tokenizer

GOLDEN = Path(__file__).parent / "golden"
SENTENCES = ["A BED", "BAD CAB", "DEAD BEE", "A BEAD"]


@pytest.fixture(scope="module")
def shapes():
    return json.loads((GOLDEN / "auto_avsr.json").read_text())["shapes"]


@pytest.fixture
def files(tmp_path, shapes):
    """A checkpoint, its SentencePiece model and, beside it, the list of units: sorted, and with a foreign one."""
    spm = train_upper()
    tokenizer = SentencePieceTokenizer(spm, "upper")
    units = sorted(tokenizer.units)[: 11 - 4] + ["ZZ"]
    (tmp_path / "tiny.model").write_bytes(spm)
    write_units(tmp_path / "tiny_units.txt", units)
    torch.save(weights(shapes), tmp_path / "tiny.pth")
    return tmp_path


def train_upper():
    import io

    import sentencepiece

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES), model_writer=model, model_type="unigram", vocab_size=12,
        hard_vocab_limit=False, minloglevel=2,
    )  # fmt: skip
    return model.getvalue()


def write_units(path, units):
    lines = [f"{piece} {number}\n" for number, piece in enumerate(["<unk>", *units], start=1)]
    path.write_text("".join(lines), encoding="utf-8")


def imported(folder, *options):
    return main(
        ["import", "auto_avsr", str(folder / "tiny.pth"), "--tokenizer", str(folder / "tiny.model"),
         "-o", str(folder / "out"), *options]
    )  # fmt: skip


def test_folder_reads_a_clip(files, capsys, face_clip):
    assert imported(files) == 0
    assert "Apache-2.0" in capsys.readouterr().out
    loaded = load_model(files / "out")
    assert loaded.name == "tiny" and "Apache-2.0" in loaded.config["licence"] and loaded.model.config.vocab_size == 11
    assert main(["transcribe", str(face_clip), "--model", str(files / "out"), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["model"] == "tiny"


def test_head_keeps_the_order_of_the_units(files):
    imported(files)
    tokenizer = load_model(files / "out").tokenizer
    listed = [line.split()[0] for line in (files / "tiny_units.txt").read_text(encoding="utf-8").splitlines()]
    assert tokenizer.pieces(range(1, 10)) == ["?", *listed[1:]]
    known = [i for i in tokenizer.encode("bed") if i != UNK]
    assert known and all(piece.strip(MARK) in "BED" for piece in tokenizer.pieces(known))


@pytest.mark.parametrize(
    "damage, reason",
    [
        (lambda f: (f / "tiny_units.txt").unlink(), "tiny_units.txt: No such file"),
        (lambda f: write_units(f / "tiny_units.txt", ["A", "B"]), "makes 5 tokens, the model's head has 11"),
        (lambda f: (f / "tiny_units.txt").write_text("A B C\n"), "line 1 is 'A B C'"),
        (lambda f: write_units(f / "tiny_units.txt", ["A"] * 8), "a unit stands twice"),
        (lambda f: write_units(f / "tiny_units.txt", list("QRSTUVWX")), "do not belong together"),
        (lambda f: (f / "tiny.model").write_text("no model"), "not a SentencePiece model"),
        (lambda f: torch.save({"a": torch.ones(1)}, f / "tiny.pth"), "not a visual model of auto_avsr"),
        (lambda f: (f / "tiny.pth").unlink(), "no such file"),
    ],
)
def test_bad_input_is_one_line_and_leaves_no_folder(files, capsys, damage, reason):
    damage(files)
    assert imported(files) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert reason in line
    assert not (files / "out").exists()


def test_tokenizer_is_required(files, capsys):
    assert main(["import", "auto_avsr", str(files / "tiny.pth"), "-o", str(files / "out")]) == 2
    assert "--tokenizer" in capsys.readouterr().err


def test_own_order_is_the_default():
    tokenizer = train_tokenizer("unigram", ["bin blue", "at two"] * 4, 30)
    assert tokenizer.units == sentence_pieces(tokenizer.processor)
