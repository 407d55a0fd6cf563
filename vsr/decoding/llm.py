"""Log-probabilities of whole texts by a causal language model of transformers, from a local folder or a GGUF file.

The candidates of an utterance share most of their prefixes, so they are scored as one tree in one pass, in which each
token attends only to its ancestors. Shapes: N nodes of the tree, V tokens of the model.
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
    """The required interface of a tokenizer of transformers."""

    bos_token_id: int | None
    eos_token_id: int | None

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]: ...


@dataclass(frozen=True)
class TextModel:
    """A causal model with its tokenizer; ``licence`` is the one that the model folder states."""

    model: torch.nn.Module
    tokenizer: TextTokenizer
    licence: str

    def texts(self, texts: Sequence[Sequence[str]], before: str = "") -> list[float]:
        """Natural log-probability of each text (a list of words), after the text ``before``."""
        with torch.inference_mode():
            return self.scores(texts, before).tolist()

    def scores(self, texts: Sequence[Sequence[str]], before: str = "") -> Tensor:
        """Log-probabilities (K,) as of `texts`, with gradients."""
        opening = self.tokenizer.encode(before.strip(), add_special_tokens=False) if before.strip() else []
        beginning = [self.tokenizer.bos_token_id or self.tokenizer.eos_token_id or 0, *opening]
        return tree_log_probs(self.model, beginning, [self._tokens(words, bool(opening)) for words in texts])

    def sentences(self, texts: Sequence[Sequence[str]]) -> list[float]:
        """Log-probabilities of texts put into sentence form (capitals, full stop), which lip readers do not write."""
        return self.texts([as_sentence(words) for words in texts])

    def _tokens(self, words: Sequence[str], inside: bool) -> list[int]:
        text = " ".join(words)
        return self.tokenizer.encode(" " + text if inside else text, add_special_tokens=False) if text else []


def as_sentence(words: Sequence[str]) -> list[str]:
    """Lower-case words as a sentence: initial capital, "I" for "i", full stop; an empty list stays empty."""
    sentence = ["I" + word[1:] if word == "i" or word.startswith("i'") else word for word in words]
    if sentence:
        sentence[0] = sentence[0][:1].upper() + sentence[0][1:]
        sentence[-1] += "."
    return sentence


def tree_of(beginning: Sequence[int], texts: Sequence[Sequence[int]]) -> tuple[list[int], list[int], list[list[int]]]:
    """Tokens of the nodes, parent of each node (-1 for the root), and the nodes of each text after the beginning."""
    tokens, parents, children = list(beginning), list(range(-1, len(beginning) - 1)), {}
    paths = []
    for text in texts:
        node, path = len(beginning) - 1, []
        for token in text:
            if (node, token) not in children:
                children[node, token] = len(tokens)
                tokens.append(token)
                parents.append(node)
            node = children[node, token]
            path.append(node)
        paths.append(path)
    return tokens, parents, paths


def tree_log_probs(model, beginning: Sequence[int], texts: Sequence[Sequence[int]]) -> Tensor:
    """Log-probability (K,) of each of ``texts`` (tokens) after ``beginning``, in one pass of the model."""
    tokens, parents, paths = tree_of(beginning, texts)
    visible, depth = _ancestors(parents)
    dtype = next(model.parameters()).dtype
    hidden = torch.zeros(visible.shape, dtype=dtype).masked_fill(~visible, torch.finfo(dtype).min)
    logits = model(
        input_ids=torch.tensor([tokens]), attention_mask=hidden[None, None], position_ids=depth[None], use_cache=False
    ).logits[0]
    nodes = torch.arange(len(beginning), len(tokens))
    from_parent = logits[torch.tensor(parents)[nodes]].float()
    log_probs = from_parent.gather(1, torch.tensor(tokens)[nodes][:, None])[:, 0] - from_parent.logsumexp(1)
    values = torch.cat([log_probs.new_zeros(len(beginning)), log_probs]).double()
    return torch.stack([values[path].sum() for path in paths])


def _ancestors(parents: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Attention mask (N, N) of each node to itself and its ancestors; number of ancestors (N,)."""
    visible = torch.eye(len(parents), dtype=torch.bool)
    for node, parent in enumerate(parents):
        if parent >= 0:
            visible[node] |= visible[parent]
    return visible, visible.sum(1) - 1


def load_text_model(path: str | Path) -> TextModel:
    """Load a model from a folder (safetensors, or one GGUF file in it) or a GGUF file; nothing is fetched or unpickled.

    Raises VsrError: missing_package; bad_model where there is no model, only pickled weights, or a broken file.
    """
    tokenizer, model, licence = load_backbone(path)
    return TextModel(model.to(precision()).eval(), tokenizer, licence)
