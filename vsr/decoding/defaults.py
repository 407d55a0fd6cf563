"""A model's default search settings: "decode" in its config, as its publisher decoded with it."""

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
JOINING = ("lm", "ngram", "hotwords", "ctc_weight", "length_bonus")  # what the user may give that only joint has
LEXICON, LEXICON_BEAM = "lexicon", 100  # a method, and how wide it is: prefixes of one word are many hypotheses
NONE = "none"  # as the name of a language model: the model's own is left out


def options_for(loaded: LoadedModel, given: Mapping[str, Any] | None = None) -> DecodeOptions:
    """The options of a search with a loaded model; ``given`` are the fields that the user chose. A model that has CTC
    and no decoder is searched by that alone; one of phonemes or visemes over the words of a lexicon."""
    given = dict(given or {})
    if not given.get("head") and (name := head_alone(loaded.model)):
        given["head"] = name
    ctc_alone = loaded.model.decoder is None and loaded.model.ctc is not None
    usual = {} if given.get("head") else usual_method(ctc_alone, unit_of(loaded.tokenizer))
    return _options(loaded.folder, loaded.config, usual | given)


def head_alone(model: Any) -> str:
    """The further head that writes the text of a model which has neither CTC, decoder nor classes of words, "" of
    another: one whose text a language model or a Whisper writes."""
    if model.ctc is not None or model.decoder is not None or model.words is not None:
        return ""
    return next((name for name in model.further_heads if writes(model, name)), "")


def usual_method(ctc_alone: bool, unit: str) -> dict[str, Any]:
    """The method of a model that is not searched by CTC and decoder together."""
    if not ctc_alone:
        return {}
    return {"method": "ctc_beam" if unit == TEXT else LEXICON}


def options_in(folder: str | Path, config: Mapping[str, Any], given: Mapping[str, Any]) -> DecodeOptions:
    """The same for a model folder and its config.

    "lm" in the config names a folder inside the model's. It joins the joint search alone.

    Raises:
        VsrError: bad_model for a "decode" that makes no options, bad_options for what is given.
    """
    given, heads = dict(given), heads_in(config.get("model"))
    if not given.get("head") and not {"ctc", "attention", "words"} & heads.keys():
        given["head"] = next((name for name, own in heads.items() if name != "alignment" and not own.get("layer")), "")
    ctc_alone = "ctc" in heads and "attention" not in heads
    unit = kind_of(folder)
    usual = {} if given.get("head") else usual_method(ctc_alone, unit if unit in UNITS else TEXT)
    return _options(folder, config, usual | given)


def check_search(name: Any, given: Mapping[str, Any]) -> None:
    """Refuse what no search with a model could be before it is loaded: options, and a lexicon that it lacks.

    ``name`` and errors of it as of `vsr.modelstore.folder.load_model`. Raises VsrError.
    """
    folder = find_model(name)
    options = options_in(folder, read_config(folder), given)
    if options.method == LEXICON:
        lexicon_for(load_tokenizer(folder), options.lexicon)


def _options(folder: str | Path, config: Mapping[str, Any], given: Mapping[str, Any]) -> DecodeOptions:
    own = _checked(Path(folder), config.get("decode", {}))
    given = dict(given)
    if given.get("method") == LEXICON:
        given = {"beam": max(LEXICON_BEAM, given.get("nbest", 1))} | given
    if given.get("method", "joint") != "joint" or "lm" in given or given.get("head"):
        own = {key: value for key, value in own.items() if key not in ("lm", "lm_weight")}
    if given.get("lm") == NONE and not Path(NONE).exists():
        del given["lm"]
        given.pop("lm_weight", None)
    if given.get("head") or given.get("lm") != NONE and any(name in given for name in JOINING):
        own.pop("method", None)
    if "beam" in own and "beam" not in given and given.get("nbest", 1) > own["beam"]:
        del own["beam"]
    options = DecodeOptions(**own | given)
    _check_heeded(options, given)
    return options


def _check_heeded(options: DecodeOptions, given: Mapping[str, Any]) -> None:
    """Raises VsrError bad_options for what is given and changes nothing; beam and nbest are what some verbs begin with,
    whatever the method is."""
    others = {} if options.head else unheeded(options.method)
    for name in given.keys() & others.keys() - {"beam", "nbest"}:
        if given[name] != getattr(DecodeOptions, name):
            problem = f"{name} works only with the method {others[name]}"
            raise VsrError(WRONG_USAGE, f"{problem}, and this model is searched by {options.method}")


def _checked(folder: Path, own: Any) -> dict[str, Any]:
    """The settings of a config, the language model by its path here."""
    if not isinstance(own, Mapping) or set(own) - set(KEYS):
        raise bad_model(folder, f'"decode" in its config can have {", ".join(KEYS)} only')
    own = dict(own)
    if name := own.get("lm"):
        if not isinstance(name, str) or PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise bad_model(folder, f'"lm" in its config is {name!r}: it must be a folder inside the model\'s')
        own["lm"] = str(folder / name)
    try:
        DecodeOptions(**own)
    except (VsrError, TypeError) as error:
        raise bad_model(folder, f'"decode" in its config makes no search: {error}') from error
    return own


def preferred_window(loaded: LoadedModel) -> int:
    """Frames of the clips that the model reads best: "window" (seconds) of its config, else 12 s. Raises VsrError
    bad_model."""
    window = loaded.config.get("window", WINDOW / FPS)
    if not isinstance(window, (int, float)) or not 1 <= window <= 60:
        raise VsrError("bad_model", f"{loaded.folder}: window is {window!r}; it must be 1 to 60 seconds")
    return round(window * FPS)
