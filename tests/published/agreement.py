"""A reader beside the numbers that a real peer computed from the same weights."""

import torch

from tests.published.formula import video

CLOSE = 1e-4


def far(ours, peers):
    """The greatest difference of two tables."""
    return (ours - torch.tensor(peers)).abs().max().item()


@torch.no_grad()
def assert_every_stage(model, record):
    """Front end (where the peer's is known), states, and log-probabilities of CTC and of the decoder."""
    length = torch.tensor([record["frames"]])
    features, states = model.encode_in_steps(video(record["frames"]), length)
    assert "front_end" not in record or far(features[0], record["front_end"]) < CLOSE
    assert far(states[0], record["states"]) < CLOSE
    assert far(model.ctc_log_probs(states)[0], record["ctc"]) < CLOSE
    tokens = torch.tensor([record["tokens"]])
    assert far(model.decoder(tokens, states, length).log_softmax(-1)[0], record["decoder"]) < CLOSE


@torch.no_grad()
def states_beside_a_longer_clip(model, records):
    """States of clips of 9 and of 4 frames (records 2 and 1) as one batch, which are those of each alone."""
    pair = torch.zeros(2, 9, 1, 88, 88)
    pair[0], pair[1, :4] = video(9)[0], video(4)[0]
    states = model.encode(pair, torch.tensor([9, 4]))
    assert far(states[0], records[2]["states"]) < CLOSE
    assert far(states[1, :4], records[1]["states"]) < CLOSE
    return states
