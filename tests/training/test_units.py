"""Models of phonemes: CTC alone, further heads of other units, starting from a model of letters."""

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
def phoneme_config(config, tmp_path, dictionary):
    """A run's configuration with phonemes as tokens and CTC alone."""
    texts = [clip.text for clip in read_manifest(config.data.train[0])]
    (tmp_path / "phones").mkdir()
    units_tokenizer(UnitSettings(dictionary=(dictionary,)), texts).save(tmp_path / "phones")
    data = replace(config.data, tokenizer=str(tmp_path / "phones"))
    return changed_model(changed(replace(config, data=data), "trainer", max_epochs=1), NONE | {"ctc_weight": 1.0})


def test_model_of_phonemes_is_trained_validated_and_searched_by_words(phoneme_config, tmp_path, dictionary):
    figures, loaded = trained(phoneme_config, tmp_path / "run")
    assert 0 <= float(figures["dev_per"]) <= 5 and "dev_wer" not in figures
    assert loaded.tokenizer.unit == "phoneme" and set(loaded.tokenizer.lexicon) == {"a", "b"}
    options = options_for(loaded)
    assert options.method == "lexicon" and options.beam == 100
    records = decode_manifest(loaded, phoneme_config.data.tests[0], tmp_path / "hyp.jsonl", options)
    assert all(set(record["text"].split()) <= {"a", "b"} and "unit" not in record for record in records)
    assert all([word["word"] for word in record["words"]] == record["text"].split() for record in records)
    assert all(word["start"] <= word["end"] for record in records for word in record["words"])
    score({clip.id: clip.text for clip in read_manifest(phoneme_config.data.tests[0])},
          {key: record["text"] for key, record in read_records(tmp_path / "hyp.jsonl").items()})  # fmt: skip
    phones = decode_manifest(
        loaded, phoneme_config.data.tests[0], tmp_path / "phones.jsonl", options_for(loaded, {"method": "ctc_beam"})
    )
    assert all(record.get("unit", "phoneme") == "phoneme" for record in phones)


def test_reported_rate_is_that_of_the_units(phoneme_config, tmp_path):
    figures, loaded = trained(phoneme_config, tmp_path / "run")
    clips = read_manifest(phoneme_config.data.dev[0])
    records = decode_manifest(
        loaded, phoneme_config.data.dev[0], tmp_path / "dev.jsonl", options_for(loaded, {"method": "ctc_greedy"})
    )
    tokenizer = loaded.tokenizer
    edits = [token_edits(tokenizer, clip.text, tokenizer.ids(record["text"].split()))
             for clip, record in zip(clips, records, strict=True)]  # fmt: skip
    error_rate = sum(edit.errors for edit in edits) / sum(edit.units for edit in edits)
    assert float(figures["dev_per"]) == pytest.approx(error_rate, abs=0.06)  # the exported model has half precision


def test_head_of_phonemes_is_trained_beside_letters(config, tmp_path, dictionary):
    phones = {"kind": "unit_ctc", "dictionary": [dictionary], "weight": 0.3}
    short = changed_model(changed(config, "trainer", max_epochs=1), {"further_heads": {"phones": phones}})
    figures, loaded = trained(short, tmp_path / "run")
    assert {"dev_wer", "phones", "ctc"} <= figures.keys()
    records = decode_manifest(loaded, config.data.tests[0], tmp_path / "hyp.jsonl", options_for(loaded), head="phones")
    assert all(record["unit"] == "phoneme" for record in records)


def test_all_pronunciations_are_targets_and_the_seed_draws_one(config, dictionary):
    tokenizer = units_tokenizer(UnitSettings(pronunciation="all", dictionary=(dictionary,)), ["a b"])
    clip = read_manifest(config.data.train[0])[0]
    drawn = {tuple(text_targets(clip, 9, tokenizer, np.random.default_rng(s))["tokens"].values) for s in range(12)}
    assert len(drawn) > 1
    assert tuple(text_targets(clip, 9, tokenizer)["tokens"].values) in drawn


def model_of(tokenizer, **settings):
    return LipReader(LipReaderConfig(tokenizer.vocab_size, **SIZES | settings))


def test_weights_of_heads_are_copied_by_unit_and_not_by_shape(dictionary):
    letters = CharTokenizer(" abcdefghijklmnopqrstuvwxyz0123456789.,:")
    phonemes = units_tokenizer(UnitSettings(dictionary=(dictionary,)), ["a b"])
    assert letters.vocab_size == phonemes.vocab_size
    source, target = model_of(letters), model_of(phonemes)
    before = target.ctc.weight.detach().clone()
    copy_weights(source, target, letters, phonemes)
    assert torch.equal(target.encoder.norm.weight, source.encoder.norm.weight)
    same = [(a == b).all().item() for a, b in zip(target.ctc.weight, source.ctc.weight, strict=True)]
    assert same == [True, True, *[False] * (len(same) - 3), True]  # only blank, unknown and end
    assert torch.equal(target.ctc.weight[2:-1], before[2:-1])


def test_viseme_is_not_taken_for_a_letter(dictionary):
    letters, visemes = CharTokenizer(), units_tokenizer(UnitSettings("viseme", dictionary=(dictionary,)), ["a b"])
    assert set(letters.units) & set(visemes.units)  # "p" is both
    assert len(token_pairs(letters, visemes)) == 3


def test_further_head_of_other_units_is_initialised(dictionary):
    letters = CharTokenizer()
    phones = {"phones": {"kind": "unit_ctc", "dictionary": [dictionary]}}
    letters_head = {"phones": {"kind": "ctc", "characters": " abcdefghijklmnopqrstuvwxyz0123456789.,:"}}
    source, same, target = (model_of(letters, further_heads=heads) for heads in (phones, phones, letters_head))
    assert source.further_heads["phones"].weight.shape == target.further_heads["phones"].weight.shape
    copy_weights(source, same, letters, letters)
    copy_weights(source, target, letters, letters)
    assert torch.equal(source.further_heads["phones"].weight, same.further_heads["phones"].weight)
    assert not torch.equal(source.further_heads["phones"].weight, target.further_heads["phones"].weight)


def test_lexicon_is_exchanged_without_retraining(phoneme_config, tmp_path, dictionary):
    _, loaded = trained(phoneme_config, tmp_path / "run")
    (tmp_path / "words.txt").write_text("b\nab AH B\n")
    options = options_for(loaded, {"lexicon": str(tmp_path / "words.txt")})
    records = decode_manifest(loaded, phoneme_config.data.tests[0], tmp_path / "hyp.jsonl", options)
    assert all(set(record["text"].split()) <= {"b", "ab"} for record in records)
    reloaded = load_model(tmp_path / "run" / "model")
    with pytest.raises(VsrError, match="nowhere"):
        decode_manifest(
            reloaded, phoneme_config.data.tests[0], tmp_path / "no.jsonl", options_for(reloaded, {"lexicon": "nowhere"})
        )
    assert not (tmp_path / "no.jsonl").exists()


def test_best_pronunciations_are_chosen_stored_and_taught(phoneme_config, tmp_path, dictionary, monkeypatch):
    (tmp_path / "best").mkdir()
    tokenizer = units_tokenizer(UnitSettings(pronunciation="best", dictionary=(dictionary,)), ["a b"])
    tokenizer.save(tmp_path / "best")
    best = replace(phoneme_config, data=replace(phoneme_config.data, tokenizer=str(tmp_path / "best")))
    longer = changed(best, "trainer", max_epochs=4)
    run = LipReaderRun(longer, tmp_path / "run")
    run.fit()
    stored = read_json(tmp_path / "run" / "pronunciations.json")
    assert stored["epoch"] == 3 and run.tokenizer.chosen == stored["chosen"]
    clips = {clip.id: clip for clip in read_manifest(phoneme_config.data.train[0])}
    assert stored["chosen"].keys() <= {name for name, clip in clips.items() if "a" in clip.text}
    for name, choices in stored["chosen"].items():
        text = clips[name].text
        targets = run.tokenizer.drawn(text, np.random.default_rng(0), name)
        words = [run.tokenizer.variants(word)[choice] for word, choice in zip(text.split(), choices, strict=True)]
        assert targets == run.tokenizer.joined(words)
    resumed = LipReaderRun(longer, tmp_path / "run", True)
    resumed.progress.epoch = 3
    monkeypatch.setattr(pronunciations, "chosen_by", lambda run: pytest.fail("it is chosen already"))
    pronunciations.choose_pronunciations(resumed)
    assert resumed.tokenizer.chosen == stored["chosen"]
