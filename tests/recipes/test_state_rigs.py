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


def test_rewards_of_the_control_use_the_text_of_another_clip(monkeypatch):
    monkeypatch.setattr(policy_gradient, "references", policy_gradient.references)
    monkeypatch.setattr(minimum_risk, "references", minimum_risk.references)
    batch = Batch({}, torch.tensor([3, 3]), {"tokens": torch.tensor([[2, 3], [4, -1]])}, ["a", "b"])
    assert minimum_risk.references(batch) == [[2, 3], [4]]
    DECODERS["compare_with_other_texts"]()
    assert minimum_risk.references(batch) == policy_gradient.references(batch) == [[4], [2, 3]]


def test_characters_are_counted_instead_of_words():
    score = score_utterance("a", "bin blue", "bin glue now")
    (by_character,) = DECODERS["by_characters"]([score])
    assert (by_character.errors, by_character.words) == (score.character_errors, 8) and score.errors == 2
    assert DECODERS["rates"]([score]).startswith("WER 100.00 CER")


def test_control_gives_every_clip_the_phones_of_another():
    clips = [Clip(f"c{i}", "a.mp4", f"w{i}", phones=((f"{i}", 0.0, 0.1),), language="esfr"[i % 2 * 2 :][:2])
             for i in range(20)]  # fmt: skip
    shuffled = SOUNDS["shuffled"](clips, 0)
    assert [clip.id for clip in shuffled] == [clip.id for clip in clips] and shuffled != clips
    assert sorted(clip.text for clip in shuffled) == sorted(clip.text for clip in clips)
    assert all(clip.text[1:] == clip.phones[0][0] for clip in shuffled)
    assert replace(shuffled[0], text="", phones=(), language="").id == "c0"


def test_control_of_teachers_takes_targets_of_other_lengths():
    clips = [Clip(f"c{i}", "a.mp4", f"w{i}", num_frames=3 + i) for i in range(3)]

    def teacher(clip, frames, rng):
        assert frames == clip.num_frames  # targets of another length are refused
        return {"tokens": Target(np.arange(2)), "frame.states": Target(np.full((frames, 1), frames))}

    others = TAUGHT["TargetsOfOthers"](teacher, clips, 0)
    for clip in clips:
        targets, other = others(clip, clip.num_frames), others.other[clip.id]
        states = targets["frame.states"].values[:, 0].tolist()
        shared = min(clip.num_frames, other.num_frames)
        assert other is not clip and states == [other.num_frames] * shared + [-1] * (clip.num_frames - shared)
        assert targets["tokens"].values.tolist() == [0, 1]


def test_bridge_takes_states_and_units():
    reader = FEW["reader"](CharTokenizer(), 8, 5, 0).eval()
    units, states = torch.randint(0, 5, (1, 6, 2)), torch.randn(1, 6, 8)
    certain = torch.nn.functional.one_hot(units, 5).float() * 1e4
    reader.frontend.units.forward = lambda seen: certain[:, :, :, None]
    mask = torch.ones(1, 6, dtype=torch.bool)
    assert torch.equal(reader.frontend(states, mask), reader.frontend(units, mask))


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_units_are_replaced_as_often_as_asked(share):
    units = torch.full((50, 2), 7)
    ((shown_units, tokens), *rest) = FEW["batch_sampler"]([(units, torch.tensor([1]))], 5, share)(
        np.random.default_rng(0)
    )
    assert bool((shown_units == 7).all()) is (share == 0) and bool((shown_units < 5).all()) is (share == 1)
    assert len(rest) == 11 and tokens.tolist() == [1] and bool((units == 7).all())


def test_synthesised_sentences_are_in_no_list():
    first = FEW["synthesised_sentences"]("es", 3, set(), 0)
    second = FEW["synthesised_sentences"]("es", 3, {first[0][0]}, 0)
    assert len(first) == len(second) == 3 and first[0][0] not in {text for text, _ in second}
    assert all(len(wave) % 640 == 0 and len(wave) > 16_000 for _, wave in first)


def test_control_of_translation_gives_every_clip_the_texts_of_another():
    clips = [Clip(f"c{i}", "a.mp4", f"w{i}", translations={"es": f"p{i}"}) for i in range(7)]
    shuffled = TRANSLATION["shuffled"](clips, 0)
    assert [clip.id for clip in shuffled] == [clip.id for clip in clips]
    assert all(clip.text != f"w{i}" and clip.translations["es"][1:] == clip.text[1:] for i, clip in enumerate(shuffled))
    assert sorted(clip.text for clip in shuffled) == [f"w{i}" for i in range(7)]


def test_units_are_compared_without_repetitions_and_with_phones():
    errors, purity = TRANSLATIONS["unit_errors"], TRANSLATIONS["purity"]
    assert errors([[1, 1, 2]], [[1, 2, 2, 2]]) == 0 and errors([[1, 3]], [[1, 2]]) == 50
    clip = Clip("a", "a.wav", "x", phones=(("p", 0.0, 0.04), ("a", 0.04, 0.08)))
    assert purity([clip], {"a": torch.tensor([5, 5, 6, 6])}) == 100
    assert purity([clip], {"a": torch.tensor([5, 5, 5, 5])}) == 50
