"""The acoustic model: mouth video and a speaker vector -> mel and units.

Shapes: B batch, T video frames, D width of the lip reader, N = 2T steps of 50 Hz, P = 160 (a pair of mel frames), K
units. The visual features (B, T, 2D) are the lip reader's front-end features and encoder states, concatenated: the
states carry the words, the front-end features still carry how the mouth moved.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lip2speech.conditions.conditioning import Conditions, draw_used
from lip2speech.conditions.registry import CONTENT, conditions_of
from lip2speech.features.speaker import DIM as SPEAKER
from lip2speech.models.content import MELS_PER_UNIT, PAIR, Content, ContentModel
from lip2speech.models.envelope import envelope_correlation
from lip2speech.models.flow import chained, draw_times, noise, on_path, solve, to_velocity
from lip2speech.models.flow_options import FlowOptions
from lip2speech.models.guidance import CONTENT as WHAT_IS_SEEN
from lip2speech.models.guidance import Chain, chain_of
from lip2speech.models.pull import Pull, backpropagate
from lip2speech.models.velocity import Velocity
from lip2speech.models.voice_config import VoiceConfig
from vsr.media.mel import NUM_MELS
from vsr.models.head_losses import alignment_loss, ctc_loss
from vsr.models.lengths import zero_padding
from vsr.models.lipreader import LipReader, LipReaderConfig


@dataclass
class Speech:
    """mel (B, 4T, 80) natural logarithm; units (B, 2T) whole numbers (zeros in a model without units)."""

    mel: Tensor
    units: Tensor


class Voice(nn.Module):
    """Lip reader's encoder, content model, flow."""

    def __init__(self, config: VoiceConfig):
        super().__init__()
        self.config = c = config
        self.reader = LipReader(LipReaderConfig(**c.reader))
        del self.reader.decoder  # no text is decoded here
        self.reader.requires_grad_(c.encoder == "finetuned")
        visual, units = 2 * self.reader.config.dim, max(1, c.units)
        self.content = ContentModel(visual, SPEAKER, units, c.dim, c.layers, c.heads, c.hidden, c.kernel, c.dropout)
        condition = c.dim + PAIR + units
        self.velocity = Velocity(condition, SPEAKER, units, c.dim, c.velocity_layers, c.heads, c.hidden)
        self.condition_settings = conditions_of(c.conditions)
        self.conditions = Conditions(self.condition_settings, c.dim)
        self.content_conditions = Conditions(self.condition_settings, c.dim, CONTENT)
        self.register_buffer("mel_mean", torch.zeros(NUM_MELS))
        self.register_buffer("mel_deviation", torch.ones(NUM_MELS))
        self.register_buffer("default_speaker", torch.zeros(SPEAKER))

    def train(self, mode: bool = True):
        """Training mode, except for a frozen encoder, which keeps its batch statistics."""
        super().train(mode)
        if self.config.encoder == "frozen":
            self.reader.eval()
        return self

    def normalise(self, mel: Tensor) -> Tensor:
        """Log-mel (B, 4T, 80) -> pairs (B, 2T, 160) of zero mean and unit variance."""
        return ((mel - self.mel_mean) / self.mel_deviation).unflatten(1, (-1, MELS_PER_UNIT)).flatten(2)

    def to_mel(self, pairs: Tensor) -> Tensor:
        """The inverse of `normalise`."""
        return pairs.unflatten(2, (MELS_PER_UNIT, NUM_MELS)).flatten(1, 2) * self.mel_deviation + self.mel_mean

    def encode(self, video: Tensor, lengths: Tensor) -> Tensor:
        """video (B, T, 1, 88, 88), lengths (B,) -> visual features (B, T, 2D)."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.config.encoder == "finetuned"):
            return torch.cat(self.reader.encode_in_steps(video, lengths), -1)

    def condition(self, content: Content) -> Tensor:
        """The flow's condition at each step: hidden states, coarse mel, unit posteriors, (B, N, W + P + K)."""
        posteriors = content.unit_logits.float().softmax(-1) if self.config.units else content.unit_logits * 0
        return torch.cat([content.hidden, content.coarse, posteriors.to(content.hidden.dtype)], -1).detach()

    def loss(self, batch) -> dict[str, Tensor]:
        """Losses of a `lip2speech.features.dataset.SpeechBatch`: the total ``loss`` and its parts."""
        c, clips = self.config, batch.lips
        visual = self.encode(clips.video, clips.lengths) if batch.visual is None else batch.visual
        is_shown = draw_used(self.condition_settings, len(visual), visual.device)
        extra = partial(self.content_conditions.add, values=batch.conditions, used=is_shown)
        content = self.content(visual, clips.lengths, batch.speaker, extra)
        mel = self.normalise(batch.mel)
        flow, logits = self.flow_loss(mel, content, batch.speaker, batch.conditions, is_shown)
        parts = {"flow": flow, "mel": masked_mean((content.coarse.float() - mel).abs(), content.mask)}
        loss = parts["flow"] + c.mel_weight * parts["mel"]
        if c.units:
            parts["units"] = unit_loss(content.unit_logits, batch.units) + unit_loss(logits, batch.units)
            loss = loss + c.unit_weight * parts["units"]
        if c.envelope_weight:
            parts["envelope"] = self.envelope_loss(content.coarse, batch.mel, content.mask)
            loss = loss + c.envelope_weight * parts["envelope"]
        if c.text_weight and c.encoder == "finetuned":
            parts["text"] = self.text_loss(visual.chunk(2, -1)[1], clips)
            loss = loss + c.text_weight * parts["text"]
        share = batch.share("frames")
        return {"loss": loss * share} | {name: value.detach() * share for name, value in parts.items()}

    def flow_loss(
        self, mel: Tensor, content: Content, speaker: Tensor, conditions: Mapping[str, Tensor],
        used: Mapping[str, Tensor],
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """Squared error of the flow's target on real steps, and unit logits (B, N, K); ``mel``: pairs (B, N, P)."""
        c = self.config
        time = draw_times(len(mel), c.time, mel.device)
        keep = torch.rand(len(mel), device=mel.device) >= c.drop_condition
        start = self.start(content, torch.randn_like(mel))
        x = on_path(start, mel, time)
        added = self.conditions.add(content.hidden.detach(), conditions, used)
        predicted, logits = self.velocity(x, time, self.condition(content), speaker, keep, content.mask, added)
        target = mel - start if c.target == "velocity" else mel
        return masked_mean((predicted.float() - target) ** 2, content.mask), logits

    def envelope_loss(self, pairs: Tensor, mel: Tensor, mask: Tensor) -> Tensor:
        """1 - correlation of the band envelopes of pairs (B, N, P) and mel (B, 4T, 80)."""
        frames = mask.repeat_interleave(MELS_PER_UNIT, 1)
        return 1 - envelope_correlation(self.to_mel(pairs.float()), mel, frames)

    def start(self, content: Content, noise: Tensor) -> Tensor:
        """x_0 (B, N, P): the coarse mel with noise added, or noise alone."""
        if self.config.start == "noise":
            return noise
        return content.coarse.detach().float() + self.config.prior_std * noise

    def text_loss(self, states: Tensor, clips) -> Tensor:
        """CTC and frame-alignment losses of the lip reader, which keep the words in its states."""
        log_probs = self.reader.ctc_log_probs(states.float())
        loss = ctc_loss(log_probs, clips.lengths, clips.tokens, clips.token_lengths)
        if self.reader.alignment is not None:
            loss = loss + alignment_loss(self.reader.alignment(states).float(), clips.frame_tokens)
        return loss

    @torch.inference_mode()
    def speak(
        self, video: Tensor, lengths: Tensor, speaker: Tensor, options: FlowOptions, seeds: Sequence[int] | None = None,
        conditions: Mapping[str, Tensor] | None = None, pull: Pull | None = None,
    ) -> Speech:  # fmt: skip
        """Mel and units of a batch of videos (B, T, 1, 88, 88); other arguments as in `speak_features`."""
        return self.speak_features(self.encode(video, lengths), lengths, speaker, options, seeds, conditions, pull)

    @torch.inference_mode()
    def speak_features(
        self, visual: Tensor, lengths: Tensor, speaker: Tensor, options: FlowOptions,
        seeds: Sequence[int] | None = None, conditions: Mapping[str, Tensor] | None = None,
        pull: Pull | None = None,
    ) -> Speech:  # fmt: skip
        """Mel and units of a batch; a clip's result does not depend on the other clips of the batch.

        Args:
            visual: (B, T, 2D) of `encode`; lengths: (B,) frames; speaker: (B, 256).
            seeds: one for each clip; by default ``options.seed`` for all.
            conditions: name -> (B, N, C), (B, U, C) or (B, C), of the model's conditions; a missing one is replaced by
                its null.
            pull: moves the flow at its start; it has no effect without flow steps.
        """
        values = conditions or {}
        extra = partial(self.content_conditions.add, values=values, used=None)
        content = self.content(visual, lengths, speaker, extra)
        steps = content.mask.sum(1).tolist()
        noises = noise(steps, PAIR, seeds or [options.seed] * len(visual)).to(visual.device)
        if not options.steps:
            return self._speech(self._without_flow(content, noises), content.unit_logits, content)
        condition, logits = self.condition(content), content.unit_logits
        chain = chain_of(options.guidance, (WHAT_IS_SEEN, *self.conditions))
        added = [self.conditions.add(content.hidden, values, names) for names in chain.sets]

        def velocity(x: Tensor, t: float) -> Tensor:
            nonlocal logits
            v, logits = self._guided_velocity(x, t, condition, speaker, content.mask, chain, added)
            return v

        push = None if pull is None else partial(self._pull_displacement, pull, content, condition, speaker, added[-1])
        end = solve(velocity, self.start(content, options.temperature * noises), options, push)
        return self._speech(torch.lerp(content.coarse.float(), end.float(), options.detail), logits, content)

    def _pull_displacement(
        self, pull: Pull, content: Content, condition: Tensor, speaker: Tensor, added: Tensor | float,
        x: Tensor, v: Tensor,
    ) -> Tensor:  # fmt: skip
        """The displacement (B, N, P) by which a pull moves the flow's start x; v: its velocity with all conditions."""
        end, further = x + v, [added] if isinstance(added, Tensor) else []
        everything = chain_of(1.0, (WHAT_IS_SEEN, *self.conditions))

        def velocity(start: Tensor, condition: Tensor, speaker: Tensor, mask: Tensor, *further: Tensor) -> Tensor:
            return self._guided_velocity(start, 0.0, condition, speaker, mask, everything, further)[0]

        def back(gradient: Tensor) -> Tensor:
            return backpropagate(velocity, x, gradient, condition, speaker, content.mask, *further)

        return pull(end, end - content.coarse if self.config.start == "coarse" else v, content.mask, back)

    def _without_flow(self, content: Content, noise: Tensor) -> Tensor:
        return content.coarse if self.config.start == "coarse" else noise

    def _guided_velocity(
        self, x: Tensor, t: float, condition: Tensor, speaker: Tensor, mask: Tensor, chain: Chain,
        added: Sequence[Tensor | float],
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """Guided velocity (B, N, P) and unit logits at time t; one evaluation for all condition sets of the chain.
        ``added``: what the named conditions add in each set."""
        count, batch = len(chain), len(x)
        is_conditional = torch.tensor([WHAT_IS_SEEN in names for names in chain.sets], device=x.device)
        x, condition, speaker, mask = (torch.cat([tensor] * count) for tensor in (x, condition, speaker, mask))
        further = torch.cat([term for term in added if isinstance(term, Tensor)]) if len(self.conditions) else 0.0
        time = x.new_full((len(x),), t)
        v, logits = self.velocity(x, time, condition, speaker, is_conditional.repeat_interleave(batch), mask, further)
        v = to_velocity(v, x, t, self.config.target)
        return chained(v.split(batch), chain.scales), logits[-batch:]

    def _speech(self, pairs: Tensor, logits: Tensor, content: Content) -> Speech:
        pairs = zero_padding(pairs.float(), content.mask)
        return Speech(self.to_mel(pairs), logits.argmax(-1) * content.mask)


def masked_mean(x: Tensor, mask: Tensor) -> Tensor:
    """Mean of x (B, N, P) over the real steps of mask (B, N)."""
    return x[mask].mean()


def unit_loss(logits: Tensor, units: Tensor) -> Tensor:
    """Cross-entropy with label smoothing .1; logits (B, N, K), units (B, N) with -1 on padding."""
    return F.cross_entropy(logits.float().transpose(1, 2), units, ignore_index=-1, label_smoothing=0.1)
