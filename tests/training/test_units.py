"""Readers of phonemes: CTC alone, further heads of other units, starting from a reader of letters."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.training.test_head_sets import NONE, changed_model, trained
from tests.training.test_loop import changed
from tests.training.test_loop import config as config  # noqa: PLC0414  a fixture
from vsr.core.errors import VsrError
from vsr.core.files import read_json
from vsr.data.manifest import read_manifest
from vsr.data.targets import text_targets
from vsr.decoding.corpus import decode_manifest
from vsr.decoding.defaults import options_for
from vsr.evaluation.units import token_edits
from vsr.evaluation.wer import read_records, score
from vsr.models.lipreader import LipReader, LipReaderConfig
from vsr.modelstore.folder import load_model
from vsr.text.tokenizer import CharTokenizer
from vsr.text.unit_tokenizers import UnitSettings, units_tokenizer
from vsr.training import pronunciations
from vsr.training.initialisation import copy_weights, token_pairs
from vsr.training.lipreader import LipReaderRun

SIZES = {
    "frontend_width": 8, "frontend_layers": 1, "frontend_heads": 2, "dim": 16, "heads": 2, "hidden": 24, "layers": 1,
    "decoder_layers": 0, "ctc_weight": 1.0, "alignment_weight": 0.0,
}  # fmt: skip


@pytest.fixture
def dictionary(tmp_path):
    path = tmp_path / "dictionary.txt"
    path.write_text("a AH\na EY\nb B IY\n")
    return str(path)


@pytest.fixture
def units(config, tmp_path, dictionary):
    """A run's configuration with phonemes as the model's tokens, CTC alone."""
    texts = [clip.text for clip in read_manifest(config.data.train[0])]
    (tmp_path / "phones").mkdir()
    units_tokenizer(UnitSettings(dictionary=(dictionary,)), texts).save(tmp_path / "phones")
    data = replace(config.data, tokenizer=str(tmp_path / "phones"))
    return changed_model(changed(replace(config, data=data), "trainer", max_epochs=1), NONE | {"ctc_weight": 1.0})


def test_a_reader_of_phonemes_is_trained_validated_and_searched_by_words(units, tmp_path, dictionary):
    figures, loaded = trained(units, tmp_path / "run")
    assert 0 <= float(figures["dev_per"]) <= 5 and "dev_wer" not in figures
    assert loaded.tokenizer.unit == "phoneme" and set(loaded.tokenizer.lexicon) == {"a", "b"}
    options = options_for(loaded)
    assert options.method == "lexicon" and options.beam == 100
    records = decode_manifest(loaded, units.data.tests[0], tmp_path / "hyp.jsonl", options)
    assert all(set(own["text"].split()) <= {"a", "b"} and "unit" not in own for own in records)
    assert all([word["word"] for word in own["words"]] == own["text"].split() for own in records)
    assert all(word["start"] <= word["end"] for own in records for word in own["words"])
    score({clip.id: clip.text for clip in read_manifest(units.data.tests[0])},
          {key: own["text"] for key, own in read_records(tmp_path / "hyp.jsonl").items()})  # fmt: skip
    phones = decode_manifest(
        loaded, units.data.tests[0], tmp_path / "phones.jsonl", options_for(loaded, {"method": "ctc_beam"})
    )
    assert all(own.get("unit", "phoneme") == "phoneme" for own in phones)


def test_the_reported_rate_is_that_of_the_units(units, tmp_path):
    figures, loaded = trained(units, tmp_path / "run")
    clips = read_manifest(units.data.dev[0])
    records = decode_manifest(
        loaded, units.data.dev[0], tmp_path / "dev.jsonl", options_for(loaded, {"method": "ctc_greedy"})
    )
    tokenizer = loaded.tokenizer
    edits = [token_edits(tokenizer, clip.text, tokenizer.ids(own["text"].split()))
             for clip, own in zip(clips, records, strict=True)]  # fmt: skip
    found = sum(own.errors for own in edits) / sum(own.units for own in edits)
    assert float(figures["dev_per"]) == pytest.approx(found, abs=0.06)  # the export is half precision


def test_a_head_of_phonemes_stands_beside_letters(config, tmp_path, dictionary):
    phones = {"kind": "unit_ctc", "dictionary": [dictionary], "weight": 0.3}
    one = changed_model(changed(config, "trainer", max_epochs=1), {"further_heads": {"phones": phones}})
    figures, loaded = trained(one, tmp_path / "run")
    assert {"dev_wer", "phones", "ctc"} <= figures.keys()
    records = decode_manifest(loaded, config.data.tests[0], tmp_path / "hyp.jsonl", options_for(loaded), head="phones")
    assert all(own["unit"] == "phoneme" for own in records)


def test_all_pronunciations_are_taught_and_the_seed_draws_them(config, dictionary):
    tokenizer = units_tokenizer(UnitSettings(pronunciation="all", dictionary=(dictionary,)), ["a b"])
    clip = read_manifest(config.data.train[0])[0]
    seen = {tuple(text_targets(clip, 9, tokenizer, np.random.default_rng(s))["tokens"].values) for s in range(12)}
    assert len(seen) > 1
    assert tuple(text_targets(clip, 9, tokenizer)["tokens"].values) in seen


def model_of(tokenizer, **more):
    return LipReader(LipReaderConfig(tokenizer.vocab_size, **SIZES | more))


def test_heads_are_compared_by_units_and_not_by_shape(dictionary):
    letters = CharTokenizer(" abcdefghijklmnopqrstuvwxyz0123456789.,:")
    phonemes = units_tokenizer(UnitSettings(dictionary=(dictionary,)), ["a b"])
    assert letters.vocab_size == phonemes.vocab_size
    source, target = model_of(letters), model_of(phonemes)
    before = target.ctc.weight.detach().clone()
    copy_weights(source, target, letters, phonemes)
    assert torch.equal(target.encoder.norm.weight, source.encoder.norm.weight)
    same = [(a == b).all().item() for a, b in zip(target.ctc.weight, source.ctc.weight, strict=True)]
    assert same == [True, True, *[False] * (len(same) - 3), True]  # blank, unknown and end alone
    assert torch.equal(target.ctc.weight[2:-1], before[2:-1])


def test_a_viseme_is_no_letter(dictionary):
    letters, visemes = CharTokenizer(), units_tokenizer(UnitSettings("viseme", dictionary=(dictionary,)), ["a b"])
    assert set(letters.units) & set(visemes.units)  # "p" is both
    assert len(token_pairs(letters, visemes)) == 3


def test_further_heads_of_other_units_begin_again(dictionary):
    letters = CharTokenizer()
    own = {"phones": {"kind": "unit_ctc", "dictionary": [dictionary]}}
    other = {"phones": {"kind": "ctc", "characters": " abcdefghijklmnopqrstuvwxyz0123456789.,:"}}
    source, same, target = (model_of(letters, further_heads=heads) for heads in (own, own, other))
    assert source.further_heads["phones"].weight.shape == target.further_heads["phones"].weight.shape
    copy_weights(source, same, letters, letters)
    copy_weights(source, target, letters, letters)
    assert torch.equal(source.further_heads["phones"].weight, same.further_heads["phones"].weight)
    assert not torch.equal(source.further_heads["phones"].weight, target.further_heads["phones"].weight)


def test_another_lexicon_at_decoding_needs_no_other_model(units, tmp_path, dictionary):
    _, loaded = trained(units, tmp_path / "run")
    (tmp_path / "words.txt").write_text("b\nab AH B\n")
    options = options_for(loaded, {"lexicon": str(tmp_path / "words.txt")})
    records = decode_manifest(loaded, units.data.tests[0], tmp_path / "hyp.jsonl", options)
    assert all(set(own["text"].split()) <= {"b", "ab"} for own in records)
    again = load_model(tmp_path / "run" / "model")
    with pytest.raises(VsrError, match="nowhere"):
        decode_manifest(again, units.data.tests[0], tmp_path / "no.jsonl", options_for(again, {"lexicon": "nowhere"}))
    assert not (tmp_path / "no.jsonl").exists()


def test_the_best_pronunciations_are_chosen_kept_and_taught(units, tmp_path, dictionary, monkeypatch):
    (tmp_path / "best").mkdir()
    tokenizer = units_tokenizer(UnitSettings(pronunciation="best", dictionary=(dictionary,)), ["a b"])
    tokenizer.save(tmp_path / "best")
    best = replace(units, data=replace(units.data, tokenizer=str(tmp_path / "best")))
    longer = changed(best, "trainer", max_epochs=4)
    run = LipReaderRun(longer, tmp_path / "run")
    run.fit()
    kept = read_json(tmp_path / "run" / "pronunciations.json")
    assert kept["epoch"] == 3 and run.tokenizer.chosen == kept["chosen"]
    clips = {clip.id: clip for clip in read_manifest(units.data.train[0])}
    assert kept["chosen"].keys() <= {name for name, clip in clips.items() if "a" in clip.text}
    for name, own in kept["chosen"].items():
        text = clips[name].text
        taught = run.tokenizer.drawn(text, np.random.default_rng(0), name)
        words = [run.tokenizer.variants(word)[place] for word, place in zip(text.split(), own, strict=True)]
        assert taught == run.tokenizer.joined(words)
    again = LipReaderRun(longer, tmp_path / "run", True)
    again.progress.epoch = 3
    monkeypatch.setattr(pronunciations, "chosen_by", lambda run: pytest.fail("it is chosen already"))
    pronunciations.choose_pronunciations(again)
    assert again.tokenizer.chosen == kept["chosen"]
