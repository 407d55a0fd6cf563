"""Translators of units: repetition, lengths, languages, the search, and parallel pairs."""

import numpy as np
import pytest
import torch

from lip2speech.models.durations import durations_filling, repeat_units, rounded_durations, runs
from lip2speech.models.translator import TranslatorConfig
from lip2speech.models.translators import FIRST, UnitPairs
from lip2speech.training.unit_pairs import PairDataset, group_by_text, translations_of, units_of
from tests.lip2speech.tiny import UNITS, by_heart
from tests.lip2speech.tiny_units import LANGUAGES, TRANSLATOR, parallel_clips, tiny_translator
from vsr.core.errors import VsrError
from vsr.core.tokens import IGNORE
from vsr.data.manifest import Clip
from vsr.media.units import Codebook
from vsr.models.hypotheses import beam_search


def pairs(lengths=(6, 4)):
    torch.manual_seed(1)
    tokens = torch.tensor([[2, 5, 3], [4, 2, IGNORE]])
    steps = torch.tensor([[2, 1, 3], [4, 1, 0]])
    source = torch.randint(UNITS, (len(lengths), max(lengths), 2))
    first = torch.tensor([TranslatorConfig(**TRANSLATOR).token_of(language) for language in ("es", "de")])
    return UnitPairs(source, torch.tensor(lengths), tokens, steps, first)


@pytest.mark.parametrize("seed", range(5))
def test_runs_are_undone_by_repetition(seed):
    units = np.random.default_rng(seed).integers(0, 3, 50).tolist()
    units_of_runs, counts = runs(units)
    assert repeat_units(units_of_runs, counts) == units and all(
        a != b for a, b in zip(units_of_runs, units_of_runs[1:], strict=False)
    )
    assert runs([]) == ([], [])


@pytest.mark.parametrize("steps", [7, 8, 40, 101])
def test_lengths_fill_the_time_exactly(steps):
    for seed in range(20):
        lengths = np.random.default_rng(seed).uniform(0.2, 9, 7)
        counts = durations_filling(lengths, steps)
        assert sum(counts) == steps and min(counts) >= 1
        order = np.argsort(lengths)
        assert (np.diff(np.array(counts)[order]) >= -1).all()  # a longer unit is not shorter, except for rounding
    whole = [3, 1, 4, 1, 5, 9, 2]
    assert durations_filling(whole, sum(whole)) == whole == rounded_durations(whole)
    assert rounded_durations([0.2, 2.6]) == [1, 3]


def test_refuses_time_too_short_for_the_units():
    with pytest.raises(VsrError, match="3 units have to be said in 2 steps of 20 ms: give --duration free"):
        durations_filling([1, 1, 1], 2)


def test_clip_is_translated_alike_alone_and_beside_a_longer_one():
    model, batch = tiny_translator(), pairs()
    both = model(batch)[0][1, :3]
    fields = batch.source[1:, :4], batch.lengths[1:], batch.tokens[1:, :2], batch.steps[1:, :2], batch.first[1:]
    alone = UnitPairs(*fields)
    assert torch.allclose(both, model(alone)[0][0], atol=1e-5)
    translated = model.translate(batch.source, batch.lengths, "es")
    assert translated[1].units == model.translate(alone.source, alone.lengths, "es")[0].units


def test_certain_probabilities_equal_units():
    model, batch = tiny_translator(), pairs()
    shares = torch.nn.functional.one_hot(batch.source, UNITS).float()
    assert torch.allclose(model.encode(batch.source, batch.lengths), model.encode(shares, batch.lengths))


@pytest.mark.parametrize("language", LANGUAGES)
def test_language_tokens_lead_and_are_never_written(language):
    model, batch = tiny_translator(), pairs()
    with torch.no_grad():
        model.decoder.out.bias[list(model.decoder.languages)] = 50.0  # a model that would write nothing else
        model.decoder.out.bias[-1] = -1.0
    for translation in model.translate(batch.source, batch.lengths, language, same=False):
        assert all(0 <= unit < UNITS for unit in translation.units) and len(translation.units) % 2 == 0
    tokens_in, targets = model.teacher_forcing(batch)
    assert tokens_in[:, 0].tolist() == batch.first.tolist() and targets[0].tolist() == [2, 5, 3, 12 + 2]


@pytest.mark.parametrize("power", [0.0, 1.0])
def test_search_finds_the_best_of_all_by_sum_or_by_mean(power):
    model, batch = tiny_translator(), pairs()
    decoder, lengths = model.decoder, batch.lengths[:1]
    first, limit = batch.first[:1], torch.tensor([2])
    units = range(FIRST, FIRST + UNITS)
    all_tokens = [
        (),
        *((first_unit,) for first_unit in units),
        *((first_unit, second_unit) for first_unit in units for second_unit in units),
    ]
    with torch.no_grad():
        decoder.out.bias[-1] = -3.0
        states = model.encode(batch.source[:1], lengths)
        result = beam_search(decoder, states, lengths, len(all_tokens), limit, first, power)
        excluded, scores = [0, 1, *decoder.languages], {}
        for tokens in all_tokens:
            token_ids = torch.tensor([[int(first), *tokens]])
            logits = decoder(token_ids, states, lengths)[0].index_fill(-1, torch.tensor(excluded), -torch.inf)
            expected = torch.tensor([*tokens, model.config.vocab_size - 1])
            total = logits.log_softmax(-1).gather(-1, expected[:, None]).sum()
            scores[tokens] = float(total) / (len(tokens) + 1) ** power
    best = sorted(scores, key=scores.get, reverse=True)
    assert [tuple(ids) for ids in result.lists()[0][:20]] == best[:20]
    assert (
        best[0] == () if power == 0 else len(best[0]) == 2
    )  # stopping at once is most probable, but not best by the mean


def test_language_decides_what_is_said():
    model, batch = tiny_translator(label_smoothing=0.0), pairs()
    by_heart(model, batch)
    for row, language in enumerate(("es", "de")):
        source, lengths = batch.source[row : row + 1], batch.lengths[row : row + 1]
        (translation,) = model.translate(source[:, : int(lengths)], lengths, language, same=False)
        tokens = [token for token in batch.tokens[row].tolist() if token != IGNORE]
        assert runs(translation.units)[0] == [token - FIRST for token in tokens]
        (same,) = model.translate(source[:, : int(lengths)], lengths, language)
        assert len(same.units) == 2 * int(lengths) and runs(same.units)[0] == runs(translation.units)[0]
        assert same.pace == pytest.approx(sum(batch.steps[row].tolist()) / len(same.units), rel=0.2)


def test_lengths_of_padding_do_not_count():
    model, batch = tiny_translator(), pairs()
    changed = UnitPairs(batch.source, batch.lengths, batch.tokens, batch.steps.clone(), batch.first)
    first = model.loss(batch)
    changed.steps[0, 0] = 9
    assert model.loss(changed)["lengths"] != first["lengths"] and float(batch.counts()["units"]) == 7


def test_pairs_say_the_same_in_another_language():
    english, spanish, german = parallel_clips()
    groups = group_by_text([spanish, german, english])
    assert translations_of(english, groups, LANGUAGES) == [("es", spanish), ("de", german)]
    assert translations_of(english, groups, ("en", "de")) == [("de", german)]
    assert translations_of(Clip("x", "x.wav", "the dog", language="en"), groups, LANGUAGES) == []
    with pytest.raises(VsrError, match="does not say its language"):
        group_by_text([Clip("x", "x.wav", "the dog")])


def test_batch_has_the_pair_drawn_by_the_seed():
    units = {clip.id: torch.arange(16) // 4 % UNITS + number for number, clip in enumerate(parallel_clips())}
    dataset = PairDataset(parallel_clips(), parallel_clips(), units, TranslatorConfig(**TRANSLATOR))
    drawn = {int(dataset.batch([0], epoch).first) for epoch in range(20)}
    assert drawn == {dataset.config.token_of("es"), dataset.config.token_of("de")}
    batch = dataset.batch([0], 3)
    assert torch.equal(batch.source.flatten(), units["en_1"]) and torch.equal(
        batch.source, dataset.batch([0], 3).source
    )
    number = 1 if int(batch.first) == dataset.config.token_of("es") else 2
    assert (batch.tokens - FIRST).tolist() == [
        runs(units[parallel_clips()[number].id].tolist())[0]
    ] and batch.steps.sum() == 16
    changed = PairDataset(
        parallel_clips(), parallel_clips(), units, TranslatorConfig(**TRANSLATOR), replaced=1.0
    ).batch([0], 3)
    assert not torch.equal(changed.source, batch.source) and torch.equal(changed.tokens, batch.tokens)


def test_refuses_two_sounds_with_one_id():
    first, second = Clip("a", "a.wav", "x", sound="a.wav"), Clip("a", "b.wav", "x", sound="b.wav")
    with pytest.raises(VsrError, match="a is the id of two sounds"):
        units_of([first, second], Codebook(torch.randn(UNITS, 39), "mfcc"))


@pytest.mark.parametrize("settings, message", [
    ({"languages": ()}, "languages"), ({"languages": ("en", "en")}, "languages"), ({"dim": 15}, "dim"),
    ({"units": 0}, "units"), ({"beam": 0}, "beam"),
])  # fmt: skip
def test_refuses_impossible_sizes(settings, message):
    with pytest.raises(ValueError, match=message):
        TranslatorConfig(**TRANSLATOR | settings)
