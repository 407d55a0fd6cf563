"""The fast search agrees with the plain one, and properties that hold for any weights."""

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
        parameter.data.mul_(2)  # otherwise every step is nearly a tie
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
def test_batched_cached_search_equals_the_plain_search(model, states, options):
    batch = decode(model, states, LENGTHS, options, EOS)
    for hypotheses, utterance_states, length in zip(batch, states, LENGTHS.tolist(), strict=True):
        with torch.inference_mode():
            expected = oracle.plain_joint_search(model, utterance_states[:length], options, EOS)
        assert [h.tokens for h in hypotheses] == [h.tokens for h in expected]
        assert [h.score for h in hypotheses] == pytest.approx([h.score for h in expected], abs=1e-4)


@pytest.mark.parametrize("options", OPTIONS)
def test_parts_of_a_score_add_up_to_it(model, states, options):
    for hypotheses in decode(model, states, LENGTHS, options, EOS):
        for hypothesis in hypotheses:
            ctc, attention = hypothesis.parts.get("ctc", 0.0), hypothesis.parts.get("attention", 0.0)
            weighted = options.ctc_weight * ctc + (1 - options.ctc_weight) * attention
            assert hypothesis.score == pytest.approx(weighted + options.length_bonus * len(hypothesis.tokens), abs=1e-4)
            assert hypothesis.parts.keys() <= {"ctc", "attention"}, "no language model was asked"


@pytest.mark.parametrize("method", ["joint", "attention", "ctc_beam", "ctc_greedy"])
def test_utterance_gives_the_same_alone_and_in_a_batch(model, states, method):
    options = DecodeOptions(method=method, beam=3)
    together = decode(model, states, LENGTHS, options, EOS)
    for index, length in enumerate(LENGTHS.tolist()):
        alone = decode(model, states[index : index + 1, :length], LENGTHS[index : index + 1], options, EOS)[0]
        assert [h.tokens for h in alone] == [h.tokens for h in together[index]]


def test_beam_of_one_without_ctc_is_greedy_attention(model, states):
    hypotheses = decode(model, states, LENGTHS, DecodeOptions(beam=1, ctc_weight=0.0), EOS)
    tokens = [EOS]
    with torch.inference_mode():
        while len(tokens) <= LENGTHS[0]:
            logits = model.decoder(torch.tensor([tokens]), states[:1], LENGTHS[:1])[0, -1]
            logits[[0, 1]] = -torch.inf
            if int(logits.argmax()) == EOS:
                break
            tokens.append(int(logits.argmax()))
    assert hypotheses[0][0].tokens == tuple(tokens[1:])


@pytest.mark.parametrize("wrong", [{"method": "viterbi"}, {"beam": 0}, {"ctc_weight": 2.0}, {"nbest": 11}])
def test_refuses_impossible_options(wrong):
    with pytest.raises(VsrError):
        DecodeOptions(**wrong)
