"""Ranges of the numbers that a model can be built from, and their checks."""

from __future__ import annotations

from typing import Any

from vsr.core.errors import VsrError
from vsr.core.numbers import COUNT, NOT_NEGATIVE, POSITIVE, SHARE, Range, check_numbers

DROPPED = Range(least=0, below=1)
SIZES = (
    "frontend_width", "frontend_layers", "frontend_heads", "tubelet_frames", "tubelet_patch", "tubelet_downscale",
    "resnet_width", "dim", "heads", "hidden", "layers", "kernel", "decoder_hidden",
)  # fmt: skip
LIP_READER = dict.fromkeys(SIZES, COUNT) | {
    "vocab_size": NOT_NEGATIVE, "norm_eps": POSITIVE, "decoder_layers": NOT_NEGATIVE, "decoder_heads": NOT_NEGATIVE,
    "dropout": DROPPED, "attention_dropout": DROPPED,
    "ctc_weight": SHARE, "label_smoothing": DROPPED, "alignment_weight": NOT_NEGATIVE,
    "classes": NOT_NEGATIVE, "mixup": NOT_NEGATIVE,
}  # fmt: skip


def check_sizes(config: Any, **allowed: Range) -> None:
    """Check the numbers of a model's settings, and the width against the heads and the kernel, if it has them.

    Raises ValueError naming the setting.
    """
    try:
        check_numbers(config, "", "bad_config", **allowed)
    except VsrError as error:
        raise ValueError(str(error)) from error
    if hasattr(config, "heads") and hasattr(config, "dim"):
        check_heads("dim", config.dim, "heads", config.heads)
    if getattr(config, "kernel", 1) % 2 == 0:
        raise ValueError(f"kernel is {config.kernel}: it must be odd, as one without a middle would shift the frames")


def check_heads(name: str, width: int, name_of_heads: str, heads: int) -> None:
    """Raises ValueError if the width is no multiple of the heads, or is odd: positions are encoded in pairs."""
    if width % heads:
        raise ValueError(f"{name} is {width}: it must be a multiple of {name_of_heads}, {heads}")
    if width % 2:
        raise ValueError(f"{name} is {width}: it must be even")
