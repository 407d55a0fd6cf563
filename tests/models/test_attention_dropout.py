"""Dropout of attention weights: exact in training, without effect on evaluation, searches and sizes."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from vsr.models.attention import MultiHeadAttention, RelativeAttention, RotaryAttention
from vsr.models.decoder import Decoder
from vsr.models.language import LanguageModel, LanguageModelConfig
from vsr.models.legacy_attention import LegacyRelativeAttention
from vsr.models.lipreader import LipReader, LipReaderConfig

SMALL = LipReaderConfig(
    9, frontend_width=8, frontend_layers=1, frontend_heads=2, dim=16, heads=2, hidden=16, layers=1, kernel=3,
    decoder_layers=1, decoder_hidden=16, dropout=0.0,
)  # fmt: skip
SIZES = {"layers": 1, "heads": 2, "hidden": 16, "dropout": 0.0}
SELF = (RelativeAttention, LegacyRelativeAttention, RotaryAttention)


def pair(kind, share):
    """A layer without dropout of its weights, and one that drops ``share`` of the same weights."""
    torch.manual_seed(0)
    plain, dropping = kind(8, 2), kind(8, 2, share)
    dropping.load_state_dict(plain.state_dict())
    return plain, dropping


@pytest.mark.parametrize("kind", SELF)
@torch.no_grad()
def test_evaluation_is_unchanged_and_training_drops(kind):
    plain, dropping = pair(kind, 0.5)
    x, mask = torch.randn(3, 7, 8), torch.ones(3, 1, 1, 7, dtype=torch.bool)
    assert torch.equal(dropping.eval()(x, mask), plain(x, mask))
    assert not torch.allclose(dropping.train()(x, mask), plain(x, mask))


@torch.no_grad()
def test_each_weight_is_dropped_or_scaled():
    """Each query attends with a subset of the weights, divided by the share that is kept."""
    _, attention = pair(MultiHeadAttention, 0.25)
    torch.nn.init.eye_(attention.out.weight)
    torch.nn.init.zeros_(attention.out.bias)
    x = torch.randn(1, 4, 8)
    weights = attention.weights(x, x)[0, 0, 0]  # of the first query in the first head, (4,)
    value = attention.keys_values(x)[1][0, 0]  # (4, 4)
    kept = torch.linalg.solve(value.T, attention.train()(x)[0, 0, :4]) / weights
    assert torch.allclose(kept, torch.where(kept > 0.5, 4 / 3, 0.0), atol=1e-3)


@torch.no_grad()
def test_share_of_dropped_weights_is_that_of_the_setting():
    _, attention = pair(MultiHeadAttention, 0.25)
    torch.manual_seed(1)
    attention.query.weight.zero_(), attention.query.bias.zero_()  # equal weights
    attention.value.weight.zero_(), attention.value.bias.fill_(1.0)
    attended = F.linear(torch.ones(8), attention.out.weight, attention.out.bias)
    sums = torch.linalg.solve(attention.out.weight, (attention.train()(torch.randn(1, 400, 8))[0] - attended).T)
    assert abs(float(sums.mean())) < 0.01 and float(sums.std()) > 0.02


@pytest.mark.parametrize("encoder", ["conformer", "av_hubert", "relative_transformer"])
@torch.no_grad()
def test_encoders_have_the_setting(encoder):
    settings = SIZES if encoder == "relative_transformer" else {}
    torch.manual_seed(0)
    plain = LipReader(replace(SMALL, encoder=encoder, encoder_settings=settings)).train()
    nested = settings | ({"attention_dropout": 0.5} if settings else {})
    dropping = LipReader(replace(SMALL, encoder=encoder, encoder_settings=nested, attention_dropout=0.5)).train()
    dropping.load_state_dict(plain.state_dict())
    x, mask = torch.randn(2, 6, 16), torch.ones(2, 6, dtype=torch.bool)
    assert torch.equal(plain.encoder(x, mask), plain.encoder(x, mask))
    assert not torch.allclose(dropping.encoder(x, mask), plain.encoder(x, mask))
    dropping.load_state_dict(plain.state_dict())  # running statistics have followed
    assert torch.equal(dropping.eval().encoder(x, mask), plain.eval().encoder(x, mask))


@torch.no_grad()
def test_decoder_drops_in_its_training_pass_and_never_in_a_search():
    """An objective may search with a decoder that is in training mode."""
    torch.manual_seed(0)
    plain, dropping = Decoder(9, 16, 2, 2, 16, 0.0), Decoder(9, 16, 2, 2, 16, 0.0, attention_dropout=0.5)
    dropping.load_state_dict(plain.state_dict())
    states, lengths, tokens = torch.randn(2, 5, 16), torch.tensor([5, 4]), torch.tensor([[8, 1, 2], [8, 3, 4]])
    assert not torch.allclose(dropping(tokens, states, lengths), plain(tokens, states, lengths))
    caches = [decoder.start(states, lengths) for decoder in (plain, dropping)]
    for place in range(3):
        scores = [d.step(tokens[:, place, None], cache) for d, cache in zip((plain, dropping), caches, strict=True)]
        assert torch.equal(*scores)
    assert torch.equal(dropping.eval()(tokens, states, lengths), plain.eval()(tokens, states, lengths))


@torch.no_grad()
def test_language_model_drops_in_training_alone():
    config = LanguageModelConfig(9, dim=16, heads=2, hidden=16, layers=1, dropout=0.0)
    plain, dropping = LanguageModel(config), LanguageModel(replace(config, attention_dropout=0.5))
    dropping.load_state_dict(plain.state_dict())
    tokens = torch.tensor([[8, 1, 2, 3, 4, 5]])
    assert torch.equal(dropping.eval()(tokens), plain(tokens))
    assert not torch.allclose(dropping.train()(tokens), plain(tokens))
