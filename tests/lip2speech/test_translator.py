"""Translators of units: repetition, lengths, languages, the search, and pairs that say the same."""

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
from vsr.models.hypotheses import searched


def pairs(lengths=(6, 4)):
    torch.manual_seed(1)
    tokens = torch.tensor([[2, 5, 3], [4, 2, IGNORE]])
    steps = torch.tensor([[2, 1, 3], [4, 1, 0]])
    source = torch.randint(UNITS, (len(lengths), max(lengths), 2))
    first = torch.tensor([TranslatorConfig(**TRANSLATOR).token_of(own) for own in ("es", "de")])
    return UnitPairs(source, torch.tensor(lengths), tokens, steps, first)


@pytest.mark.parametrize("seed", range(5))
def test_runs_are_undone_by_repetition(seed):
    units = np.random.default_rng(seed).integers(0, 3, 50).tolist()
    found, counts = runs(units)
    assert repeat_units(found, counts) == units and all(a != b for a, b in zip(found, found[1:], strict=False))
    assert runs([]) == ([], [])


@pytest.mark.parametrize("steps", [7, 8, 40, 101])
def test_lengths_fill_the_time_exactly(steps):
    for seed in range(20):
        lengths = np.random.default_rng(seed).uniform(0.2, 9, 7)
        counts = durations_filling(lengths, steps)
        assert sum(counts) == steps and min(counts) >= 1
        order = np.argsort(lengths)
        assert (np.diff(np.array(counts)[order]) >= -1).all()  # a longer one is not shorter, but for rounding
    whole = [3, 1, 4, 1, 5, 9, 2]
    assert durations_filling(whole, sum(whole)) == whole == rounded_durations(whole)
    assert rounded_durations([0.2, 2.6]) == [1, 3]


def test_no_time_for_the_units_is_refused():
    with pytest.raises(VsrError, match="3 units have to be said in 2 steps of 20 ms: give --duration free"):
        durations_filling([1, 1, 1], 2)


def test_a_clip_alone_and_beside_a_longer_one_is_the_same():
    model, batch = tiny_translator(), pairs()
    both = model(batch)[0][1, :3]
    own = batch.source[1:, :4], batch.lengths[1:], batch.tokens[1:, :2], batch.steps[1:, :2], batch.first[1:]
    alone = UnitPairs(*own)
    assert torch.allclose(both, model(alone)[0][0], atol=1e-5)
    translated = model.translate(batch.source, batch.lengths, "es")
    assert translated[1].units == model.translate(alone.source, alone.lengths, "es")[0].units


def test_probabilities_that_are_sure_are_units():
    model, batch = tiny_translator(), pairs()
    shares = torch.nn.functional.one_hot(batch.source, UNITS).float()
    assert torch.allclose(model.encode(batch.source, batch.lengths), model.encode(shares, batch.lengths))


@pytest.mark.parametrize("language", LANGUAGES)
def test_languages_lead_and_are_never_written(language):
    model, batch = tiny_translator(), pairs()
    with torch.no_grad():
        model.decoder.out.bias[list(model.decoder.languages)] = 50.0  # a model that would write nothing else
        model.decoder.out.bias[-1] = -1.0
    for found in model.translate(batch.source, batch.lengths, language, same=False):
        assert all(0 <= own < UNITS for own in found.units) and len(found.units) % 2 == 0
    tokens_in, targets = model.teacher_forcing(batch)
    assert tokens_in[:, 0].tolist() == batch.first.tolist() and targets[0].tolist() == [2, 5, 3, 12 + 2]


@pytest.mark.parametrize("power", [0.0, 1.0])
def test_the_search_finds_the_best_of_all_by_sum_or_by_mean(power):
    model, batch = tiny_translator(), pairs()
    decoder, lengths = model.decoder, batch.lengths[:1]
    first, limit = batch.first[:1], torch.tensor([2])
    units = range(FIRST, FIRST + UNITS)
    each = [(), *((one,) for one in units), *((one, two) for one in units for two in units)]
    with torch.no_grad():
        decoder.out.bias[-1] = -3.0
        states = model.encode(batch.source[:1], lengths)
        found = searched(decoder, states, lengths, len(each), limit, first, power)
        barred, scores = [0, 1, *decoder.languages], {}
        for tokens in each:
            given = torch.tensor([[int(first), *tokens]])
            logits = decoder(given, states, lengths)[0].index_fill(-1, torch.tensor(barred), -torch.inf)
            wanted = torch.tensor([*tokens, model.config.vocab_size - 1])
            total = logits.log_softmax(-1).gather(-1, wanted[:, None]).sum()
            scores[tokens] = float(total) / (len(tokens) + 1) ** power
    best = sorted(scores, key=scores.get, reverse=True)
    assert [tuple(own) for own in found.lists()[0][:20]] == best[:20]
    assert best[0] == () if power == 0 else len(best[0]) == 2  # what breaks off is the likeliest, and not the best


def test_the_language_says_what_is_said():
    model, batch = tiny_translator(label_smoothing=0.0), pairs()
    by_heart(model, batch)
    for row, language in enumerate(("es", "de")):
        source, lengths = batch.source[row : row + 1], batch.lengths[row : row + 1]
        (found,) = model.translate(source[:, : int(lengths)], lengths, language, same=False)
        tokens = [own for own in batch.tokens[row].tolist() if own != IGNORE]
        assert runs(found.units)[0] == [own - FIRST for own in tokens]
        (same,) = model.translate(source[:, : int(lengths)], lengths, language)
        assert len(same.units) == 2 * int(lengths) and runs(same.units)[0] == runs(found.units)[0]
        assert same.pace == pytest.approx(sum(batch.steps[row].tolist()) / len(same.units), rel=0.2)


def test_lengths_of_padding_do_not_count():
    model, batch = tiny_translator(), pairs()
    changed = UnitPairs(batch.source, batch.lengths, batch.tokens, batch.steps.clone(), batch.first)
    first = model.loss(batch)
    changed.steps[0, 0] = 9
    assert model.loss(changed)["lengths"] != first["lengths"] and float(batch.counts()["units"]) == 7


def test_pairs_say_the_same_in_another_language():
    english, spanish, german = parallel_clips()
    said = group_by_text([spanish, german, english])
    assert translations_of(english, said, LANGUAGES) == [("es", spanish), ("de", german)]
    assert translations_of(english, said, ("en", "de")) == [("de", german)]
    assert translations_of(Clip("x", "x.wav", "the dog", language="en"), said, LANGUAGES) == []
    with pytest.raises(VsrError, match="does not say its language"):
        group_by_text([Clip("x", "x.wav", "the dog")])


def test_a_batch_holds_the_pair_that_the_seed_draws():
    units = {clip.id: torch.arange(16) // 4 % UNITS + number for number, clip in enumerate(parallel_clips())}
    dataset = PairDataset(parallel_clips(), parallel_clips(), units, TranslatorConfig(**TRANSLATOR))
    drawn = {int(dataset.batch([0], epoch).first) for epoch in range(20)}
    assert drawn == {dataset.config.token_of("es"), dataset.config.token_of("de")}
    one = dataset.batch([0], 3)
    assert torch.equal(one.source.flatten(), units["en_1"]) and torch.equal(one.source, dataset.batch([0], 3).source)
    number = 1 if int(one.first) == dataset.config.token_of("es") else 2
    assert (one.tokens - FIRST).tolist() == [
        runs(units[parallel_clips()[number].id].tolist())[0]
    ] and one.steps.sum() == 16
    changed = PairDataset(
        parallel_clips(), parallel_clips(), units, TranslatorConfig(**TRANSLATOR), replaced=1.0
    ).batch([0], 3)
    assert not torch.equal(changed.source, one.source) and torch.equal(changed.tokens, one.tokens)


def test_two_sounds_of_one_id_are_refused():
    one, other = Clip("a", "a.wav", "x", sound="a.wav"), Clip("a", "b.wav", "x", sound="b.wav")
    with pytest.raises(VsrError, match="a is the id of two sounds"):
        units_of([one, other], Codebook(torch.randn(UNITS, 39), "mfcc"))


@pytest.mark.parametrize("given, said", [
    ({"languages": ()}, "languages"), ({"languages": ("en", "en")}, "languages"), ({"dim": 15}, "dim"),
    ({"units": 0}, "units"), ({"beam": 0}, "beam"),
])  # fmt: skip
def test_sizes_that_make_no_translator_are_refused(given, said):
    with pytest.raises(ValueError, match=said):
        TranslatorConfig(**TRANSLATOR | given)
