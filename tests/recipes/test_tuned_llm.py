"""The rig that tunes a language model to choose among readings: its data, its loss, what it saves."""

import runpy
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch

from vsr.decoding.combination import fit_start, probabilities, with_languages
from vsr.decoding.llm import TextModel, load_text_model
from vsr.models.text_backbone import LoraSettings, with_lora

RIG = runpy.run_path(str(Path(__file__).parents[2] / "egs/lrs3/vsr/local/tuned_llm.py"))
TEXTS = [line.split() for line in ("set blue now", "set red now", "lay blue soon", "lay red soon")]
NAMES = ["member_0", "member_1", "own_0", "own_1", "empty", "words", "llm"]


@pytest.fixture(scope="module")
def model():
    """A tiny model of characters with adapters."""
    transformers, tokenizers = pytest.importorskip("transformers"), pytest.importorskip("tokenizers")
    pytest.importorskip("peft")
    torch.manual_seed(0)
    letters = {letter: index for index, letter in enumerate("<>abcdefghijklmnopqrstuvwxyzLS .")}
    characters = tokenizers.Tokenizer(tokenizers.models.WordLevel(letters, unk_token=">"))
    characters.pre_tokenizer = tokenizers.pre_tokenizers.Split("", "isolated")
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=characters, bos_token="<", eos_token="<")
    config = transformers.LlamaConfig(
        vocab_size=len(letters), hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2
    )
    base_model = transformers.LlamaForCausalLM(config).requires_grad_(False)
    return TextModel(with_lora(base_model, LoraSettings(4, 8.0, 0.0, ("q_proj", "v_proj"))), tokenizer, "")


@pytest.fixture(scope="module")
def misread():
    """The first member misreads the colour, the second nothing."""
    return RIG["ErrorSimulator"](TEXTS, [[["set", "glue", "now"], *TEXTS[1:]], TEXTS], TEXTS * 2)


def test_loss_is_the_expected_word_error_of_the_ranking(model, misread):
    weights = fit_start(NAMES, ["llm"])
    lattice = misread.lattice(TEXTS[0], np.random.default_rng(1))
    loss = RIG["expected_errors"](model, lattice, torch.from_numpy(weights).float(), TEXTS[0])
    path_probs = probabilities(
        with_languages(lattice, [model.sentences([text.split() for text in lattice.texts()])]), weights
    )
    errors = [sum(a != b for a, b in zip(text.split(), TEXTS[0], strict=True)) for text in lattice.texts()]
    assert len(lattice.paths) > 1 and float(loss.detach()) == pytest.approx(float(path_probs @ errors) / 3, abs=1e-5)


def test_model_is_tuned_and_saved_for_combine(model, misread, tmp_path, capsys):
    args = Namespace(lr=0.03, steps=20, batch=4, seed=0, shuffle=False, hypotheses=["a", "b"])
    before = model.model.get_base_model().lm_head.weight.clone()
    RIG["tune"](model, misread, TEXTS, args)
    first, last = (float(line.split()[7].rstrip(",")) for line in capsys.readouterr().out.splitlines())
    assert last < first
    merged = model.model.merge_and_unload().eval()
    assert torch.equal(merged.lm_head.weight, before)
    RIG["save"](merged, model.tokenizer, str(tmp_path))
    reloaded = load_text_model(tmp_path)
    reloaded.model.float()
    assert reloaded.sentences(TEXTS) == pytest.approx(TextModel(merged, model.tokenizer, "").sentences(TEXTS), abs=0.05)
