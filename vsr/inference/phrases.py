"""Closed-set recognition: how well each phrase of a list fits a clip, and whether none does.

A phrase is scored as in the joint search: the log-probabilities of CTC (forward) and of the decoder, per token with the
end token. Shapes: P phrases, U tokens of the longest, T frames, D width.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from vsr.core.errors import VsrError, cause_of
from vsr.core.machine import exact_device
from vsr.core.tokens import BLANK, UNK
from vsr.decoding.defaults import options_for
from vsr.decoding.domain import limited_probability
from vsr.decoding.search import check_heads
from vsr.inference.free_reading import read_freely
from vsr.inference.speech import encoded_windows
from vsr.text.normalise import lower

if TYPE_CHECKING:
    from vsr.inference.face_report import FaceReport
    from vsr.modelstore.folder import LoadedModel

AT_ONCE = 64  # phrases in a batch of the decoder


@dataclass(frozen=True)
class Choice:
    """A phrase of the list. score: mean log-probability of its tokens; fit in [0, 1]: likelihood per token relative to
    the best reading without a list, 1 if the phrase is that reading, near 0 if something else was said; in_domain: the
    probability that the clip is in the reader's domain (None: not fitted for this model)."""

    phrase: str
    score: float
    fit: float
    in_domain: float | None = None


def read_phrases(path: str | Path) -> list[str]:
    """Read one phrase per line, UTF-8; empty lines and those that begin with # are skipped.

    Raises VsrError (bad_text): a file that cannot be read, no phrase, a repeated phrase.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise VsrError("bad_text", f"{path}: {cause_of(error, 'not UTF-8 text')}") from error
    phrases = [" ".join(line.split()) for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not phrases:
        raise VsrError("bad_text", f"{path}: there is no phrase in it")
    phrase_by_key: dict[str, str] = {}
    for phrase in phrases:
        other = phrase_by_key.setdefault(lower(phrase), phrase)
        if other is not phrase:
            raise VsrError("bad_text", f"{path}: {phrase!r} stands in it twice")
    return phrases


def phrase_tokens(loaded: LoadedModel, phrases: Sequence[str]) -> list[list[int]]:
    """The tokens of each phrase. Raises VsrError (bad_text) for a phrase that the model cannot write."""
    token_lists = []
    for phrase in phrases:
        tokens = loaded.tokenizer.encode(phrase)
        if not tokens or UNK in tokens:
            raise VsrError("bad_text", f"{loaded.name} cannot write the phrase {phrase!r}")
        token_lists.append(tokens)
    return token_lists


@torch.inference_mode()
def choose(
    loaded: LoadedModel, path: str | Path, phrases: Sequence[str], faces: str | int = "largest", cropped: bool = False,
    report: FaceReport | None = None,
) -> list[Choice]:  # fmt: skip
    """Every phrase with its score, best fit first; a phrase that is longer than the speech has score -inf and fit 0.

    Args:
        loaded: a lip reader with a CTC head, a decoder or both.
        path: a video whose lips say one phrase.
        phrases: the list.
        faces, cropped, report: as in `vsr.inference.speech.speech_windows`.

    Raises:
        VsrError: bad_model, bad_text, at_rest, covered, and the errors of reading a video.
    """
    if isinstance(phrases, str) or not phrases:
        raise VsrError("bad_text", f"phrases is {phrases!r}: give a list with a phrase or more")
    tokens = phrase_tokens(loaded, phrases)
    options = options_for(loaded, {"lm": "none"})
    method = "joint" if loaded.model.decoder is not None else "ctc_beam"
    check_heads(loaded.model, method)
    windows = list(encoded_windows(loaded, path, faces, cropped, report))
    states = torch.cat([window.states for window in windows])
    weight = options.ctc_weight if loaded.model.decoder is not None else 1.0
    scores = score_phrases(loaded.model, states, tokens, weight)
    free, in_domain = _free_reading(loaded, states, method, weight)
    in_domain = limited_probability(in_domain, min(window.most for window in windows))
    choices = []
    for phrase, phrase_ids, total in zip(phrases, tokens, scores, strict=True):
        length = len(phrase_ids) + 1
        fit = 0.0 if math.isinf(total) else math.exp(min(0.0, total - max(free, *scores)) / length)
        choices.append(Choice(phrase, total / length, fit, in_domain))
    return sorted(choices, key=lambda choice: (-choice.fit, -choice.score))


def _free_reading(loaded: LoadedModel, states: Tensor, method: str, weight: float) -> tuple[float, float | None]:
    """The score of the best reading without a list, -inf if it is empty, and the probability that it is in domain."""
    ranked, chance = read_freely(loaded, states, method)
    return score_phrases(loaded.model, states, [list(ranked[0].tokens)], weight)[0] if ranked else -math.inf, chance


@torch.inference_mode()
def score_phrases(model, states: Tensor, phrases: Sequence[Sequence[int]], ctc_weight: float) -> list[float]:
    """Log-probability of each phrase with its end token, from states (T, D): w * CTC + (1 - w) * decoder."""
    totals: list[float] = []
    for first in range(0, len(phrases), AT_ONCE):
        batch = phrases[first : first + AT_ONCE]
        targets = [torch.tensor(phrase, dtype=torch.long, device=states.device) for phrase in batch]
        total = torch.zeros(len(targets), dtype=torch.float32, device=states.device)
        if model.ctc and ctc_weight:
            total += ctc_weight * _ctc(model, states, targets)
        if model.decoder is not None and ctc_weight < 1:
            total += (1 - ctc_weight) * _attention(model, states, targets)
        totals += total.tolist()
    return totals


def _ctc(model, states: Tensor, phrases: Sequence[Tensor]) -> Tensor:
    """CTC's forward log-probability of each phrase, (P,); -inf if it does not fit into the frames."""
    device = exact_device(states.device)  # a device that implements this loss
    log_probs = model.ctc_log_probs(states[None])[0].float().to(device)
    lengths = torch.tensor([len(phrase) for phrase in phrases])
    frames = torch.full((len(phrases),), len(states))
    inputs = log_probs[:, None].expand(-1, len(phrases), -1)
    targets = pad_sequence(list(phrases), batch_first=True, padding_value=BLANK + 1).to(device)
    return -F.ctc_loss(inputs, targets, frames, lengths, blank=BLANK, reduction="none").to(states.device)


def _attention(model, states: Tensor, phrases: Sequence[Tensor]) -> Tensor:
    """The decoder's log-probability of each phrase with its end token, (P,)."""
    end = model.config.vocab_size - 1
    with_end = [F.pad(phrase, (0, 1), value=end) for phrase in phrases]
    targets = pad_sequence(with_end, batch_first=True, padding_value=-1)
    inputs = F.pad(targets[:, :-1].clamp(min=0), (1, 0), value=end)
    lengths = torch.full((len(phrases),), len(states), device=states.device)
    logits = model.decoder(inputs, states[None].expand(len(phrases), -1, -1), lengths).float()
    losses = F.cross_entropy(logits.transpose(1, 2), targets, ignore_index=-1, reduction="none")
    return -losses.sum(1)
