"""Heads that are searched by themselves: the hypotheses of each, in the text of its own tokenizer.

Shapes: B clips, T frames, D width.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from vsr.core.errors import VsrError
from vsr.models.fusion import OF_TRACKS, FusedConfig
from vsr.models.lipreader import LipReaderConfig, layers_of, tokenizer_of_head
from vsr.text.tokenizer import TEXT, WordTokenizer, unit_of

if TYPE_CHECKING:
    from vsr.modelstore.folder import LoadedModel
FRAMES = ("alignment",)  # heads of frames, which know no borders between words


def chosen_head(loaded: LoadedModel, name: str = "") -> str:
    """The head whose hypotheses are written: the one of that name; "" is the usual search, or in a model that has
    neither CTC nor decoder its first head. Raises VsrError bad_options for a head that the model has not."""
    model = loaded.model
    if name and name not in model.heads:
        known = " or ".join(model.heads) or "none that is searched by itself"
        raise VsrError("bad_options", f"{loaded.name} has no head '{name}'; it has {known}")
    if name and not writes(model, name):
        raise VsrError("bad_options", f"the head '{name}' of {loaded.name} is for training: it writes no text")
    if name or model.ctc is not None or model.decoder is not None:
        return name
    return next(iter(model.heads), "")


def tokenizer_of(loaded: LoadedModel, name: str) -> Any:
    """What writes the tokens of a head."""
    config, shared = loaded.model.config, loaded.tokenizer
    if isinstance(config, FusedConfig):
        own, of_tracks = name.removeprefix(OF_TRACKS), name.startswith(OF_TRACKS)
        config, name = (config.tracks if of_tracks else config.pixels), own
        shared = WordTokenizer(loaded.model.config.words) if of_tracks else shared
    return tokenizer_of_head(config, name, shared)


def writes(model: Any, name: str) -> bool:
    """Whether a head writes text from the encoder's last states; those of lower layers and of units do not."""
    lower = layers_of(model.config) if isinstance(model.config, LipReaderConfig) else {}
    return name not in lower and getattr(model.heads[name], "writes", True)


def sentence_head(loaded: LoadedModel, name: str) -> str:
    """The head of that name, which writes sentences of a video; those of frames and of tracks do not by themselves.
    Raises VsrError bad_options."""
    model = loaded.model
    can = [own for own in model.heads if writes(model, own) and own not in FRAMES and not own.startswith(OF_TRACKS)]
    if name in can:
        return name
    why = f"the head '{name}' of {loaded.name} writes no sentences" if name in model.heads else ""
    why = why or f"{loaded.name} has no head '{name}'"
    raise VsrError("bad_options", f"{why}; it can be {' or '.join(can) or 'none'}")


@torch.inference_mode()
def read_by(loaded: LoadedModel, name: str, states: Tensor, lengths: Tensor, nbest: int = 1) -> list[list[dict]]:
    """States (B, T, D) of ``lengths`` (B,) frames -> for each clip text and score of what the head says, best first."""
    tokenizer = tokenizer_of(loaded, name)
    return [
        [{"text": tokenizer.decode(own.tokens), "score": own.score} for own in ranked[:nbest]]
        for ranked in loaded.model.heads[name].search(states, lengths, nbest)
    ]


def further_readings(loaded: LoadedModel, states: Tensor, lengths: Tensor) -> list[dict[str, str]]:
    """For each clip what every further head says, by its name."""
    names = [name for name in loaded.model.further_heads if writes(loaded.model, name)]
    each = {name: read_by(loaded, name, states, lengths) for name in names}
    return [{name: own[row][0]["text"] for name, own in each.items() if own[row]} for row in range(len(lengths))]


def head_records(loaded: LoadedModel, name: str, ids: list[str], states: Tensor, lengths: Tensor, nbest: int):
    """What is written of clips that one head alone reads: a head gives no word times and no confidence."""
    unit = unit_of(tokenizer_of(loaded, name))
    named = {} if unit == TEXT else {"unit": unit}
    for clip_id, found in zip(ids, read_by(loaded, name, states, lengths, nbest), strict=True):
        best = found[0] if found else {"text": "", "score": 0.0}
        yield {"id": clip_id, "head": name, **named, **best, "nbest": found or [best]}
