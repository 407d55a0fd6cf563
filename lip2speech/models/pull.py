"""Classifier guidance at the start of the flow, by known text (LipVoicer, Yemini et al. 2024, adapted to a flow).

A classifier's gradient added to the score of a flow on the linear path diverges at its start and vanishes at its end.
So the gradient is taken at the flow's estimate of its end, x1 = x + (1 - t) v, averaged over noise (SmoothGrad,
Smilkov et al. 2017), carried back through the flow's network to x (as LipVoicer's is), and normalised; it is added to
the first step of the flow:

    g = d/dx mean_n sum_i c_i log p(y_i | x1 + noise_n),    x <- x + w c rho g / rms(g)

with rho the rms over the guided steps of the flow's own correction (x1 - coarse mel, or v where it starts at noise),
c_i the confidence of step i's word and c their mean. The remaining steps of the flow turn the result into a natural
mel: a pull in every step gives speech that is as intelligible, but sounds worse. Its length does not depend on the
number of steps. Shapes: B batch, N steps of 50 Hz, P = 160.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lip2speech.models.flow import noise
from lip2speech.models.listener import Listener
from vsr.core.clock import FPS, UNITS_PER_FRAME

Back = Callable[[Tensor], Tensor]
Pull = Callable[[Tensor, Tensor, Tensor, Back | None], Tensor]  # as `TextPull` is called
STEPS = FPS * UNITS_PER_FRAME  # per second
DRAWS, LEVEL, SEED = 4, 0.6, 1000  # of the noise that gradients are averaged over, not of the flow's starting noise
SMALLEST = 1e-12  # mean square of a gradient; below it there is no pull


@dataclass(frozen=True)
class SpokenWord:
    """A word with its start and end (seconds after the first step of the clip) and its confidence."""

    word: str
    start: float
    end: float
    confidence: float = 1.0


class TextPull:
    """Pulls the speech of a batch towards given words.

    Args:
        listener: of this voice.
        classes: (B, N) the listener's class of each step; -1 where no word is given.
        confidence: (B, N) 0 ... 1 of each step's word.
        weight: w, the length of the pull relative to the flow's own correction.
    """

    def __init__(self, listener: Listener, classes: Tensor, confidence: Tensor, weight: float):
        self.listener, self.classes, self.confidence, self.weight = listener, classes, confidence, weight

    def __call__(self, end: Tensor, correction: Tensor, mask: Tensor, back: Back | None = None) -> Tensor:
        """The displacement (B, N, P) to add to the flow.

        Args:
            end: (B, N, P) the flow's estimate of its end; correction: (B, N, P) its own change without the pull.
            mask: (B, N) True on real steps.
            back: carries the gradient from the end to the start (`backpropagate`); None: use it as it is.
        """
        is_guided = (self.classes >= 0) & mask
        gradient = self._gradient(end, is_guided, mask)
        if back is not None:
            gradient = back(gradient) * mask[..., None]
        flow_power, pull_power = (_mean_square(x.float(), is_guided) for x in (correction, gradient))
        count = is_guided.sum(1).clamp(min=1)
        confidence = (self.confidence * is_guided).sum(1) / count
        length = (
            self.weight * confidence * (flow_power / pull_power.clamp(min=SMALLEST)).sqrt() * (pull_power > SMALLEST)
        )
        return (gradient * length[:, None, None]).to(end.dtype)

    def objective(self, log_probs: Tensor, classes: Tensor) -> Tensor:
        """The quantity to maximise (B, N): the log-probability of ``classes`` in ``log_probs`` (B, N, V)."""
        return log_probs.gather(2, classes.clamp(min=0)[..., None])[..., 0]

    def _gradient(self, end: Tensor, is_guided: Tensor, mask: Tensor) -> Tensor:
        """Gradient (B, N, P) of the given words' log-probability at the end, averaged over noise; zero on padding."""
        with torch.inference_mode(False), torch.enable_grad():
            x = end.detach().float().clone().requires_grad_()
            is_guided, mask, classes, confidence = (
                tensor.clone() for tensor in (is_guided, mask, self.classes, self.confidence)
            )
            total = x.new_zeros(())
            for draw in noise_samples(mask, x.shape[2]):
                log_probs = self.listener(x + draw.to(x.device), mask).log_softmax(-1)
                total = total + (self.objective(log_probs, classes) * confidence * is_guided).sum() / DRAWS
            (gradient,) = torch.autograd.grad(total, x)
            return gradient * mask[..., None]


def backpropagate(network: Callable[..., Tensor], x: Tensor, gradient: Tensor, *arguments: Tensor) -> Tensor:
    """Carry a gradient from the end of a flow x1 = x + network(x, ...), all (B, N, P), back to x: g + J' g.

    ``arguments``: further arguments of the network. Also works under `torch.inference_mode`.
    """
    with torch.inference_mode(False), torch.enable_grad():
        start = x.clone().requires_grad_()
        moved = network(start, *(tensor.clone() for tensor in arguments))
        (carried,) = torch.autograd.grad(moved, start, gradient.to(moved.dtype).clone())
    return gradient + carried


def noise_samples(mask: Tensor, width: int) -> Iterator[Tensor]:
    """Noise samples (B, N, width) that gradients are averaged over; a clip's noise does not depend on its batch."""
    lengths = mask.sum(1).tolist()
    for draw in range(DRAWS):
        sample = LEVEL * noise(lengths, width, [SEED + draw] * len(lengths))
        yield torch.nn.functional.pad(sample, (0, 0, 0, mask.shape[1] - sample.shape[1]))


def _mean_square(x: Tensor, is_guided: Tensor) -> Tensor:
    """Mean square (B,) of x (B, N, P) over the guided steps; 0 where there are none."""
    return (x.square().mean(2) * is_guided).sum(1) / is_guided.sum(1).clamp(min=1)


def text_pull(
    listener: Listener,
    word_lists: Sequence[Sequence[SpokenWord]],
    steps: int,
    weight: float,
    device: torch.device | str = "cpu",
) -> TextPull | None:
    """The pull for a batch of clips padded to ``steps``; None where it would have no effect.

    Words outside the listener's vocabulary are ignored.
    """
    classes = torch.full((len(word_lists), steps), -1)
    confidence = torch.zeros(len(word_lists), steps)
    for row, words in enumerate(word_lists):
        for word in words:
            number = listener.class_of(word.word)
            if number is not None:
                first, last = (min(max(round(seconds * STEPS), 0), steps) for seconds in (word.start, word.end))
                classes[row, first:last], confidence[row, first:last] = number, word.confidence
    if not weight or not (classes >= 0).any():
        return None
    return TextPull(listener, classes.to(device), confidence.to(device), weight)
