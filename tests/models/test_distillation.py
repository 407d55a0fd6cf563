"""Distillation from a teacher that hears: nothing to learn from oneself, padding changes nothing, rows sum to 1."""

import itertools

import pytest
import torch
from torch.nn.utils.rnn import pad_sequence

from vsr.core.tokens import IGNORE
from vsr.data.batch import Batch
from vsr.models.distillation import alignment, distance, divergence, mean_over, pooled
from vsr.models.distilled_heads import FrameDistillation, PosteriorDistillation, SequenceDistillation
from vsr.models.lipreader import LipReader, LipReaderConfig
from vsr.models.outputs import CONTEXT, outputs
from vsr.objectives.ctc_attention import ctc_attention
from vsr.text.common_subsequence import common_places

LENGTHS = (5, 3)


def batch_of(targets, lengths=LENGTHS):
    """Padded as datasets pad: IGNORE, for floats too."""
    padded = {name: pad_sequence(list(own), True, IGNORE) for name, own in targets.items()}
    return Batch({}, torch.tensor(lengths), padded, [str(n) for n in range(len(lengths))])


def taught(width=4, per_frame=2, lengths=LENGTHS):
    torch.manual_seed(1)
    states = [torch.randn(length, per_frame, width) for length in lengths]
    return {"states": states, "known": [torch.ones(length, dtype=torch.long) for length in lengths]}


@pytest.mark.parametrize("heard, said", list(itertools.product(("", "ab", "abcba", "cab", "bbac"), repeat=2)))
def test_common_places_are_a_longest_common_subsequence(heard, said):
    places = common_places([ord(c) for c in heard], [ord(c) for c in said])
    assert all(heard[i] == said[j] for i, j in places)
    assert all(a[0] < b[0] and a[1] < b[1] for a, b in itertools.pairwise(places))
    both = set(subsequences(heard)) & set(subsequences(said))
    assert len(places) == max(map(len, both))


def subsequences(text):
    return ["".join(own) for n in range(len(text) + 1) for own in itertools.combinations(text, n)]


def test_there_is_nothing_to_learn_from_oneself():
    x, logits = torch.randn(2, 5, 8), torch.randn(2, 5, 7)
    assert not distance(x, x).any() and not distance(x, x, normalise=False).any()
    assert distance(x, 3 * x + 2).max() < 1e-4 < distance(x, 3 * x + 2, normalise=False).min()  # whatever its scale
    for temperature in (1.0, 2.0):
        assert divergence(logits, logits.log_softmax(-1), temperature).abs().max() < 1e-6
        assert divergence(logits, (-logits).log_softmax(-1), temperature).min() > 1e-3


def test_rows_of_an_alignment_sum_to_1_and_see_no_padding():
    teacher, student = torch.randn(2, 6, 8), torch.randn(2, 5, 8)
    mask = torch.arange(5) < torch.tensor(LENGTHS)[:, None]
    weights = alignment(teacher, student, mask)
    assert torch.allclose(weights.sum(-1), torch.ones(2, 6)) and not weights[1, :, 3:].any()


def test_means_leave_out_what_is_not_known():
    values, known = torch.tensor([[1.0, 2.0, 900.0]]), torch.tensor([[True, True, False]])
    assert mean_over(values, known) == 1.5 and mean_over(values, known & False) == 0
    assert pooled(values[..., None], known) == 1.5


@pytest.mark.parametrize("head", [
    FrameDistillation(6, 4, 2, "frames", True), FrameDistillation(6, 4, 2, "attention", True),
    SequenceDistillation(6, 4, False), PosteriorDistillation("ctc", 1.0, 0.5),
], ids=["frames", "attention", "sequence", "posterior"])  # fmt: skip
def test_padding_changes_nothing(head):
    torch.manual_seed(7)
    states = [torch.randn(length, 6) for length in LENGTHS]
    targets = taught()
    if isinstance(head, PosteriorDistillation):
        targets = {"log_probs": [torch.randn(n, 6).log_softmax(-1) for n in LENGTHS], "known": targets["known"]}
    together = pad_sequence(states, True)
    together[1, 3:] = 0

    def loss(*rows):
        own = {name: [values[row] for row in rows] for name, values in targets.items()}
        given = pad_sequence([together[row, : LENGTHS[row]] for row in rows], True)
        found = head.loss(given, batch_of(own, tuple(LENGTHS[row] for row in rows)))
        return found["loss"] if isinstance(found, dict) else found

    clips = isinstance(head, SequenceDistillation)
    weights = (0.5, 0.5) if clips else (5 / 8, 3 / 8)
    assert torch.allclose(loss(0, 1), weights[0] * loss(0) + weights[1] * loss(1), atol=1e-6)
    assert loss(0) != loss(1)


def reader(**heads):
    torch.manual_seed(0)
    sizes = {
        "frontend_width": 16,
        "frontend_heads": 2,
        "frontend_layers": 1,
        "dim": 16,
        "heads": 2,
        "hidden": 32,
        "layers": 1,
    }
    return LipReader(LipReaderConfig(9, **sizes, decoder_layers=2, decoder_hidden=32, further_heads=heads))


def spoken():
    tokens, video = torch.tensor([[2, 3, 4], [5, 2, IGNORE]]), torch.randn(2, 5, 1, 88, 88)
    return Batch(
        {"video": video},
        torch.tensor(LENGTHS),
        {"tokens": tokens, "frame_tokens": tokens.new_full((2, 5), IGNORE)},
        ["a", "b"],
    )


def test_a_student_whose_contexts_are_the_teachers_has_nothing_to_learn():
    """The context is what the last layer of the decoder takes, and a weight of 0 changes no other loss."""
    model = reader(context={"kind": "context_distillation", "width": 16, "normalise": False}).eval()
    with torch.no_grad():
        model.further_heads["context"].out.weight.copy_(torch.eye(16))
        model.further_heads["context"].out.bias.zero_()
    batch = spoken()
    with outputs(model, [CONTEXT]) as given:
        model.decoder.loss(model.encode_batch(batch), batch)
    known = torch.tensor([[1, 1, IGNORE, 1], [1, IGNORE, IGNORE, IGNORE]])
    batch.targets |= {"context.context": given[CONTEXT].detach(), "context.known": known}
    assert ctc_attention(model, batch)["context"] == 0
    batch.targets["context.context"] = batch.targets["context.context"] + (known == IGNORE)[..., None]
    assert ctc_attention(model, batch)["context"] == 0, "steps that the teacher did not hear"
    batch.targets["context.context"] = batch.targets["context.context"] + 1
    assert ctc_attention(model, batch)["context"] > 0.9


@pytest.mark.parametrize("head, place", [("ctc", "ctc"), ("attention", "decoder")])
def test_posteriors_reach_the_head_they_are_of(head, place):
    kind = {"kind": "posterior_distillation", "of": head, "weight": 1.0}
    model, batch = reader(posterior=kind), spoken()
    steps = 5 if head == "ctc" else 4
    batch.targets |= {
        "posterior.log_probs": torch.randn(2, steps, 9).log_softmax(-1),
        "posterior.known": torch.ones(2, steps).long(),
    }
    ctc_attention(model, batch)["posterior"]  # reported without gradient
    with outputs(model, [place]) as given:
        model.train(False)
        ctc_attention(model, batch)
    own = model.further_heads["posterior"].loss(given[place], batch.of("posterior"))
    assert own == ctc_attention(model, batch)["posterior"]
    own.backward()
    trained = {"ctc": model.ctc, "attention": model.decoder.out}
    assert {name: part.weight.grad is not None for name, part in trained.items()} == {n: n == head for n in trained}


@pytest.mark.parametrize("given, told", [
    ({"kind": "context_distillation"}, "decoder"), ({"kind": "posterior_distillation", "of": "attention"}, "decoder"),
    ({"kind": "posterior_distillation", "of": "luck"}, "luck"),
    ({"kind": "frame_distillation", "align": "luck"}, "luck"),
])  # fmt: skip
def test_what_a_model_does_not_have_is_refused(given, told):
    with pytest.raises(ValueError, match=told):
        LipReader(LipReaderConfig(9, decoder_layers=0, further_heads={"taught": given}))
