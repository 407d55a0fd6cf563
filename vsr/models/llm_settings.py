"""Settings of the head that writes text with a language model (`vsr.models.llm_head`)."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any

import numpy as np
import torch

from vsr.core.errors import VsrError
from vsr.core.numbers import COUNT, NOT_NEGATIVE
from vsr.data.manifest import Clip
from vsr.data.targets import TOKENS, Target
from vsr.models.heads import HeadSettings
from vsr.models.limits import DROPPED, check_sizes
from vsr.models.llm_head import LLMHead
from vsr.models.projectors import projector_of
from vsr.models.query_projector import WORDS
from vsr.models.registry import HEADS
from vsr.models.text_backbone import LoraSettings, config_of, load_hub_tokenizer, of_sizes
from vsr.text.hub_tokenizer import HubTokenizer
from vsr.text.normalise import lower

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
NOT_GIVEN = "a head of kind llm needs a backbone, a local folder or GGUF file, or sizes with which --dry-run builds it"


@HEADS.register("llm")
@dataclass(frozen=True)
class LLMHeadSettings(HeadSettings):
    """Settings of `LLMHead`; ``projector``: {kind: stack | strided | dedup | query, its settings}; ``lora``: rank (0:
    none), alpha, dropout, modules; ``sizes``: model_type and numbers of transformers' configuration, by default
    those of the backbone; ``sha256``: hashes of the backbone's files, which training fills in.
    """

    backbone: str = ""
    projector: Any = "stack"
    lora: dict[str, Any] = field(default_factory=dict)
    prompt: str = "Transcribe the speech."
    scaled: bool = True
    beams: int = 4
    dtype: str = "float32"
    sizes: dict[str, Any] = field(default_factory=dict)
    sha256: dict[str, str] = field(default_factory=dict)

    def __post_init__(self):
        check_sizes(self, beams=COUNT)
        if not self.backbone and not self.sizes:
            raise ValueError(NOT_GIVEN)
        if self.dtype not in DTYPES:
            raise ValueError(f"dtype is '{self.dtype}'; it can be {' or '.join(DTYPES)}")
        projector_of(self.projector)
        self.adapters()

    def adapters(self) -> LoraSettings:
        """``lora`` as `LoraSettings`. Raises ValueError."""
        if unknown := sorted(set(self.lora) - {setting.name for setting in fields(LoraSettings)}):
            raise ValueError(f"lora has no setting '{unknown[0]}'")
        settings: dict[str, Any] = {
            name: tuple(value) if name == "modules" else value for name, value in self.lora.items()
        }
        lora = LoraSettings(**settings)
        check_sizes(lora, rank=NOT_NEGATIVE, dropout=DROPPED)
        return lora

    def tokenizer(self, shared: Any) -> HubTokenizer:
        """The tokenizer of the language model, which is opened when it is first used."""
        if not self.backbone:
            return HubTokenizer(_absent, int(self.sizes.get("vocab_size", 0)))
        return HubTokenizer(partial(load_hub_tokenizer, self.backbone), int(self.sizes.get("vocab_size", 0)))

    def targets(self, clip: Clip, frames: int, tokenizer: HubTokenizer) -> dict[str, Target]:
        """``tokens`` (U,) of the text without the end, and ``words`` (1,), the number of its words."""
        tokens = np.array(tokenizer.encode(clip.text), dtype=np.int64)
        return {TOKENS: Target(tokens), WORDS: Target(np.array([len(lower(clip.text).split())]))}

    def build(self, dim: int, vocab_size: int) -> LLMHead:
        sizes = self.sizes or config_of(self.backbone).to_dict()
        with torch.device("meta"):
            llm = of_sizes(sizes)
        width = llm.get_input_embeddings().weight.shape[1]
        return LLMHead(
            projector_of(self.projector).build(dim, width), llm, self.adapters(), self.tokenizer(None), self.backbone,
            dict(self.sha256), self.prompt, self.scaled, self.beams, DTYPES[self.dtype],
        )  # fmt: skip


def _absent() -> Any:
    """Stands for the tokenizer where there is no backbone."""
    raise VsrError("bad_config", NOT_GIVEN)
