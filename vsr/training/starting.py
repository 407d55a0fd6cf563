"""Starting a model from the weights of another; tokens keep their weights, whatever place they have in the alphabet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from vsr.core.errors import VsrError
from vsr.models.words import FIRST
from vsr.text.tokenizer import BLANK, UNK, Tokenizer, pieces_of

HEADS = ("ctc.", "alignment.", "words.", "decoder.embed.", "decoder.out.")  # a row for each token
FRONT = "frontend."


def copy_weights(
    source: nn.Module, target: nn.Module, old: Tokenizer | None = None, new: Tokenizer | None = None
) -> str:
    """Start from trained weights; returns a sentence about what is taken and what begins again.

    A part that only one of the two has is let be. Of heads with another alphabet, the tokenizers ``old`` and ``new``,
    the rows of the tokens that both have are taken. Raises VsrError where the models' sizes differ otherwise, or
    nothing fits.
    """
    own = target.state_dict()
    given = _as_stream(source, own)
    pairs = token_pairs(old, new) if old is not None and new is not None else None
    same = {name: tensor for name, tensor in given.items() if name in own and own[name].shape == tensor.shape}
    shared = {name: tensor for name, tensor in same.items() if pairs is None or not name.startswith(HEADS)}
    for name, tensor in given.items():
        if name in own and name not in same and not name.startswith(HEADS):
            shapes = f"{tuple(tensor.shape)} there and {tuple(own[name].shape)} here"
            raise VsrError("bad_model", f"init_from: a model of other sizes: {name} is {shapes}")
    if not shared:
        raise VsrError("bad_model", "init_from: no tensor of that model fits this one")
    heads = [name for name in given if pairs and name in own and name.startswith(HEADS)]
    rows = {name: with_rows(own[name], given[name], pairs, FIRST * name.startswith("words.")) for name in heads}
    target.load_state_dict(shared | rows, strict=False)
    new_parts = dict.fromkeys(name.split(".")[0] for name in own if name not in shared)
    told = f"{len(shared)} of {len(own)} tensors taken" + (f"; new in {', '.join(new_parts)}" if new_parts else "")
    return told + (f", but for the {len(pairs)} tokens that both alphabets have" if rows else "")


def _as_stream(source: nn.Module, own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of ``source``; its front end as that of its modality where the model ``own`` reads several."""
    read, given = getattr(source, "modality", None), dict(source.state_dict())
    before = f"frontend.streams.{read}."
    if not isinstance(read, str) or not any(name.startswith(before) for name in own):
        return given
    return {before + name[len(FRONT) :] if name.startswith(FRONT) else name: own for name, own in given.items()}


def token_pairs(old: Tokenizer, new: Tokenizer) -> list[tuple[int, int]] | None:
    """(old id, new id) of the tokens that both alphabets have, special ones too; None where they are the same."""
    before, after = pieces_of(old), pieces_of(new)
    if before == after:
        return None
    places = {piece: place for place, piece in enumerate(before) if piece and place != UNK}
    named = [(places[piece], place) for place, piece in enumerate(after) if place != UNK and piece in places]
    return [(BLANK, BLANK), (UNK, UNK), *named, (old.eos_id, new.eos_id)]


def with_rows(own: Tensor, given: Tensor, pairs: Sequence[tuple[int, int]], first: int) -> Tensor:
    """A head's tensor with the rows of ``given`` for the ``pairs`` of tokens; row 0 is that of the token ``first``."""
    if own.shape[1:] != given.shape[1:]:
        return own
    inside = [(a - first, b - first) for a, b in pairs if 0 <= a - first < len(given) and 0 <= b - first < len(own)]
    rows, places = zip(*inside, strict=True) if inside else ((), ())
    return own.index_copy(0, torch.tensor(places, dtype=torch.long), given[list(rows)].to(own))
