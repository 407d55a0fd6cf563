"""Prefix tree of words by their characters, for a search over smaller tokens.

Shapes: N nodes, V tokens, W words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from vsr.text.tokenizer import SPACE, Tokenizer


@dataclass(frozen=True)
class WordTree:
    """Prefix tree of words. child (N, V): the node after a token; word (N,): the word that ends at a node, or -1;
    below (N, W): the words that pass through a node. Node 0 is the root, the last node stands for unlisted words."""

    child: Tensor
    word: Tensor
    below: Tensor
    space: int
    end: int

    @classmethod
    def of(cls, words: Sequence[str], tokenizer: Tokenizer) -> WordTree:
        """The tree of ``words`` in the tokens of a tokenizer of characters."""
        nodes: list[dict[int, int]] = [{}]
        ends: dict[int, int] = {}
        through: list[set[int]] = [set()]
        for number, word in enumerate(words):
            node = 0
            for token in tokenizer.encode(word):
                node = nodes[node].setdefault(token, len(nodes))
                if node == len(nodes):
                    nodes.append({})
                    through.append(set())
                through[node].add(number)
            ends[node] = number
        lost = len(nodes)
        child = torch.full((lost + 1, tokenizer.vocab_size), lost)
        below = torch.zeros(lost + 1, len(words), dtype=torch.bool)
        for node, (children, numbers) in enumerate(zip(nodes, through, strict=True)):
            for token, following in children.items():
                child[node, token] = following
            below[node, sorted(numbers)] = True
        word = torch.tensor([ends.get(node, -1) for node in range(lost + 1)])
        return cls(child, word, below, tokenizer.encode(f"a{SPACE}a")[1], tokenizer.eos_id)

    def to(self, device: torch.device) -> WordTree:
        """The tree on another device."""
        return replace(self, child=self.child.to(device), word=self.word.to(device), below=self.below.to(device))
