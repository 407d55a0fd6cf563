"""A published checkpoint on disk -> a model folder on disk."""

from __future__ import annotations

from pathlib import Path

from vsr.errors import VsrError
from vsr.hub import save_model
from vsr.published import auto_avsr
from vsr.published.reading import read_checkpoint, weights_of


def import_checkpoint(
    family: str,
    path: str | Path,
    out: str | Path,
    tokenizer: str | Path | None = None,
    units: str | Path | None = None,
    half: bool = False,
) -> str:
    """Convert a checkpoint and save it as a folder that `vsr.hub.load_model` reads.

    Args:
        family: "auto_avsr".
        path: the checkpoint; read without running anything in it.
        out: the folder.
        tokenizer, units: files that the checkpoint does not hold.
        half: store fp16.

    Returns:
        What was imported and the notice about its licence.

    Raises:
        VsrError: bad_model or bad_config, one line; nothing is written then.
    """
    weights = weights_of(read_checkpoint(path), path)
    try:
        model = auto_avsr.build(weights)
    except VsrError as error:
        raise VsrError(error.reason, f"{path}: {error}") from error
    text = auto_avsr.read_tokenizer(tokenizer, units)
    head = model.config.vocab_size
    if text.vocab_size != head:
        raise VsrError("bad_model", f"{tokenizer} makes {text.vocab_size} tokens, the head of {path} has {head}")
    save_model(out, model, text, {"name": Path(path).stem, "family": family}, half)
    millions = sum(weight.numel() for weight in model.parameters()) / 1e6
    return f"{out}: {millions:.1f} M parameters, {head} tokens\n{auto_avsr.LICENCE}"
