"""Readers and language models of Imperial's zoo compute what the real peer computed from the same weights."""

import copy
import dataclasses
import json
from pathlib import Path

import pytest
import torch

from tests.published.agreement import assert_every_stage, gap, states_beside_a_longer_clip
from tests.published.formula import video, weights
from vsr.core.errors import VsrError
from vsr.decoding.options import DecodeOptions
from vsr.decoding.search import decode
from vsr.decoding.shallow_fusion import NeuralLanguage
from vsr.models.lipreader import LipReader
from vsr.modelstore.importers import espnet_language, vsr4ml

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="module", params=["latest", "legacy"])
def golden(request):
    """Names and shapes of the peer's tensors, and its outputs (made by `golden_vsr4ml.py`)."""
    return json.loads((GOLDEN / f"vsr4ml_{request.param}.json").read_text())


@pytest.fixture(scope="module")
def model(golden):
    return vsr4ml.build(weights(golden["shapes"]), golden["settings"])


def language_of(golden):
    peer = golden["language"]
    return espnet_language.build(weights(peer["shapes"]), peer["settings"])


@pytest.mark.parametrize("index", range(3))
def test_every_stage_agrees_with_the_peer(golden, model, index):
    assert_every_stage(model, golden["records"][index])


def test_clip_beside_a_longer_one_is_read_the_same(golden, model):
    """Legacy positions count from the end of the clip itself, not of the batch."""
    states_beside_a_longer_clip(model, golden["records"])


@torch.no_grad()
def test_other_kind_of_positions_is_another_network(golden, model):
    other = {"legacy": "relative", "relative": "legacy"}[model.config.positions]
    wrong = LipReader(dataclasses.replace(model.config, positions=other)).eval()
    wrong.load_state_dict(model.state_dict())
    record = golden["records"][2]
    assert gap(wrong.encode(video(9), torch.tensor([9]))[0], record["states"]) > 1e-3


@torch.no_grad()
def test_language_model_agrees_with_the_peer_at_once_and_step_by_step(golden):
    language = language_of(golden)
    for record in golden["language"]["records"]:
        tokens = torch.tensor([record["tokens"]])
        assert gap(language(tokens).log_softmax(-1)[0], record["log_probs"]) < 1e-4
        cache = language.start(1)
        for step, expected in enumerate(record["log_probs"]):
            assert gap(language.step(tokens[:, step : step + 1], cache)[0, 0], expected) < 1e-4
            cache.reorder(torch.zeros(1, 1, dtype=torch.long))


@pytest.mark.parametrize("frames", [9, 14])
def test_whole_search_with_the_language_model_gives_the_peers_n_best(golden, model, frames):
    searched = golden["search"]
    reluctant = copy.deepcopy(model)
    bias = reluctant.get_parameter("decoder.out.bias").data
    bias[:2] += searched["bias"][0]
    bias[-1] += searched["bias"][1]
    length, peer_options = torch.tensor([frames]), dict(searched["options"])
    weight = peer_options.pop("lm_weight")
    options = DecodeOptions(nbest=3, **peer_options)
    with torch.no_grad():
        states = reluctant.encode(video(frames), length)
    languages = [(weight, NeuralLanguage(language_of(golden)))]
    hypotheses = decode(reluctant, states, length, options, 10, languages)[0]
    expected = searched["found"][str(frames)]
    assert [list(h.tokens) for h in hypotheses] == [h["tokens"] for h in expected]
    assert [h.score for h in hypotheses] == pytest.approx([h["score"] for h in expected], abs=1e-3)
    alone = decode(reluctant, states, length, options, 10)[0]
    assert alone[0].score != pytest.approx(expected[0]["score"], abs=1e-3)


def test_foreign_settings_and_tensors_are_named(golden):
    good, settings = weights(golden["shapes"]), golden["settings"]
    for name, value, message in [
        ("transformer_input_layer", "conv2d", "transformer_input_layer is 'conv2d'"),
        ("relu_type", "prelu", "relu_type is 'prelu'"),
        ("zero_triu", True, "zero_triu is True"),
        ("transformer_encoder_attn_layer_type", "mha", "attention is 'mha'"),
    ]:
        with pytest.raises(VsrError, match=message):
            vsr4ml.build(good, settings | {name: value})
    peer = golden["language"]
    with pytest.raises(VsrError, match="not a transformer language model"):
        espnet_language.build({"rnn.weight": torch.zeros(2)}, peer["settings"])
    with pytest.raises(VsrError, match="head None"):
        espnet_language.build(weights(peer["shapes"]), peer["settings"] | {"head": None})
    with pytest.raises(VsrError, match="'strange.weight', which this family"):
        espnet_language.build(weights(peer["shapes"]) | {"strange.weight": torch.zeros(2)}, peer["settings"])


def test_language_models_of_other_generations_have_other_names(golden):
    peer = golden["language"]
    tensors = weights(peer["shapes"])
    older = {
        "predictor." + name.replace("norm_mha", "norm1").replace("norm_ff", "norm2"): tensor
        for name, tensor in tensors.items()
    }
    first, second = (espnet_language.build(w, peer["settings"]).state_dict() for w in (tensors, older))
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())


SPANISH = ["<blank>", "<unk>", "'", *"ABCÑOÁ", "<space>", "<eos>"]
MANDARIN = ["<blank>", "<unk>", *"你好我们", "<noise>", "<eos>"]


@pytest.mark.parametrize(
    "listed, text, pieces, back",
    [
        (SPANISH, "Coñá bo", list("COÑÁ BO"), "COÑÁ BO"),
        (SPANISH, "xo", ["?", "O"], "O"),
        (MANDARIN, "你好 我", list("你好我"), "你 好 我"),
    ],
)
def test_letters_of_any_script_are_written_and_read(listed, text, pieces, back, tmp_path):
    from vsr.text.tokenizer import load_tokenizer

    vsr4ml.letters(listed).save(tmp_path)
    tokenizer = load_tokenizer(tmp_path)
    assert tokenizer.vocab_size == len(listed)
    ids = tokenizer.encode(text)
    assert tokenizer.pieces(ids) == pieces and tokenizer.decode(ids) == back
    assert [listed[i] for i in ids if i > 1] == [p if p != " " else "<space>" for p in pieces if p != "?"]


@pytest.mark.parametrize(
    "listed", [None, ["a"], ["<blank>", "a", "b", "<eos>"], ["<blank>", "<unk>", "a", "a", "<eos>"]], ids=range(4)
)
def test_impossible_lists_of_letters_are_refused(listed):
    with pytest.raises(VsrError) as caught:
        vsr4ml.letters(listed)
    assert caught.value.reason == "bad_model"


def test_pieces_without_a_segmenter_spell_words_by_the_fewest():
    from vsr.text.tokenizer import ListTokenizer

    tokenizer = ListTokenizer(["▁A", "▁", "A", "B", "AB", "▁AB", "BA"], "upper")
    assert tokenizer.pieces(tokenizer.encode("abab ba")) == ["▁AB", "AB", "▁", "BA"]
    assert tokenizer.word_spans(tokenizer.encode("abab ba")) == [("ABAB", 0, 2), ("BA", 2, 4)]
