"""Whisper with lips: its decoder attends to states of a lip reader through gates that start closed.

Whisper-Flamingo (Rouditchenko et al. 2024). Whisper is borrowed (`vsr.models.borrowed`) and stays as it is: what is
trained are the gates and the layers behind them, and the reader of lips where it is not frozen. The front end
`LipsAndWhisper` puts states of lips and of Whisper's encoder side by side, the encoder "none" leaves them so, and the
head `FlamingoHead` takes them apart.

Shapes: B clips, T video frames, M width of the lips, H of Whisper, D = M + 2 H, U tokens with the end.
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
from vsr.models.streams import Given, streams_of
from vsr.models.whisper_head import WhisperHead, loaded_whisper
from vsr.text.hub_tokenizer import HubTokenizer
from vsr.text.hypothesis import Hypothesis


class LipsAndWhisper(Borrower):
    """Streams, mask (B, T) -> (B, T, M + 2 H): states of lips, then two of Whisper's encoder a frame, side by side.

    A clip without one of the streams has zeros in its place.
    """

    def __init__(
        self, frontend: nn.Module, encoder: nn.Module, lips: int, whisper: Any, backbone: str, hashes: dict[str, str]
    ):  # fmt: skip
        super().__init__()
        self.frontend, self.encoder, self.lips = frontend, encoder, lips
        self.whisper, self.backbone, self.hashes = whisper.model.encoder.requires_grad_(False), backbone, hashes

    def borrowed(self, name: str) -> bool:
        """All of Whisper."""
        return name.startswith("whisper.")

    def borrow(self) -> str:
        """Put its weights into place. Raises VsrError."""
        whisper, licence = loaded_whisper(self.backbone, self.hashes, self.whisper.config.d_model)
        self.whisper = whisper.model.encoder
        return f"Whisper of {self.backbone}: licence {licence}"

    def train(self, mode: bool = True) -> LipsAndWhisper:
        """Training mode, but for Whisper."""
        super().train(mode)
        self.whisper.eval()
        return self

    def forward(self, given: Given, mask: Tensor) -> Tensor:
        streams = streams_of(given)
        width = self.whisper.config.d_model
        lips = heard = None
        if (video := streams.inputs.get(VIDEO)) is not None:
            there = mask & streams.has(VIDEO, len(mask), mask.device)[:, None]
            lips = zero_padding(self.encoder(self.frontend(zero_padding(video, there), mask), mask), there)
        if (sound := streams.inputs.get(SOUND)) is not None:
            heard = zero_padding(self.heard(sound, mask), mask & streams.has(SOUND, len(mask), mask.device)[:, None])
        some = next(own for own in (lips, heard) if own is not None)
        lips = some.new_zeros(*mask.shape, self.lips) if lips is None else lips
        return torch.cat([lips, some.new_zeros(*mask.shape, 2 * width) if heard is None else heard], -1)

    @torch.no_grad()
    def heard(self, sound: Tensor, mask: Tensor) -> Tensor:
        """Sound (B, T, 640) -> states of Whisper's encoder (B, T, 2 H); each clip alone, in its own 30 s."""
        each = []
        for own, frames in zip(sound, mask.sum(1).tolist(), strict=True):
            states = self.whisper(whisper_input(own[:frames].reshape(-1), self.whisper.config.num_mel_bins))
            found = states.last_hidden_state[0, : frames * UNITS_PER_FRAME]
            each.append(F.pad(found, (0, 0, 0, UNITS_PER_FRAME * (len(own) - frames))))
        return torch.stack(each).unflatten(1, (-1, UNITS_PER_FRAME)).flatten(2)


class FlamingoHead(WhisperHead):
    """States (B, T, M + 2 H) -> text by Whisper's decoder, each layer of which is behind a gate to the lips.

    Args:
        whisper: of transformers, on the device "meta" until it is borrowed.
        dim: D.
        hidden: width of the gates' feed-forward networks.
        tokenizer, prefix, backbone, hashes, beams: as `WhisperHead` takes them.
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
        self.seen: dict[str, Tensor] = {}
        count = len(whisper.model.decoder.layers)
        self.gates = nn.ModuleList(Gate(width, self.lips, heads, hidden or 4 * width) for _ in range(count))
        self._gate(whisper)

    def _gate(self, whisper: Any) -> None:
        """Take a Whisper whose decoder's layers are behind the gates."""
        layers = whisper.requires_grad_(False).model.decoder.layers
        whisper.model.decoder.layers = nn.ModuleList(
            Gated(layer, gate, self.seen) for layer, gate in zip(layers, self.gates, strict=True)
        )
        whisper.model.encoder = nn.Identity()  # the front end hears
        self.whisper = whisper

    def borrow(self) -> str:
        """Put its weights into place. Raises VsrError."""
        whisper, licence = loaded_whisper(self.backbone, self.hashes, self.whisper.config.d_model)
        self._gate(whisper)
        return f"Whisper's decoder of {self.backbone}: licence {licence}"

    def parts(self, states: Tensor, length: int) -> tuple[Tensor, Tensor]:
        """States (T, D) of one clip -> what the gates look at, (1, T, M), and what Whisper heard, (1, 2 T, H)."""
        own = states[None, :length]
        return own[..., : self.lips], own[..., self.lips :].unflatten(-1, (UNITS_PER_FRAME, -1)).flatten(1, 2)

    def logits(self, states: Tensor, length: int, text: Sequence[int]) -> Tensor:
        """States (T, D) of one clip -> logits (U, V) of the tokens of a text and of its end."""
        begin, (lips, heard) = self.begin(), self.parts(states, length)
        given = torch.tensor([[*begin, *text]], device=states.device)
        with self._seeing(lips):
            found = self.whisper(encoder_outputs=(heard,), decoder_input_ids=given, use_cache=False).logits
        return found[0, len(begin) - 1 :]

    @contextmanager
    def _seeing(self, lips: Tensor) -> Iterator[None]:
        """Within, the gates look at ``lips`` (1, T, M)."""
        self.seen["memory"] = lips
        try:
            yield
        finally:
            self.seen.clear()

    def search(self, states: Tensor, lengths: Tensor, nbest: int = 1) -> list[list[Hypothesis]]:
        """Beam search by the decoder; scores are natural log-probabilities of the text and its end."""
        return [self._searched(own, length, nbest) for own, length in zip(states, lengths.tolist(), strict=True)]

    def _searched(self, states: Tensor, length: int, nbest: int) -> list[Hypothesis]:
        from transformers import GenerationConfig, GenerationMixin
        from transformers.modeling_outputs import BaseModelOutput

        begin, end, beams = self.begin(), self.tokenizer.eos_id, max(self.beams, nbest, 2)
        lips, heard = self.parts(states, length)
        most = min(12 + length, self.whisper.config.max_target_positions - len(begin) - 1)
        how = GenerationConfig(
            num_beams=beams, num_return_sequences=nbest, do_sample=False, length_penalty=0.0, max_new_tokens=most,
            eos_token_id=end, pad_token_id=end, decoder_start_token_id=begin[0], bos_token_id=begin[0],
            return_dict_in_generate=True, output_scores=True,
        )  # fmt: skip
        given = {"decoder_input_ids": torch.tensor([begin], device=states.device)}
        with self._seeing(lips):
            found = GenerationMixin.generate(
                self.whisper, generation_config=how, encoder_outputs=BaseModelOutput(heard), **given
            )
        each = zip(found.sequences[:, len(begin) :].tolist(), found.sequences_scores.tolist(), strict=True)
        return [Hypothesis(tuple(own[: own.index(end)] if end in own else own), score) for own, score in each]
