"""Closed-set recognition: how well each phrase of a list fits a clip, and whether none does.

A phrase's score is what the joint search would give it, CTC's forward probability and the decoder's, for each of its
tokens and its end. Shapes: P phrases, U tokens of the longest, T frames, D width.
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
from vsr.decoding.domain import at_most
from vsr.decoding.search import check_heads
from vsr.inference.free_reading import read_freely
from vsr.inference.speech import encoded
from vsr.text.normalise import lower

if TYPE_CHECKING:
    from vsr.inference.seen import Seen
    from vsr.modelstore.folder import LoadedModel

AT_ONCE = 64  # phrases that the decoder scores together


@dataclass(frozen=True)
class Choice:
    """A phrase of the list: score, mean log-probability of its tokens; fit in [0, 1], the same against the best reading
    without a list: 1 where the phrase is what would be read, near 0 where something else was said; in_domain, of the
    clip, the chance that the reader knows such speech (None: a model that was not fitted)."""

    phrase: str
    score: float
    fit: float
    in_domain: float | None = None


def read_phrases(path: str | Path) -> list[str]:
    """A phrase a line, UTF-8; empty lines and those that begin with # are left out.

    Raises VsrError (bad_text): a file that cannot be read, no phrase, a phrase that stands twice.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise VsrError("bad_text", f"{path}: {cause_of(error, 'not UTF-8 text')}") from error
    phrases = [" ".join(line.split()) for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not phrases:
        raise VsrError("bad_text", f"{path}: there is no phrase in it")
    seen: dict[str, str] = {}
    for phrase in phrases:
        other = seen.setdefault(lower(phrase), phrase)
        if other is not phrase:
            raise VsrError("bad_text", f"{path}: {phrase!r} stands in it twice")
    return phrases


def phrase_tokens(loaded: LoadedModel, phrases: Sequence[str]) -> list[list[int]]:
    """The tokens of each phrase. Raises VsrError (bad_text) for one that the model cannot write."""
    found = []
    for phrase in phrases:
        tokens = loaded.tokenizer.encode(phrase)
        if not tokens or UNK in tokens:
            raise VsrError("bad_text", f"{loaded.name} cannot write the phrase {phrase!r}")
        found.append(tokens)
    return found


@torch.inference_mode()
def choose(
    loaded: LoadedModel, path: str | Path, phrases: Sequence[str], faces: str | int = "largest", cropped: bool = False,
    seen: Seen | None = None,
) -> list[Choice]:  # fmt: skip
    """Every phrase with its score, the best fit first; one that is longer than the speech has -inf and fits 0.

    Args:
        loaded: a lip reader with a CTC head, a decoder or both.
        path: a video whose lips say one phrase.
        phrases: the list.
        faces, cropped, seen: as `vsr.inference.speech.spoken` takes them.

    Raises:
        VsrError: bad_model, bad_text, at_rest, covered, and what a video is refused for.
    """
    if isinstance(phrases, str) or not phrases:
        raise VsrError("bad_text", f"phrases is {phrases!r}: give a list with a phrase or more")
    tokens = phrase_tokens(loaded, phrases)
    options = options_for(loaded, {"lm": "none"})
    method = "joint" if loaded.model.decoder is not None else "ctc_beam"
    check_heads(loaded.model, method)
    windows = list(encoded(loaded, path, faces, cropped, seen))
    states = torch.cat([window.states for window in windows])
    weight = options.ctc_weight if loaded.model.decoder is not None else 1.0
    scores = score_phrases(loaded.model, states, tokens, weight)
    free, chance = _free_reading(loaded, states, method, weight)
    chance = at_most(chance, min(window.most for window in windows))
    found = []
    for phrase, own, total in zip(phrases, tokens, scores, strict=True):
        length = len(own) + 1
        fit = 0.0 if math.isinf(total) else math.exp(min(0.0, total - max(free, *scores)) / length)
        found.append(Choice(phrase, total / length, fit, chance))
    return sorted(found, key=lambda choice: (-choice.fit, -choice.score))


def _free_reading(loaded: LoadedModel, states: Tensor, method: str, weight: float) -> tuple[float, float | None]:
    """Score of the best reading without a list, of the same kind, -inf where there is nothing to say; and the chance
    that it is of the reader's domain."""
    ranked, chance = read_freely(loaded, states, method)
    return score_phrases(loaded.model, states, [list(ranked[0].tokens)], weight)[0] if ranked else -math.inf, chance


@torch.inference_mode()
def score_phrases(model, states: Tensor, phrases: Sequence[Sequence[int]], ctc_weight: float) -> list[float]:
    """Log-probability of each phrase with its end, from states (T, D): w * CTC + (1 - w) * decoder."""
    totals: list[float] = []
    for first in range(0, len(phrases), AT_ONCE):
        some = phrases[first : first + AT_ONCE]
        own = [torch.tensor(phrase, dtype=torch.long, device=states.device) for phrase in some]
        total = torch.zeros(len(own), dtype=torch.float32, device=states.device)
        if model.ctc and ctc_weight:
            total += ctc_weight * _ctc(model, states, own)
        if model.decoder is not None and ctc_weight < 1:
            total += (1 - ctc_weight) * _attention(model, states, own)
        totals += total.tolist()
    return totals


def _ctc(model, states: Tensor, phrases: Sequence[Tensor]) -> Tensor:
    """CTC's forward log-probability of each phrase, (P,); -inf for one that has no room."""
    home = exact_device(states.device)  # which has this loss, too
    log_probs = model.ctc_log_probs(states[None])[0].float().to(home)
    lengths = torch.tensor([len(phrase) for phrase in phrases])
    frames = torch.full((len(phrases),), len(states))
    inputs = log_probs[:, None].expand(-1, len(phrases), -1)
    targets = pad_sequence(list(phrases), batch_first=True, padding_value=BLANK + 1).to(home)
    return -F.ctc_loss(inputs, targets, frames, lengths, blank=BLANK, reduction="none").to(states.device)


def _attention(model, states: Tensor, phrases: Sequence[Tensor]) -> Tensor:
    """The decoder's log-probability of each phrase and its end, (P,)."""
    end = model.config.vocab_size - 1
    ended = [F.pad(phrase, (0, 1), value=end) for phrase in phrases]
    targets = pad_sequence(ended, batch_first=True, padding_value=-1)
    given = F.pad(targets[:, :-1].clamp(min=0), (1, 0), value=end)
    lengths = torch.full((len(phrases),), len(states), device=states.device)
    logits = model.decoder(given, states[None].expand(len(phrases), -1, -1), lengths).float()
    losses = F.cross_entropy(logits.transpose(1, 2), targets, ignore_index=-1, reduction="none")
    return -losses.sum(1)
