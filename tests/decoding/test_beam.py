"""The fast search against the plain one, and the properties that hold whatever the weights are."""

import importlib.util
from pathlib import Path

import pytest
import torch

from vsr.core.errors import VsrError
from vsr.decoding.options import DecodeOptions
from vsr.decoding.search import decode
from vsr.models.lipreader import LipReader, LipReaderConfig

spec = importlib.util.spec_from_file_location("oracle", Path(__file__).with_name("oracle.py"))
oracle = importlib.util.module_from_spec(spec)
spec.loader.exec_module(oracle)

EOS = 10
LENGTHS = torch.tensor([14, 9, 11, 3])


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    config = LipReaderConfig(
        vocab_size=11, dim=16, heads=2, hidden=24, layers=1, decoder_layers=2, frontend_width=8, frontend_heads=2
    )
    model = LipReader(config).eval()
    for parameter in model.parameters():
        parameter.data.mul_(2)  # else every step is a near tie
    return model


@pytest.fixture(scope="module")
def states(model):
    video = torch.randn(4, 14, 1, 88, 88, generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        return model.encode(video, LENGTHS)


OPTIONS = [
    DecodeOptions(beam=4, nbest=3),
    DecodeOptions(beam=3, ctc_weight=0.0, max_length_ratio=0.6),
    DecodeOptions(beam=3, ctc_weight=1.0, length_bonus=0.4),
    DecodeOptions(beam=1, ctc_weight=0.1),
]


@pytest.mark.parametrize("options", OPTIONS)
def test_batched_cached_search_equals_the_plain_one(model, states, options):
    found = decode(model, states, LENGTHS, options, EOS)
    for own, own_states, length in zip(found, states, LENGTHS.tolist(), strict=True):
        with torch.inference_mode():
            expected = oracle.plain_joint_search(model, own_states[:length], options, EOS)
        assert [h.tokens for h in own] == [h.tokens for h in expected]
        assert [h.score for h in own] == pytest.approx([h.score for h in expected], abs=1e-4)


@pytest.mark.parametrize("options", OPTIONS)
def test_the_parts_of_a_score_make_it_up(model, states, options):
    for found in decode(model, states, LENGTHS, options, EOS):
        for own in found:
            ctc, attention = own.parts.get("ctc", 0.0), own.parts.get("attention", 0.0)
            weighted = options.ctc_weight * ctc + (1 - options.ctc_weight) * attention
            assert own.score == pytest.approx(weighted + options.length_bonus * len(own.tokens), abs=1e-4)
            assert own.parts.keys() <= {"ctc", "attention"}, "no language model was asked"


@pytest.mark.parametrize("method", ["joint", "attention", "ctc_beam", "ctc_greedy"])
def test_an_utterance_is_read_the_same_alone_and_in_a_batch(model, states, method):
    options = DecodeOptions(method=method, beam=3)
    together = decode(model, states, LENGTHS, options, EOS)
    for index, length in enumerate(LENGTHS.tolist()):
        alone = decode(model, states[index : index + 1, :length], LENGTHS[index : index + 1], options, EOS)[0]
        assert [h.tokens for h in alone] == [h.tokens for h in together[index]]


def test_beam_of_one_without_ctc_is_greedy_attention(model, states):
    found = decode(model, states, LENGTHS, DecodeOptions(beam=1, ctc_weight=0.0), EOS)
    tokens = [EOS]
    with torch.inference_mode():
        while len(tokens) <= LENGTHS[0]:
            logits = model.decoder(torch.tensor([tokens]), states[:1], LENGTHS[:1])[0, -1]
            logits[[0, 1]] = -torch.inf
            if int(logits.argmax()) == EOS:
                break
            tokens.append(int(logits.argmax()))
    assert found[0][0].tokens == tuple(tokens[1:])


@pytest.mark.parametrize("wrong", [{"method": "viterbi"}, {"beam": 0}, {"ctc_weight": 2.0}, {"nbest": 11}])
def test_nonsense_options_are_refused(wrong):
    with pytest.raises(VsrError):
        DecodeOptions(**wrong)
