"""A reader compared with numbers that a real peer computed from the same weights."""

import copy

import pytest
import torch

from tests.published.formula import sound, video
from vsr.decoding.options import DecodeOptions
from vsr.decoding.search import decode
from vsr.models.streams import Streams

CLOSE = 1e-4


def gap(own, expected):
    """The greatest difference of two tables."""
    return (own - torch.tensor(expected)).abs().max().item()


def inputs_of(model, frames):
    """What the model reads of a clip by `formula`."""
    if model.modality == ("video", "sound"):
        return Streams({"video": video(frames), "sound": sound(frames)})
    return sound(frames) if model.modality == "sound" else video(frames)


@torch.no_grad()
def assert_every_stage(model, record):
    """Compare front end (if the peer's is known), states, and log-probabilities of CTC and decoder."""
    length = torch.tensor([record["frames"]])
    features, states = model.encode_in_steps(inputs_of(model, record["frames"]), length)
    assert "front_end" not in record or gap(features[0], record["front_end"]) < CLOSE
    assert gap(states[0], record["states"]) < CLOSE
    assert gap(model.ctc_log_probs(states)[0], record["ctc"]) < CLOSE
    tokens = torch.tensor([record["tokens"]])
    assert gap(model.decoder(tokens, states, length).log_softmax(-1)[0], record["decoder"]) < CLOSE


@torch.no_grad()
def assert_search(model, searched, frames, end=10, languages=()):
    """The n-best is that of the peer's whole search, with the last bias of its decoder shifted likewise."""
    reluctant = copy.deepcopy(model)
    bias = reluctant.get_parameter("decoder.out.bias").data
    bias[:2] += searched["bias"][0]
    bias[-1] += searched["bias"][1]
    length = torch.tensor([frames])
    states = reluctant.encode(inputs_of(model, frames), length)
    hypotheses = decode(reluctant, states, length, DecodeOptions(nbest=3, **searched["options"]), end, languages)[0]
    expected = searched["found"][str(frames)]
    assert [list(h.tokens) for h in hypotheses] == [h["tokens"] for h in expected]
    assert [h.score for h in hypotheses] == pytest.approx([h["score"] for h in expected], abs=1e-3)


@torch.no_grad()
def states_beside_a_longer_clip(model, records):
    """States of clips of 9 and 4 frames (records 2 and 1) in one batch, which are those of each alone."""
    states = model.encode(_pair(inputs_of(model, 9), inputs_of(model, 4)), torch.tensor([9, 4]))
    assert gap(states[0], records[2]["states"]) < CLOSE
    assert gap(states[1, :4], records[1]["states"]) < CLOSE
    return states


def _pair(longer, shorter):
    """Two clips in one batch, whose padding is not zero: a model must not use it."""
    if isinstance(longer, Streams):
        return Streams({name: _pair(stream, shorter.inputs[name]) for name, stream in longer.inputs.items()})
    pair = torch.full((2, *longer.shape[1:]), 0.7)
    pair[0], pair[1, : shorter.shape[1]] = longer[0], shorter[0]
    return pair
