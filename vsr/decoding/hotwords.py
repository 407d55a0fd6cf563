"""Hotwords bias the joint search towards expected words and phrases; no other word becomes impossible.

A hypothesis gets credit letter by letter while it spells a phrase, and loses it again where it leaves the phrase before
its end (as in the context graphs of WeNet and icefall). A complete text keeps one unit for each letter of each phrase
in it, however the tokens split it. Phrases begin and end at word borders.
Shapes: B utterances, K hypotheses of each, C candidates of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from vsr.core.errors import VsrError
from vsr.core.files import read_lines
from vsr.text.normalise import lower
from vsr.text.tokenizer import MARK, SPACE, Tokenizer

MOST = 10_000  # phrases of a list


class Hotwords:
    """The phrases of a file, one per line, spelled with the tokens of a tokenizer.

    Raises:
        VsrError: bad_config for a list without phrases, a repeated phrase, or a phrase that the tokens cannot write.
    """

    def __init__(self, path: str | Path, tokenizer: Tokenizer):
        pieces = tokenizer.pieces(range(tokenizer.eos_id + 1))
        self.spelled = [piece.replace(MARK, SPACE).lower() for piece in pieces]
        phrases = read_phrases(path, set("".join(self.spelled[2:])))
        self.gain = max(map(_letters, phrases))  # the most that one phrase can add
        self.trie = _Trie(phrases)
        self._moves: dict[tuple[int, int], tuple[int, int]] = {}

    def after(self, node: int, token: int) -> tuple[int, int]:
        """The node after ``token``, and the token's credit, which is negative where it leaves a phrase."""
        if (node, token) not in self._moves:
            self._moves[node, token] = self.trie.spell(node, self.spelled[token])
        return self._moves[node, token]

    def sentences(self, texts: Sequence[Sequence[int]]) -> list[float]:
        """Total number of letters of the phrases in each text."""
        return [float(self._sentence(text)) for text in texts]

    def _sentence(self, tokens: Sequence[int]) -> int:
        node, total = self.trie.start, 0
        for token in tokens:
            node, credit = self.after(node, token)
            total += credit
        return total + self.left(node)

    def left(self, node: int) -> int:
        """Credit of the end of the text: phrases that end there count, the credit of unfinished ones is taken back."""
        return self.trie.complete[node] - self.trie.begun[node]

    def start(self, utterances: int, device: torch.device) -> HotwordSearch:
        """The state of one search."""
        return HotwordSearch(self, utterances, device)


class HotwordSearch:
    """The positions of all hypotheses of a batch in the phrases."""

    def __init__(self, hotwords: Hotwords, utterances: int, device: torch.device):
        self.hotwords, self.device, self.gain = hotwords, device, hotwords.gain
        self.nodes = [[hotwords.trie.start] for _ in range(utterances)]

    def extend(self, last: Tensor, candidates: Tensor) -> Tensor:
        """Credit (B, K, 1+C) of the candidates; the first candidate is the end token."""
        rows = zip(self.nodes, candidates[..., 1:].tolist(), strict=True)
        credits = [[self._credits(*pair) for pair in zip(nodes, tokens, strict=True)] for nodes, tokens in rows]
        return torch.tensor(credits, dtype=torch.float64, device=self.device)

    def _credits(self, node: int, tokens: list[int]) -> list[int]:
        return [self.hotwords.left(node), *(self.hotwords.after(node, token)[1] for token in tokens)]

    def follow(self, parents: Tensor, tokens: Tensor) -> None:
        """Extend the hypotheses ``parents`` (B, K') by ``tokens`` (B, K')."""
        rows = zip(self.nodes, parents.tolist(), tokens.tolist(), strict=True)
        after = self.hotwords.after
        self.nodes = [[after(nodes[p], t)[0] for p, t in zip(ps, ts, strict=True)] for nodes, ps, ts in rows]

    def rule_out(self, log_probs: Tensor) -> None:
        """Does nothing: no token is impossible."""

    def select(self, rows: Tensor) -> None:
        """Keep the utterances ``rows`` (B',)."""
        self.nodes = [self.nodes[row] for row in rows.tolist()]


class _Trie:
    """Phrases letter by letter, each with a space before it, with the links of Aho and Corasick (1975).

    ``begun``: letters from the root to a node; ``complete``: letters of all phrases that end at it.
    """

    def __init__(self, phrases: Sequence[str]):
        self.child: list[dict[str, int]] = [{}]
        self.begun, self.complete, self.back = [0], [0], [0]
        for phrase in phrases:
            self._add(SPACE + phrase)
        self._link()
        self.start = self.child[0][SPACE]  # a text begins with a word

    def _add(self, phrase: str) -> None:
        node = 0
        for letter in phrase:
            if letter not in self.child[node]:
                self.child[node][letter] = len(self.child)
                self.child.append({})
                self.begun.append(self.begun[node] + (letter != SPACE))
                self.complete.append(0)
                self.back.append(0)
            node = self.child[node][letter]
        self.complete[node] = _letters(phrase)

    def _link(self) -> None:
        """Set ``back``: the node of the longest proper suffix of a node's letters that is also a prefix of a phrase."""
        queue = list(self.child[0].values())
        for node in queue:
            for letter, child in self.child[node].items():
                self.back[child] = self._move(self.back[node], letter)
                self.complete[child] += self.complete[self.back[child]]
                queue.append(child)

    def _move(self, node: int, letter: str) -> int:
        while node and letter not in self.child[node]:
            node = self.back[node]
        return self.child[node].get(letter, 0)

    def spell(self, node: int, letters: str) -> tuple[int, int]:
        """The node after ``letters``, and their credit."""
        credit = -self.begun[node]
        for letter in letters:
            credit += self.complete[node] if letter == SPACE else 0
            node = self._move(node, letter)
        return node, credit + self.begun[node]


def _letters(phrase: str) -> int:
    return len(phrase.replace(SPACE, ""))


def read_phrases(path: str | Path, letters: set[str]) -> list[str]:
    """Read the phrases of a file, one per line, in lower case; ``letters``: those of the tokens. Raises VsrError."""
    lines: dict[str, int] = {}
    for number, line in read_lines(path):
        phrase = lower(line)
        if not phrase:
            continue
        if phrase in lines:
            raise VsrError("bad_config", f"{path}, line {number}: {phrase!r} is also in line {lines[phrase]}")
        if unwritable := "".join(sorted(set(phrase) - letters - {SPACE})):
            problem = f"{phrase!r} cannot be written with the lip reader's tokens: they lack {unwritable}"
            raise VsrError("bad_config", f"{path}, line {number}: {problem}")
        lines[phrase] = number
    if not 0 < len(lines) <= MOST:
        raise VsrError("bad_config", f"{path} has {len(lines)} words or phrases: need 1 to {MOST}, one a line")
    return list(lines)
