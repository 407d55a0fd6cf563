"""The numbers that a model can be built from."""

from __future__ import annotations

from typing import Any

from vsr.errors import VsrError
from vsr.numbers import COUNT, NOT_NEGATIVE, POSITIVE, SHARE, Range, check_numbers

DROPPED = Range(least=0, below=1)
SIZES = (
    "frontend_width", "frontend_layers", "frontend_heads", "tubelet_frames", "tubelet_patch", "tubelet_downscale",
    "resnet_width", "dim", "heads", "hidden", "layers", "kernel", "decoder_hidden",
)  # fmt: skip
LIP_READER = dict.fromkeys(SIZES, COUNT) | {
    "vocab_size": NOT_NEGATIVE, "norm_eps": POSITIVE, "decoder_layers": NOT_NEGATIVE, "decoder_heads": NOT_NEGATIVE,
    "dropout": DROPPED, "ctc_weight": SHARE, "label_smoothing": DROPPED, "alignment_weight": NOT_NEGATIVE,
    "classes": NOT_NEGATIVE, "mixup": NOT_NEGATIVE,
}  # fmt: skip


def check_sizes(config: Any, **allowed: Range) -> None:
    """Check the numbers of a model's settings, and the width against the heads, and the kernel.

    Raises VsrError bad_config.
    """
    check_numbers(config, "model.", **allowed)
    check_heads("model.dim", config.dim, "model.heads", config.heads)
    check_kernel(getattr(config, "kernel", 1))


def check_kernel(kernel: int) -> None:
    """Raises VsrError bad_config for a kernel without a middle, which would shift the frames."""
    if kernel % 2 == 0:
        raise VsrError("bad_config", f"model.kernel is {kernel}: it must be odd")


def check_heads(name: str, width: int, name_of_heads: str, heads: int) -> None:
    """Raises VsrError bad_config where heads do not share a width evenly, or it is odd: a position is told in pairs."""
    if width % heads:
        raise VsrError("bad_config", f"{name} is {width}: it must be a multiple of {name_of_heads}, {heads}")
    if width % 2:
        raise VsrError("bad_config", f"{name} is {width}: it must be even")
