"""Pseudo-convolutional policy gradient: rewards and log-probabilities of samples, summed over windows of steps.

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
from vsr.models.hypotheses import Hypotheses, log_probs, record_decoder_inputs, sample_hypotheses
from vsr.models.lipreader import LipReader
from vsr.objectives.ctc_attention import ctc_attention
from vsr.objectives.decoder_objective import SETTINGS, DecoderObjective, decoder_of, length_limits, references
from vsr.objectives.rewards import step_rewards, window_sums

BASELINES = ("others", "greedy", "none")


@dataclass(frozen=True)
class PolicyGradient(DecoderObjective):
    """Pseudo-convolutional policy gradient (Luo et al. 2020): the hybrid loss plus ``weight`` times the mean, over
    windows of sampled hypotheses, of (reward - baseline) * -log p.

    The reward of a token is its reduction of the edit distance (`step_rewards`). Rewards and log-probabilities are
    summed over windows of ``kernel`` steps at every ``stride``. A kernel of 1 is REINFORCE with immediate rewards; 0 is
    one window of all steps, the only one whose mean is the gradient of the expected error rate; smaller kernels trade
    bias for variance.
    ``baseline``: mean reward of the other samples in the same window, that of the greedy hypothesis, or none.
    """

    name = "pcpg"
    searches = True
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
        with record_decoder_inputs(decoder_of(model)) as decoder_inputs:
            losses = ctc_attention(model, batch)
        if not self.weight or not model.training:
            return losses
        states, lengths = decoder_inputs[0]
        hypotheses = sample_hypotheses(decoder_of(model), states, lengths, self.samples, length_limits(batch))
        pairs = zip(hypotheses.lists(), references(batch), strict=True)
        rewards = [[step_rewards(tokens, reference) for tokens in samples] for samples, reference in pairs]
        greedy = self.greedy_rewards(decoder_of(model), states, lengths, batch) if self.baseline == "greedy" else None
        risk = self.loss(log_probs(decoder_of(model), states, lengths, hypotheses), hypotheses, rewards, greedy)
        risk = risk * batch.share(CLIPS)
        mean_reward = states.new_tensor(
            [float(token_rewards.sum()) for samples in rewards for token_rewards in samples]
        ).mean()
        figures = {"policy": risk.detach(), "reward": mean_reward}
        return losses | {"loss": losses["loss"] + self.weight * risk} | figures

    def greedy_rewards(self, decoder: Decoder, states: Tensor, lengths: Tensor, batch: Batch) -> list:
        """Rewards of the tokens of the greedy hypothesis of each clip."""
        with torch.no_grad():
            best = decoder.search(states, lengths)
        return [
            step_rewards(nbest[0].tokens, reference) for nbest, reference in zip(best, references(batch), strict=True)
        ]

    def loss(self, logs: Tensor, hypotheses: Hypotheses, rewards: list, greedy: list | None = None) -> Tensor:
        """Policy loss, mean over clips and samples; ``logs``: log-probabilities (B, K, S); ``rewards`` of each token in
        each sample."""
        terms, steps = [], (hypotheses.lengths + hypotheses.ended).tolist()
        for row, samples in enumerate(rewards):
            window_rewards = [
                self.summed(token_rewards, logs[row, k], steps[row][k]) for k, token_rewards in enumerate(samples)
            ]
            window_losses = [self.windows(-logs[row, k], steps[row][k]) for k in range(len(samples))]
            greedy_reward = self.summed(greedy[row], logs[row, 0], len(greedy[row]) + 1) if greedy else None
            terms += [
                ((reward - self.compared(window_rewards, k, greedy_reward)) * window_losses[k]).mean()
                for k, reward in enumerate(window_rewards)
            ]
        return torch.stack(terms).mean()

    def windows(self, values: Tensor, steps: int) -> Tensor:
        """Sums of values (S,) over windows, (W,)."""
        return window_sums(values, max(1, steps), self.kernel, self.stride)

    def summed(self, rewards: Any, like: Tensor, steps: int) -> Tensor:
        """Rewards (U,) of a hypothesis summed over windows, (W,); the end has no reward."""
        padded = like.new_zeros(max(steps, 1))
        padded[: len(rewards)] = torch.as_tensor(rewards, dtype=like.dtype, device=like.device)
        return self.windows(padded, steps)

    def compared(self, worth: list[Tensor], k: int, usual: Tensor | None) -> Tensor:
        """The baseline of each window of sample k: (W,)."""
        others = [sample for index, sample in enumerate(worth) if index != k] if self.baseline == "others" else []
        others = [usual] if usual is not None else others
        if not others:
            return torch.zeros_like(worth[k])
        windows = len(worth[k])
        padded = torch.stack([F.pad(sample[:windows], (0, max(0, windows - len(sample)))) for sample in others])
        return padded.mean(0)
