"""Imported AV-HuBERT models compute what the real peer computed; checkpoints may use classes that are not installed."""

import argparse
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
import sentencepiece
import torch

from tests.published.agreement import gap
from tests.published.formula import video, weights
from vsr.cli import main
from vsr.core.errors import VsrError
from vsr.decoding.options import DecodeOptions
from vsr.decoding.search import decode
from vsr.modelstore.folder import load_model
from vsr.modelstore.importers.av_hubert import INSIDE, build, our_order, settings_of

GOLDEN = json.loads((Path(__file__).parent / "golden" / "av_hubert.json").read_text())
SIZE = len(GOLDEN["symbols"])
EOS = SIZE - 1


@pytest.fixture(scope="module")
def model():
    return build(weights(GOLDEN["shapes"]), GOLDEN["settings"])


def ours(tokens):
    """fairseq's ids -> ours."""
    index_of = {fairseq_id: index for index, fairseq_id in enumerate(our_order(SIZE).tolist())}
    return torch.tensor([[index_of[i] for i in tokens]])


@torch.no_grad()
@pytest.mark.parametrize("record", GOLDEN["records"], ids=lambda r: f"{r['frames']}-frames")
def test_every_stage_agrees_with_the_peer(model, record):
    length = torch.tensor([record["frames"]])
    mask = torch.ones(1, record["frames"], dtype=torch.bool)
    states = model.encode(video(record["frames"]), length)
    assert gap(model.frontend(video(record["frames"]), mask)[0], record["front_end"]) < 1e-4
    assert gap(states[0], record["states"]) < 1e-4
    log_probs = model.decoder(ours(record["tokens"]), states, length).log_softmax(-1)[0]
    assert gap(log_probs, torch.tensor(record["decoder"])[:, our_order(SIZE)].tolist()) < 1e-4


@torch.no_grad()
def test_longer_clip_and_single_steps_change_no_number(model):
    record = GOLDEN["records"][1]
    both = torch.cat([torch.nn.functional.pad(video(4), (0, 0) * 3 + (0, 5)), video(9)])
    states = model.encode(both, torch.tensor([4, 9]))
    assert gap(states[0, :4], record["states"]) < 1e-4
    cache = model.decoder.start(states[:1], torch.tensor([4]))
    steps = [model.decoder.step(ours(record["tokens"])[:, i : i + 1], cache)[0] for i in range(2)]
    assert gap(torch.cat(steps), torch.tensor(record["decoder"])[:, our_order(SIZE)].tolist()) < 1e-4


def test_search_without_ctc_follows_the_decoder(model):
    with torch.no_grad():
        states = model.encode(video(9), torch.tensor([9]))
    options = DecodeOptions(beam=4, nbest=2)
    hypotheses = decode(model, states, torch.tensor([9]), options, EOS)[0]
    assert hypotheses[0].score == pytest.approx(hypotheses[0].attention_score)
    prefix = torch.tensor([[EOS, *hypotheses[0].tokens]])
    with torch.no_grad():
        log_probs = model.decoder(prefix, states, torch.tensor([9])).log_softmax(-1)[0]
    targets = torch.tensor([*hypotheses[0].tokens, EOS])
    assert log_probs.gather(1, targets[:, None]).sum().item() == pytest.approx(hypotheses[0].score, abs=1e-4)
    with pytest.raises(VsrError, match="no CTC head"):
        decode(model, states, torch.tensor([9]), DecodeOptions(method="ctc_greedy"), EOS)


@pytest.mark.parametrize(
    "change, reason",
    [
        ({"layer_norm_first": False}, "layer_norm_first is False"),
        ({"no_scale_embedding": False}, "no_scale_embedding is False"),
        ({"decoder_attention_heads": None}, "do not give decoder_attention_heads"),
        ({"encoder_attention_heads": 3}, "make no model"),
    ],
)
def test_settings_that_tensors_cannot_show_are_checked(change, reason):
    with pytest.raises(VsrError, match=reason):
        build(weights(GOLDEN["shapes"]), GOLDEN["settings"] | change)


def test_missing_and_foreign_tensors_are_named():
    good = weights(GOLDEN["shapes"])
    name = f"{INSIDE}encoder.layers.1.fc2.bias"
    with pytest.raises(VsrError, match="lacks 'encoder.layers.1.fc2.bias'"):
        build({other: tensor for other, tensor in good.items() if other != name}, GOLDEN["settings"])
    with pytest.raises(VsrError, match="'decoder.embed_out'"):
        build(good | {"decoder.embed_out": torch.zeros(2, 2)}, GOLDEN["settings"])


@pytest.fixture
def dictionary_class(monkeypatch):
    """A class in place of fairseq's dictionary; removed before the checkpoint is read."""
    for name in ("fairseq", "fairseq.data", "fairseq.data.dictionary"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    dictionary_type = type("Dictionary", (), {"__module__": "fairseq.data.dictionary"})
    sys.modules["fairseq.data.dictionary"].Dictionary = dictionary_type
    return dictionary_type


@pytest.fixture
def checkpoint(tmp_path, dictionary_class, monkeypatch):
    """A fine-tuned checkpoint as fairseq writes it, with settings, dictionary and tokenizer inside."""
    trainer = sentencepiece.SentencePieceTrainer
    trainer.train(
        sentence_iterator=iter(["abc", "a gfd", "efg ab"] * 3), model_prefix=str(tmp_path / "spm"), vocab_size=12,
        model_type="unigram", hard_vocab_limit=False, minloglevel=2, pad_id=1, bos_id=0, eos_id=2, unk_id=3,
    )  # fmt: skip
    processor = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "spm.model"))
    dictionary, bpe = dictionary_class(), dictionary_class()
    dictionary.symbols = [processor.id_to_piece(i) for i in range(SIZE)]
    bpe.sp = processor
    settings = GOLDEN["settings"]
    encoder_settings = {"layer_norm_first": True, "encoder_attention_heads": settings["encoder_attention_heads"]}
    model = {"w2v_args": {"model": argparse.Namespace(**encoder_settings)}}
    content = {
        "cfg": {"model": model | {"decoder_attention_heads": settings["decoder_attention_heads"]}},
        "model": weights(GOLDEN["shapes"]),
        "task_state": {"target_dictionary": dictionary, "s2s_tokenizer": bpe},
    }
    torch.save(content, tmp_path / "tuned.pt")
    for name in ("fairseq", "fairseq.data", "fairseq.data.dictionary"):
        monkeypatch.delitem(sys.modules, name)
    return tmp_path / "tuned.pt", content


def test_fine_tuned_checkpoint_has_its_tokenizer(checkpoint, tmp_path, capsys, face_clip):
    path, content = checkpoint
    assert main(["import", "av_hubert", str(path), "-o", str(tmp_path / "out")]) == 0
    assert "non-commercial" in capsys.readouterr().out
    loaded = load_model(tmp_path / "out")
    symbols = content["task_state"]["target_dictionary"].symbols
    assert loaded.tokenizer.pieces(range(SIZE)) == ["", "?", *symbols[4:], "", ""]
    assert loaded.model.config.decoder_heads == GOLDEN["settings"]["decoder_attention_heads"]
    assert main(["transcribe", str(face_clip), "--model", str(tmp_path / "out"), "--format", "json"]) == 0
    segment = json.loads(capsys.readouterr().out)["segments"][0]
    assert all(0 < word["confidence"] <= 1 and word["start"] < word["end"] for word in segment["words"])


def test_dictionary_of_another_size_is_refused(checkpoint, tmp_path, capsys):
    path, _ = checkpoint
    (tmp_path / "dict.wrd.txt").write_text("a 1\nb 1\n", encoding="utf-8")
    out = tmp_path / "out"
    assert main(["import", "av_hubert", str(path), "--units", str(tmp_path / "dict.wrd.txt"), "-o", str(out)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "makes 6 tokens, the model's head has 11" in line and not out.exists()


def test_encoder_alone_is_imported_and_cannot_transcribe(tmp_path, capsys, face_clip):
    tensors = {n.removeprefix(INSIDE): t for n, t in weights(GOLDEN["shapes"]).items() if n.startswith(INSIDE)}
    args = argparse.Namespace(encoder_attention_heads=2, layer_norm_first=True)
    torch.save({"args": args, "model": tensors | {"mask_emb": torch.zeros(5)}}, tmp_path / "pretrained.pt")
    assert main(["import", "av_hubert", str(tmp_path / "pretrained.pt"), "-o", str(tmp_path / "out")]) == 0
    assert "encoder alone" in capsys.readouterr().out
    loaded = load_model(tmp_path / "out")
    states = loaded.model.encode(video(4), torch.tensor([4]))[0].detach()
    assert gap(states, GOLDEN["records"][1]["states"]) < 1e-4
    assert main(["transcribe", str(face_clip), "--model", str(tmp_path / "out")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "only an encoder" in line


def test_settings_of_a_fine_tuned_model_are_its_encoders_with_its_own_decoder():
    cfg = {"model": {"dropout": 0.5, "decoder_layers": 6, "w2v_args": {"model": {"dropout": 0.1}}}}
    assert settings_of({"cfg": cfg}) == {"dropout": 0.1, "decoder_layers": 6}
