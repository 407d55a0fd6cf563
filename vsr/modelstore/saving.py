"""Saves a model as a self-contained folder, all of it or nothing."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vsr.core.atomic import FULL, made_folder, system_error
from vsr.core.errors import VsrError, one_line
from vsr.modelstore.checkpoint import CONFIG_FILE, FORMAT, NESTED, WEIGHTS_FILE, bad_model, save_weights

if TYPE_CHECKING:
    from vsr.text.tokenizer import Tokenizer

WRITING = ("no_space", "not_writable")  # reasons of files that are not written, whose names nobody knows here
# "kind" in config.json; a lip reader's may lack it
LIP_READER, FUSED_READER, LANGUAGE_MODEL = "lip_reader", "fused_lip_reader", "language_model"


def save_model(
    folder: str | Path, model: Any, tokenizer: Tokenizer | None, extra: dict | None = None, half: bool = False
) -> Path:
    """Write a self-contained model folder.

    The new files are first written completely beside the old ones and then renamed, `config.json` last. An interrupted
    save leaves the old model, or a folder without `config.json`, which is no model, but never a mixture.
    Other files in the folder (a model card) stay.

    Args:
        folder: of the model; made if missing.
        model: LipReader, FusedReader or LanguageModel with a `.config` dataclass.
        tokenizer: any tokenizer of `vsr.text.tokenizer`; its size must equal the model's head. None for an
            encoder alone, which has no head.
        extra: further JSON keys for `config.json` ("name", "kind", "confidence", ...).
        half: store floating point weights as fp16 (half the size); they are always loaded as fp32.

    Returns:
        The folder.

    Raises:
        VsrError: bad_model if the tokenizer and the head disagree or `extra` uses a reserved key;
            no_space, not_writable.
    """
    folder = Path(folder)
    config = {**_checked_extra(extra or {}), **_settings(model.config)}
    check_tokenizer(tokenizer, model.config.vocab_size, folder)
    with staged(folder) as staging:
        if tokenizer is not None:
            tokenizer.save(staging)
        save_weights(staging / WEIGHTS_FILE, model, half)
        (staging / CONFIG_FILE).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    return folder


@contextmanager
def staged(folder: Path, last: str = CONFIG_FILE) -> Iterator[Path]:
    """Yield a place for the files of a model, which take their names in ``folder`` when all are there, the one that
    marks a model last; otherwise nothing is left of them, and no folder that was made for them. Raises VsrError
    no_space, not_writable."""
    with made_folder(folder):
        try:
            with tempfile.TemporaryDirectory(prefix=".saving.", dir=folder) as staging:
                yield Path(staging)
                _publish(Path(staging), folder, last)
        except Exception as error:
            written, system = getattr(error, "reason", ""), system_error(error)
            if written not in WRITING and system is None:
                raise
            full = written == "no_space" or system is not None and system.errno in FULL
            reason, told = ("no_space", "no space left") if full else ("not_writable", one_line(error))
            raise VsrError(reason, f"{folder}: cannot save the model: {told}") from error


def _settings(config) -> dict:
    """Format and settings for `config.json`. Raises VsrError bad_model for settings that could not be read again."""
    from vsr.modelstore.nested_settings import KINDS, from_nested, to_nested

    stored = json.loads(json.dumps(to_nested(config)))
    if not isinstance(config, KINDS):
        return {"format": FORMAT, "model": stored}
    try:
        again = json.loads(json.dumps(to_nested(from_nested(stored))))
    except (TypeError, ValueError) as error:
        raise VsrError("bad_model", f"the model's settings cannot be stored: {one_line(error)}") from error
    if again != stored:
        raise VsrError("bad_model", "the model's settings cannot be stored: they would come back as others")
    return {"format": NESTED, "model": stored}


def _checked_extra(extra: dict) -> dict:
    reserved = sorted({"format", "model"} & extra.keys())
    if reserved:
        raise VsrError("bad_model", f"the extra key {reserved[0]!r} is reserved in {CONFIG_FILE}")
    return extra


def check_tokenizer(tokenizer: Tokenizer | None, vocab_size: int, folder: Path) -> None:
    """Refuse a tokenizer with another number of entries than the model's head. Raises VsrError (bad_model)."""
    entries = tokenizer.vocab_size if tokenizer else 0
    if entries != vocab_size:
        raise bad_model(folder, f"the tokenizer has {entries} entries, the model's head {vocab_size}")


def _publish(staging: Path, folder: Path, last: str) -> None:
    """Move the finished files into place; the file ``last``, which marks a model, is removed first and added last."""
    (folder / last).unlink(missing_ok=True)
    for path in sorted(staging.iterdir(), key=lambda path: path.name == last):
        os.replace(path, folder / path.name)
