"""Initialise a model from another one's weights; tokens keep their weights, whatever their ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from vsr.core.errors import VsrError
from vsr.core.tokens import BLANK, UNK
from vsr.models.lipreader import tokenizer_of_head
from vsr.models.words import FIRST
from vsr.text.tokenizer import Tokenizer, alphabet_of, pieces_of, unit_of

HEADS = ("ctc.", "alignment.", "words.", "decoder.embed.", "decoder.out.")  # a row for each token
FRONT = "frontend."
OUTER, INNER = "encoder.", "encoder.inner."  # a plain encoder, and the one inside an encoder with memory


def copy_weights(
    source: nn.Module, target: nn.Module, old: Tokenizer | None = None, new: Tokenizer | None = None
) -> str:
    """Copy trained weights from ``source`` to ``target``; returns a sentence on what is taken and what is new.

    Parts that only one of the models has are ignored. If the alphabets of the tokenizers ``old`` and ``new`` differ,
    heads take the rows of the tokens that both have; further heads of other units are not initialised, whatever their
    sizes. Raises VsrError where sizes differ otherwise, or no tensor fits.
    """
    target_state = target.state_dict()
    source_state = _as_stream(source, target_state)
    pairs = token_pairs(old, new) if old is not None and new is not None else None
    excluded = other_heads(source, target, old, new)
    source_state = {name: tensor for name, tensor in source_state.items() if not name.startswith(excluded)}
    same = _of_equal_sizes(source_state, target_state)
    shared = {name: tensor for name, tensor in same.items() if pairs is None or not name.startswith(HEADS)}
    if not shared:
        raise VsrError("bad_model", "init_from: no tensor of that model fits this one")
    rows = {}
    for name in (name for name in source_state if pairs and name in target_state and name.startswith(HEADS)):
        first = FIRST * name.startswith("words.")
        rows[name] = with_rows(target_state[name], source_state[name], pairs or [], first)
    target.load_state_dict(shared | rows, strict=False)
    new_parts = dict.fromkeys(name.split(".")[0] for name in target_state if name not in shared)
    new_in = f"; new in {', '.join(new_parts)}" if new_parts else ""
    but = f", but for the {len(pairs or [])} tokens that both alphabets have" if rows else ""
    return f"{len(shared)} of {len(target_state)} tensors taken{new_in}{but}"


def _of_equal_sizes(source_state: dict[str, Tensor], target_state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors that the target has in equal sizes. Raises VsrError for others than heads that differ in size."""
    same = {}
    for name, tensor in source_state.items():
        if name in target_state and target_state[name].shape == tensor.shape:
            same[name] = tensor
        elif name in target_state and not name.startswith(HEADS):
            shapes = f"{tuple(tensor.shape)} there and {tuple(target_state[name].shape)} here"
            raise VsrError("bad_model", f"init_from: a model of other sizes: {name} is {shapes}")
    return same


def _as_stream(source: nn.Module, target_state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of ``source`` under the names of ``target_state``: its front end as the stream of its modality where the
    target reads several, and its encoder as the inner encoder where the target has a memory."""
    read, state = getattr(source, "modality", None), dict(source.state_dict())
    if any(name.startswith(INNER) for name in target_state) and not any(name.startswith(INNER) for name in state):
        state = {
            INNER + name[len(OUTER) :] if name.startswith(OUTER) else name: tensor for name, tensor in state.items()
        }
    before = f"frontend.streams.{read}."
    if not isinstance(read, str) or not any(name.startswith(before) for name in target_state):
        return state
    return {before + name[len(FRONT) :] if name.startswith(FRONT) else name: tensor for name, tensor in state.items()}


def other_heads(source: nn.Module, target: nn.Module, old: Tokenizer | None, new: Tokenizer | None) -> tuple[str, ...]:
    """Name prefixes of the further heads that both models have, but with different units."""
    both = [getattr(model.config, "further_heads", {}) for model in (source, target) if hasattr(model, "config")]
    if old is None or new is None or len(both) < 2:
        return ()
    names = [name for name in both[0] if name in both[1] and isinstance(both[0], dict)]
    alike = [
        alphabet_of(tokenizer_of_head(source.config, name, old))
        == alphabet_of(tokenizer_of_head(target.config, name, new))
        for name in names
    ]
    return tuple(f"further_heads.{name}." for name, same in zip(names, alike, strict=True) if not same)


def token_pairs(old: Tokenizer, new: Tokenizer) -> list[tuple[int, int]] | None:
    """(old id, new id) of the tokens that both alphabets have, special tokens included; None for equal alphabets."""
    before, after = pieces_of(old), pieces_of(new)
    if alphabet_of(old) == alphabet_of(new):
        return None
    alike = unit_of(old) == unit_of(new)  # the viseme "p" is not a letter
    places = {piece: place for place, piece in enumerate(before) if alike and piece and place != UNK}
    named = [(places[piece], place) for place, piece in enumerate(after) if place != UNK and piece in places]
    return [(BLANK, BLANK), (UNK, UNK), *named, (old.eos_id, new.eos_id)]


def with_rows(target: Tensor, source: Tensor, pairs: Sequence[tuple[int, int]], first: int) -> Tensor:
    """A head's tensor ``target`` with the rows of ``source`` for the ``pairs`` of tokens; row 0 is token ``first``."""
    if target.shape[1:] != source.shape[1:]:
        return target
    inside = [(a - first, b - first) for a, b in pairs if 0 <= a - first < len(source) and 0 <= b - first < len(target)]
    rows, places = zip(*inside, strict=True) if inside else ((), ())
    return target.index_copy(0, torch.tensor(places, dtype=torch.long), source[list(rows)].to(target))
