"""Imports ESPnet's transformer language models, which some published models have (`vsr4ml`, `raven`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from vsr.core.errors import VsrError
from vsr.models.language import LanguageModel, LanguageModelConfig
from vsr.models.uninitialised import uninitialised
from vsr.modelstore.importers.mapping import Table, convert, count, dimension_of

PREFIX = "predictor."  # of ESPnet's training wrapper
OLDER = ((".norm1.", ".norm_mha."), (".norm2.", ".norm_ff."))
UNUSED = (r".*\.pe",)  # positional encodings, which older versions stored
EPSILON = 1e-12
LAYER = "encoder.encoders.{}."
ATTENTION = (("query", "linear_q"), ("key", "linear_k"), ("value", "linear_v"), ("out", "linear_out"))
TABLE: Table = [
    ("embed.", "embed."),
    ("enter.0.", "encoder.embed.0."),
    ("enter.1.", "encoder.embed.1."),
    ("layers.{}.norm_attention.", LAYER + "norm_mha."),
    *((f"layers.{{}}.attention.{a}.", f"{LAYER}self_attn.{b}.") for a, b in ATTENTION),
    ("layers.{}.feed_forward.0.", LAYER + "norm_ff."),
    ("layers.{}.feed_forward.1.", LAYER + "feed_forward.w_1."),
    ("layers.{}.feed_forward.4.", LAYER + "feed_forward.w_2."),
    ("norm.", "encoder.after_norm."),
    ("out.", "decoder."),
]


def build(weights: Mapping[str, Tensor], settings: Mapping[str, Any]) -> LanguageModel:
    """The language model that a checkpoint's tensors and its model.json describe.

    Raises:
        VsrError: bad_model naming the first tensor or setting that does not fit.
    """
    weights = renamed(weights)
    config = sizes(weights, settings)
    with uninitialised(memory=False):
        model = LanguageModel(config)
    model.load_state_dict(convert(weights, model.state_dict(), TABLE, UNUSED), assign=True)
    return model.eval()


def renamed(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under the newest names."""
    names = {}
    for name, tensor in weights.items():
        name = name.removeprefix(PREFIX)
        for old, new in OLDER:
            name = name.replace(old, new)
        names[name] = tensor
    return names


def sizes(weights: Mapping[str, Tensor], settings: Mapping[str, Any]) -> LanguageModelConfig:
    """The config of a language model with these tensors; heads and positions come from the settings.

    Raises VsrError bad_model.
    """
    if "embed.weight" not in weights or count(weights, LAYER) == 0:
        raise VsrError("bad_model", "not a transformer language model of ESPnet: other kinds cannot be imported")
    heads, positions = settings.get("head"), settings.get("pos_enc", "sinusoidal")
    if not isinstance(heads, int) or positions not in ("sinusoidal", "none"):
        problem = f"head {heads!r} and pos_enc {positions!r}"
        raise VsrError("bad_model", f"the settings of the language model say {problem}: no model can be made of that")
    try:
        return LanguageModelConfig(
            vocab_size=dimension_of(weights, "embed.weight", 0),
            embed_dim=dimension_of(weights, "embed.weight", 1),
            dim=dimension_of(weights, "encoder.embed.0.weight", 0),
            heads=heads,
            hidden=dimension_of(weights, LAYER.format(0) + "feed_forward.w_1.weight", 0),
            layers=count(weights, LAYER),
            positions=positions == "sinusoidal",
            activation="relu",
            norm_eps=EPSILON,
        )
    except ValueError as error:
        raise VsrError("bad_model", f"the sizes of its tensors make no model: {error}") from error
