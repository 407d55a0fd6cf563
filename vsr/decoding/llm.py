"""Log-probabilities of whole texts by a causal language model of transformers, from a local folder or a GGUF file.

The candidates of an utterance share most of their beginnings: they are read as one tree in one pass, in which each
token sees its own ancestors alone. Shapes: N nodes of the tree, V tokens of the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from vsr.models.text_backbone import load_backbone, precision


class TextTokenizer(Protocol):
    """What is asked of a tokenizer of transformers."""

    bos_token_id: int | None
    eos_token_id: int | None

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]: ...


@dataclass(frozen=True)
class TextModel:
    """A causal model with its tokenizer; ``licence`` is what the folder says of itself."""

    model: torch.nn.Module
    tokenizer: TextTokenizer
    licence: str

    def texts(self, texts: Sequence[Sequence[str]], before: str = "") -> list[float]:
        """Natural log-probability of each text (a list of words), after the text ``before``."""
        with torch.inference_mode():
            return self.scores(texts, before).tolist()

    def scores(self, texts: Sequence[Sequence[str]], before: str = "") -> Tensor:
        """The same (K,), with gradients."""
        opening = self.tokenizer.encode(before.strip(), add_special_tokens=False) if before.strip() else []
        beginning = [self.tokenizer.bos_token_id or self.tokenizer.eos_token_id or 0, *opening]
        return tree_log_probs(self.model, beginning, [self._tokens(words, bool(opening)) for words in texts])

    def sentences(self, texts: Sequence[Sequence[str]]) -> list[float]:
        """Of each text written as a sentence: a capital, "I" for "i", a full stop; readers write none of these."""
        return self.texts([as_sentence(words) for words in texts])

    def _tokens(self, words: Sequence[str], inside: bool) -> list[int]:
        text = " ".join(words)
        return self.tokenizer.encode(" " + text if inside else text, add_special_tokens=False) if text else []


def as_sentence(words: Sequence[str]) -> list[str]:
    """Lower-case words with a capital at the beginning and a full stop; empty stays empty."""
    own = ["I" + word[1:] if word == "i" or word.startswith("i'") else word for word in words]
    if own:
        own[0] = own[0][:1].upper() + own[0][1:]
        own[-1] += "."
    return own


def tree_of(beginning: Sequence[int], texts: Sequence[Sequence[int]]) -> tuple[list[int], list[int], list[list[int]]]:
    """Tokens of the nodes, each node's parent (-1: the root), and the nodes of each text after the beginning."""
    tokens, parents, place = list(beginning), list(range(-1, len(beginning) - 1)), {}
    paths = []
    for text in texts:
        here, path = len(beginning) - 1, []
        for token in text:
            if (here, token) not in place:
                place[here, token] = len(tokens)
                tokens.append(token)
                parents.append(here)
            here = place[here, token]
            path.append(here)
        paths.append(path)
    return tokens, parents, paths


def tree_log_probs(model, beginning: Sequence[int], texts: Sequence[Sequence[int]]) -> Tensor:
    """Log-probability (K,) of each of ``texts`` (tokens) after ``beginning``, in one pass of the model."""
    tokens, parents, paths = tree_of(beginning, texts)
    sees, depth = _ancestors(parents)
    kind = next(model.parameters()).dtype
    hidden = torch.zeros(sees.shape, dtype=kind).masked_fill(~sees, torch.finfo(kind).min)
    logits = model(
        input_ids=torch.tensor([tokens]), attention_mask=hidden[None, None], position_ids=depth[None], use_cache=False
    ).logits[0]
    nodes = torch.arange(len(beginning), len(tokens))
    from_parent = logits[torch.tensor(parents)[nodes]].float()
    own = from_parent.gather(1, torch.tensor(tokens)[nodes][:, None])[:, 0] - from_parent.logsumexp(1)
    values = torch.cat([own.new_zeros(len(beginning)), own]).double()
    return torch.stack([values[path].sum() for path in paths])


def _ancestors(parents: Sequence[int]) -> tuple[Tensor, Tensor]:
    """(N, N), what each node sees: itself and its ancestors; (N,) how many ancestors."""
    sees = torch.eye(len(parents), dtype=torch.bool)
    for node, parent in enumerate(parents):
        if parent >= 0:
            sees[node] |= sees[parent]
    return sees, sees.sum(1) - 1


def load_text_model(path: str | Path) -> TextModel:
    """A model of a folder (safetensors, or one GGUF file in it) or of a GGUF file; nothing is fetched or unpickled.

    Raises VsrError: missing_package; bad_model where there is none, it holds pickled weights alone, or is broken.
    """
    tokenizer, model, licence = load_backbone(path)
    return TextModel(model.to(precision()).eval(), tokenizer, licence)
