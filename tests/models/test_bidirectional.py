"""SBL's head: a position never sees the token it predicts, padding changes nothing, and sounds of several languages."""

import numpy as np
import pytest
import torch

from vsr.core.errors import VsrError
from vsr.core.tokens import IGNORE
from vsr.data.batch import Batch
from vsr.data.manifest import Clip
from vsr.models.bidirectional import BidirectionalHead, flipped
from vsr.models.bidirectional_head import BidirectionalSettings
from vsr.models.hypotheses import Hypotheses
from vsr.models.lipreader import LipReader, LipReaderConfig
from vsr.objectives.ctc_attention import ctc_attention
from vsr.text.ipa import SOUNDS, SoundTokenizer, sounds_of

V, D = 9, 16


@pytest.fixture(params=[1, 3])
def head(request):
    torch.manual_seed(0)
    bidirectional = BidirectionalHead(V, D, 2, 2, 32, 0.0, request.param, 2, 4).double().eval()
    return bidirectional.requires_grad_(False)


def states(clips=1, frames=7):
    return torch.randn(clips, frames, D, dtype=torch.float64, generator=torch.Generator().manual_seed(frames))


@pytest.mark.parametrize("hidden", range(5))
def test_position_does_not_see_the_token_that_it_predicts(head, hidden):
    tokens, other = torch.tensor([[2, 3, 4, 5, 6]]), torch.tensor([[2, 3, 4, 5, 6]])
    other[0, hidden] = 7
    outputs = [head.streams(states(), torch.tensor([7]), row) for row in (tokens, other)]
    changed = [(a != b).any(-1)[0] for a, b in zip(*outputs, strict=True)]
    filled = torch.ones(5, dtype=torch.bool)
    filled[hidden] = False
    assert torch.equal(changed[2], filled)  # all other positions see it
    assert changed[0].tolist() == [position > hidden for position in range(6)]  # onward: those after it
    assert changed[1].tolist() == [position > 4 - hidden for position in range(6)]  # in reverse: those before it


def test_gradient_of_a_filled_position_by_its_own_token_is_zero(head):
    tokens, leaves = torch.tensor([[2, 3, 4, 5]]), []
    for stream in (head.onward, head.backward_):
        stream.embed.register_forward_hook(
            lambda module, inputs, output: leaves.append(output.requires_grad_()) or output
        )
    filled = head.streams(states(), torch.tensor([7]), tokens)[2]
    for position in range(4):
        gradients = torch.autograd.grad(filled[0, position].sum(), leaves, retain_graph=True)
        has_gradient = [gradients[0][0, 1:].abs().sum(-1) > 0, (gradients[1][0, 1:].abs().sum(-1) > 0).flip(0)]
        assert has_gradient[0].tolist() == [other < position for other in range(4)]
        assert has_gradient[1].tolist() == [other > position for other in range(4)]


def test_clip_gives_the_same_alone_and_beside_a_longer_one(head):
    both, lengths = states(2), torch.tensor([7, 4])
    both[1, 4:] = 0
    tokens = torch.tensor([[2, 3, 4, 5, 6], [7, 2, IGNORE, IGNORE, IGNORE]])
    together = head.streams(both, lengths, tokens)
    alone = head.streams(both[1:, :4], lengths[1:], tokens[1:, :2])
    for count, whole, single in zip((3, 3, 2), together, alone, strict=True):
        torch.testing.assert_close(whole[1:, :count], single)
    assert head.search(both, lengths, 2)[1][0].tokens == head.search(both[1:, :4], lengths[1:], 2)[0][0].tokens


def test_tokens_are_reversed_within_their_lengths():
    tokens = torch.tensor([[2, 3, 4], [5, IGNORE, IGNORE], [6, 7, IGNORE]])
    assert flipped(tokens).tolist() == [[4, 3, 2], [5, -1, -1], [7, 6, -1]]
    assert torch.equal(flipped(flipped(tokens)), tokens)


def test_score_is_the_mean_of_both_directions(head):
    clip_states, lengths = states(), torch.tensor([7])
    ranked = head.search(clip_states, lengths, 4)[0]
    assert [hypothesis.score for hypothesis in ranked] == sorted(
        (hypothesis.score for hypothesis in ranked), reverse=True
    ) and len(ranked) == 4
    for hypothesis in ranked:
        tokens = torch.tensor([hypothesis.tokens], dtype=torch.long)
        candidates = Hypotheses(tokens[:, None], torch.ones(1, 1, dtype=torch.bool))
        log_probs = [logits.log_softmax(-1) for logits in head.streams(clip_states, lengths, tokens)[:2]]
        assert float(head.scores(clip_states, lengths, candidates)) == pytest.approx(hypothesis.score)
        sayable = [logits[..., 2:] - logits[..., 2:].logsumexp(-1, keepdim=True) for logits in log_probs]
        expected = ([*hypothesis.tokens, V - 1], [*hypothesis.tokens[::-1], V - 1])
        total = sum(
            float(log_probs[0, i, t - 2])
            for log_probs, w in zip(sayable, expected, strict=True)
            for i, t in enumerate(w)
        )
        assert total / (len(hypothesis.tokens) + 1) == pytest.approx(hypothesis.score)


def clip(**fields):
    return Clip("a", "a.mp4", fields.pop("text", "un chat"), **fields)


def test_targets_are_phones_of_the_clip_or_of_espeak():
    settings, tokenizer = BidirectionalSettings(languages=("es", "fr")), SoundTokenizer()
    phones = (("ˈɔ\u0303", 0.0, 0.1), ("tʃ", 0.1, 0.2))
    targets = settings.targets(clip(phones=phones, language="fr"), 5, tokenizer)
    assert tokenizer.decode(targets["tokens"].values) == "ɔ\u0303 t ʃ" and targets["language"].values.tolist() == [1]
    unknown = settings.targets(clip(phones=phones), 5, tokenizer)
    assert unknown["language"].values.tolist() == [IGNORE]
    with pytest.raises(VsrError, match="neither phones nor a language"):
        settings.targets(clip(), 5, tokenizer)
    with pytest.raises(VsrError, match="a: no sound of the list"):
        settings.targets(clip(phones=(("ж", 0.0, 0.1),)), 5, tokenizer)


@pytest.mark.parametrize("text, sounds", [
    ("p_ˈaː_ɾ", "p a ɾ"), ("ɡ g", "ɡ ɡ"), ("ɛ̃ õ", "ɛ\u0303 o\u0303"), ("ç", "ç"), ("t͡ʃ", "t ʃ"),
])  # fmt: skip
def test_ipa_is_written_with_the_sounds_of_the_list(text, sounds):
    assert list(sounds_of(text)) == sounds.split() and len(set(SOUNDS)) == len(SOUNDS)
    tokenizer = SoundTokenizer()
    assert tokenizer.decode(tokenizer.encode(text)) == sounds


def test_bidirectional_head_may_be_the_only_head_of_a_model():
    torch.manual_seed(0)
    sizes = {"dim": 16, "heads": 2, "hidden": 32, "layers": 1, "dropout": 0.0}
    frontend = {"frontend_width": 8, "frontend_layers": 1, "frontend_heads": 2}
    alone = {"ctc_weight": 0.0, "alignment_weight": 0.0, "decoder_layers": 0}
    kind = {"kind": "bidirectional", "languages": ["es", "fr"], "layers": 1, "heads": 2, "hidden": 32}
    model = LipReader(LipReaderConfig(40, further_heads={"sounds": kind}, **sizes, **frontend, **alone))
    targets = {
        "sounds.tokens": torch.tensor([[2, 3, 4], [5, 6, IGNORE]]), "sounds.language": torch.tensor([[1], [IGNORE]]),
    }  # fmt: skip
    batch = Batch({"video": torch.randn(2, 9, 1, 88, 88)}, torch.tensor([9, 5]), targets, ["a", "b"])
    losses = ctc_attention(model, batch)
    losses["loss"].backward()
    head = model.further_heads["sounds"]
    assert {"onward", "backward", "fill", "language"} <= losses.keys()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in head.parameters())
    states = model.encode_batch(batch)
    wrong, count = head.measured(states, batch.of("sounds"))
    assert count == 5 and 0 <= wrong <= 5
    assert np.isfinite(
        [hypothesis.score for ranked in head.search(states, batch.lengths) for hypothesis in ranked]
    ).all()
