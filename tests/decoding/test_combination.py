"""Confusion networks of several readers: paths, votes, weights, and language models that decide."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vsr.decoding.combination import (
    Reading,
    answer,
    edits,
    feature_names,
    fit,
    fit_start,
    lattice_of,
    start_weights,
    with_languages,
)
from vsr.decoding.confusion import best_paths, network_of, text_of
from vsr.decoding.llm import as_sentence, load_text_model
from vsr.decoding.word_ngram import BEGIN, CountedWords

WORDS = st.lists(st.sampled_from(["red", "blue", "green", "at", "by", "with"]), max_size=6)


def reading(text: str, confidence: float = 1.0) -> Reading:
    words = tuple(text.split())
    return Reading(words, (confidence,) * len(words))


@settings(max_examples=60, deadline=None)
@given(st.lists(WORDS, min_size=1, max_size=5))
def test_each_member_is_a_path_of_the_network(members):
    slots = network_of(members)
    assert all(len(slot) == len(members) and any(slot) for slot in slots)
    assert [[slot[index] for slot in slots if slot[index]] for index in range(len(members))] == members


@settings(max_examples=40, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from("abc"), st.integers(-5, 5), min_size=1), min_size=1, max_size=4))
def test_best_paths_are_those_of_all_paths_listed(choices):
    scores = [0]
    for choice in choices:
        scores = [score + added for score in scores for added in choice.values()]
    paths = best_paths(choices, 5)
    path_scores = [sum(choice[word] for choice, word in zip(choices, path, strict=True)) for path in paths]
    assert path_scores == sorted(scores, reverse=True)[:5] and len(set(paths)) == len(paths)


def test_majority_wins_and_agreement_is_its_share():
    lattice = lattice_of([reading("set red at a"), reading("set blue at a"), reading("set blue by a")], False)
    words = answer(lattice, start_weights(feature_names(3, [], False), []))
    assert [word.word for word in words] == ["set", "blue", "at", "a"]
    assert [word.agreement for word in words] == [1, 2 / 3, 2 / 3, 1]
    assert words[0].confidence == pytest.approx(1) and words[1].confidence < 1


def test_confident_member_outvotes_uncertain_ones():
    members = [reading("set red now", 0.2), reading("set red now", 0.2), reading("set blue now", 0.95)]
    names = feature_names(3, [], True)
    assert (
        text_of([word.word for word in answer(lattice_of(members, True), start_weights(names, []))]) == "set blue now"
    )


def test_fit_finds_the_reliable_member():
    """The second member is right; the first and third make the same error."""
    rng, truth, lattices = random.Random(0), [], []
    for _ in range(40):
        words = [rng.choice(["a", "b", "c", "d", "e", "f"]) for _ in range(5)]
        wrong = list(words)
        wrong[rng.randrange(5)] = "x"
        truth.append(words)
        lattices.append(lattice_of([reading(" ".join(lattice)) for lattice in (wrong, words, wrong)], False))
    names = feature_names(3, [], False)
    start = start_weights(names, [])
    weights = fit(lattices, truth, fit_start(names, []))
    errors = [
        sum(
            edits(words, [w.word for w in answer(lattice, tried)])
            for words, lattice in zip(truth, lattices, strict=True)
        )
        for tried in (start, weights)
    ]
    assert errors[0] >= 30 and errors[1] == 0
    assert weights[names.index("member_1")] > weights[names.index("member_0")]


def test_language_model_overrules_a_better_member():
    """The best is wrong in one word of five, the others in two, and the language model scores the truth with noise."""
    rng, truth, lattices = random.Random(1), [], []
    for _ in range(120):
        words = [rng.choice("abcdefgh") for _ in range(6)]
        best = [word if rng.random() < 0.8 else rng.choice("pqrs") for word in words]
        others = [word if rng.random() < 0.6 else rng.choice("tuvw") for word in words]
        lattice = lattice_of([reading(" ".join(member)) for member in (best, others, others)], False)
        scores = [
            3 * sum(a == b for a, b in zip(path, words, strict=False)) + rng.gauss(0, 2) for path in lattice.paths
        ]
        truth.append(words)
        lattices.append(with_languages(lattice, [scores]))
    names = feature_names(3, ["llm"], False)
    weights = fit(lattices[:80], truth[:80], fit_start(names, ["llm"]))
    held_out = list(zip(truth[80:], lattices[80:], strict=True))
    combined = sum(edits(words, [w.word for w in answer(lattice, weights)]) for words, lattice in held_out)
    assert combined < 0.7 * sum(edits(words, [slot[0] for slot in lattice.slots]) for words, lattice in held_out)


def test_probabilities_of_counted_words_sum_to_one():
    """Of all words and an unknown one, after any context."""
    model = CountedWords([line.split() for line in ("a b c", "a b d", "b c")])
    for context in ((BEGIN, BEGIN), ("a", "b"), ("b",), ("x", "y"), ()):
        known = sum(model.probability(context, word) for word in model.vocabulary)
        assert known + model.probability(context, "never") == pytest.approx(1)
    assert model.texts([["a", "b", "c"]]) > model.texts([["c", "b", "a"]])


def test_sentence_has_a_capital_and_a_full_stop():
    assert [as_sentence(text.split()) for text in ("", "i", "when i'm here")] == [[], ["I."], ["When", "I'm", "here."]]


@pytest.fixture(scope="module")
def text_model(tmp_path_factory):
    """A tiny model of the real class with a tokenizer of characters, as safetensors."""
    transformers, tokenizers = pytest.importorskip("transformers"), pytest.importorskip("tokenizers")
    import torch

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("llm")
    letters = {letter: index for index, letter in enumerate("<>abcdefghijklmnopqrstuvwxyz .")}
    characters = tokenizers.Tokenizer(tokenizers.models.WordLevel(letters, unk_token=">"))
    characters.pre_tokenizer = tokenizers.pre_tokenizers.Split("", "isolated")
    fast_tokenizer = transformers.PreTrainedTokenizerFast
    tokenizer = fast_tokenizer(tokenizer_object=characters, bos_token="<", eos_token="<", unk_token=">")
    config = transformers.LlamaConfig(
        vocab_size=len(letters), hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_tree_of_texts_gives_each_its_own_probability(text_model):
    """Scored together or alone, with the model's own forward pass."""
    import torch

    loaded = load_text_model(text_model)
    loaded.model.float()
    texts = [line.split() for line in ("set blue", "set blue at", "set red", "", "by")]
    together = loaded.texts(texts)
    for text, value in zip(texts, together, strict=True):
        tokens = [0, *loaded.tokenizer.encode(" ".join(text), add_special_tokens=False)] if text else [0]
        with torch.inference_mode():
            log_probs = loaded.model(input_ids=torch.tensor([tokens])).logits[0].log_softmax(-1)
        alone = sum(log_probs[position, token].item() for position, token in enumerate(tokens[1:]))
        assert value == pytest.approx(alone, abs=1e-4)


def test_refuses_pickled_weights(tmp_path):
    (tmp_path / "pytorch_model.bin").write_bytes(b"x")
    with pytest.raises(Exception, match="pickled weights, which are never read"):
        load_text_model(tmp_path)
