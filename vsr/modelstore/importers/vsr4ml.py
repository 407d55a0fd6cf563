"""Imperial's zoo (Visual Speech Recognition for Multiple Languages, Ma et al. 2022, 2023): `model.pth`, `model.json`.

The networks are those of `vsr.modelstore.importers.auto_avsr`, with the older names; `model.json` has what the tensors
do not show: how attention encodes distances, and the letters of the head. `LRS3_V_WER19.1` writes pieces, the others
letters.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from vsr.core.errors import VsrError, cause_of, one_line
from vsr.models.lipreader import LipReader
from vsr.modelstore.importers import auto_avsr, auto_avsr_streams
from vsr.text.tokenizer import SPACE, ListTokenizer, SentencePieceTokenizer

LICENCE = (
    "Imperial College's zoo is for individual research, private study and comparison only, not for commercial use:\n"
    "https://github.com/mpc001/Visual_Speech_Recognition_for_Multiple_Languages/blob/master/LICENSE"
)
DECODE = {"beam": 40, "ctc_weight": 0.1}  # common to its English configurations
LM_WEIGHT = 0.3
# Settings common to the published models, which the tensors do not show; None: not stated, which means the same.
EXPECTED = {
    "transformer_input_layer": ("conv3d", "conv1d"),
    "relu_type": ("swish", None),
    "macaron_style": (True, 1),
    "use_cnn_module": (True, 1),
    "zero_triu": (False, 0, None),
}
AUXILIARY = "aux_"  # prefix of the settings of the sound encoder, beside those of lips
POSITIONS = {"rel_mha": "relative", "legacy_rel_mha": "legacy"}


def read_settings(path: str | Path) -> dict[str, Any]:
    """`model.json`: a dictionary of settings, or ESPnet's list of input size, output size and settings.

    Raises VsrError (bad_model).
    """
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise VsrError("bad_model", f"{path}: {cause_of(error, one_line(error))}") from error
    settings = value[2] if isinstance(value, list) and len(value) == 3 else value
    if not isinstance(settings, dict):
        raise VsrError("bad_model", f"{path} holds no settings of a model")
    return settings


def build(weights: Mapping[str, Tensor], settings: Mapping[str, Any]) -> LipReader:
    """The model for lips, sound or both that a checkpoint's tensors and settings describe.

    Raises:
        VsrError: bad_model naming the first tensor or setting that does not fit.
    """
    both = f"{AUXILIARY}transformer_input_layer" in settings
    for prefix in ("", AUXILIARY) if both else ("",):
        for name, values in EXPECTED.items():
            value = settings.get(prefix + name)
            if value not in values:
                raise VsrError("bad_model", f"its setting {prefix}{name} is {value!r}; only {values[0]!r} is known")
    auxiliary = POSITIONS[_attention(settings, AUXILIARY)] if both else "relative"
    return auto_avsr_streams.build(weights, positions_of(settings), auxiliary)


def positions_of(settings: Mapping[str, Any]) -> str:
    """How its attention encodes distances; before `rel_pos_type` existed, there was only the legacy way."""
    kind = _attention(settings)
    return "legacy" if kind == "rel_mha" and settings.get("rel_pos_type") is None else POSITIONS[kind]


def _attention(settings: Mapping[str, Any], prefix: str = "") -> str:
    kind = settings.get(f"{prefix}transformer_encoder_attn_layer_type")
    if kind not in POSITIONS:
        raise VsrError("bad_model", f"its attention is {kind!r}; known are {', '.join(POSITIONS)}")
    return kind


def read_tokenizer(
    settings: Mapping[str, Any], model: str | Path | None, units: str | Path | None
) -> ListTokenizer | SentencePieceTokenizer:
    """The tokenizer: from `char_list`, or for pieces from the list of units, with the SentencePiece file if given.

    Raises VsrError (bad_model, bad_options).
    """
    kind = settings.get("labels_type", "char")
    if kind == "char":
        return letters(settings.get("char_list"))
    if model is not None:
        return auto_avsr.read_tokenizer(model, units)
    if units is None:
        raise VsrError("bad_options", f"this model writes {kind}: give --units {kind}_units.txt")
    return listed_tokenizer(Path(units))


def listed_tokenizer(units: Path) -> ListTokenizer:
    """The tokenizer of a list of units, without a SentencePiece file. Raises VsrError (bad_model)."""
    try:
        lines = units.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise VsrError("bad_model", f"{units}: {cause_of(error, 'not UTF-8 text')}") from error
    pieces = auto_avsr.listed_units(lines, units)
    return ListTokenizer(pieces, case_of(pieces))


def letters(units: Any) -> ListTokenizer:
    """`char_list`, from <blank> and <unk> to <eos>, as a tokenizer. Raises VsrError bad_model."""
    if not isinstance(units, list) or len(units) < 4 or not all(isinstance(unit, str) for unit in units):
        raise VsrError("bad_model", "its settings hold no char_list")
    if (units[0], units[1], units[-1]) != ("<blank>", "<unk>", "<eos>"):
        raise VsrError("bad_model", f"its char_list begins with {units[:2]} and ends with {units[-1]!r}")
    units = [SPACE if unit in ("<space>", SPACE) else unit for unit in units[2:-1]]
    units = ["" if unit.startswith("<") and unit.endswith(">") else unit for unit in units]  # noises: never written
    return ListTokenizer(units, case_of(units))


def case_of(units: list[str]) -> str:
    """Whether the letters are "upper" or "lower" case; "" for a script without case."""
    text = "".join(units)
    if text == text.lower() and text == text.upper():
        return ""
    return "upper" if text.upper() == text else "lower"
