"""A published checkpoint on disk -> a model folder on disk."""

from __future__ import annotations

from pathlib import Path

from vsr.core.artifacts import MODEL_FILES
from vsr.core.errors import VsrError
from vsr.core.files import check_outputs
from vsr.data.modalities import VIDEO
from vsr.modelstore.checkpoint import CONFIG_FILE, read_config
from vsr.modelstore.importers import (
    auto_avsr,
    auto_avsr_streams,
    av_hubert,
    av_hubert_text,
    cogenav,
    espnet_language,
    raven,
    usr,
    vsr4ml,
)
from vsr.modelstore.importers.published import FAMILIES, Published, check_language, check_modality
from vsr.modelstore.importers.reading import read_checkpoint, weights_of
from vsr.modelstore.saving import LANGUAGE_MODEL, save_model
from vsr.text.tokenizer import SentencePieceTokenizer, sentence_pieces

LANGUAGE_FOLDER = "lm"  # inside the reader's folder
MOST = 0.5  # least share of the units that the SentencePiece file must have; auto_avsr's list also has digits


def import_checkpoint(published: Published, out: str | Path, half: bool = False, origin: dict | None = None) -> str:
    """Convert a checkpoint and save it as a folder that `vsr.modelstore.folder.load_model` reads.

    Args:
        published: the checkpoint.
        out: the folder.
        half: store fp16.
        origin: additional keys of the folder's config, such as "name", "decode" and "window".

    Returns:
        A line about the imported model, and the notice about its licence.

    Raises:
        VsrError: bad_model or bad_options, one line; nothing is written then.
    """
    try:
        model, text = _convert(published)
        language = None if published.lm is None else _language(published.family, published.lm, model)
    except VsrError as error:
        raise _naming(published.path, error) from error
    family = FAMILIES[published.family]
    about = published.about | ({"decode": dict(family.DECODE)} if hasattr(family, "DECODE") else {}) | (origin or {})
    if language is not None and published.lm is not None:
        # First, because the reader's config.json, which names it, is what makes the folder a model.
        description = {
            "kind": LANGUAGE_MODEL,
            "name": Path(published.lm).stem,
            "family": published.family,
            "licence": about["licence"],
        }
        save_model(Path(out) / LANGUAGE_FOLDER, language, text, description, half)
        about["decode"] = {"lm": LANGUAGE_FOLDER, "lm_weight": family.LM_WEIGHT} | about.get("decode", {})
    save_model(out, model, text, about, half)
    millions = sum(weight.numel() for weight in model.parameters()) / 1e6
    modalities = model.modality if isinstance(model.modality, str) else " and ".join(model.modality)
    return (
        f"{out}: {millions:.1f} M parameters, reads {modalities}, {_writes(model, published.whisper)}\n{family.LICENCE}"
    )


def _naming(path: str | Path, error: VsrError) -> VsrError:
    """The error, with the file in its message."""
    return error if str(path) in str(error) else VsrError(error.reason, f"{path}: {error}")


def _writes(model, whisper: str | Path | None) -> str:
    """A description of the model's output."""
    if whisper is not None:
        return f"text by the Whisper in {whisper}, which must stay there"
    entries = model.config.vocab_size
    return f"{entries} tokens" if entries else "an encoder alone: it cannot read until a head is trained"


def check_place(published: Published, out: str | Path) -> None:
    """Refuse a folder that holds an input, or another model than this import would make. Raises VsrError."""
    out = Path(out)
    check_outputs((out / name for name in MODEL_FILES), published.path, *published.beside)
    if (out / CONFIG_FILE).exists():
        config = read_config(out)
        if any(config.get(key) != value for key, value in published.about.items()):
            raise VsrError("exists", f"{out} holds another model, {config.get('name', out.name)}: choose another --out")


def _language(family: str, path, reader):
    """ESPnet's language model, which must have the reader's tokens. Raises VsrError naming its file."""
    check_language(family)
    try:
        weights = weights_of(read_checkpoint(path), path)
        settings = vsr4ml.read_settings(beside(path)) if family == "vsr4ml" else raven.LANGUAGE
        model = espnet_language.build(weights, settings)
    except VsrError as error:
        raise _naming(path, error) from error
    sizes = model.config.vocab_size, reader.config.vocab_size
    if sizes[0] != sizes[1]:
        raise VsrError("bad_model", f"{path} has {sizes[0]} tokens, the reader of {sizes[1]}")
    return model


def beside(path: str | Path) -> Path:
    """The settings file of a checkpoint: the JSON file of the same name."""
    return Path(path).with_suffix(".json")


def _convert(published: Published):
    """The model and its tokenizer, None for an encoder."""
    check_modality(published.family, published.modality)
    checkpoint = read_checkpoint(published.path)
    weights, family = weights_of(checkpoint, published.path), published.family
    if family == "vsr4ml":
        settings = vsr4ml.read_settings(published.settings or beside(published.path))
        model = vsr4ml.build(weights, settings)
        return model, _checked(vsr4ml.read_tokenizer(settings, published.tokenizer, published.units), model)
    if family == "auto_avsr":
        model = auto_avsr_streams.build(weights)
        return model, _checked(auto_avsr.read_tokenizer(published.tokenizer, published.units), model)
    if family in ("raven", "usr"):
        model = raven.build(weights) if family == "raven" else usr.build(weights, published.modality or VIDEO)
        return model, _checked(raven.read_tokenizer(published.tokenizer, published.units), model)
    if family == "cogenav":
        return cogenav.build(weights, whisper=published.whisper), None
    modality = published.modality or av_hubert.modality_of(checkpoint)
    model = av_hubert.build(weights, av_hubert.settings_of(checkpoint), modality)
    if not model.config.vocab_size:
        return model, None
    return model, _checked(av_hubert_text.read_tokenizer(checkpoint, published.tokenizer, published.units), model)


def _checked(text, model):
    """The tokenizer, checked against the head. Raises VsrError."""
    head = model.config.vocab_size
    if text.vocab_size != head:
        raise VsrError("bad_model", f"the tokenizer makes {text.vocab_size} tokens, the model's head has {head}")
    if not isinstance(text, SentencePieceTokenizer):
        return text
    known = set(sentence_pieces(text.processor))
    if sum(unit in known for unit in text.units) < MOST * len(text.units):
        raise VsrError("bad_model", "the SentencePiece file and the list of units do not belong together")
    return text
