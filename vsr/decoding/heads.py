"""Search of single heads: hypotheses of each, as text by its own tokenizer.

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
FRAMES = ("alignment",)  # heads that label frames, without borders between words


def chosen_head(loaded: LoadedModel, name: str = "") -> str:
    """The name of the head to search alone; "" stands for the usual search, or, in a model that has neither CTC nor
    decoder, for its first head. Raises VsrError bad_options for a head that the model lacks."""
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
    """The tokenizer that turns tokens of a head into text."""
    config, shared = loaded.model.config, loaded.tokenizer
    if isinstance(config, FusedConfig):
        part, of_tracks = name.removeprefix(OF_TRACKS), name.startswith(OF_TRACKS)
        config, name = (config.tracks if of_tracks else config.pixels), part
        shared = WordTokenizer(loaded.model.config.words) if of_tracks else shared
    return tokenizer_of_head(config, name, shared)


def writes(model: Any, name: str) -> bool:
    """Whether a head writes text from the encoder's last states; heads of lower layers and of units do not."""
    lower = layers_of(model.config) if isinstance(model.config, LipReaderConfig) else {}
    return name not in lower and getattr(model.heads[name], "writes", True)


def sentence_head(loaded: LoadedModel, name: str) -> str:
    """``name``, checked to be a head that writes sentences of a video; heads of frames and of tracks do not.
    Raises VsrError bad_options."""
    model = loaded.model
    writers = [
        head for head in model.heads if writes(model, head) and head not in FRAMES and not head.startswith(OF_TRACKS)
    ]
    if name in writers:
        return name
    why = f"the head '{name}' of {loaded.name} writes no sentences" if name in model.heads else ""
    why = why or f"{loaded.name} has no head '{name}'"
    raise VsrError("bad_options", f"{why}; it can be {' or '.join(writers) or 'none'}")


@torch.inference_mode()
def read_by(loaded: LoadedModel, name: str, states: Tensor, lengths: Tensor, nbest: int = 1) -> list[list[dict]]:
    """States (B, T, D) of ``lengths`` (B,) frames -> for each clip, text and score of the hypotheses, best first."""
    tokenizer = tokenizer_of(loaded, name)
    return [
        [{"text": tokenizer.decode(hypothesis.tokens), "score": hypothesis.score} for hypothesis in ranked[:nbest]]
        for ranked in loaded.model.heads[name].search(states, lengths, nbest)
    ]


def further_readings(loaded: LoadedModel, states: Tensor, lengths: Tensor) -> list[dict[str, str]]:
    """For each clip the best text of every further head, by the head's name."""
    names = [name for name in loaded.model.further_heads if writes(loaded.model, name)]
    by_head = {name: read_by(loaded, name, states, lengths) for name in names}
    return [
        {name: readings[row][0]["text"] for name, readings in by_head.items() if readings[row]}
        for row in range(len(lengths))
    ]


def head_records(loaded: LoadedModel, name: str, ids: list[str], states: Tensor, lengths: Tensor, nbest: int):
    """Yield the record of each clip, read by one head alone, without word times and confidence, which a head lacks."""
    unit = unit_of(tokenizer_of(loaded, name))
    named = {} if unit == TEXT else {"unit": unit}
    for clip_id, hypotheses in zip(ids, read_by(loaded, name, states, lengths, nbest), strict=True):
        best = hypotheses[0] if hypotheses else {"text": "", "score": 0.0}
        yield {"id": clip_id, "head": name, **named, **best, "nbest": hypotheses or [best]}
