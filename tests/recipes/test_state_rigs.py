"""The rigs on stored states: what they draw, change and compare."""

import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from vsr.data.batch import Batch
from vsr.data.manifest import Clip
from vsr.data.targets import Target
from vsr.evaluation.wer import score_utterance
from vsr.objectives import minimum_risk, policy_gradient
from vsr.text.tokenizer import CharTokenizer

EGS = Path(__file__).parents[2] / "egs"
DECODERS = runpy.run_path(str(EGS / "grid/vsr/local/decoders.py"))
SOUNDS = runpy.run_path(str(EGS / "puppet/vsr/local/sounds.py"))
TRANSLATION = runpy.run_path(str(EGS / "puppet/vsr/local/translation.py"))
TRANSLATIONS = runpy.run_path(str(EGS / "puppet/lip2speech/local/translations.py"))
TAUGHT = runpy.run_path(str(EGS / "grid/vsr/local/taught.py"))
FEW = runpy.run_path(str(EGS / "puppet/vsr/local/few_videos.py"))


def test_rewards_of_the_control_are_by_the_text_of_another_clip(monkeypatch):
    monkeypatch.setattr(policy_gradient, "references", policy_gradient.references)
    monkeypatch.setattr(minimum_risk, "references", minimum_risk.references)
    batch = Batch({}, torch.tensor([3, 3]), {"tokens": torch.tensor([[2, 3], [4, -1]])}, ["a", "b"])
    assert minimum_risk.references(batch) == [[2, 3], [4]]
    DECODERS["compare_with_other_texts"]()
    assert minimum_risk.references(batch) == policy_gradient.references(batch) == [[4], [2, 3]]


def test_characters_are_counted_in_place_of_words():
    own = score_utterance("a", "bin blue", "bin glue now")
    (found,) = DECODERS["by_characters"]([own])
    assert (found.errors, found.words) == (own.character_errors, 8) and own.errors == 2
    assert DECODERS["rates"]([own]).startswith("WER 100.00 CER")


def test_the_control_gives_every_clip_the_sounds_of_one():
    clips = [Clip(f"c{i}", "a.mp4", f"w{i}", phones=((f"{i}", 0.0, 0.1),), language="esfr"[i % 2 * 2 :][:2])
             for i in range(20)]  # fmt: skip
    dealt = SOUNDS["shuffled"](clips, 0)
    assert [own.id for own in dealt] == [own.id for own in clips] and dealt != clips
    assert sorted(own.text for own in dealt) == sorted(own.text for own in clips)
    assert all(own.text[1:] == own.phones[0][0] for own in dealt)
    assert replace(dealt[0], text="", phones=(), language="").id == "c0"


def test_the_control_of_teachers_takes_targets_of_other_lengths():
    clips = [Clip(f"c{i}", "a.mp4", f"w{i}", num_frames=3 + i) for i in range(3)]

    def teacher(clip, frames, rng):
        assert frames == clip.num_frames  # what is stored of a clip is refused at another length
        return {"tokens": Target(np.arange(2)), "frame.states": Target(np.full((frames, 1), frames))}

    given = TAUGHT["Others"](teacher, clips, 0)
    for clip in clips:
        made, other = given(clip, clip.num_frames), given.other[clip.id]
        states = made["frame.states"].values[:, 0].tolist()
        kept = min(clip.num_frames, other.num_frames)
        assert other is not clip and states == [other.num_frames] * kept + [-1] * (clip.num_frames - kept)
        assert made["tokens"].values.tolist() == [0, 1]


def test_a_bridge_takes_states_and_units():
    reader = FEW["reader"](CharTokenizer(), 8, 5, 0).eval()
    units, states = torch.randint(0, 5, (1, 6, 2)), torch.randn(1, 6, 8)
    sure = torch.nn.functional.one_hot(units, 5).float() * 1e4
    reader.frontend.units.forward = lambda seen: sure[:, :, :, None]
    mask = torch.ones(1, 6, dtype=torch.bool)
    assert torch.equal(reader.frontend(states, mask), reader.frontend(units, mask))


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_units_are_replaced_as_often_as_asked(share):
    units = torch.full((50, 2), 7)
    ((seen, known), *rest) = FEW["batch_sampler"]([(units, torch.tensor([1]))], 5, share)(np.random.default_rng(0))
    assert bool((seen == 7).all()) is (share == 0) and bool((seen < 5).all()) is (share == 1)
    assert len(rest) == 11 and known.tolist() == [1] and bool((units == 7).all())


def test_spoken_sentences_are_of_no_list():
    first = FEW["synthesised_sentences"]("es", 3, set(), 0)
    again = FEW["synthesised_sentences"]("es", 3, {first[0][0]}, 0)
    assert len(first) == len(again) == 3 and first[0][0] not in {text for text, _ in again}
    assert all(len(wave) % 640 == 0 and len(wave) > 16_000 for _, wave in first)


def test_the_control_of_translation_gives_every_clip_the_texts_of_another():
    clips = [Clip(f"c{i}", "a.mp4", f"w{i}", translations={"es": f"p{i}"}) for i in range(7)]
    dealt = TRANSLATION["shuffled"](clips, 0)
    assert [own.id for own in dealt] == [own.id for own in clips]
    assert all(own.text != f"w{i}" and own.translations["es"][1:] == own.text[1:] for i, own in enumerate(dealt))
    assert sorted(own.text for own in dealt) == [f"w{i}" for i in range(7)]


def test_units_are_compared_without_repetitions_and_with_phones():
    errors, purity = TRANSLATIONS["unit_errors"], TRANSLATIONS["purity"]
    assert errors([[1, 1, 2]], [[1, 2, 2, 2]]) == 0 and errors([[1, 3]], [[1, 2]]) == 50
    clip = Clip("a", "a.wav", "x", phones=(("p", 0.0, 0.04), ("a", 0.04, 0.08)))
    assert purity([clip], {"a": torch.tensor([5, 5, 6, 6])}) == 100
    assert purity([clip], {"a": torch.tensor([5, 5, 5, 5])}) == 50
