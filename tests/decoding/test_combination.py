"""Hypotheses of several systems become one: network, paths, weights, language models, and the verb."""

import json
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vsr.cli import main
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


def refused(argv, capsys, status=1) -> str:
    """What a command says that refuses, in one line."""
    assert main(argv) == status
    said = capsys.readouterr().err
    assert len(said.strip().splitlines()) == 1
    return said


def reading(text: str, confidence: float = 1.0) -> Reading:
    words = tuple(text.split())
    return Reading(words, (confidence,) * len(words))


@settings(max_examples=60, deadline=None)
@given(st.lists(WORDS, min_size=1, max_size=5))
def test_each_member_is_a_path_of_the_network(members):
    slots = network_of(members)
    assert all(len(slot) == len(members) and any(slot) for slot in slots)
    assert [[slot[place] for slot in slots if slot[place]] for place in range(len(members))] == members


@settings(max_examples=40, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from("abc"), st.integers(-5, 5), min_size=1), min_size=1, max_size=4))
def test_the_best_paths_are_those_of_all_paths(choices):
    """Against all paths, listed."""
    scores = [0]
    for choice in choices:
        scores = [score + own for score in scores for own in choice.values()]
    found = best_paths(choices, 5)
    own = [sum(choice[word] for choice, word in zip(choices, path, strict=True)) for path in found]
    assert own == sorted(scores, reverse=True)[:5] and len(set(found)) == len(found)


def test_the_majority_wins_and_says_how_many_agree():
    lattice = lattice_of([reading("set red at a"), reading("set blue at a"), reading("set blue by a")], False)
    words = answer(lattice, start_weights(feature_names(3, [], False), []))
    assert [word.word for word in words] == ["set", "blue", "at", "a"]
    assert [word.agreement for word in words] == [1, 2 / 3, 2 / 3, 1]
    assert words[0].confidence == pytest.approx(1) and words[1].confidence < 1


def test_who_is_sure_outvotes_who_guess():
    own = [reading("set red now", 0.2), reading("set red now", 0.2), reading("set blue now", 0.95)]
    names = feature_names(3, [], True)
    assert text_of([word.word for word in answer(lattice_of(own, True), start_weights(names, []))]) == "set blue now"


def test_the_fit_finds_out_whom_to_believe():
    """The second member is right; the first and third make the same mistake."""
    rng, truth, lattices = random.Random(0), [], []
    for _ in range(40):
        words = [rng.choice(["a", "b", "c", "d", "e", "f"]) for _ in range(5)]
        wrong = list(words)
        wrong[rng.randrange(5)] = "x"
        truth.append(words)
        lattices.append(lattice_of([reading(" ".join(own)) for own in (wrong, words, wrong)], False))
    names = feature_names(3, [], False)
    start = start_weights(names, [])
    weights = fit(lattices, truth, fit_start(names, []))
    errors = [
        sum(edits(words, [w.word for w in answer(own, given)]) for words, own in zip(truth, lattices, strict=True))
        for given in (start, weights)
    ]
    assert errors[0] >= 30 and errors[1] == 0
    assert weights[names.index("member_1")] > weights[names.index("member_0")]


def test_single_words_of_a_far_better_member_give_way_to_a_language_model():
    """The best is wrong in a word of five, the others in two, and what a language model says is true with noise."""
    rng, truth, lattices = random.Random(1), [], []
    for _ in range(120):
        words = [rng.choice("abcdefgh") for _ in range(6)]
        best = [word if rng.random() < 0.8 else rng.choice("pqrs") for word in words]
        others = [word if rng.random() < 0.6 else rng.choice("tuvw") for word in words]
        own = lattice_of([reading(" ".join(said)) for said in (best, others, others)], False)
        scores = [3 * sum(a == b for a, b in zip(path, words, strict=False)) + rng.gauss(0, 2) for path in own.paths]
        truth.append(words)
        lattices.append(with_languages(own, [scores]))
    names = feature_names(3, ["llm"], False)
    weights = fit(lattices[:80], truth[:80], fit_start(names, ["llm"]))
    told = list(zip(truth[80:], lattices[80:], strict=True))
    combined = sum(edits(words, [w.word for w in answer(own, weights)]) for words, own in told)
    assert combined < 0.7 * sum(edits(words, [slot[0] for slot in own.slots]) for words, own in told)


def test_counted_words_sum_to_one():
    """Of all words and one that is unknown, after any context."""
    model = CountedWords([line.split() for line in ("a b c", "a b d", "b c")])
    for context in ((BEGIN, BEGIN), ("a", "b"), ("b",), ("x", "y"), ()):
        known = sum(model.probability(context, word) for word in model.vocabulary)
        assert known + model.probability(context, "never") == pytest.approx(1)
    assert model.texts([["a", "b", "c"]]) > model.texts([["c", "b", "a"]])


def test_a_sentence_has_a_capital_and_a_stop():
    assert [as_sentence(text.split()) for text in ("", "i", "when i'm here")] == [[], ["I."], ["When", "I'm", "here."]]


@pytest.fixture(scope="module")
def text_model(tmp_path_factory):
    """A tiny model of the real class with a tokenizer of characters, as safetensors."""
    transformers, tokenizers = pytest.importorskip("transformers"), pytest.importorskip("tokenizers")
    import torch

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("llm")
    letters = {letter: place for place, letter in enumerate("<>abcdefghijklmnopqrstuvwxyz .")}
    plain = tokenizers.Tokenizer(tokenizers.models.WordLevel(letters, unk_token=">"))
    plain.pre_tokenizer = tokenizers.pre_tokenizers.Split("", "isolated")
    made = transformers.PreTrainedTokenizerFast
    tokenizer = made(tokenizer_object=plain, bos_token="<", eos_token="<", unk_token=">")
    config = transformers.LlamaConfig(
        vocab_size=len(letters), hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_the_tree_of_texts_gives_each_its_own_probability(text_model):
    """Read together or alone, with the model's own forward pass."""
    import torch

    loaded = load_text_model(text_model)
    loaded.model.float()
    texts = [own.split() for own in ("set blue", "set blue at", "set red", "", "by")]
    together = loaded.texts(texts)
    for text, value in zip(texts, together, strict=True):
        tokens = [0, *loaded.tokenizer.encode(" ".join(text), add_special_tokens=False)] if text else [0]
        with torch.inference_mode():
            chances = loaded.model(input_ids=torch.tensor([tokens])).logits[0].log_softmax(-1)
        alone = sum(chances[place, token].item() for place, token in enumerate(tokens[1:]))
        assert value == pytest.approx(alone, abs=1e-4)


def test_pickled_weights_are_refused(tmp_path):
    (tmp_path / "pytorch_model.bin").write_bytes(b"x")
    with pytest.raises(Exception, match="pickled weights, which are never read"):
        load_text_model(tmp_path)


@pytest.fixture
def lists(tmp_path):
    """Files of three readers of ten clips, of which the second never errs, and the manifest."""
    rng, names = random.Random(1), ["a", "b", "c"]
    truth = {f"clip{place}": " ".join(rng.choice(["set", "bin", "lay"]) for _ in range(4)) for place in range(10)}
    for name in names:
        own = {key: text if name == "b" else text.replace("set", "bin", 1) for key, text in truth.items()}
        lines = [json.dumps({"id": key, "text": text}) for key, text in own.items()]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    lines = [json.dumps({"id": key, "video": "", "text": text, "speaker": ""}) for key, text in truth.items()]
    (tmp_path / "ref.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    return tmp_path, [str(tmp_path / f"{name}.jsonl") for name in names]


def test_the_verb_fits_saves_and_uses_weights(lists, capsys):
    folder, files = lists
    ref, weights = str(folder / "ref.jsonl"), str(folder / "w.json")
    fitted = ["combine", *files, "--out", str(folder / "f.jsonl"), "--fit", ref, "--save-weights", weights]
    assert main(fitted) == 0
    assert main(["combine", *files, "--out", str(folder / "u.jsonl"), "--weights", weights, "--ref", ref]) == 0
    said = capsys.readouterr().out
    assert "oracle  WER 0.00%" in said and "combined  WER 0.00%" in said and "gain on the best member 0.00" in said
    assert (folder / "f.jsonl").read_bytes() == (folder / "u.jsonl").read_bytes()
    line = json.loads((folder / "u.jsonl").read_text("utf-8").splitlines()[0])
    assert {"id", "text", "confidence", "words"} == line.keys() and line["words"][0].keys() == {
        "word", "confidence", "agreement",
    }  # fmt: skip


def test_two_votes_never_outvote_the_first_and_that_is_said(lists, capsys):
    folder, (first, second, third) = lists
    call = ["combine", "--out", str(folder / "o.jsonl"), "--ref", str(folder / "ref.jsonl")]
    assert main([*call, first, second]) == 0
    said = capsys.readouterr().err
    assert f"neither is the more: this is {first} as it was" in said
    texts = [
        [json.loads(line)["text"] for line in Path(own).read_text("utf-8").splitlines()]
        for own in (first, folder / "o.jsonl")
    ]
    assert texts[0] == texts[1]
    assert main([*call, first, second, third]) == 0
    assert f"{second} (0.00%) is better than {first}" in capsys.readouterr().err
    assert main([*call, second, first, third]) == 0 and "vsr combine" not in capsys.readouterr().err


def test_a_language_model_decides_between_equals(lists):
    folder, _ = lists
    for name, text in (("one", "at blue"), ("two", "at blew")):
        (folder / f"{name}.jsonl").write_text(json.dumps({"id": "x", "text": text}) + "\n", "utf-8")
    (folder / "text.txt").write_text("at blue\nis blue\n" * 20, "utf-8")
    for order in (("one", "two"), ("two", "one")):
        out = folder / "lm.jsonl"
        given = [str(folder / f"{name}.jsonl") for name in order]
        weights = folder / "w.json"
        names = feature_names(2, ["lm"], False)
        weights.write_text(json.dumps({"weights": dict.fromkeys(names, 0.0) | {"lm": 1.0}}), "utf-8")
        options = ["--method", "lm", "--lm", str(folder / "text.txt"), "--weights", str(weights)]
        assert main(["combine", *given, "--out", str(out), *options]) == 0
        assert json.loads(out.read_text("utf-8"))["text"] == "at blue"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--method", "lm"], "--method lm needs --lm"),
        (["--lm", "x"], "--lm is for --method lm"),
        (["--save-weights", "w.json"], "--save-weights needs --fit"),
        (["--method", "llm", "--llm", "nowhere"], "nowhere is no folder and no GGUF file"),
    ],
)
def test_options_that_do_not_fit_are_refused(lists, capsys, options, said):
    folder, files = lists
    status = 1 if "nowhere" in options else 2
    assert said in refused(["combine", *files, "--out", str(folder / "o.jsonl"), *options], capsys, status)
    assert not (folder / "o.jsonl").exists()


def test_lists_of_other_clips_and_one_list_are_refused(lists, capsys):
    folder, files = lists
    out = str(folder / "o.jsonl")
    assert "one list of hypotheses is nothing to combine" in refused(["combine", files[0], "--out", out], capsys, 2)
    (folder / "short.jsonl").write_text(json.dumps({"id": "clip1", "text": "set"}) + "\n", "utf-8")
    said = refused(["combine", files[0], str(folder / "short.jsonl"), "--out", out], capsys)
    assert "short.jsonl lacks 9 utterances" in said
    (folder / "w.json").write_text(json.dumps({"weights": {"member_0": 1.0}}), "utf-8")
    said = refused(["combine", *files, "--weights", str(folder / "w.json"), "--out", out], capsys)
    assert "the weights are of 1 members with plain votes, and this call has 3 members with plain votes" in said


def test_a_member_is_given_once_and_says_how_sure_it_is(lists, capsys):
    folder, files = lists
    call, weights = ["combine", *files, "--out", str(folder / "o.jsonl")], str(folder / "w.json")
    (folder / "link.jsonl").symlink_to(files[0])
    for again in (files[0], str(folder / "link.jsonl")):
        assert main([*call, again]) == 2 and f"{again} is given twice" in capsys.readouterr().err
    said = refused([*call, "--method", "confidence"], capsys)
    assert "a.jsonl has no confidence" in said and "--method vote" in said
    assert main([*call, "--fit", str(folder / "ref.jsonl"), "--save-weights", weights]) == 0
    for path in files:
        rows = [json.loads(line) for line in Path(path).read_text("utf-8").splitlines()]
        Path(path).write_text("".join(json.dumps(row | {"confidence": 0.5}) + "\n" for row in rows), "utf-8")
    assert main([*call, "--method", "confidence"]) == 0
    capsys.readouterr()
    said = refused([*call, "--method", "confidence", "--weights", weights], capsys)
    assert "w.json: the weights are of 3 members with plain votes" in said and "votes by confidence" in said
    for broken in ("{", '{"weights": {"member_0": NaN}}'):
        (folder / "w.json").write_text(broken, "utf-8")
        assert "holds no weights" in refused([*call, "--weights", weights], capsys)
