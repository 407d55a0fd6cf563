"""A published checkpoint on disk -> a model folder on disk."""

from __future__ import annotations

from pathlib import Path

from vsr.core.artifacts import MODEL_FILES
from vsr.core.errors import VsrError
from vsr.core.files import check_outputs
from vsr.data.modalities import BOTH, SOUND, VIDEO
from vsr.models.whisper_head import whisper_sizes
from vsr.modelstore.checkpoint import CONFIG_FILE, read_config
from vsr.modelstore.importers import (
    auto_avsr,
    auto_avsr_streams,
    av_hubert,
    cogenav,
    espnet_language,
    raven,
    usr,
    vsr4ml,
)
from vsr.modelstore.importers.reading import read_checkpoint, weights_of
from vsr.modelstore.saving import LANGUAGE_MODEL, save_model
from vsr.text.tokenizer import SentencePieceTokenizer, sentence_pieces

FAMILIES = {
    "auto_avsr": auto_avsr, "av_hubert": av_hubert, "vsr4ml": vsr4ml, "raven": raven, "usr": usr, "cogenav": cogenav,
}  # fmt: skip
WAYS = {"av_hubert": (VIDEO, BOTH), "usr": (VIDEO, SOUND, BOTH)}  # of reading that one checkpoint can be made for
LANGUAGE_FOLDER = "lm"  # inside the reader's
MOST = 0.5  # share of the units that the SentencePiece file must know; auto_avsr's list has digits beyond it


def import_checkpoint(
    family: str,
    path: str | Path,
    out: str | Path,
    tokenizer: str | Path | None = None,
    units: str | Path | None = None,
    half: bool = False,
    settings: str | Path | None = None,
    lm: str | Path | None = None,
    origin: dict | None = None,
    modality: str = "",
    whisper: str | Path | None = None,
) -> str:
    """Convert a checkpoint and save it as a folder that `vsr.modelstore.folder.load_model` reads.

    Args:
        family: a key of `FAMILIES`.
        path: the checkpoint; read without running anything in it.
        out: the folder.
        tokenizer, units: files that the checkpoint does not hold.
        half: store fp16.
        settings: of vsr4ml, the checkpoint's `model.json`; without it the one beside the checkpoint.
        lm: of vsr4ml and raven, ESPnet's language model, of the former with its `model.json` beside it; it becomes a
            part of the folder.
        origin: further keys of the folder's config, such as "name", "decode" and "window".
        modality: "video", "sound" or "both", what is read, of a checkpoint that can become several (`WAYS`); "": of usr
            video, of av_hubert what its settings say that it was tuned on, else video.
        whisper: of cogenav, the folder of the Whisper that writes its text; without, the encoder alone is made.

    Returns:
        What was imported and the notice about its licence.

    Raises:
        VsrError: bad_model or bad_options, one line; nothing is written then.
    """
    try:
        model, text = _convert(family, path, tokenizer, units, settings, modality, whisper)
        language = None if lm is None else _language(family, lm, model)
    except VsrError as error:
        raise error if str(path) in str(error) else VsrError(error.reason, f"{path}: {error}") from error
    about = _origin(family, path)
    if hasattr(FAMILIES[family], "DECODE"):
        about["decode"] = dict(FAMILIES[family].DECODE)
    about |= origin or {}
    if language is not None:  # first: the reader's config.json, which names it, is what makes the folder a model
        own = {"kind": LANGUAGE_MODEL, "name": Path(lm).stem, "family": family, "licence": about["licence"]}
        save_model(Path(out) / LANGUAGE_FOLDER, language, text, own, half)
        about["decode"] = {"lm": LANGUAGE_FOLDER, "lm_weight": FAMILIES[family].LM_WEIGHT} | about.get("decode", {})
    save_model(out, model, text, about, half)
    millions = sum(weight.numel() for weight in model.parameters()) / 1e6
    read = model.modality if isinstance(model.modality, str) else " and ".join(model.modality)
    return f"{out}: {millions:.1f} M parameters, reads {read}, {_writes(model, whisper)}\n{FAMILIES[family].LICENCE}"


def _writes(model, whisper: str | Path | None) -> str:
    """What the model writes with."""
    if whisper is not None:
        return f"text by the Whisper in {whisper}, which must stay there"
    entries = model.config.vocab_size
    return f"{entries} tokens" if entries else "an encoder alone: it cannot read until a head is trained"


def check_place(family: str, path: str | Path, out: str | Path, *inputs: str | Path | None) -> None:
    """Refuse a folder that holds what is read, or another model than this import would make. Raises VsrError."""
    out, read = Path(out), [path, *filter(None, inputs)]
    check_outputs((out / name for name in MODEL_FILES), *read)
    if (out / CONFIG_FILE).exists():
        config, origin = read_config(out), _origin(family, path)
        if any(config.get(key) != value for key, value in origin.items()):
            raise VsrError("exists", f"{out} holds another model, {config.get('name', out.name)}: choose another --out")


def _origin(family: str, path: str | Path) -> dict[str, str]:
    """What the folder's config says about where the weights come from."""
    return {"name": Path(path).stem, "family": family, "licence": FAMILIES[family].LICENCE}


def _language(family: str, path, reader):
    """ESPnet's language model, over the tokens of the reader it belongs to. Raises VsrError naming its file."""
    check_language(family)
    try:
        weights = weights_of(read_checkpoint(path), path)
        settings = vsr4ml.read_settings(beside(path)) if family == "vsr4ml" else raven.LANGUAGE
        model = espnet_language.build(weights, settings)
    except VsrError as error:
        raise error if str(path) in str(error) else VsrError(error.reason, f"{path}: {error}") from error
    sizes = model.config.vocab_size, reader.config.vocab_size
    if sizes[0] != sizes[1]:
        raise VsrError("bad_model", f"{path} has {sizes[0]} tokens, the reader of {sizes[1]}")
    return model


def check_language(family: str) -> None:
    """Raises VsrError bad_options for a family that comes without a language model."""
    if not hasattr(FAMILIES[family], "LM_WEIGHT"):
        problem = f"checkpoints of {family} come without a language model"
        raise VsrError("bad_options", f"{problem}: --lm is of vsr4ml and raven")


def check_whisper(family: str, whisper: str | Path | None) -> None:
    """Raises VsrError bad_options for a family whose text no Whisper writes, bad_model for what is no folder of one."""
    if whisper is None:
        return
    if family != "cogenav":
        raise VsrError("bad_options", f"--whisper is of cogenav, not of {family}")
    try:
        whisper_sizes(str(whisper), {})
    except VsrError as error:
        if error.reason not in ("bad_model", "bad_config"):
            raise
        wanted = "config.json with the model_type whisper, and model.safetensors, as those of openai/whisper-small"
        raise VsrError("bad_model", f"--whisper {whisper}: no folder of a Whisper ({wanted})") from error


def beside(path: str | Path) -> Path:
    """The settings of a checkpoint: the JSON file of the same name."""
    return Path(path).with_suffix(".json")


def check_modality(family: str, modality: str) -> None:
    """Raises VsrError (bad_config) for a way of reading that checkpoints of a family do not become."""
    if not modality or modality in WAYS.get(family, ()):
        return
    if family not in WAYS:
        problem = f"--modality is of {' and '.join(WAYS)}"
        raise VsrError("bad_options", f"{problem}: what a checkpoint of {family} reads is in its tensors")
    hint = "; a folder of both reads sound alone, too" if family == "av_hubert" else ""
    raise VsrError("bad_options", f"--modality of {family} can be {' or '.join(WAYS[family])}{hint}")


def _convert(family: str, path, tokenizer, units, settings=None, modality="", whisper=None):
    """The model and its tokenizer, None for an encoder alone."""
    check_modality(family, modality)
    checkpoint = read_checkpoint(path)
    weights = weights_of(checkpoint, path)
    if family == "vsr4ml":
        given = vsr4ml.read_settings(settings or beside(path))
        model = vsr4ml.build(weights, given)
        return model, _checked(vsr4ml.read_tokenizer(given, tokenizer, units), model)
    if family == "auto_avsr":
        model = auto_avsr_streams.build(weights)
        return model, _checked(auto_avsr.read_tokenizer(tokenizer, units), model)
    if family in ("raven", "usr"):
        model = raven.build(weights) if family == "raven" else usr.build(weights, modality or VIDEO)
        return model, _checked(raven.read_tokenizer(tokenizer, units), model)
    if family == "cogenav":
        return cogenav.build(weights, whisper=whisper), None
    modality = modality or av_hubert.modality_of(checkpoint)
    model = av_hubert.build(weights, av_hubert.settings_of(checkpoint), modality)
    if not model.config.vocab_size:
        return model, None
    return model, _checked(av_hubert.read_tokenizer(checkpoint, tokenizer, units), model)


def _checked(text, model):
    """The tokenizer, if it belongs to the head. Raises VsrError."""
    head = model.config.vocab_size
    if text.vocab_size != head:
        raise VsrError("bad_model", f"the tokenizer makes {text.vocab_size} tokens, the model's head has {head}")
    if not isinstance(text, SentencePieceTokenizer):
        return text
    known = set(sentence_pieces(text.processor))
    if sum(unit in known for unit in text.units) < MOST * len(text.units):
        raise VsrError("bad_model", "the SentencePiece file and the list of units do not belong together")
    return text
