"""Decode by any search method: encoder states -> the n-best hypotheses of each utterance.

Shapes: B utterances, T frames, D width of the states.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from vsr.core.errors import VsrError
from vsr.core.required import required
from vsr.decoding.attention_beam import AttentionBeam
from vsr.decoding.ctc import greedy, prefix_beam, sayable
from vsr.decoding.evidence import TrackWords
from vsr.decoding.joint_beam import DECODER, JointSearch
from vsr.decoding.lexicon_search import search_clips
from vsr.decoding.options import DecodeOptions
from vsr.models.lipreader import LipReader
from vsr.text.hypothesis import Hypothesis

OF_DECODER = ("joint", "attention")  # methods that need the attention decoder


@torch.inference_mode()
def decode(
    model: LipReader, states: Tensor, lengths: Tensor, options: DecodeOptions, eos_id: int,
    languages: Sequence[tuple[float, Any]] = (),
) -> list[list[Hypothesis]]:  # fmt: skip
    """Search encoder states (B, T, D) of ``lengths`` (B,) frames; for each utterance the n-best, best first.

    ``languages``: the pairs of `vsr.decoding.evidence.joining`: weighted language models for the joint search, or the
    word search of the method "lexicon".
    """
    check_heads(model, options.method)
    if options.method == "joint":
        languages = [
            (weight, language.of(states, lengths) if isinstance(language, TrackWords) else language)
            for weight, language in languages
        ]
        # With weight 0 the decoder searches alone: CTC must not even rule out hypotheses longer than the clip.
        log_probs = model.ctc_log_probs(states).float() if model.ctc and options.ctc_weight else None
        return JointSearch(model, states, log_probs, lengths, options, eos_id, languages).run()
    if options.method == "attention":
        limits = (lengths * options.max_length_ratio).long().clamp(min=1)
        ranked = AttentionBeam(required(model.decoder, DECODER), states, lengths, options.beam, limits, eos_id).run()
        return [hypotheses[: options.nbest] for hypotheses in ranked]
    log_probs = sayable(model.ctc_log_probs(states).float(), eos_id)
    utterances = [log_probs[b, :length].cpu() for b, length in enumerate(lengths.tolist())]
    if options.method == "lexicon":
        ((_, search),) = languages
        return search_clips(search, utterances, options.beam, options.nbest)
    if options.method == "ctc_greedy":
        return [[greedy(lp)] for lp in utterances]
    return [prefix_beam(lp, options.beam, options.nbest) for lp in utterances]


def check_heads(model: LipReader, method: str) -> None:
    """Raises VsrError (bad_model) when the model lacks the heads that the method needs."""
    if model.words is not None and model.decoder is None and model.ctc is None:
        problem = f"this model tells {model.config.classes} isolated words apart, it does not read speech"
        raise VsrError("bad_model", f"{problem}: use it with vsr decode")
    if model.decoder is None and model.ctc is None:
        raise VsrError("bad_model", "this model is only an encoder: it has no head to read with; train one on it")
    needed, name = (model.decoder, "decoder") if method in OF_DECODER else (model.ctc, "CTC head")
    if needed is None:
        raise VsrError("bad_model", f"this model has no {name}, which the method '{method}' needs")
