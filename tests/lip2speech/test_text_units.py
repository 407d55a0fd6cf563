"""Text -> units: durations, batches, what is learnt by heart, phones and their times."""

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


def alone(batch, row):
    count, steps = int(batch.lengths[row]), int(batch.steps[row].sum())
    own = slice(row, row + 1)
    return PhoneBatch(
        batch.phones[own, :count], batch.lengths[own], batch.steps[own, :count], batch.language[own],
        batch.units[own, :steps],
    )  # fmt: skip


def test_each_state_is_repeated_as_often_as_its_phone_lasts():
    batch, states = batch_of(), torch.randn(2, 4, 16)
    x, mask = regulate_length(states, batch.steps)
    assert x.shape == (2, 9, 17) and mask.sum(1).tolist() == batch.steps.sum(1).tolist() == [9, 5]
    assert torch.equal(x[0, :, :16], states[0, [0, 0, 1, 1, 1, 2, 3, 3, 3]])
    assert torch.equal(x[1, :5, :16], states[1, [0, 1, 1, 1, 1]]) and not x[1, 5:].any()
    assert torch.allclose(x[0, :, 16], torch.tensor([1, 3, 2 / 3, 2, 10 / 3, 2, 2 / 3, 2, 10 / 3]) / 4)


def test_a_clip_alone_and_beside_a_longer_one_is_the_same():
    model, batch = tiny_text_units(), batch_of()
    logits, logs = model(batch)
    for row, (phones, steps) in enumerate(((4, 9), (2, 5))):
        own_logits, own_logs = model(alone(batch, row))
        assert torch.allclose(logits[row, :steps], own_logits[0], atol=1e-5)
        assert torch.allclose(logs[row, :phones], own_logs[0], atol=1e-5)


def test_the_loss_sees_no_padding_and_is_the_mean_of_what_there_is():
    model, batch = tiny_text_units(duration_weight=2.0), batch_of()
    with torch.no_grad():
        found, counts = model.loss(batch), batch.counts()
        each = [model.loss(alone(batch, row)) for row in range(2)]
    units = (9 * each[0]["units"] + 5 * each[1]["units"]) / 14
    durations = (4 * each[0]["durations"] + 2 * each[1]["durations"]) / 6
    assert float(found["units"]) == pytest.approx(float(units), rel=1e-5)
    assert float(found["durations"]) == pytest.approx(float(durations), rel=1e-5)
    assert float(found["loss"]) == pytest.approx(float(units + 2 * durations), rel=1e-5)
    assert {name: float(own) for name, own in counts.items()} == {"units": 14, "phones": 6}


@pytest.mark.parametrize("part", ["units", "durations"])
def test_the_gradient_of_either_loss_reaches_the_embedding(part):
    model, batch = tiny_text_units(), batch_of()
    logits, logs = model(batch)
    (logits.square().sum() if part == "units" else logs[:, :2].square().sum()).backward()
    used = model.phone.weight.grad.abs().sum(1) > 0
    # a phone that is only padding, 7, learns nothing
    assert used.nonzero().flatten().tolist() == [0, 2, 3, 4, 5] and model.language.weight.grad.any(1).all()


def test_what_is_learnt_by_heart_is_said_with_its_durations():
    batch = batch_of()
    model = by_heart(tiny_text_units(), batch)
    for row in range(2):
        own = alone(batch, row)
        phones, steps, place = own.phones[0].tolist(), own.steps[0].tolist(), int(own.language)
        assert model.predicted_durations(phones, place) == pytest.approx(steps, rel=0.15)
        assert model.say(phones, place, steps) == own.units[0].tolist()


def test_a_saved_model_is_the_same_and_others_are_none(tmp_path, tiny_voice_folder):
    model = tiny_text_units().half().float()
    save_part(tmp_path / "said", model, {"kind": "text"})
    read = open_text_units(tmp_path / "said")
    assert read.config == model.config
    assert all(torch.equal(own, other) for own, other in zip(model(batch_of()), read(batch_of()), strict=True))
    save_part(tmp_path / "odd", model)
    for folder in (tmp_path / "odd", tiny_voice_folder / "acoustic"):
        with pytest.raises(VsrError, match=r"says no text: .* model.kind: text"):
            open_text_units(folder)


@pytest.mark.parametrize("wrong", [{"phones": ()}, {"phones": ("a", "a")}, {"duration_weight": -1}, {"dim": 15}])
def test_sizes_that_make_none_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        TextUnitsConfig(**TEXT_UNITS | wrong)


def test_phones_fill_the_steps_with_pauses_where_nothing_is_said():
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
def test_whatever_the_times_each_phone_has_a_step_and_all_steps_are_taken(seed):
    rng = np.random.default_rng(seed)
    edges = np.sort(rng.uniform(0, 0.7, 20))
    spans = [("a", start, end) for start, end in zip(edges[:-1], edges[1:], strict=True)]
    labels, steps = steps_of(spans, 40)
    assert sum(steps) == 40 and min(steps) >= 1 and [own for own in labels if own] == ["a"] * 19


def test_words_share_their_time_among_their_phones_where_those_have_none():
    clip = Clip("x", "x.wav", "the red", words=(("the", 0.0, 0.2), ("red", 0.2, 0.5)))
    found = phones_of(clip, "en")
    assert [label for label, *_ in found] == ["ð", "ə", "ɹ", "ɛ", "d"]
    assert np.allclose([end - start for _, start, end in found], 0.1)
    assert phones_of(Clip("x", "x.wav", "the", phones=(("ð", 0, 1),)), "en") == (("ð", 0, 1),)
    with pytest.raises(VsrError, match="x has no times of phones or words"):
        phones_of(Clip("x", "x.wav", "the red"), "en")


def test_sentences_end_at_points_and_lines(tmp_path):
    assert sentences_of("The red bull. Sleeps,\nhere! 3.5") == ["the red bull", "sleeps", "here", "3 5"]
    (tmp_path / "said.txt").write_text("The bull\nsleeps", encoding="utf-8")
    assert sentences_of(str(tmp_path / "said.txt")) == ["the bull", "sleeps"]
    for given, reason in (("none.txt", "no such file"), (" ... ", "no words to say")):
        with pytest.raises(VsrError, match=reason):
            sentences_of(given)


def test_words_that_nobody_has_taught_are_named():
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


def test_the_language_is_one_that_is_known():
    config = TextUnitsConfig(**TEXT_UNITS)
    assert chosen_language("es", config) == "es"
    assert chosen_language(None, TextUnitsConfig(**TEXT_UNITS | {"languages": ("en",)})) == "en"
    for given, said in ((None, "--language is needed: this model says en, es"), ("fr", "this model says en, es")):
        with pytest.raises(VsrError, match=said):
            chosen_language(given, config)


@pytest.mark.parametrize("seconds", [None, 0.73, 2.0])
def test_a_text_is_said_in_whole_frames_as_long_as_is_asked(seconds):
    model, phones = tiny_text_units(), [phones_in(TEXT, "en"), phones_in("the bull", "en")]
    found = say_text(model, phones, "en", seconds)
    assert len(found.units) % 2 == 0 and all(0 <= own < UNITS for own in found.units)
    ids = [[PAUSE, *model.config.ids(own), PAUSE] for own in phones]
    wanted = [own for each in ids for own in model.predicted_durations(each, 0)]
    steps = sum(max(1, round(own)) for own in wanted) if seconds is None else 2 * -(-seconds // 0.04)
    assert len(found.units) == steps + steps % 2 and found.pace == pytest.approx(sum(wanted) / len(found.units))
    single = say_text(model, phones[:1], "en")
    if seconds is None:  # a sentence beside another is as it is by itself
        assert found.units[: len(single.units) - 1] == single.units[:-1]
