"""The tokenizer of a language model of transformers, for a head that writes with its vocabulary."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from vsr.core.errors import VsrError
from vsr.text.normalise import lower


class HubTokenizer:
    """Text in lower case after a space <-> the model's tokens; the tokenizer is opened on first use.

    Args:
        open_tokenizer: returns the tokenizer of transformers.
        entries: size of the vocabulary, if known beforehand.
    """

    unit = "text"

    def __init__(self, open_tokenizer: Callable[[], Any], entries: int = 0):
        self._open, self._entries = open_tokenizer, entries

    @cached_property
    def own(self) -> Any:
        """The tokenizer of transformers."""
        return self._open()

    @property
    def vocab_size(self) -> int:
        """Number of tokens."""
        return self._entries or len(self.own)

    @property
    def eos_id(self) -> int:
        """The token for the end of a text. Raises VsrError bad_model if the model has none."""
        if self.own.eos_token_id is None:
            raise VsrError("bad_model", "the language model's tokenizer has no token for the end of a text")
        return int(self.own.eos_token_id)

    @property
    def begin(self) -> list[int]:
        """The tokens before every prompt."""
        return [] if self.own.bos_token_id is None else [int(self.own.bos_token_id)]

    def plain(self, text: str) -> list[int]:
        """Ids of a text as it is, without normalisation."""
        return list(self.own.encode(text, add_special_tokens=False)) if text else []

    def encode(self, text: str) -> list[int]:
        """Ids of the normalised text, without start or end."""
        normalised = lower(text)
        return self.plain(f" {normalised}" if normalised else "")

    def decode(self, ids: Sequence[int]) -> str:
        """Text in lower case with single spaces, without punctuation."""
        return lower(self.own.decode(list(ids), skip_special_tokens=True))

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """The piece of each id."""
        return [str(piece) for piece in self.own.convert_ids_to_tokens(list(ids))]
