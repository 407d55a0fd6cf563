"""The tokenizer of a fine-tuned AV-HuBERT, from its checkpoint or from fairseq's files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vsr.core.errors import VsrError, cause_of
from vsr.modelstore.importers.reading import Inert
from vsr.text.tokenizer import SentencePieceTokenizer

SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")  # fairseq's first four symbols


def read_tokenizer(
    checkpoint: Mapping[str, Any], model: str | Path | None, units: str | Path | None
) -> SentencePieceTokenizer:
    """The tokenizer of a fine-tuned model: from the checkpoint, or from the given files.

    Args:
        checkpoint: as read.
        model: SentencePiece file; needed when the checkpoint has none.
        units: fairseq's `dict.wrd.txt`; needed when the checkpoint has no dictionary.

    Raises VsrError bad_options if a file is needed, bad_model for a wrong one.
    """
    state = checkpoint.get("task_state") or {}
    symbols = _listed(Path(units)) if units is not None else _symbols(state.get("target_dictionary"))
    if symbols is None:
        raise VsrError("bad_options", "the checkpoint holds no dictionary: give --units dict.wrd.txt")
    content = _read_bytes(Path(model)) if model is not None else _sentencepiece(state.get("s2s_tokenizer"))
    if content is None:
        raise VsrError("bad_options", "the checkpoint holds no SentencePiece model: give --tokenizer FILE.model")
    return SentencePieceTokenizer(content, "lower", [*symbols[len(SPECIAL) :], ""])  # "": the start, never written


def _symbols(dictionary: Any) -> list[str] | None:
    state = dictionary.state if isinstance(dictionary, Inert) else None
    symbols = state.get("symbols") if isinstance(state, Mapping) else None
    return symbols if isinstance(symbols, list) and tuple(symbols[: len(SPECIAL)]) == SPECIAL else None


def _listed(path: Path) -> list[str]:
    """The symbols of a fairseq dictionary file, whose lines are `piece count`."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise VsrError("bad_model", f"{path}: {cause_of(error, 'not UTF-8 text')}") from error
    return [*SPECIAL, *(line.rpartition(" ")[0] for line in lines)]


def _sentencepiece(tokenizer: Any) -> bytes | None:
    """The model in the state of `sp` in a pickled tokenizer: bytes or, in newer versions, a dictionary with them."""
    state = tokenizer.state if isinstance(tokenizer, Inert) else None
    processor = state.get("sp") if isinstance(state, Mapping) else None
    content = processor.state if isinstance(processor, Inert) else None
    content = content.get("model_proto") if isinstance(content, Mapping) else content
    return content if isinstance(content, bytes) else None


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise VsrError("bad_model", f"{path}: {error.strerror}") from error
