"""Cross-entropy in chunks: value and gradients of the plain one."""

import pytest
import torch
from torch.nn import functional as F

from vsr.core.tokens import IGNORE
from vsr.models.chunked import chunked_cross_entropy
from vsr.models.language import LanguageModel, LanguageModelConfig


@pytest.mark.parametrize("chunk", [1, 3, 7, 10, 100])
@pytest.mark.parametrize("with_bias", [True, False])
def test_value_and_gradients_are_those_of_the_plain_loss(chunk, with_bias):
    torch.manual_seed(0)
    given = [torch.randn(10, 6, dtype=torch.float64), torch.randn(20, 6, dtype=torch.float64)]
    given += [torch.randn(20, dtype=torch.float64)] if with_bias else []
    targets = torch.randint(0, 20, (10,))
    targets[[2, 5]] = IGNORE
    weighed = torch.rand(10)
    found = []
    for way in (chunked_cross_entropy, lambda h, w, t, b=None, chunk=0: F.cross_entropy(
        F.linear(h, w, b).float(), t, ignore_index=IGNORE, reduction="none")):  # fmt: skip
        own = [tensor.clone().requires_grad_() for tensor in given]
        losses = way(own[0], own[1], targets, own[2] if with_bias else None, chunk=chunk)
        (losses * weighed).sum().backward()
        found.append([losses.detach(), *(tensor.grad for tensor in own)])
    for one, other in zip(*found, strict=True):
        assert torch.allclose(one, other, atol=1e-6)
    assert found[0][0][[2, 5]].tolist() == [0, 0]


def test_no_chunk_keeps_its_logits():
    """Of what the graph keeps for the gradient nothing is as large as the logits of two chunks."""
    kept = []
    hidden, weight = torch.randn(64, 4, requires_grad=True), torch.randn(500, 4, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda own: kept.append(own.numel()) or own, lambda own: own):
        chunked_cross_entropy(hidden, weight, torch.zeros(64, dtype=torch.long), chunk=8)
    assert max(kept, default=0) < 8 * 500


@pytest.mark.parametrize("embed_dim", [0, 8])
def test_a_language_model_loses_the_same_in_chunks(monkeypatch, embed_dim):
    torch.manual_seed(0)
    model = LanguageModel(LanguageModelConfig(12, 16, 2, 16, 1, embed_dim=embed_dim)).eval()
    tokens = torch.tensor([[2, 3, 4], [5, IGNORE, IGNORE]])
    whole = model.token_losses(tokens)
    monkeypatch.setattr(chunked_cross_entropy, "__defaults__", (None, 3))
    assert torch.allclose(model.token_losses(tokens), whole, atol=1e-6)
    begun = torch.tensor([[11, 2, 3, 4]])
    own = model(begun).log_softmax(-1)[0].gather(1, torch.tensor([[2], [3], [4], [11]]))[:, 0]
    assert torch.allclose(whole[0], -own, atol=1e-5)
