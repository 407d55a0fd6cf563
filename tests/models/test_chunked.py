"""Cross-entropy in chunks has the value and the gradients of the plain loss."""

import pytest
import torch
from torch.nn import functional as F

from vsr.core.tokens import IGNORE
from vsr.models.chunked import chunked_cross_entropy
from vsr.models.language import LanguageModel, LanguageModelConfig


@pytest.mark.parametrize("chunk", [1, 3, 7, 10, 100])
@pytest.mark.parametrize("with_bias", [True, False])
def test_value_and_gradients_equal_those_of_the_plain_loss(chunk, with_bias):
    torch.manual_seed(0)
    inputs = [torch.randn(10, 6, dtype=torch.float64), torch.randn(20, 6, dtype=torch.float64)]
    inputs += [torch.randn(20, dtype=torch.float64)] if with_bias else []
    targets = torch.randint(0, 20, (10,))
    targets[[2, 5]] = IGNORE
    weights = torch.rand(10)
    results = []
    for loss_of in (chunked_cross_entropy, lambda h, w, t, b=None, chunk=0: F.cross_entropy(
        F.linear(h, w, b).float(), t, ignore_index=IGNORE, reduction="none")):  # fmt: skip
        copies = [tensor.clone().requires_grad_() for tensor in inputs]
        losses = loss_of(copies[0], copies[1], targets, copies[2] if with_bias else None, chunk=chunk)
        (losses * weights).sum().backward()
        results.append([losses.detach(), *(tensor.grad for tensor in copies)])
    for chunked, whole in zip(*results, strict=True):
        assert torch.allclose(chunked, whole, atol=1e-6)
    assert results[0][0][[2, 5]].tolist() == [0, 0]


def test_logits_of_a_chunk_are_not_kept():
    """Nothing that the graph keeps for the gradient is as large as the logits of two chunks."""
    kept = []
    hidden, weight = torch.randn(64, 4, requires_grad=True), torch.randn(500, 4, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(
        lambda tensor: kept.append(tensor.numel()) or tensor, lambda tensor: tensor
    ):
        chunked_cross_entropy(hidden, weight, torch.zeros(64, dtype=torch.long), chunk=8)
    assert max(kept, default=0) < 8 * 500


@pytest.mark.parametrize("embed_dim", [0, 8])
def test_language_model_has_the_same_loss_in_chunks(monkeypatch, embed_dim):
    torch.manual_seed(0)
    model = LanguageModel(LanguageModelConfig(12, 16, 2, 16, 1, embed_dim=embed_dim)).eval()
    tokens = torch.tensor([[2, 3, 4], [5, IGNORE, IGNORE]])
    whole = model.token_losses(tokens)
    monkeypatch.setattr(chunked_cross_entropy, "__defaults__", (None, 3))
    assert torch.allclose(model.token_losses(tokens), whole, atol=1e-6)
    inputs = torch.tensor([[11, 2, 3, 4]])
    expected = model(inputs).log_softmax(-1)[0].gather(1, torch.tensor([[2], [3], [4], [11]]))[:, 0]
    assert torch.allclose(whole[0], -expected, atol=1e-5)
