"""A language model that writes text from phonemes: exact losses, codecs and its texts."""

import math

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

pytest.importorskip("transformers")

from tests.tiny_restorer import KINDS, PROMPTS, TEXTS, tiny
from vsr.core.errors import VsrError
from vsr.decoding.restorer import OwnCodec, RestorerSettings, units_of
from vsr.decoding.restorer_folder import build
from vsr.models.text_backbone import LoraSettings
from vsr.training.restoring_pairs import batch_of, pair_loss


@pytest.mark.parametrize("architecture", KINDS)
def test_loss_of_a_batch_is_that_of_its_pairs_alone(architecture):
    """Padding, the mask and the labels change nothing, and prompts are not learnt."""
    restorer = tiny(architecture)
    batch = batch_of(restorer.codec, architecture == "causal", PROMPTS, TEXTS)
    alone = [restorer.log_probs(lines, [words])[0] for lines, words in zip(PROMPTS, TEXTS, strict=True)]
    count = sum(len(restorer.codec.text(words)) for words in TEXTS)
    assert float(pair_loss(restorer.model, batch)) == pytest.approx(-sum(alone) / count, rel=1e-5)


class Largest(TorchDispatchMode):
    """Records the size of the largest tensor that an operation takes."""

    taken = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.taken = max([self.taken, *(tensor.numel() for tensor in args if isinstance(tensor, torch.Tensor))])
        return function(*args, **(kwargs or {}))


def test_frozen_head_is_not_copied_for_each_pair(backbone):
    """Of a slice, the states of the texts would be multiplied by copies of the head, most of the time of a step."""
    model, codec, _ = build(RestorerSettings(str(backbone), lora=LoraSettings(rank=2)))
    head = model.get_output_embeddings().weight
    batch = batch_of(codec, True, [["B L UW"]] * 8, [["a"]] * 8)
    with Largest() as largest:
        pair_loss(model, batch).backward()
    assert not head.requires_grad and largest.taken < len(batch.ids) * head.numel()


@pytest.mark.parametrize("architecture", KINDS)
def test_texts_are_scored_alike_together_and_alone_and_sum_to_at_most_one(architecture):
    restorer = tiny(architecture)
    texts = [list(text) for text in ("a", "b", "ab")] + [[]]
    together = restorer.log_probs(["B IY"], texts)
    assert together == pytest.approx([restorer.log_probs(["B IY"], [text])[0] for text in texts], abs=1e-4)
    assert sum(map(math.exp, together)) < 1 and restorer.log_probs(["B IY"], []) == []
    assert together != pytest.approx(restorer.log_probs(["R EH D | N AW"], texts), abs=1e-6)


@pytest.mark.parametrize("architecture", KINDS)
def test_written_texts_end_and_are_distinct(architecture):
    texts = tiny(architecture).write(["B L UW"], 3)
    assert 1 <= len(texts) <= 3 and len({tuple(text) for text in texts}) == len(texts)


@pytest.mark.parametrize("architecture", KINDS)
def test_text_too_long_for_the_model_scores_nothing_and_such_a_prompt_is_refused(architecture):
    restorer = tiny(architecture)
    restorer.model.config.max_position_embeddings = 20
    scores = restorer.log_probs(["B IY"], [["a"], ["a" * 30]])
    assert math.isfinite(scores[0]) and scores[1] == -math.inf
    assert len("".join(restorer.write(["B IY"], 1)[0])) <= 20
    with pytest.raises(VsrError, match="read shorter clips"):
        restorer.log_probs(["B IY " * 30], [["a"]])


def test_learnt_pair_is_written():
    """After a few steps on two pairs, each prompt gives its own text."""
    restorer = tiny("encoder_decoder")
    pairs = batch_of(restorer.codec, False, PROMPTS[:2], TEXTS[:2])
    optimiser = torch.optim.Adam(restorer.model.parameters(), 1e-2)
    for _ in range(120):
        optimiser.zero_grad()
        pair_loss(restorer.model, pairs).backward()
        optimiser.step()
    assert [restorer.write(lines, 1)[0] for lines in PROMPTS[:2]] == TEXTS[:2]


def test_codec_gives_back_the_words():
    codec = OwnCodec("phoneme")
    ids = codec.text(["don't", "stop"])
    assert ids[-1] == codec.eos and codec.words(ids[:-1]) == ["don't", "stop"]
    assert codec.unknown not in codec.prompt(["B L UW | AH"]) and codec.unknown in codec.prompt(["bloo"])
    assert codec.prompt(["B"])[0] != codec.text(["b"])[0]


def test_phonemes_become_visemes_and_marks_stand_only_between_words():
    assert units_of("B L | | UW |", "phoneme") == ["B", "L", "|", "UW"]
    assert units_of("B AE T | M", "viseme") == [*units_of("P AE D | B", "viseme")]
    assert units_of("", "viseme") == []
