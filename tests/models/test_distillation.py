"""Distillation from a teacher: no loss against oneself, padding changes nothing, alignments sum to 1."""

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
    padded = {name: pad_sequence(list(rows), True, IGNORE) for name, rows in targets.items()}
    return Batch({}, torch.tensor(lengths), padded, [str(n) for n in range(len(lengths))])


def teacher_targets(width=4, per_frame=2, lengths=LENGTHS):
    torch.manual_seed(1)
    states = [torch.randn(length, per_frame, width) for length in lengths]
    return {"states": states, "known": [torch.ones(length, dtype=torch.long) for length in lengths]}


@pytest.mark.parametrize("first, second", list(itertools.product(("", "ab", "abcba", "cab", "bbac"), repeat=2)))
def test_common_places_are_a_longest_common_subsequence(first, second):
    places = common_places([ord(c) for c in first], [ord(c) for c in second])
    assert all(first[i] == second[j] for i, j in places)
    assert all(a[0] < b[0] and a[1] < b[1] for a, b in itertools.pairwise(places))
    both = set(subsequences(first)) & set(subsequences(second))
    assert len(places) == max(map(len, both))


def subsequences(text):
    return ["".join(letters) for n in range(len(text) + 1) for letters in itertools.combinations(text, n)]


def test_loss_against_oneself_is_zero():
    x, logits = torch.randn(2, 5, 8), torch.randn(2, 5, 7)
    assert not distance(x, x).any() and not distance(x, x, normalise=False).any()
    assert distance(x, 3 * x + 2).max() < 1e-4 < distance(x, 3 * x + 2, normalise=False).min()  # whatever its scale
    for temperature in (1.0, 2.0):
        assert divergence(logits, logits.log_softmax(-1), temperature).abs().max() < 1e-6
        assert divergence(logits, (-logits).log_softmax(-1), temperature).min() > 1e-3


def test_rows_of_an_alignment_sum_to_1_and_ignore_padding():
    teacher, student = torch.randn(2, 6, 8), torch.randn(2, 5, 8)
    mask = torch.arange(5) < torch.tensor(LENGTHS)[:, None]
    weights = alignment(teacher, student, mask)
    assert torch.allclose(weights.sum(-1), torch.ones(2, 6)) and not weights[1, :, 3:].any()


def test_means_leave_out_unknown_values():
    values, known = torch.tensor([[1.0, 2.0, 900.0]]), torch.tensor([[True, True, False]])
    assert mean_over(values, known) == 1.5 and mean_over(values, known & False) == 0
    assert pooled(values[..., None], known) == 1.5


@pytest.mark.parametrize("head", [
    FrameDistillation(6, 4, 2, "frames", True), FrameDistillation(6, 4, 2, "attention", True),
    SequenceDistillation(6, 4, False), PosteriorDistillation("ctc", 1.0, 0.5),
], ids=["frames", "attention", "sequence", "posterior"])  # fmt: skip
def test_padding_does_not_change_the_loss(head):
    torch.manual_seed(7)
    states = [torch.randn(length, 6) for length in LENGTHS]
    targets = teacher_targets()
    if isinstance(head, PosteriorDistillation):
        targets = {"log_probs": [torch.randn(n, 6).log_softmax(-1) for n in LENGTHS], "known": targets["known"]}
    together = pad_sequence(states, True)
    together[1, 3:] = 0

    def loss(*rows):
        selected = {name: [values[row] for row in rows] for name, values in targets.items()}
        padded_states = pad_sequence([together[row, : LENGTHS[row]] for row in rows], True)
        loss_found = head.loss(padded_states, batch_of(selected, tuple(LENGTHS[row] for row in rows)))
        return loss_found["loss"] if isinstance(loss_found, dict) else loss_found

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


def two_clips():
    tokens, video = torch.tensor([[2, 3, 4], [5, 2, IGNORE]]), torch.randn(2, 5, 1, 88, 88)
    return Batch(
        {"video": video},
        torch.tensor(LENGTHS),
        {"tokens": tokens, "frame_tokens": tokens.new_full((2, 5), IGNORE)},
        ["a", "b"],
    )


def test_context_loss_is_zero_for_equal_contexts_and_unknown_steps():
    """The context is the input of the decoder's last layer."""
    model = reader(context={"kind": "context_distillation", "width": 16, "normalise": False}).eval()
    with torch.no_grad():
        model.further_heads["context"].out.weight.copy_(torch.eye(16))
        model.further_heads["context"].out.bias.zero_()
    batch = two_clips()
    with outputs(model, [CONTEXT]) as layer_outputs:
        model.decoder.loss(model.encode_batch(batch), batch)
    known = torch.tensor([[1, 1, IGNORE, 1], [1, IGNORE, IGNORE, IGNORE]])
    batch.targets |= {"context.context": layer_outputs[CONTEXT].detach(), "context.known": known}
    assert ctc_attention(model, batch)["context"] == 0
    batch.targets["context.context"] = batch.targets["context.context"] + (known == IGNORE)[..., None]
    assert ctc_attention(model, batch)["context"] == 0, "steps that the teacher did not hear"
    batch.targets["context.context"] = batch.targets["context.context"] + 1
    assert ctc_attention(model, batch)["context"] > 0.9


@pytest.mark.parametrize("head, module", [("ctc", "ctc"), ("attention", "decoder")])
def test_posterior_loss_trains_only_the_head_it_names(head, module):
    kind = {"kind": "posterior_distillation", "of": head, "weight": 1.0}
    model, batch = reader(posterior=kind), two_clips()
    steps = 5 if head == "ctc" else 4
    batch.targets |= {
        "posterior.log_probs": torch.randn(2, steps, 9).log_softmax(-1),
        "posterior.known": torch.ones(2, steps).long(),
    }
    ctc_attention(model, batch)["posterior"]  # reported without gradient
    with outputs(model, [module]) as module_outputs:
        model.train(False)
        ctc_attention(model, batch)
    loss = model.further_heads["posterior"].loss(module_outputs[module], batch.of("posterior"))
    assert loss == ctc_attention(model, batch)["posterior"]
    loss.backward()
    trained = {"ctc": model.ctc, "attention": model.decoder.out}
    assert {name: part.weight.grad is not None for name, part in trained.items()} == {n: n == head for n in trained}


@pytest.mark.parametrize("head, message", [
    ({"kind": "context_distillation"}, "decoder"), ({"kind": "posterior_distillation", "of": "attention"}, "decoder"),
    ({"kind": "posterior_distillation", "of": "luck"}, "luck"),
    ({"kind": "frame_distillation", "align": "luck"}, "luck"),
])  # fmt: skip
def test_refuses_what_the_model_lacks(head, message):
    with pytest.raises(ValueError, match=message):
        LipReader(LipReaderConfig(9, decoder_layers=0, further_heads={"taught": head}))
