"""A language model that writes text from phonemes: exact losses, codecs and what it writes."""

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
def test_the_loss_of_a_batch_is_that_of_its_pairs_alone(architecture):
    """Padding, the mask and the labels change nothing, and prompts teach nothing."""
    restorer = tiny(architecture)
    batch = batch_of(restorer.codec, architecture == "causal", PROMPTS, TEXTS)
    alone = [restorer.log_probs(lines, [words])[0] for lines, words in zip(PROMPTS, TEXTS, strict=True)]
    count = sum(len(restorer.codec.text(words)) for words in TEXTS)
    assert float(pair_loss(restorer.model, batch)) == pytest.approx(-sum(alone) / count, rel=1e-5)


class Largest(TorchDispatchMode):
    """The most elements that a tensor has which an operation takes."""

    taken = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.taken = max([self.taken, *(own.numel() for own in args if isinstance(own, torch.Tensor))])
        return function(*args, **(kwargs or {}))


def test_a_frozen_head_is_not_copied_for_each_pair(backbone):
    """The states of the texts' places come as a slice or as a copy; of a slice the head would be multiplied in a batch
    of its own copies, which is most of the time of a step."""
    model, codec, _ = build(RestorerSettings(str(backbone), lora=LoraSettings(rank=2)))
    head = model.get_output_embeddings().weight
    batch = batch_of(codec, True, [["B L UW"]] * 8, [["a"]] * 8)
    with Largest() as largest:
        pair_loss(model, batch).backward()
    assert not head.requires_grad and largest.taken < len(batch.ids) * head.numel()


@pytest.mark.parametrize("architecture", KINDS)
def test_texts_are_scored_together_as_alone_and_sum_to_at_most_one(architecture):
    restorer = tiny(architecture)
    texts = [list(own) for own in ("a", "b", "ab")] + [[]]
    together = restorer.log_probs(["B IY"], texts)
    assert together == pytest.approx([restorer.log_probs(["B IY"], [own])[0] for own in texts], abs=1e-4)
    assert sum(map(math.exp, together)) < 1 and restorer.log_probs(["B IY"], []) == []
    assert together != pytest.approx(restorer.log_probs(["R EH D | N AW"], texts), abs=1e-6)


@pytest.mark.parametrize("architecture", KINDS)
def test_what_is_written_ends_and_is_no_text_twice(architecture):
    found = tiny(architecture).write(["B L UW"], 3)
    assert 1 <= len(found) <= 3 and len({tuple(own) for own in found}) == len(found)


@pytest.mark.parametrize("architecture", KINDS)
def test_what_is_too_long_for_the_model_is_no_text_or_refused(architecture):
    restorer = tiny(architecture)
    restorer.model.config.max_position_embeddings = 20
    found = restorer.log_probs(["B IY"], [["a"], ["a" * 30]])
    assert math.isfinite(found[0]) and found[1] == -math.inf
    assert len("".join(restorer.write(["B IY"], 1)[0])) <= 20
    with pytest.raises(VsrError, match="read shorter clips"):
        restorer.log_probs(["B IY " * 30], [["a"]])


def test_a_learnt_pair_is_written():
    """A few steps on two pairs: each prompt is answered by its own text."""
    restorer = tiny("encoder_decoder")
    pairs = batch_of(restorer.codec, False, PROMPTS[:2], TEXTS[:2])
    optimiser = torch.optim.Adam(restorer.model.parameters(), 1e-2)
    for _ in range(120):
        optimiser.zero_grad()
        pair_loss(restorer.model, pairs).backward()
        optimiser.step()
    assert [restorer.write(lines, 1)[0] for lines in PROMPTS[:2]] == TEXTS[:2]


def test_codecs_give_back_the_words():
    codec = OwnCodec("phoneme")
    ids = codec.text(["don't", "stop"])
    assert ids[-1] == codec.eos and codec.words(ids[:-1]) == ["don't", "stop"]
    assert codec.unknown not in codec.prompt(["B L UW | AH"]) and codec.unknown in codec.prompt(["bloo"])
    assert codec.prompt(["B"])[0] != codec.text(["b"])[0]


def test_phonemes_become_visemes_and_marks_stand_between_words_alone():
    assert units_of("B L | | UW |", "phoneme") == ["B", "L", "|", "UW"]
    assert units_of("B AE T | M", "viseme") == [*units_of("P AE D | B", "viseme")]
    assert units_of("", "viseme") == []
