"""Base of heads that write text with Whisper's decoder: the borrowed Whisper, its prompt, its tokenizer and the loss.

Shapes: B clips, T frames, D width of the states, U tokens with the end, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vsr.core.errors import VsrError
from vsr.core.numbers import COUNT
from vsr.core.tokens import IGNORE
from vsr.data.batch import Batch
from vsr.data.manifest import Clip
from vsr.data.targets import TOKENS, Target
from vsr.models.borrowed import Borrower, check_hashes
from vsr.models.heads import HeadSettings
from vsr.models.limits import check_sizes
from vsr.models.text_backbone import config_of, load_backbone, load_hub_tokenizer, of_sizes
from vsr.text.hub_tokenizer import HubTokenizer

WHISPER = "AutoModelForSpeechSeq2Seq"
NOT_GIVEN = "Whisper needs a backbone, its local folder, or sizes with which --dry-run builds it"
PREFIX = ("<|startoftranscript|>", "<|en|>", "<|transcribe|>", "<|notimestamps|>")


def loaded_whisper(backbone: str, hashes: dict[str, str], width: int) -> tuple[Any, str]:
    """The Whisper of a folder, frozen, and its licence. Raises VsrError bad_model, missing_package, bad_config for a
    different width."""
    check_hashes(backbone, hashes)
    _, whisper, licence = load_backbone(backbone, WHISPER)
    if whisper.config.d_model != width:
        raise VsrError("bad_config", f"{backbone} is {whisper.config.d_model} wide, and the settings say {width}")
    return whisper.requires_grad_(False), licence


def whisper_sizes(backbone: str, sizes: dict[str, Any]) -> dict[str, Any]:
    """``sizes``, or those of the backbone's configuration. Raises VsrError, bad_config if they are not of a Whisper."""
    settings = dict(sizes or config_of(backbone).to_dict())
    if settings.get("model_type") != "whisper":
        source = backbone or "sizes"
        raise VsrError("bad_config", f"{source}: a model of type {settings.get('model_type')}, and no Whisper")
    return settings


def whisper_on_meta(backbone: str, sizes: dict[str, Any]) -> Any:
    """A Whisper of ``sizes``, or of those of the backbone, without weights. Raises VsrError."""
    settings = whisper_sizes(backbone, sizes)
    with torch.device("meta"):
        return of_sizes(settings, WHISPER)


class WhisperHead(Borrower):
    """States (B, T, D) -> text by a Whisper's decoder. Subclasses define ``logits`` and ``search``.

    Args:
        tokenizer: Whisper's.
        prefix: tokens, by name, with which its decoder begins; empty: the start token of its configuration.
        backbone, hashes: path of its weights, and their expected SHA-256.
        beams: beam width of the search.
    """

    counted = "tokens"
    whisper: Any

    def __init__(
        self, tokenizer: HubTokenizer, prefix: Sequence[str], backbone: str, hashes: dict[str, str], beams: int
    ):
        super().__init__()
        self.tokenizer, self.prefix, self.beams = tokenizer, tuple(prefix), beams
        self.backbone, self.hashes = backbone, hashes

    def borrowed(self, name: str) -> bool:
        """Whether a tensor is of Whisper."""
        return name.startswith("whisper.")

    def train(self, mode: bool = True) -> WhisperHead:
        """Training mode, except for Whisper."""
        super().train(mode)
        self.whisper.eval()
        return self

    def begin(self) -> list[int]:
        """Token ids of the prefix. Raises VsrError bad_config for a token that the tokenizer does not have."""
        vocabulary = self.tokenizer.own.get_vocab()
        if missing := [token for token in self.prefix if token not in vocabulary]:
            raise VsrError("bad_config", f"prefix has {missing[0]}, which is no token of {self.backbone}")
        return [vocabulary[token] for token in self.prefix] or [int(self.whisper.config.decoder_start_token_id)]

    def logits(self, states: Tensor, length: int, text: Sequence[int]) -> Tensor:
        """States (T, D) of one clip -> logits (U, V) of the tokens of a text and of its end."""
        raise NotImplementedError

    def loss(self, states: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy of the tokens and ends, and ``accuracy``; clips go through the decoder one by one, as it has no
        mask for padding."""
        clip_logits, targets = [], []
        for clip_states, length, tokens in zip(states, batch.lengths.tolist(), batch.tokens, strict=True):
            text = tokens[tokens != IGNORE].tolist()
            clip_logits.append(self.logits(clip_states, length, text))
            targets += [*text, self.tokenizer.eos_id]
        logits, labels = torch.cat(clip_logits).float(), torch.tensor(targets, device=states.device)
        return {"loss": F.cross_entropy(logits, labels), "accuracy": (logits.argmax(-1) == labels).float().mean()}


@dataclass(frozen=True)
class WhisperHeadSettings(HeadSettings):
    """Settings of `WhisperHead`; ``backbone``: Whisper's folder; ``sizes``: by default those of the backbone;
    ``sha256``: hashes of its files, which training fills in."""

    backbone: str = ""
    prefix: tuple[str, ...] = PREFIX
    beams: int = 4
    sizes: dict[str, Any] = field(default_factory=dict)
    sha256: dict[str, str] = field(default_factory=dict)

    def __post_init__(self):
        object.__setattr__(self, "prefix", tuple(self.prefix))
        check_sizes(self, beams=COUNT)
        if not self.backbone and not self.sizes:
            raise ValueError(NOT_GIVEN)

    def tokenizer(self, shared: Any) -> HubTokenizer:
        """Whisper's tokenizer, which is opened when it is first used."""
        return HubTokenizer(partial(load_hub_tokenizer, self.backbone), int(self.sizes.get("vocab_size", 0)))

    def targets(self, clip: Clip, frames: int, tokenizer: HubTokenizer) -> dict[str, Target]:
        """``tokens`` (U,) of the text without the end."""
        return {TOKENS: Target(np.array(tokenizer.encode(clip.text), dtype=np.int64))}
