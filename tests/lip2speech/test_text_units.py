"""Text to units: durations, batches, learning by heart, phones and their times."""

import numpy as np
import pytest
import torch

from lip2speech.features.phones import phones_in, phones_of, scripts_in, steps_of
from lip2speech.inference.saying import chosen_language, open_text_units, phones_of_sentences, say_text, sentences_of
from lip2speech.models.parts import save_part
from lip2speech.models.text_units import PAUSE, PhoneBatch, TextUnitsConfig, regulate_length
from tests.lip2speech.tiny import UNITS, by_heart
from tests.lip2speech.tiny_units import TEXT, TEXT_UNITS, tiny_text_units
from vsr.core.errors import VsrError
from vsr.core.tokens import IGNORE
from vsr.data.manifest import Clip


def batch_of():
    """Two texts of 4 and 2 phones, 9 and 5 steps; their padding holds garbage."""
    phones = torch.tensor([[0, 3, 5, 0], [2, 4, 7, 7]])
    steps = torch.tensor([[2, 3, 1, 3], [1, 4, 0, 0]])
    units = torch.full((2, 9), IGNORE)
    units[0], units[1, :5] = torch.arange(9) % UNITS, torch.tensor([1, 1, 4, 4, 2])
    return PhoneBatch(phones, torch.tensor([4, 2]), steps, torch.tensor([0, 1]), units)


def single(batch, row):
    count, steps = int(batch.lengths[row]), int(batch.steps[row].sum())
    rows = slice(row, row + 1)
    return PhoneBatch(
        batch.phones[rows, :count], batch.lengths[rows], batch.steps[rows, :count], batch.language[rows],
        batch.units[rows, :steps],
    )  # fmt: skip


def test_each_state_is_repeated_for_the_duration_of_its_phone():
    batch, states = batch_of(), torch.randn(2, 4, 16)
    x, mask = regulate_length(states, batch.steps)
    assert x.shape == (2, 9, 17) and mask.sum(1).tolist() == batch.steps.sum(1).tolist() == [9, 5]
    assert torch.equal(x[0, :, :16], states[0, [0, 0, 1, 1, 1, 2, 3, 3, 3]])
    assert torch.equal(x[1, :5, :16], states[1, [0, 1, 1, 1, 1]]) and not x[1, 5:].any()
    assert torch.allclose(x[0, :, 16], torch.tensor([1, 3, 2 / 3, 2, 10 / 3, 2, 2 / 3, 2, 10 / 3]) / 4)


def test_text_gives_the_same_alone_and_beside_a_longer_one():
    model, batch = tiny_text_units(), batch_of()
    logits, log_durations = model(batch)
    for row, (phones, steps) in enumerate(((4, 9), (2, 5))):
        own_logits, own_log_durations = model(single(batch, row))
        assert torch.allclose(logits[row, :steps], own_logits[0], atol=1e-5)
        assert torch.allclose(log_durations[row, :phones], own_log_durations[0], atol=1e-5)


def test_loss_ignores_padding_and_is_the_mean():
    model, batch = tiny_text_units(duration_weight=2.0), batch_of()
    with torch.no_grad():
        losses, counts = model.loss(batch), batch.counts()
        single_losses = [model.loss(single(batch, row)) for row in range(2)]
    units = (9 * single_losses[0]["units"] + 5 * single_losses[1]["units"]) / 14
    durations = (4 * single_losses[0]["durations"] + 2 * single_losses[1]["durations"]) / 6
    assert float(losses["units"]) == pytest.approx(float(units), rel=1e-5)
    assert float(losses["durations"]) == pytest.approx(float(durations), rel=1e-5)
    assert float(losses["loss"]) == pytest.approx(float(units + 2 * durations), rel=1e-5)
    assert {name: float(count) for name, count in counts.items()} == {"units": 14, "phones": 6}


@pytest.mark.parametrize("part", ["units", "durations"])
def test_gradients_of_both_losses_reach_the_embedding(part):
    model, batch = tiny_text_units(), batch_of()
    logits, log_durations = model(batch)
    (logits.square().sum() if part == "units" else log_durations[:, :2].square().sum()).backward()
    used = model.phone.weight.grad.abs().sum(1) > 0
    # phone 7, only in the padding, has no gradient
    assert used.nonzero().flatten().tolist() == [0, 2, 3, 4, 5] and model.language.weight.grad.any(1).all()


def test_learnt_text_is_said_with_its_durations():
    batch = batch_of()
    model = by_heart(tiny_text_units(), batch)
    for row in range(2):
        clip = single(batch, row)
        phones, steps, language = clip.phones[0].tolist(), clip.steps[0].tolist(), int(clip.language)
        assert model.predicted_durations(phones, language) == pytest.approx(steps, rel=0.15)
        assert model.say(phones, language, steps) == clip.units[0].tolist()


def test_saved_model_is_reloaded_and_others_are_refused(tmp_path, tiny_voice_folder):
    model = tiny_text_units().half().float()
    save_part(tmp_path / "said", model, {"kind": "text"})
    reloaded = open_text_units(tmp_path / "said")
    assert reloaded.config == model.config
    assert all(
        torch.equal(expected, actual) for expected, actual in zip(model(batch_of()), reloaded(batch_of()), strict=True)
    )
    save_part(tmp_path / "odd", model)
    for folder in (tmp_path / "odd", tiny_voice_folder / "acoustic"):
        with pytest.raises(VsrError, match=r"says no text: .* model.kind: text"):
            open_text_units(folder)


@pytest.mark.parametrize("wrong", [{"phones": ()}, {"phones": ("a", "a")}, {"duration_weight": -1}, {"dim": 15}])
def test_refuses_impossible_sizes(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        TextUnitsConfig(**TEXT_UNITS | wrong)


def test_phones_fill_the_steps_with_pauses_between():
    spans = [("a", 0.1, 0.2), ("b", 0.2, 0.22), ("c", 0.4, 0.5)]
    assert steps_of(spans, 30) == (["", "a", "b", "", "c", ""], [5, 5, 1, 9, 5, 5])
    assert steps_of([("a", 0.0, 0.2), ("b", 0.2, 0.6)], 30) == (["a", "b"], [10, 20])
    short = [("a", 0.1, 0.101), ("b", 0.101, 0.102), ("c", 0.102, 0.2)]
    assert steps_of(short, 10) == (["", "a", "b", "c"], [5, 1, 1, 3])
    late = [("a", 0.16, 0.17), ("b", 0.17, 0.18), ("c", 0.18, 0.9)]
    assert steps_of(late, 10) == (["", "a", "b", "c"], [7, 1, 1, 1])
    with pytest.raises(ValueError, match="4 phones and pauses in 3 steps"):
        steps_of(short, 3)


@pytest.mark.parametrize("seed", range(10))
def test_each_phone_has_a_step_and_all_steps_are_used(seed):
    rng = np.random.default_rng(seed)
    edges = np.sort(rng.uniform(0, 0.7, 20))
    spans = [("a", start, end) for start, end in zip(edges[:-1], edges[1:], strict=True)]
    labels, steps = steps_of(spans, 40)
    assert sum(steps) == 40 and min(steps) >= 1 and [label for label in labels if label] == ["a"] * 19


def test_words_share_their_time_among_their_phones():
    clip = Clip("x", "x.wav", "the red", words=(("the", 0.0, 0.2), ("red", 0.2, 0.5)))
    phones = phones_of(clip, "en")
    assert [label for label, *_ in phones] == ["ð", "ə", "ɹ", "ɛ", "d"]
    assert np.allclose([end - start for _, start, end in phones], 0.1)
    assert phones_of(Clip("x", "x.wav", "the", phones=(("ð", 0, 1),)), "en") == (("ð", 0, 1),)
    with pytest.raises(VsrError, match="x has no times of phones or words"):
        phones_of(Clip("x", "x.wav", "the red"), "en")


def test_sentences_end_at_stops_and_lines(tmp_path):
    assert sentences_of("The red bull. Sleeps,\nhere! 3.5") == ["the red bull", "sleeps", "here", "3 5"]
    (tmp_path / "speech.txt").write_text("The bull\nsleeps", encoding="utf-8")
    assert sentences_of(str(tmp_path / "speech.txt")) == ["the bull", "sleeps"]
    for text, reason in (("none.txt", "no such file"), (" ... ", "no words to say")):
        with pytest.raises(VsrError, match=reason):
            sentences_of(text)


def test_words_with_unknown_sounds_are_named():
    config = TextUnitsConfig(**TEXT_UNITS)
    assert phones_of_sentences([TEXT], "en", config) == [phones_in(TEXT, "en")]
    with pytest.raises(VsrError, match=r"has learned: dog \(ɒ ɡ\), 牛$"):
        phones_of_sentences(["the dog", "red 牛"], "en", TextUnitsConfig(**TEXT_UNITS | {"phones": tuple("ðəɹɛd")}))
    spelt = TextUnitsConfig(**TEXT_UNITS | {"phones": tuple(phones_in("i saw a dog", "en"))})
    assert phones_of_sentences(["i saw a dog"], "en", spelt) == [list(spelt.phones)]
    with pytest.raises(VsrError, match=r"a \(eɪ\)$"):
        phones_of_sentences(["a"], "en", spelt)
    with pytest.raises(VsrError, match="501 sounds, more than 500"):
        phones_of_sentences(["red " * 167], "en", config)
    assert scripts_in(["the 5", "牛"]) == {"LATIN", "CJK"}


def test_language_must_be_known():
    config = TextUnitsConfig(**TEXT_UNITS)
    assert chosen_language("es", config) == "es"
    assert chosen_language(None, TextUnitsConfig(**TEXT_UNITS | {"languages": ("en",)})) == "en"
    for language, message in ((None, "--language is needed: this model says en, es"), ("fr", "this model says en, es")):
        with pytest.raises(VsrError, match=message):
            chosen_language(language, config)


@pytest.mark.parametrize("seconds", [None, 0.73, 2.0])
def test_text_has_whole_frames_and_the_given_duration(seconds):
    model, phones = tiny_text_units(), [phones_in(TEXT, "en"), phones_in("the bull", "en")]
    speech = say_text(model, phones, "en", seconds)
    assert len(speech.units) % 2 == 0 and all(0 <= unit < UNITS for unit in speech.units)
    ids = [[PAUSE, *model.config.ids(sentence), PAUSE] for sentence in phones]
    durations = [steps for ids_of_sentence in ids for steps in model.predicted_durations(ids_of_sentence, 0)]
    steps = sum(max(1, round(duration)) for duration in durations) if seconds is None else 2 * -(-seconds // 0.04)
    assert len(speech.units) == steps + steps % 2 and speech.pace == pytest.approx(sum(durations) / len(speech.units))
    single = say_text(model, phones[:1], "en")
    if seconds is None:  # a sentence beside another is as by itself
        assert speech.units[: len(single.units) - 1] == single.units[:-1]
