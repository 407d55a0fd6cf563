"""Default search settings of a model: "decode" in its config, the settings of its publisher."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from vsr.core.clock import FPS
from vsr.core.errors import WRONG_USAGE, VsrError
from vsr.core.windows import WINDOW
from vsr.decoding.head_names import heads_in
from vsr.decoding.heads import writes
from vsr.decoding.lexicon import lexicon_for
from vsr.decoding.options import DecodeOptions, unheeded
from vsr.modelstore.checkpoint import bad_model, read_config
from vsr.modelstore.folder import find_model
from vsr.text.phonemes import UNITS
from vsr.text.tokenizer import TEXT, kind_of, load_tokenizer, unit_of

if TYPE_CHECKING:
    from vsr.modelstore.folder import LoadedModel

KEYS = ("method", "beam", "ctc_weight", "length_bonus", "lm", "lm_weight")
JOINING = ("lm", "ngram", "hotwords", "ctc_weight", "length_bonus")  # options of the user that imply the joint search
LEXICON, LEXICON_BEAM = "lexicon", 100  # the method and its default beam, wide since each prefix is a hypothesis
NONE = "none"  # as the name of a language model: the default one of the model is left out


def options_for(loaded: LoadedModel, overrides: Mapping[str, Any] | None = None) -> DecodeOptions:
    """Search options for a loaded model; ``overrides`` are the fields that the user chose. A model with CTC but without
    decoder is searched by CTC alone, and over the words of a lexicon if its tokens are phonemes or visemes."""
    overrides = dict(overrides or {})
    if not overrides.get("head") and (name := head_alone(loaded.model)):
        overrides["head"] = name
    ctc_alone = loaded.model.decoder is None and loaded.model.ctc is not None
    default = {} if overrides.get("head") else default_method(ctc_alone, unit_of(loaded.tokenizer))
    return _options(loaded.folder, loaded.config, default | overrides)


def head_alone(model: Any) -> str:
    """The further head that writes the text of a model without CTC, decoder and word classes, such as a language model
    or a Whisper decoder; "" for other models."""
    if model.ctc is not None or model.decoder is not None or model.words is not None:
        return ""
    return next((name for name in model.further_heads if writes(model, name)), "")


def default_method(ctc_alone: bool, unit: str) -> dict[str, Any]:
    """The search method for a model that has CTC alone; empty for other models, which take the default."""
    if not ctc_alone:
        return {}
    return {"method": "ctc_beam" if unit == TEXT else LEXICON}


def options_in(folder: str | Path, config: Mapping[str, Any], overrides: Mapping[str, Any]) -> DecodeOptions:
    """`options_for` of a model folder and its config, without loading the model.

    "lm" in the config names a folder inside the model's. It applies only to the joint search.

    Raises:
        VsrError: bad_model for invalid settings in "decode", bad_options for invalid ones in ``overrides``.
    """
    overrides, heads = dict(overrides), heads_in(config.get("model"))
    if not overrides.get("head") and not {"ctc", "attention", "words"} & heads.keys():
        overrides["head"] = next(
            (name for name, head in heads.items() if name != "alignment" and not head.get("layer")), ""
        )
    ctc_alone = "ctc" in heads and "attention" not in heads
    unit = kind_of(folder)
    default = {} if overrides.get("head") else default_method(ctc_alone, unit if unit in UNITS else TEXT)
    return _options(folder, config, default | overrides)


def check_search(name: Any, overrides: Mapping[str, Any]) -> None:
    """Check, before the model is loaded, that it can be searched with the options, and has the lexicon that they need.

    ``name`` and its errors are those of `vsr.modelstore.folder.load_model`. Raises VsrError.
    """
    folder = find_model(name)
    options = options_in(folder, read_config(folder), overrides)
    if options.method == LEXICON:
        lexicon_for(load_tokenizer(folder), options.lexicon)


def _options(folder: str | Path, config: Mapping[str, Any], overrides: Mapping[str, Any]) -> DecodeOptions:
    settings = _checked(Path(folder), config.get("decode", {}))
    overrides = dict(overrides)
    if overrides.get("method") == LEXICON:
        overrides = {"beam": max(LEXICON_BEAM, overrides.get("nbest", 1))} | overrides
    if overrides.get("method", "joint") != "joint" or "lm" in overrides or overrides.get("head"):
        settings = {key: value for key, value in settings.items() if key not in ("lm", "lm_weight")}
    if overrides.get("lm") == NONE and not Path(NONE).exists():
        del overrides["lm"]
        overrides.pop("lm_weight", None)
    if overrides.get("head") or overrides.get("lm") != NONE and any(name in overrides for name in JOINING):
        settings.pop("method", None)
    if "beam" in settings and "beam" not in overrides and overrides.get("nbest", 1) > settings["beam"]:
        del settings["beam"]
    options = DecodeOptions(**settings | overrides)
    _check_heeded(options, overrides)
    return options


def _check_heeded(options: DecodeOptions, overrides: Mapping[str, Any]) -> None:
    """Raises VsrError bad_options for a given option that has no effect, except beam and nbest, which some verbs always
    give."""
    ignored = {} if options.head else unheeded(options.method)
    for name in overrides.keys() & ignored.keys() - {"beam", "nbest"}:
        if overrides[name] != getattr(DecodeOptions, name):
            problem = f"{name} works only with the method {ignored[name]}"
            raise VsrError(WRONG_USAGE, f"{problem}, and this model is searched by {options.method}")


def _checked(folder: Path, settings: Any) -> dict[str, Any]:
    """The checked "decode" settings of a config, the language model as a path on this machine."""
    if not isinstance(settings, Mapping) or set(settings) - set(KEYS):
        raise bad_model(folder, f'"decode" in its config can have {", ".join(KEYS)} only')
    settings = dict(settings)
    if name := settings.get("lm"):
        if not isinstance(name, str) or PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise bad_model(folder, f'"lm" in its config is {name!r}: it must be a folder inside the model\'s')
        settings["lm"] = str(folder / name)
    try:
        DecodeOptions(**settings)
    except (VsrError, TypeError) as error:
        raise bad_model(folder, f'"decode" in its config makes no search: {error}') from error
    return settings


def preferred_window(loaded: LoadedModel) -> int:
    """Frames of a window of the preferred length: "window" (seconds) of the model's config, else 12 s. Raises VsrError
    bad_model."""
    window = loaded.config.get("window", WINDOW / FPS)
    if not isinstance(window, (int, float)) or not 1 <= window <= 60:
        raise VsrError("bad_model", f"{loaded.folder}: window is {window!r}; it must be 1 to 60 seconds")
    return round(window * FPS)
