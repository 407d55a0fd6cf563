"""SBL's head: what a place is asked for, it never sees; padding changes nothing; sounds of several languages."""

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
    own = BidirectionalHead(V, D, 2, 2, 32, 0.0, request.param, 2, 4).double().eval()
    return own.requires_grad_(False)


def states(clips=1, frames=7):
    return torch.randn(clips, frames, D, dtype=torch.float64, generator=torch.Generator().manual_seed(frames))


@pytest.mark.parametrize("hidden", range(5))
def test_a_place_does_not_see_the_token_that_it_is_asked_for(head, hidden):
    tokens, other = torch.tensor([[2, 3, 4, 5, 6]]), torch.tensor([[2, 3, 4, 5, 6]])
    other[0, hidden] = 7
    shown = [head.streams(states(), torch.tensor([7]), own) for own in (tokens, other)]
    changed = [(a != b).any(-1)[0] for a, b in zip(*shown, strict=True)]
    filled = torch.ones(5, dtype=torch.bool)
    filled[hidden] = False
    assert torch.equal(changed[2], filled)  # all others do see it
    assert changed[0].tolist() == [place > hidden for place in range(6)]  # onward: those after it
    assert changed[1].tolist() == [place > 4 - hidden for place in range(6)]  # in reverse: those before it


def test_the_gradient_of_a_filled_place_by_its_own_token_is_exactly_nothing(head):
    tokens, leaves = torch.tensor([[2, 3, 4, 5]]), []
    for stream in (head.onward, head.backward_):
        stream.embed.register_forward_hook(lambda own, given, out: leaves.append(out.requires_grad_()) or out)
    filled = head.streams(states(), torch.tensor([7]), tokens)[2]
    for place in range(4):
        found = torch.autograd.grad(filled[0, place].sum(), leaves, retain_graph=True)
        seen = [found[0][0, 1:].abs().sum(-1) > 0, (found[1][0, 1:].abs().sum(-1) > 0).flip(0)]
        assert seen[0].tolist() == [other < place for other in range(4)]
        assert seen[1].tolist() == [other > place for other in range(4)]


def test_a_clip_alone_and_beside_a_longer_one(head):
    both, lengths = states(2), torch.tensor([7, 4])
    both[1, 4:] = 0
    tokens = torch.tensor([[2, 3, 4, 5, 6], [7, 2, IGNORE, IGNORE, IGNORE]])
    together = head.streams(both, lengths, tokens)
    alone = head.streams(both[1:, :4], lengths[1:], tokens[1:, :2])
    for count, whole, own in zip((3, 3, 2), together, alone, strict=True):
        torch.testing.assert_close(whole[1:, :count], own)
    assert head.search(both, lengths, 2)[1][0].tokens == head.search(both[1:, :4], lengths[1:], 2)[0][0].tokens


def test_tokens_are_turned_round_by_their_own_lengths():
    tokens = torch.tensor([[2, 3, 4], [5, IGNORE, IGNORE], [6, 7, IGNORE]])
    assert flipped(tokens).tolist() == [[4, 3, 2], [5, -1, -1], [7, 6, -1]]
    assert torch.equal(flipped(flipped(tokens)), tokens)


def test_both_directions_choose_among_what_the_first_found(head):
    own, lengths = states(), torch.tensor([7])
    ranked = head.search(own, lengths, 4)[0]
    assert [one.score for one in ranked] == sorted((one.score for one in ranked), reverse=True) and len(ranked) == 4
    for one in ranked:
        tokens = torch.tensor([one.tokens], dtype=torch.long)
        said = Hypotheses(tokens[:, None], torch.ones(1, 1, dtype=torch.bool))
        logs = [logits.log_softmax(-1) for logits in head.streams(own, lengths, tokens)[:2]]
        assert float(head.scores(own, lengths, said)) == pytest.approx(one.score)
        sayable = [logits[..., 2:] - logits[..., 2:].logsumexp(-1, keepdim=True) for logits in logs]
        wanted = ([*one.tokens, V - 1], [*one.tokens[::-1], V - 1])
        total = sum(float(logs[0, i, t - 2]) for logs, w in zip(sayable, wanted, strict=True) for i, t in enumerate(w))
        assert total / (len(one.tokens) + 1) == pytest.approx(one.score)


def clip(**more):
    return Clip("a", "a.mp4", more.pop("text", "un chat"), **more)


def test_sounds_are_those_of_the_clip_or_espeaks():
    settings, tokenizer = BidirectionalSettings(languages=("es", "fr")), SoundTokenizer()
    phones = (("ˈɔ\u0303", 0.0, 0.1), ("tʃ", 0.1, 0.2))
    made = settings.targets(clip(phones=phones, language="fr"), 5, tokenizer)
    assert tokenizer.decode(made["tokens"].values) == "ɔ\u0303 t ʃ" and made["language"].values.tolist() == [1]
    unknown = settings.targets(clip(phones=phones), 5, tokenizer)
    assert unknown["language"].values.tolist() == [IGNORE]
    with pytest.raises(VsrError, match="neither phones nor a language"):
        settings.targets(clip(), 5, tokenizer)
    with pytest.raises(VsrError, match="a: no sound of the list"):
        settings.targets(clip(phones=(("ж", 0.0, 0.1),)), 5, tokenizer)


@pytest.mark.parametrize("text, sounds", [
    ("p_ˈaː_ɾ", "p a ɾ"), ("ɡ g", "ɡ ɡ"), ("ɛ̃ õ", "ɛ\u0303 o\u0303"), ("ç", "ç"), ("t͡ʃ", "t ʃ"),
])  # fmt: skip
def test_ipa_is_written_with_sounds(text, sounds):
    assert list(sounds_of(text)) == sounds.split() and len(set(SOUNDS)) == len(SOUNDS)
    tokenizer = SoundTokenizer()
    assert tokenizer.decode(tokenizer.encode(text)) == sounds


def test_it_is_a_head_of_a_reader_and_may_be_the_only_one():
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
    own = model.further_heads["sounds"]
    assert {"onward", "backward", "fill", "language"} <= losses.keys()
    assert all(given.grad is not None and given.grad.isfinite().all() for given in own.parameters())
    states = model.encode_batch(batch)
    wrong, count = own.measured(states, batch.of("sounds"))
    assert count == 5 and 0 <= wrong <= 5
    assert np.isfinite([one.score for ranked in own.search(states, batch.lengths) for one in ranked]).all()
