"""What heads that write by Whisper's decoder share: the borrowed Whisper, its prompt, its tokenizer and the loss.

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
    """A folder's Whisper, which is not trained, and its licence. Raises VsrError bad_model, missing_package,
    bad_config for one of another width."""
    check_hashes(backbone, hashes)
    _, whisper, licence = load_backbone(backbone, WHISPER)
    if whisper.config.d_model != width:
        raise VsrError("bad_config", f"{backbone} is {whisper.config.d_model} wide, and the settings say {width}")
    return whisper.requires_grad_(False), licence


def whisper_sizes(backbone: str, sizes: dict[str, Any]) -> dict[str, Any]:
    """``sizes``, else those of a folder's configuration. Raises VsrError, bad_config where they are of no Whisper."""
    known = dict(sizes or config_of(backbone).to_dict())
    if known.get("model_type") != "whisper":
        named = backbone or "sizes"
        raise VsrError("bad_config", f"{named}: a model of type {known.get('model_type')}, and no Whisper")
    return known


def whisper_on_meta(backbone: str, sizes: dict[str, Any]) -> Any:
    """A Whisper of such sizes, or of a folder's, without weights. Raises VsrError."""
    known = whisper_sizes(backbone, sizes)
    with torch.device("meta"):
        return of_sizes(known, WHISPER)


class WhisperHead(Borrower):
    """States (B, T, D) -> text by a Whisper's decoder. A kind says what its decoder reads (``logits``) and searches.

    Args:
        tokenizer: Whisper's.
        prefix: tokens, by name, with which its decoder begins; none: its configuration's one.
        backbone, hashes: where its weights are, and what they must be.
        beams: of the search.
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
        """All of Whisper."""
        return name.startswith("whisper.")

    def train(self, mode: bool = True) -> WhisperHead:
        """Training mode, but for Whisper."""
        super().train(mode)
        self.whisper.eval()
        return self

    def begin(self) -> list[int]:
        """Tokens of the prefix. Raises VsrError bad_config for one that the tokenizer does not have."""
        known = self.tokenizer.own.get_vocab()
        if lacking := [own for own in self.prefix if own not in known]:
            raise VsrError("bad_config", f"prefix has {lacking[0]}, which is no token of {self.backbone}")
        return [known[own] for own in self.prefix] or [int(self.whisper.config.decoder_start_token_id)]

    def logits(self, states: Tensor, length: int, text: Sequence[int]) -> Tensor:
        """States (T, D) of one clip -> logits (U, V) of the tokens of a text and of its end."""
        raise NotImplementedError

    def loss(self, states: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy of the tokens and ends, and ``accuracy``; each clip goes through the decoder by itself, which
        has no mask for padding."""
        each, wanted = [], []
        for own, length, tokens in zip(states, batch.lengths.tolist(), batch.tokens, strict=True):
            text = tokens[tokens != IGNORE].tolist()
            each.append(self.logits(own, length, text))
            wanted += [*text, self.tokenizer.eos_id]
        logits, labels = torch.cat(each).float(), torch.tensor(wanted, device=states.device)
        return {"loss": F.cross_entropy(logits, labels), "accuracy": (logits.argmax(-1) == labels).float().mean()}


@dataclass(frozen=True)
class WhisperHeadSettings(HeadSettings):
    """As `WhisperHead`; ``backbone``: Whisper's folder, whose ``sizes`` are read from it where they are not given, and
    whose ``sha256`` training fills in."""

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
        """Whisper's own, which is opened when it is needed."""
        return HubTokenizer(partial(load_hub_tokenizer, self.backbone), int(self.sizes.get("vocab_size", 0)))

    def targets(self, clip: Clip, frames: int, tokenizer: HubTokenizer) -> dict[str, Target]:
        """``tokens`` (U,) of the text without its end."""
        return {TOKENS: Target(np.array(tokenizer.encode(clip.text), dtype=np.int64))}
