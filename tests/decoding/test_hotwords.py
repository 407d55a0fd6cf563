"""Hotwords: the score of a whole text, however it is tokenised; the search, the command, and wrong lists."""

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vsr.cli import main
from vsr.core.errors import VsrError
from vsr.decoding.hotwords import Hotwords
from vsr.decoding.options import DecodeOptions
from vsr.decoding.search import decode
from vsr.decoding.shallow_fusion import languages_of
from vsr.modelstore.folder import load_model
from vsr.text.tokenizer import CharTokenizer

WORD = st.text("abc", min_size=1, max_size=3)
PHRASES = st.lists(st.lists(WORD, min_size=1, max_size=3).map(" ".join), min_size=1, max_size=5, unique=True)


class Pieces:
    """Tokens as SentencePiece cuts: some open a word, in capitals as published models have them."""

    units = ["", "?", "\u2581A", "\u2581B", "\u2581", "A", "B", "C", "BA", "\u2581ABC", ""]
    eos_id = 10

    def pieces(self, ids):
        return [self.units[i] for i in ids]


def hotword_file(folder, phrases):
    path = folder / "hot.txt"
    path.write_text("\n".join(phrases) + "\n\n", encoding="utf-8")
    return path


def expected(text, phrases):
    """Letters of each phrase at each of its places in a text, by definition."""
    words = text.split()
    places = [words[i:j] for i in range(len(words)) for j in range(i + 1, len(words) + 1)]
    return sum(len(phrase.replace(" ", "")) * places.count(phrase.split()) for phrase in phrases)


@given(PHRASES, st.lists(st.sampled_from(range(2, 10)), max_size=9))
@settings(max_examples=200, deadline=None)
def test_score_is_the_letters_of_phrases_however_tokenised(tmp_path_factory, phrases, tokens):
    tokens = [token for token, before in zip(tokens, [4, *tokens], strict=False) if not token == before == 4]
    path = hotword_file(tmp_path_factory.mktemp("hot"), phrases)
    text = "".join(Pieces().pieces(tokens)).replace("\u2581", " ").lower()
    if "  " not in text:  # two spaces separate a phrase
        assert Hotwords(path, Pieces()).sentences([tokens]) == [expected(text, phrases)]


@given(PHRASES, st.lists(WORD, max_size=6).map(" ".join))
@settings(max_examples=100, deadline=None)
def test_scores_of_search_steps_add_up_to_the_text(tmp_path_factory, phrases, text):
    tokenizer = CharTokenizer("abc ")
    hotwords = Hotwords(hotword_file(tmp_path_factory.mktemp("hot"), phrases), tokenizer)
    search, total = hotwords.start(1, torch.device("cpu")), 0.0
    for token in tokenizer.encode(text):
        step = search.extend(torch.zeros(1, 1).long(), torch.tensor([[[tokenizer.eos_id, token]]]))
        total += float(step[0, 0, 1])
        assert abs(step[0, 0, 1]) <= hotwords.gain * 3
        search.follow(torch.zeros(1, 1).long(), torch.tensor([[token]]))
    total += float(search.extend(torch.zeros(1, 1).long(), torch.tensor([[[tokenizer.eos_id, 2]]]))[0, 0, 0])
    assert total == expected(text, phrases) == hotwords.sentences([tokenizer.encode(text)])[0]


def test_zero_weight_changes_nothing_and_large_weight_brings_the_phrases(tiny_model, tmp_path):
    loaded = load_model(tiny_model)
    torch.manual_seed(1)
    states, lengths = torch.randn(2, 20, 32), torch.tensor([20, 14])

    def search(**settings):
        options = DecodeOptions(beam=20, **settings)
        batch = decode(loaded.model, states, lengths, options, loaded.tokenizer.eos_id, languages_of(loaded, options))
        return [hypothesis[0] for hypothesis in batch]

    path = str(hotword_file(tmp_path, ["a", "b"]))
    unbiased = search()
    assert [hypothesis.tokens for hypothesis in search(hotwords=path, hotwords_weight=0.0)] == [
        hypothesis.tokens for hypothesis in unbiased
    ]
    biased = search(hotwords=path, hotwords_weight=30.0)
    count = loaded.languages[path].sentences
    assert sum(count([hypothesis.tokens for hypothesis in biased])) > sum(
        count([hypothesis.tokens for hypothesis in unbiased])
    )
    for hypothesis in biased:
        assert hypothesis.language_score == pytest.approx(30 * count([hypothesis.tokens])[0])


def test_commands_take_a_list_and_record_it(tiny_model, face_clip, tmp_path, capsys):
    path = hotword_file(tmp_path, ["good morning", "It's you"])
    command = ["transcribe", str(face_clip), "--model", str(tiny_model), "--format", "json", "--hotwords", str(path)]
    assert main(command) == 0
    provenance = json.loads(capsys.readouterr().out)["provenance"]
    assert provenance["languages"]["hotwords"]["sha256"] and provenance["search"]["hotwords_weight"] == 0.5
    assert main([*command[:-2], "--hotwords-weight", "1"]) == 2
    assert "--hotwords-weight needs --hotwords" in capsys.readouterr().err


@pytest.mark.parametrize(
    "lines, message",
    [
        (["", " "], "has 0 words or phrases"),
        (["set", "blue", "Set"], "line 3: 'set' is also in line 1"),
        (["gr\u00fcn"], "lip reader's tokens: they lack \u00fc"),
    ],
)
def test_wrong_list_is_refused_in_one_line(tmp_path, lines, message):
    with pytest.raises(VsrError, match=message):
        Hotwords(hotword_file(tmp_path, lines), CharTokenizer())
    with pytest.raises(VsrError, match="method"):
        DecodeOptions("ctc_beam", hotwords="x")
