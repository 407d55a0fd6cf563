"""Whisper-Flamingo (Rouditchenko et al. 2024): Whisper's decoder attends to states of a lip reader through gates.

The gates start closed. Whisper is borrowed (`vsr.models.borrowed`) and frozen: the gates and their layers are trained,
and the lip reader unless it is frozen. The front end `LipsAndWhisper` concatenates states of lips and of Whisper's
encoder, the encoder "none" passes them on, and the head `FlamingoHead` splits them.

Shapes: B clips, T video frames, M width of the lip states, H of Whisper, D = M + 2 H, U tokens with the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vsr.core.clock import UNITS_PER_FRAME
from vsr.data.modalities import SOUND, VIDEO
from vsr.models.borrowed import Borrower
from vsr.models.foundation import whisper_input
from vsr.models.gated import Gate, Gated
from vsr.models.lengths import zero_padding
from vsr.models.streams import Inputs, streams_of
from vsr.models.whisper_head import WhisperHead, loaded_whisper
from vsr.text.hub_tokenizer import HubTokenizer
from vsr.text.hypothesis import Hypothesis


class LipsAndWhisper(Borrower):
    """Streams, mask (B, T) -> (B, T, M + 2 H): lip states, and two states of Whisper's encoder per frame.

    The states of a stream that a clip lacks are zero.
    """

    def __init__(
        self, frontend: nn.Module, encoder: nn.Module, lips: int, whisper: Any, backbone: str, hashes: dict[str, str]
    ):  # fmt: skip
        super().__init__()
        self.frontend, self.encoder, self.lips = frontend, encoder, lips
        self.whisper, self.backbone, self.hashes = whisper.model.encoder.requires_grad_(False), backbone, hashes

    def borrowed(self, name: str) -> bool:
        """Whether a tensor is of Whisper."""
        return name.startswith("whisper.")

    def borrow(self) -> str:
        """Load Whisper's weights. Raises VsrError."""
        whisper, licence = loaded_whisper(self.backbone, self.hashes, self.whisper.config.d_model)
        self.whisper = whisper.model.encoder
        return f"Whisper of {self.backbone}: licence {licence}"

    def train(self, mode: bool = True) -> LipsAndWhisper:
        """Training mode, except for Whisper."""
        super().train(mode)
        self.whisper.eval()
        return self

    def forward(self, inputs: Inputs, mask: Tensor) -> Tensor:
        streams = streams_of(inputs)
        width = self.whisper.config.d_model
        lips = speech = None
        if (video := streams.inputs.get(VIDEO)) is not None:
            has_video = mask & streams.has(VIDEO, len(mask), mask.device)[:, None]
            lips = zero_padding(self.encoder(self.frontend(zero_padding(video, has_video), mask), mask), has_video)
        if (sound := streams.inputs.get(SOUND)) is not None:
            speech = zero_padding(self.heard(sound, mask), mask & streams.has(SOUND, len(mask), mask.device)[:, None])
        like = next(x for x in (lips, speech) if x is not None)
        lips = like.new_zeros(*mask.shape, self.lips) if lips is None else lips
        return torch.cat([lips, like.new_zeros(*mask.shape, 2 * width) if speech is None else speech], -1)

    @torch.no_grad()
    def heard(self, sound: Tensor, mask: Tensor) -> Tensor:
        """Sound (B, T, 640) -> states of Whisper's encoder (B, T, 2 H); each clip is encoded alone, padded to 30 s."""
        clips = []
        for wave, frames in zip(sound, mask.sum(1).tolist(), strict=True):
            states = self.whisper(whisper_input(wave[:frames].reshape(-1), self.whisper.config.num_mel_bins))
            clip_states = states.last_hidden_state[0, : frames * UNITS_PER_FRAME]
            clips.append(F.pad(clip_states, (0, 0, 0, UNITS_PER_FRAME * (len(wave) - frames))))
        return torch.stack(clips).unflatten(1, (-1, UNITS_PER_FRAME)).flatten(2)


class FlamingoHead(WhisperHead):
    """States (B, T, M + 2 H) -> text by Whisper's decoder, with a gate to the lips before each of its layers.

    Args:
        whisper: of transformers, on the device "meta" until it is borrowed.
        dim: D.
        hidden: width of the gates' feed-forward networks.
        tokenizer, prefix, backbone, hashes, beams: as in `WhisperHead`.
    """

    learns = "text by Whisper's decoder, whose layers look at the lips through gates"

    def __init__(
        self, whisper: Any, dim: int, hidden: int, tokenizer: HubTokenizer, prefix: Sequence[str], backbone: str,
        hashes: dict[str, str], beams: int,
    ):  # fmt: skip
        super().__init__(tokenizer, prefix, backbone, hashes, beams)
        width, heads = whisper.config.d_model, whisper.config.decoder_attention_heads
        self.lips = dim - UNITS_PER_FRAME * width
        if self.lips < 1:
            raise ValueError(f"dim is {dim}: it must be the width of the lips and twice Whisper's, {2 * width}")
        self.shared: dict[str, Tensor] = {}
        count = len(whisper.model.decoder.layers)
        self.gates = nn.ModuleList(Gate(width, self.lips, heads, hidden or 4 * width) for _ in range(count))
        self._gate(whisper)

    def _gate(self, whisper: Any) -> None:
        """Set ``whisper``, with a gate before each layer of its decoder."""
        layers = whisper.requires_grad_(False).model.decoder.layers
        whisper.model.decoder.layers = nn.ModuleList(
            Gated(layer, gate, self.shared) for layer, gate in zip(layers, self.gates, strict=True)
        )
        whisper.model.encoder = nn.Identity()  # it is in the front end
        self.whisper = whisper

    def borrow(self) -> str:
        """Load Whisper's weights. Raises VsrError."""
        whisper, licence = loaded_whisper(self.backbone, self.hashes, self.whisper.config.d_model)
        self._gate(whisper)
        return f"Whisper's decoder of {self.backbone}: licence {licence}"

    def parts(self, states: Tensor, length: int) -> tuple[Tensor, Tensor]:
        """States (T, D) of one clip -> lip states for the gates (1, T, M), states of Whisper's encoder (1, 2 T, H)."""
        real = states[None, :length]
        return real[..., : self.lips], real[..., self.lips :].unflatten(-1, (UNITS_PER_FRAME, -1)).flatten(1, 2)

    def logits(self, states: Tensor, length: int, text: Sequence[int]) -> Tensor:
        """States (T, D) of one clip -> logits (U, V) of the tokens of a text and of its end."""
        begin, (lips, whisper_states) = self.begin(), self.parts(states, length)
        tokens = torch.tensor([[*begin, *text]], device=states.device)
        with self._attend_to(lips):
            logits = self.whisper(encoder_outputs=(whisper_states,), decoder_input_ids=tokens, use_cache=False).logits
        return logits[0, len(begin) - 1 :]

    @contextmanager
    def _attend_to(self, lips: Tensor) -> Iterator[None]:
        """Context in which the gates attend to ``lips`` (1, T, M)."""
        self.shared["memory"] = lips
        try:
            yield
        finally:
            self.shared.clear()

    def search(self, states: Tensor, lengths: Tensor, nbest: int = 1) -> list[list[Hypothesis]]:
        """Beam search by the decoder; scores are natural log-probabilities of the text and its end."""
        return [
            self._search(clip_states, length, nbest)
            for clip_states, length in zip(states, lengths.tolist(), strict=True)
        ]

    def _search(self, states: Tensor, length: int, nbest: int) -> list[Hypothesis]:
        from transformers import GenerationConfig, GenerationMixin
        from transformers.modeling_outputs import BaseModelOutput

        begin, end, beams = self.begin(), self.tokenizer.eos_id, max(self.beams, nbest, 2)
        lips, whisper_states = self.parts(states, length)
        max_tokens = min(12 + length, self.whisper.config.max_target_positions - len(begin) - 1)
        options = GenerationConfig(
            num_beams=beams, num_return_sequences=nbest, do_sample=False, length_penalty=0.0, max_new_tokens=max_tokens,
            eos_token_id=end, pad_token_id=end, decoder_start_token_id=begin[0], bos_token_id=begin[0],
            return_dict_in_generate=True, output_scores=True,
        )  # fmt: skip
        prompt = {"decoder_input_ids": torch.tensor([begin], device=states.device)}
        with self._attend_to(lips):
            output = GenerationMixin.generate(
                self.whisper, generation_config=options, encoder_outputs=BaseModelOutput(whisper_states), **prompt
            )
        hypotheses = zip(output.sequences[:, len(begin) :].tolist(), output.sequences_scores.tolist(), strict=True)
        return [
            Hypothesis(tuple(tokens[: tokens.index(end)] if end in tokens else tokens), score)
            for tokens, score in hypotheses
        ]
