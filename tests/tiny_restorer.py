"""A tiny restorer of random weights, and a reader of phonemes for it."""

import torch

from tests.tiny_llm import SIZES as LLAMA
from vsr.decoding.restorer import Restorer, RestorerSettings
from vsr.decoding.restorer_folder import build
from vsr.text.unit_tokenizers import UnitSettings, units_tokenizer

BART = {
    "model_type": "bart", "d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2,
    "decoder_attention_heads": 2, "encoder_ffn_dim": 24, "decoder_ffn_dim": 24, "max_position_embeddings": 64,
    "dropout": 0.0,
}  # fmt: skip
KINDS = {"causal": LLAMA, "encoder_decoder": BART}
PROMPTS = [["B L UW"], ["R EH D | N AW"], ["AH"]]
TEXTS = [["blue"], ["red", "now"], []]


def tiny(architecture):
    """A restorer from random weights."""
    torch.manual_seed(0)
    settings = RestorerSettings(architecture=architecture, sizes=KINDS[architecture])
    model, codec, licence = build(settings)
    return Restorer(model.eval(), codec, settings, licence)


def phonemes(folder):
    """A tokenizer of phonemes, of four words; its dictionary is written to the folder."""
    words = folder / "dictionary.txt"
    words.write_text("bin B IH N\nbin B IY N\nblue B L UW\nred R EH D\nread R EH D\n")
    return units_tokenizer(UnitSettings(dictionary=(str(words),)), ["bin blue red read"])
