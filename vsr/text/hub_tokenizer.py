"""The tokenizer of a language model of transformers, as a head that writes with its vocabulary uses it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from vsr.core.errors import VsrError
from vsr.text.normalise import lower


class HubTokenizer:
    """Text in lower case after a space <-> the model's own tokens; opened when it is first asked.

    Args:
        open_tokenizer: gives the tokenizer of transformers.
        entries: of the vocabulary, where they are known before.
    """

    unit = "text"

    def __init__(self, open_tokenizer: Callable[[], Any], entries: int = 0):
        self._open, self._entries = open_tokenizer, entries

    @cached_property
    def own(self) -> Any:
        """That of transformers."""
        return self._open()

    @property
    def vocab_size(self) -> int:
        """How many tokens there are."""
        return self._entries or len(self.own)

    @property
    def eos_id(self) -> int:
        """The end of a text. Raises VsrError bad_model where the model has none."""
        if self.own.eos_token_id is None:
            raise VsrError("bad_model", "the language model's tokenizer has no token for the end of a text")
        return int(self.own.eos_token_id)

    @property
    def begin(self) -> list[int]:
        """What stands before every prompt."""
        return [] if self.own.bos_token_id is None else [int(self.own.bos_token_id)]

    def plain(self, text: str) -> list[int]:
        """Ids of a text just as it is."""
        return list(self.own.encode(text, add_special_tokens=False)) if text else []

    def encode(self, text: str) -> list[int]:
        """Ids of the normalised text, without start or end."""
        said = lower(text)
        return self.plain(f" {said}" if said else "")

    def decode(self, ids: Sequence[int]) -> str:
        """Text in lower case with single spaces, without punctuation."""
        return lower(self.own.decode(list(ids), skip_special_tokens=True))

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """The piece of each id."""
        return [str(own) for own in self.own.convert_ids_to_tokens(list(ids))]
