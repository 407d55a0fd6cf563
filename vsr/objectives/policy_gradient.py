"""Pseudo-convolutional policy gradient: rewards and probabilities of sampled hypotheses, summed over windows of steps.

Shapes: B clips, K samples of each, U tokens, S steps (with the end), W windows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from vsr.core.numbers import COUNT, NOT_NEGATIVE, check_numbers
from vsr.data.batch import CLIPS, Batch
from vsr.models.decoder import Decoder
from vsr.models.hypotheses import Hypotheses, attended, drawn, log_probs
from vsr.models.lipreader import LipReader
from vsr.objectives.ctc_attention import ctc_attention
from vsr.objectives.of_decoder import SETTINGS, OfDecoder, decoder_of, limit_of, references
from vsr.objectives.rewards import step_rewards, window_sums

BASELINES = ("others", "greedy", "none")


@dataclass(frozen=True)
class PolicyGradient(OfDecoder):
    """Pseudo-convolutional policy gradient (Luo et al. 2020): the hybrid loss and ``weight`` times
    mean over windows of (reward - baseline) * -log p, of sampled hypotheses.

    A token's reward is how much nearer it brings the text (`step_rewards`). Rewards and log-probabilities are summed
    over windows of ``kernel`` steps, one each ``stride``. A kernel of 1 is REINFORCE with immediate rewards, 0 one
    window of all steps: the only one whose mean is the gradient of the expected error rate; smaller ones trade bias
    for variance.
    ``baseline``: mean of the other samples' rewards in the same window, the greedy hypothesis', or none.
    """

    name = "pcpg"
    kernel: int = 5
    stride: int = 2
    samples: int = 4
    baseline: str = "others"
    weight: float = 0.5

    def __post_init__(self):
        check_numbers(self, SETTINGS, kernel=NOT_NEGATIVE, stride=COUNT, samples=COUNT, weight=NOT_NEGATIVE)
        if self.baseline not in BASELINES:
            raise ValueError(f"baseline is '{self.baseline}'; it can be {' or '.join(BASELINES)}")
        if self.baseline == "others" and self.samples < 2:
            raise ValueError("the baseline 'others' needs 2 samples or more")

    def __call__(self, model: LipReader, batch: Batch) -> dict[str, Tensor]:
        with attended(decoder_of(model)) as seen:
            losses = ctc_attention(model, batch)
        if not self.weight or not model.training:
            return losses
        states, lengths = seen[0]
        found = drawn(decoder_of(model), states, lengths, self.samples, limit_of(batch))
        pairs = zip(found.lists(), references(batch), strict=True)
        rewards = [[step_rewards(one, known) for one in own] for own, known in pairs]
        greedy = self.greedy_rewards(decoder_of(model), states, lengths, batch) if self.baseline == "greedy" else None
        risk = self.loss(log_probs(decoder_of(model), states, lengths, found), found, rewards, greedy)
        risk = risk * batch.share(CLIPS)
        worth = states.new_tensor([float(one.sum()) for own in rewards for one in own]).mean()
        more = {"policy": risk.detach(), "reward": worth}
        return losses | {"loss": losses["loss"] + self.weight * risk} | more

    def greedy_rewards(self, decoder: Decoder, states: Tensor, lengths: Tensor, batch: Batch) -> list:
        """Rewards of the steps of each clip's greedy hypothesis."""
        with torch.no_grad():
            best = decoder.search(states, lengths)
        return [step_rewards(own[0].tokens, known) for own, known in zip(best, references(batch), strict=True)]

    def loss(self, logs: Tensor, found: Hypotheses, rewards: list, greedy: list | None = None) -> Tensor:
        """Mean over clips and samples; logs (B, K, S), rewards of each step of each sample."""
        terms, steps = [], (found.lengths + found.ended).tolist()
        for row, own in enumerate(rewards):
            worth = [self.summed(one, logs[row, k], steps[row][k]) for k, one in enumerate(own)]
            lost = [self.windows(-logs[row, k], steps[row][k]) for k in range(len(own))]
            usual = self.summed(greedy[row], logs[row, 0], len(greedy[row]) + 1) if greedy else None
            terms += [((w - self.compared(worth, k, usual)) * lost[k]).mean() for k, w in enumerate(worth)]
        return torch.stack(terms).mean()

    def windows(self, values: Tensor, steps: int) -> Tensor:
        """(W,)."""
        return window_sums(values, max(1, steps), self.kernel, self.stride)

    def summed(self, rewards: Any, like: Tensor, steps: int) -> Tensor:
        """Rewards (U,) of a hypothesis over its windows; the end has none of its own."""
        own = like.new_zeros(max(steps, 1))
        own[: len(rewards)] = torch.as_tensor(rewards, dtype=like.dtype, device=like.device)
        return self.windows(own, steps)

    def compared(self, worth: list[Tensor], k: int, usual: Tensor | None) -> Tensor:
        """The baseline of each window of sample k: (W,)."""
        others = [own for place, own in enumerate(worth) if place != k] if self.baseline == "others" else []
        others = [usual] if usual is not None else others
        if not others:
            return torch.zeros_like(worth[k])
        windows = len(worth[k])
        shown = torch.stack([F.pad(own[:windows], (0, max(0, windows - len(own)))) for own in others])
        return shown.mean(0)
