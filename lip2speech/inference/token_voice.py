"""A voice whose mel comes from a token model instead of the flow.

Shapes: B batch, T video frames, N = 2T steps of 50 Hz.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lip2speech.conditions.context import Context, pairs_and_mask
from lip2speech.inference.folder import LoadedVoice
from lip2speech.models.content import MELS_PER_UNIT, PAIR
from lip2speech.models.flow_options import FlowOptions
from lip2speech.models.generators import KnownCodes
from lip2speech.models.parts import load_part
from lip2speech.models.pull import TextPull
from lip2speech.models.token_lm import TokenLM
from lip2speech.models.token_model import TokenConfig, TokenModel
from lip2speech.models.token_options import GREEDY, TokenOptions
from lip2speech.models.voice import Speech, Voice
from vsr.core.artifacts import identify_folder
from vsr.core.errors import VsrError
from vsr.models.lengths import zero_padding

CONTEXT = "context"  # name of the condition that marks a gap


class TokenVoice:
    """A `Voice` whose mel comes from tokens; all other attributes are those of the wrapped voice.

    Args:
        voice: provides the content model.
        model: the token model, trained for this voice.
        options: of token decoding.
    """

    def __init__(self, voice: Voice, model: TokenModel, options: TokenOptions):
        self.voice, self.model, self.options = voice, model, options
        infills = isinstance(model.generator, TokenLM) and model.generator.settings.infill
        self.condition_settings: dict[str, Any] = {CONTEXT: Context()} if infills else {}

    def __getattr__(self, name: str):
        return getattr(self.voice, name)

    def speak(
        self, video: Tensor, lengths: Tensor, speaker: Tensor, options: FlowOptions, seeds: Sequence[int] | None = None,
        conditions: Mapping[str, Tensor] | None = None, pull: TextPull | None = None,
    ) -> Speech:  # fmt: skip
        """Mel and units of a batch of videos (B, T, 1, 88, 88); the rest as in `speak_features`."""
        return self.speak_features(self.voice.encode(video, lengths), lengths, speaker, options, seeds, conditions)

    @torch.inference_mode()
    def speak_features(
        self, visual: Tensor, lengths: Tensor, speaker: Tensor, options: FlowOptions,
        seeds: Sequence[int] | None = None, conditions: Mapping[str, Tensor] | None = None,
    ) -> Speech:  # fmt: skip
        """Mel and units of a batch, visual (B, T, 2D); a clip's result does not depend on the rest of the batch.
        ``conditions``: the context of a gap, if there is one."""
        content = self.voice.content(visual, lengths, speaker)
        condition = self.voice.condition(content)
        seeds = seeds or [self.options.seed] * len(visual)
        known_codes = [self._known_codes(context) for context in (conditions or {}).get(CONTEXT, ())] or None
        pairs = self.model.pairs(condition, content.mask, self.options, seeds, known_codes)
        pairs = zero_padding(pairs.float(), content.mask)
        return Speech(self.voice.to_mel(pairs), content.unit_logits.argmax(-1) * content.mask)

    def _known_codes(self, context: Tensor) -> KnownCodes | None:
        """The known codes around a gap, from its context (N, 161); None if the gap is all of the clip or empty."""
        mel, is_known = pairs_and_mask(context)
        if is_known.all() or not is_known.any():
            return None
        pairs = self.voice.normalise(mel.unflatten(1, (MELS_PER_UNIT, -1)).flatten(0, 1)[None])[0]
        return KnownCodes(self.model.codec.encode(pairs), is_known)


def with_tokens(loaded: LoadedVoice, folder: str | Path, options: TokenOptions) -> LoadedVoice:
    """The same voice with its mel from the token model of a folder.

    Raises VsrError bad_model for the token model of another voice, bad_options for unsupported options.
    """
    model, _ = load_part(folder, TokenModel, TokenConfig)
    config = loaded.voice.config
    width = config.dim + PAIR + max(1, config.units)
    if model.config.condition != width:
        problem = f"reads {model.config.condition} numbers a step, and this voice gives {width}"
        raise VsrError("bad_model", f"{folder}: the token model is of another voice: it {problem}")
    check_decoding(model, options)
    voice = TokenVoice(loaded.voice, model.to(loaded.voice.mel_mean.device), options)
    made_by = {"token model": identify_folder(folder)} | asdict(options)
    return replace(loaded, voice=voice, made_by=made_by)


def check_decoding(model: TokenModel, options: TokenOptions) -> None:
    """Refuse options that do not apply to this model. Raises VsrError bad_options."""
    generator = model.generator
    if not isinstance(generator, TokenLM):
        if options.decode != GREEDY or options.heads:
            raise VsrError(
                "bad_options", "--decode and --heads work only with a language model; this token model fills in masks"
            )
    elif options.heads > 1 + len(generator.ahead):
        raise VsrError("bad_options", f"--heads {options.heads}: this token model has {1 + len(generator.ahead)}")
