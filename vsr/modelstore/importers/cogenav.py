"""CoGenAV's encoder (Bai et al. 2025): AV-HuBERT's, with Whisper's log-mel for sound. It reads lips, sound or both.

Published beside it are layers that adapt its states, at twice their rate, to a frozen Whisper which writes the text;
these are not imported: what comes of it is an encoder alone, to encode with and to train heads on.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from vsr.core.errors import VsrError
from vsr.models.lipreader import LipReader
from vsr.modelstore.importers import av_hubert
from vsr.modelstore.importers.mapping import Table, side

LICENCE = (
    "CoGenAV's publisher names no licence for its weights. They were trained on LRS2, whose terms allow research\n"
    "only: ask before you use them, see https://huggingface.co/detao/CoGenAV."
)
INSIDE = "encoder."  # before the names of its encoder
UNUSED = (r"upsampler\..*", r"adapter\..*")  # on the way to Whisper
SOUND: Table = [
    ("frontend.streams.sound.conv1.", av_hubert.HEARD + "conv1."),
    ("frontend.streams.sound.conv2.", av_hubert.HEARD + "conv2."),
]
HEAD = 64  # width of an attention head, in both published sizes
RAW = (768,)  # widths of models that saw pixels from 0 to 1: the base one


def build(weights: Mapping[str, Tensor], head: int = HEAD) -> LipReader:
    """The encoder in a checkpoint; ``head``: the width of an attention head, which the tensors do not say.

    Raises:
        VsrError: bad_model naming the first tensor that does not belong.
    """
    name = f"{av_hubert.HEARD}conv2.weight"
    if INSIDE + name not in weights:
        raise VsrError("bad_model", f"not a model of CoGenAV: it has no '{INSIDE}{name}'")
    own = {other.removeprefix(INSIDE): tensor for other, tensor in weights.items()}
    dim = side(own, name, 0)
    if dim % head:
        raise VsrError("bad_model", f"{INSIDE + name!r} makes {dim} channels, which no heads of {head} share")
    kind = "raw_resnet3d" if dim in RAW else "resnet3d"
    return av_hubert.hearing_model(own, {"encoder_attention_heads": dim // head}, kind, "whisper_mel", SOUND, UNUSED)
