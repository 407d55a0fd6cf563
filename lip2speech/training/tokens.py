"""Training of a token model: output of a voice's content model for the lips -> codes of the clip's mel.

The voice is not changed; the codec is fitted beforehand, to the mels of the training clips. Shapes: B batch, N steps of
50 Hz, C width of the flow's condition, Q books.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

import torch
from torch import Tensor

from lip2speech.features.dataset import PROTOCOLS, CachedFeatures, NoText, SpeechBatch, SpeechDataset, cache_views
from lip2speech.features.stored import featured
from lip2speech.inference.folder import ACOUSTIC, find_model, load_voice
from lip2speech.models.codec import SAMPLED
from lip2speech.models.content import PAIR
from lip2speech.models.token_lm import TokenLM
from lip2speech.models.token_model import TokenConfig, TokenModel
from lip2speech.models.token_options import TokenOptions
from lip2speech.models.voice import Voice
from lip2speech.models.voice_config import VoiceConfig
from lip2speech.training.part_run import PartRun
from vsr.core.errors import VsrError
from vsr.core.numbers import COUNT, check_numbers
from vsr.data.batch import Counted
from vsr.data.sampler import FrameBudgetSampler
from vsr.data.splits import read_lists
from vsr.data.transforms import Augmentation
from vsr.modelstore.checkpoint import CONFIG_FILE
from vsr.training.config import RunConfig, check_lists
from vsr.training.model_settings import built, model_settings

MADE = 8  # dev clips for which codes are sampled after an epoch: a language model predicts them one by one


@dataclass(frozen=True)
class TokenDataConfig:
    """Manifests of crops, folder of features, and the voice whose content model is used ("": the shipped one), or the
    folder of its acoustic model; ``tests``, ``protocol``, ``views`` and ``augmentation`` as in
    `lip2speech.training.acoustic`."""

    train: tuple[str, ...]
    dev: tuple[str, ...]
    features: str
    tests: tuple[str, ...] = ()
    voice: str = ""
    protocol: str = "cross"
    frames_per_batch: int = 600
    views: int = 2
    augmentation: Augmentation = field(default_factory=lambda: Augmentation(speed=0.0))

    def __post_init__(self):
        check_lists(self.train, self.dev)
        check_numbers(self, "data.", frames_per_batch=COUNT, views=COUNT)
        if self.protocol not in PROTOCOLS:
            raise VsrError("bad_config", f"data.protocol is '{self.protocol}'; it can be {' or '.join(PROTOCOLS)}")


@dataclass(frozen=True)
class TokenTrainConfig(RunConfig):
    """Training configuration of a token model."""

    data: TokenDataConfig

    def model_config(self, voice: VoiceConfig) -> TokenConfig:
        """The model's configuration, with the condition's width from the voice. Raises VsrError."""
        return model_settings(TokenConfig, self.model, condition=condition_width(voice))


def condition_width(voice: VoiceConfig) -> int:
    """C, the width of the flow's condition in an acoustic model, which a token model also uses."""
    return voice.dim + PAIR + max(1, voice.units)


@dataclass
class TokenBatch(Counted):
    """condition (B, N, C); codes (B, N, Q), -1 on padding; mask (B, N) True on real steps."""

    condition: Tensor
    codes: Tensor
    mask: Tensor


class TokenRun(PartRun):
    """`vsr.training.loop.Run` with a `TokenTrainConfig`."""

    chosen_by = "dev_mel"

    def _open_data(self) -> None:
        data, seed = self.config.data, self.config.seed
        train, dev, _ = read_lists(data)
        self.voice: Voice = load_voice(acoustic_of(data.voice))[0].to(self.fabric.device)
        train, dev = (
            featured(name, clips, data.features, self.say) for name, clips in (("train", train), ("dev", dev))
        )
        train_set = SpeechDataset(train, data.features, NoText(), data.augmentation, data.protocol, seed)
        self.pairs = self._pairs(train_set)
        self.train = CachedFeatures(train_set, self._views(train_set, data.views))
        dev_set = SpeechDataset(dev, data.features, NoText(), None, data.protocol, seed)
        self.dev = CachedFeatures(dev_set, self._views(dev_set, 1))
        self.sampler = FrameBudgetSampler([clip.num_frames for clip in train], data.frames_per_batch, seed)

    def _pairs(self, clips: SpeechDataset) -> list[Tensor]:
        """Normalised mel pairs (N, P) of random training clips, enough to fit the codec."""
        pairs, count = [], 0
        for index in torch.randperm(len(clips), generator=torch.Generator().manual_seed(self.config.seed)).tolist():
            if count < 4 * SAMPLED:
                mel = clips.features[index].mel[None].to(self.fabric.device)
                pairs.append(self.voice.normalise(mel)[0].cpu())
                count += len(pairs[-1])
        return pairs

    @torch.inference_mode()
    def _views(self, clips: SpeechDataset, views: int) -> list[list[Tensor]]:
        """Features of the clips from the voice's frozen encoder."""
        device = self.fabric.device
        return cache_views(clips, lambda *inputs: self.voice.encode(*(x.to(device) for x in inputs)), views)

    def _build_model(self) -> TokenModel:
        model = built(TokenModel, self.config.model_config(self.voice.config))
        model.codec.fit(torch.cat(self.pairs), self.config.seed)
        if isinstance(model.generator, TokenLM):
            model.generator.learn_transitions([model.codec.encode(pairs) for pairs in self.pairs])
        del self.pairs
        return model

    def losses(self, batch: SpeechBatch) -> dict[str, Tensor]:
        """Losses on the content model's output for a batch."""
        return super().losses(token_batch(self.voice, self.model.codec, batch))

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Loss on the dev list; on samples for its first clips, L1 to the natural mel (nepers) and accuracy of the
        first book."""
        model: TokenModel = self.average.model
        losses, errors, accuracies = [], [], []
        for index in range(len(self.dev.dataset.clips)):
            batch = self.dev.batch([index]).to(self.fabric.device)
            tokens = token_batch(self.voice, model.codec, batch)
            losses.append(float(model.loss(tokens)["loss"]))
            if index < MADE:
                codes = model.generator.sample(tokens.condition[0], TokenOptions(), 0)
                mel = self.voice.to_mel(model.codec.decode(codes)[None])
                accuracies.append(float((codes[:, 0] == tokens.codes[0, :, 0]).float().mean()))
                errors.append(float((mel - batch.mel).abs().mean()))
        return {"dev_loss": fmean(losses), "dev_mel": fmean(errors), "dev_codes": fmean(accuracies)}


def acoustic_of(voice: str) -> Path:
    """The folder of a voice's acoustic model; ``voice``: that folder, the voice's, or its name. Raises VsrError."""
    is_acoustic = voice and (Path(voice) / CONFIG_FILE).is_file()
    return Path(voice) if is_acoustic else find_model(voice or None) / ACOUSTIC


@torch.no_grad()
def token_batch(voice: Voice, codec, batch: SpeechBatch) -> TokenBatch:
    """The condition from the content model for a batch, and the codes of its mels."""
    content = voice.content(batch.visual, batch.lips.lengths, batch.speaker)
    codes = codec.encode(voice.normalise(batch.mel)).masked_fill(~content.mask[..., None], -1)
    shares = {"steps": batch.shares["frames"]} if batch.shares else {}  # two steps a frame
    return TokenBatch(voice.condition(content), codes, content.mask, shares=shares)
