"""Guides the flow at its start by what else is known (text: LipVoicer, Yemini et al. 2024, adapted to a flow).

A classifier's gradient added to the score of a flow on the linear path diverges at its beginning and vanishes at its
end. So the gradient is taken where the flow believes to end, x1 = x + (1 - t) v, averaged over noise (SmoothGrad,
Smilkov et al. 2017), carried back through the flow's network to x (as LipVoicer's is), and normed; the first step of
the flow goes by so much further:

    g = d/dx mean_n sum_i c_i log p(y_i | x1 + noise_n),    x <- x + w c rho g / rms(g)

with rho the rms over the given steps of the flow's own correction (x1 - coarse mel, or v where it starts at noise), c_i
the confidence of step i's word and c their mean. What is left of the flow makes a mel of it that the voice would make:
pulled to its end, a voice is understood as well and sounds worse. How far it goes does not depend on how many steps
there are. Shapes: B batch, N steps of 50 Hz, P = 160.
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
STEPS = FPS * UNITS_PER_FRAME  # a second
DRAWS, LEVEL, SEED = 4, 0.6, 1000  # of the noise that gradients are averaged over: not that of the start of a flow
SMALLEST = 1e-12  # of a mean square: below it there is nothing to pull


@dataclass(frozen=True)
class Said:
    """A word, from when to when it is said (seconds after the first step of the clip), and how sure that is."""

    word: str
    start: float
    end: float
    confidence: float = 1.0


class TextPull:
    """Pulls the words of a batch towards those that are given.

    Args:
        listener: of this voice.
        classes: (B, N) the listener's class of each step; -1 where nothing is given.
        confidence: (B, N) 0 ... 1 of each step's word.
        weight: w, the length of the pull in lengths of the flow's own correction.
    """

    def __init__(self, listener: Listener, classes: Tensor, confidence: Tensor, weight: float):
        self.listener, self.classes, self.confidence, self.weight = listener, classes, confidence, weight

    def __call__(self, end: Tensor, correction: Tensor, mask: Tensor, back: Back | None = None) -> Tensor:
        """What the flow is to be moved by.

        Args:
            end: (B, N, P) where the flow believes to end; correction: (B, N, P) what it does by itself.
            mask: (B, N) True on real steps.
            back: carries the gradient at the end to the start (`through`); None: it is taken as it is.
        """
        given = (self.classes >= 0) & mask
        gradient = self._gradient(end, given, mask)
        if back is not None:
            gradient = back(gradient) * mask[..., None]
        own, pulled = (_mean_square(x.float(), given) for x in (correction, gradient))
        count = given.sum(1).clamp(min=1)
        sure = (self.confidence * given).sum(1) / count
        length = self.weight * sure * (own / pulled.clamp(min=SMALLEST)).sqrt() * (pulled > SMALLEST)
        return (gradient * length[:, None, None]).to(end.dtype)

    def wanted(self, log_probs: Tensor, classes: Tensor) -> Tensor:
        """(B, N) of what is to grow, the given classes' log-probability, of log-probabilities (B, N, V)."""
        return log_probs.gather(2, classes.clamp(min=0)[..., None])[..., 0]

    def _gradient(self, end: Tensor, given: Tensor, mask: Tensor) -> Tensor:
        """(B, N, P) of the given words' log-probability at the end, mean over noise; zero on padding."""
        with torch.inference_mode(False), torch.enable_grad():
            x = end.detach().float().clone().requires_grad_()
            given, mask, classes, sure = (own.clone() for own in (given, mask, self.classes, self.confidence))
            total = x.new_zeros(())
            for drawn in noises(mask, x.shape[2]):
                log_probs = self.listener(x + drawn.to(x.device), mask).log_softmax(-1)
                total = total + (self.wanted(log_probs, classes) * sure * given).sum() / DRAWS
            (gradient,) = torch.autograd.grad(total, x)
            return gradient * mask[..., None]


def through(network: Callable[..., Tensor], x: Tensor, gradient: Tensor, *given: Tensor) -> Tensor:
    """The gradient at the end of a flow x1 = x + network(x, ...), all (B, N, P), carried back to x: g + J' g.

    ``given``: further arguments of the network. Works under `torch.inference_mode`, too.
    """
    with torch.inference_mode(False), torch.enable_grad():
        start = x.clone().requires_grad_()
        moved = network(start, *(own.clone() for own in given))
        (own,) = torch.autograd.grad(moved, start, gradient.to(moved.dtype).clone())
    return gradient + own


def noises(mask: Tensor, width: int) -> Iterator[Tensor]:
    """The draws of noise (B, N, width) that gradients are averaged over; of a clip the same alone and beside others."""
    lengths = mask.sum(1).tolist()
    for draw in range(DRAWS):
        drawn = LEVEL * noise(lengths, width, [SEED + draw] * len(lengths))
        yield torch.nn.functional.pad(drawn, (0, 0, 0, mask.shape[1] - drawn.shape[1]))


def _mean_square(x: Tensor, given: Tensor) -> Tensor:
    """(B,) over the given steps of x (B, N, P); 0 where nothing is given."""
    return (x.square().mean(2) * given).sum(1) / given.sum(1).clamp(min=1)


def text_pull(
    listener: Listener, said: Sequence[Sequence[Said]], steps: int, weight: float, device: torch.device | str = "cpu"
) -> TextPull | None:
    """The pull of a batch of clips padded to ``steps``; None where it would do nothing.

    Words that the listener does not know are not pulled.
    """
    classes = torch.full((len(said), steps), -1)
    confidence = torch.zeros(len(said), steps)
    for row, words in enumerate(said):
        for own in words:
            number = listener.class_of(own.word)
            if number is not None:
                first, last = (min(max(round(seconds * STEPS), 0), steps) for seconds in (own.start, own.end))
                classes[row, first:last], confidence[row, first:last] = number, own.confidence
    if not weight or not (classes >= 0).any():
        return None
    return TextPull(listener, classes.to(device), confidence.to(device), weight)
