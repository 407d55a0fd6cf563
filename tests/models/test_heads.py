"""Heads: each with its own targets, loss, count and search."""

import pytest
import torch
from torch.nn import functional as F

from vsr.core.tokens import IGNORE
from vsr.data.batch import Batch
from vsr.decoding.options import DecodeOptions
from vsr.decoding.search import decode
from vsr.models.heads import CTCSettings
from vsr.models.lipreader import LipReader, LipReaderConfig
from vsr.models.registry import HEADS
from vsr.objectives.ctc_attention import ctc_attention
from vsr.text.tokenizer import CharTokenizer

TOKENS = CharTokenizer("abc ")
SIZES = {"dim": 16, "heads": 2, "hidden": 32, "layers": 1, "decoder_layers": 1, "decoder_hidden": 32, "dropout": 0.0}
FRONTEND = {"frontend_width": 8, "frontend_layers": 1, "frontend_heads": 2}
WORDS = {"cabs": {"kind": "ctc", "words": ["cab", "bac"], "weight": 0.5}}


def reader(**settings):
    torch.manual_seed(0)
    return LipReader(LipReaderConfig(TOKENS.vocab_size, **SIZES | FRONTEND | settings)).eval()


def batch_of(clips=2, **targets):
    video = torch.randn(clips, 14, 1, 88, 88, generator=torch.Generator().manual_seed(1))
    all_targets = {
        "tokens": torch.tensor([[2, 3, 4], [4, IGNORE, IGNORE]]),
        "frame_tokens": torch.full((2, 14), IGNORE),
    }
    all_targets = {name: values[:clips] for name, values in (all_targets | targets).items()}
    return Batch({"video": video}, torch.tensor([14, 9])[:clips], all_targets, ["a", "b"][:clips])


def test_ctc_head_over_own_words_learns_its_own_targets():
    model = reader(further_heads=WORDS)
    assert model.further_heads["cabs"].out_features == 5
    batch = batch_of(**{"cabs.tokens": torch.tensor([[2, 3], [3, IGNORE]])})
    losses = ctc_attention(model, batch)
    shared = batch.of("cabs")
    assert torch.equal(shared.tokens, batch.targets["cabs.tokens"])
    assert torch.equal(batch.of("ctc").tokens, batch.tokens)
    expected = model.further_heads["cabs"].loss(model.encode_batch(batch), shared)
    assert losses["cabs"].item() == pytest.approx(expected.item())
    assert CTCSettings(words=("cab", "bac")).tokenizer(TOKENS).decode([2, 3]) == "cab bac"


def test_counts_are_named_after_their_targets():
    frames = torch.full((2, 14), IGNORE)
    frames[0, :5] = 3
    batch = batch_of(frame_tokens=frames, **{"cabs.tokens": torch.tensor([[2, 3], [3, IGNORE]])})
    counts = {name: int(count) for name, count in batch.counts().items()}
    assert counts == {"clips": 2, "tokens": 4 + 2, "frame_tokens": 5, "cabs.tokens": 3 + 2}


def test_each_loss_is_scaled_by_the_share_of_its_count():
    model = reader(further_heads=WORDS)
    batch = batch_of(**{"cabs.tokens": torch.tensor([[2, 3], [3, IGNORE]])})
    unscaled = ctc_attention(model, batch)
    batch.shares = {"clips": torch.tensor(2.0), "tokens": torch.tensor(3.0), "frame_tokens": torch.tensor(1.0)}
    scaled = ctc_attention(model, batch)
    ratios = {name: float(scaled[name] / unscaled[name]) for name in ("ctc", "attention", "cabs")}
    assert ratios == pytest.approx({"ctc": 2, "attention": 3, "cabs": 2})
    assert scaled["loss"].item() == pytest.approx(
        float(0.3 * scaled["ctc"] + 0.7 * scaled["attention"] + 0.5 * scaled["cabs"]), rel=1e-5
    )


@torch.no_grad()
@pytest.mark.parametrize("head, method", [("ctc", "ctc_greedy"), ("attention", "joint")])
def test_head_alone_equals_the_search_by_it_alone(head, method):
    model, batch = reader(), batch_of()
    for parameter in model.heads[head].parameters():
        parameter.mul_(4)  # more certain of something
    states = model.encode_batch(batch)
    options = DecodeOptions(method=method, beam=1, ctc_weight=0.0)
    searched = decode(model, states, batch.lengths, options, TOKENS.eos_id)
    alone = model.heads[head].search(states, batch.lengths)
    for (of_head,), (of_search,) in zip(alone, searched, strict=True):
        assert of_head.tokens == of_search.tokens and of_head.tokens
        if len(of_head.tokens) < 9:  # the beam adds the end even where there is no room for another token
            assert of_head.score == pytest.approx(of_search.score, abs=1e-3)


@torch.no_grad()
@pytest.mark.parametrize("head", ["ctc", "attention", "alignment"])
def test_clip_is_searched_alike_alone_and_beside_a_longer_one(head):
    model, batch = reader(), batch_of()
    states = model.encode_batch(batch)
    both = model.heads[head].search(states, batch.lengths)[1][0]
    alone = model.heads[head].search(states[1:, :9], batch.lengths[1:])[0][0]
    assert both.tokens == alone.tokens and both.score == pytest.approx(alone.score, abs=1e-4)


def test_batch_moves_to_a_device_with_all_its_tensors():
    batch = batch_of()
    batch.shares = {"clips": torch.ones(())}
    moved = batch.to("meta")
    tensors = [*moved.inputs.values(), *moved.targets.values(), *moved.shares.values(), moved.lengths]
    assert {tensor.device.type for tensor in tensors} == {"meta"} and moved.ids == batch.ids


LISTED = {"which": {"kind": "word_classes", "words": ["cab", "bac", "abc"], "label_smoothing": 0.0}}
NOTHING_ELSE = {"ctc_weight": 0.0, "alignment_weight": 0.0, "decoder_layers": 0}


def test_word_classes_are_a_head_beside_any_others():
    model = reader(further_heads=LISTED)
    batch = batch_of(**{"which.tokens": torch.tensor([[3], [1]])})  # the second is not in the list
    losses, states = ctc_attention(model, batch), model.encode_batch(batch)
    logits = model.further_heads["which"](states, batch.lengths)
    assert losses["which"].item() == pytest.approx(F.cross_entropy(logits[:1], torch.tensor([1])).item())
    assert {"accuracy", "which_accuracy"} <= losses.keys()  # the decoder's, and its own
    ranked = model.further_heads["which"].search(states, batch.lengths, 5)
    for hypotheses, row in zip(ranked, logits.log_softmax(-1), strict=True):
        assert sorted(hypothesis.tokens[0] for hypothesis in hypotheses) == [2, 3, 4]
        assert [hypothesis.score for hypothesis in hypotheses] == pytest.approx(sorted(row.tolist(), reverse=True))
        assert hypotheses[0].tokens == (int(row.argmax()) + 2,)


def test_head_may_be_the_only_one():
    model = reader(further_heads=LISTED, **NOTHING_ELSE)
    assert list(model.heads) == ["which"] and not model.config.only_words
    losses = ctc_attention(model, batch_of(**{"which.tokens": torch.tensor([[3], [2]])}))
    assert losses["loss"].item() == pytest.approx(losses["which"].item())


def test_number_of_classes_is_that_of_the_tokenizers_list():
    settings = {"frontend_width": 8, "frontend_layers": 1, "frontend_heads": 2} | SIZES | NOTHING_ELSE
    model = LipReader(LipReaderConfig(6, **settings, classes=3))
    assert list(model.heads) == ["words"] and model.words.out_features == 3
    assert HEADS["word_classes"]().build(16, 6).out_features == 3
