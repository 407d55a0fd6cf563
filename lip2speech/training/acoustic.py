"""Training the acoustic model: crops and speech features -> content and flow losses -> a model folder."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from lip2speech.conditions.registry import Condition, conditions_of
from lip2speech.features.dataset import PROTOCOLS, CachedFeatures, NoText, SpeechDataset, cache_views
from lip2speech.features.stored import featured
from lip2speech.features.unit_input import UnitDataset, unit_vectors
from lip2speech.inference.folder import UNITS_FILE, load_voice, save_voice
from lip2speech.models.flow_options import FlowOptions
from lip2speech.models.voice import Voice, masked_mean
from lip2speech.models.voice_config import VoiceConfig, reader_settings
from vsr.core.errors import VsrError
from vsr.core.numbers import COUNT, NOT_NEGATIVE, SHARE, check_numbers
from vsr.data.manifest import Clip
from vsr.data.sampler import FrameBudgetSampler
from vsr.data.splits import read_lists
from vsr.data.transforms import Augmentation
from vsr.media.units import Codebook
from vsr.modelstore.folder import load_model, pixel_reader
from vsr.training.config import RunConfig, check_lists
from vsr.training.loop import Run
from vsr.training.model_settings import built, model_settings

LIPS, UNITS = "lips", "units"
NEW = ("conditions.", "content_conditions.")  # weights that another model may not have: they begin at zero


@dataclass(frozen=True)
class SpeechDataConfig:
    """Manifests of crops, folder of features, codebook of units, the lip reader to start from ("": the shipped one).

    ``tests`` are read only to refuse a training or dev list that meets them. ``views``: how often a frozen encoder
    looks at each clip, each time augmented again; training then costs no more video, but T * 4 * D bytes of memory a
    view. 0: it looks at every batch, which a large corpus needs.
    ``seen``: "lips", or "units": those of the sound stand for lips, so that sound without faces can be learnt from
    (`lip2speech.features.unit_input`), of which the share ``hidden`` is not shown; a lip model then begins with
    trainer.init_from.
    """

    train: tuple[str, ...]
    dev: tuple[str, ...]
    features: str
    units: str
    tests: tuple[str, ...] = ()
    reader: str = ""
    protocol: str = "cross"
    frames_per_batch: int = 600
    views: int = 10
    seen: str = LIPS
    hidden: float = 0.2
    augmentation: Augmentation = field(default_factory=lambda: Augmentation(speed=0.0))

    def __post_init__(self):
        check_lists(self.train, self.dev)
        check_numbers(self, "data.", frames_per_batch=COUNT, views=NOT_NEGATIVE, hidden=SHARE)
        if self.seen not in (LIPS, UNITS):
            raise VsrError("bad_config", f"data.seen is '{self.seen}'; it can be {LIPS} or {UNITS}")
        if self.protocol not in PROTOCOLS:
            raise VsrError("bad_config", f"data.protocol is '{self.protocol}'; it can be {' or '.join(PROTOCOLS)}")


@dataclass(frozen=True)
class VoiceTrainConfig(RunConfig):
    """Of an acoustic model."""

    data: SpeechDataConfig

    def model_config(self, reader: dict[str, Any], units: int) -> VoiceConfig:
        """The model's numbers, with what the lip reader and the codebook say. Raises VsrError."""
        config = model_settings(VoiceConfig, {"units": units} | self.model, reader=reader)
        if config.encoder == "finetuned" and config.text_weight and not reader.get("ctc_weight", 1):
            raise VsrError("bad_config", "model: the lip reader has no CTC head to train on text: set text_weight to 0")
        return config


class VoiceRun(Run):
    """`vsr.training.loop.Run` with a `VoiceTrainConfig`."""

    def _open_data(self) -> None:
        data, seed = self.config.data, self.config.seed
        if data.seen != LIPS and self.config.model.get("encoder") != "frozen":
            raise VsrError("bad_config", "data.seen is units: no encoder is used, so model.encoder must be frozen")
        train, dev, _ = read_lists(data)
        self.reader, self.codebook = load_model(data.reader or None), Codebook.load(data.units)
        self.reader.model = pixel_reader(self.reader.model)
        train, dev = (
            featured(name, clips, data.features, self.say) for name, clips in (("train", train), ("dev", dev))
        )
        self.speech, self.dev = self._dataset(train, data.augmentation), self._dataset(dev, None)
        self.train: SpeechDataset | CachedFeatures = self.speech
        self.sampler = FrameBudgetSampler([clip.num_frames for clip in train], data.frames_per_batch, seed)

    def _dataset(self, clips: list[Clip], augmentation: Augmentation | None) -> SpeechDataset:
        """Of training clips, or with augmentation None of the dev list's. Raises VsrError."""
        data, tokenizer, named = self.config.data, self.reader.tokenizer or NoText(), self._conditions()
        if data.seen == LIPS:
            return SpeechDataset(clips, data.features, tokenizer, augmentation, data.protocol, self.config.seed, named)
        units = UnitDataset(clips, data.features, NoText(), None, data.protocol, self.config.seed, named)
        units.vectors = unit_vectors(len(self.codebook), self.reader.model.config.dim)
        units.hidden = data.hidden if augmentation else 0.0
        return units

    def _conditions(self) -> dict[str, Condition]:
        """Further ones of the flow, which the clips must give. Raises VsrError for what is not known."""
        try:
            return conditions_of(self.config.model.get("conditions", {}))
        except ValueError as error:
            raise VsrError("bad_config", f"model: {error}") from error

    def _build_model(self) -> Voice:
        config = self.config.model_config(reader_settings(self.reader.model.config), len(self.codebook))
        model = built(Voice, config)
        model.reader.load_state_dict(self.reader.model.state_dict(), strict=False)
        mean, std = self.speech.mel_statistics()
        model.mel_mean.copy_(mean)
        model.mel_deviation.copy_(std)
        model.default_speaker.copy_(self.speech.mean_speaker())
        if self.config.trainer.init_from:
            self._begin_from(self.config.trainer.init_from, model)
        if model.config.encoder == "frozen" and self.config.data.views and self.config.data.seen == LIPS:
            self.train = CachedFeatures(self.speech, self._views(model))
        return model

    def _begin_from(self, folder: str, model: Voice) -> None:
        """Take the weights of another acoustic model, whose units and sizes must be the same. Raises VsrError."""
        if not torch.equal(Codebook.load(Path(folder) / UNITS_FILE).centres, self.codebook.centres):
            raise VsrError("bad_model", f"{folder} knows other units than data.units: give its own codebook there")
        try:
            weights = load_voice(folder)[0].state_dict()
            new = {name: own for name, own in model.state_dict().items() if name.startswith(NEW)}
            model.load_state_dict(new | weights)  # a condition that is new begins at zero, and changes nothing
        except RuntimeError as error:
            raise VsrError("bad_model", f"{folder} has other sizes than the configuration's model: {error}") from error

    @torch.inference_mode()
    def _views(self, model: Voice) -> list[list[torch.Tensor]]:
        """Features of the training clips by the frozen encoder."""
        device = self.fabric.device
        model.eval().to(device)
        with self.fabric.autocast():
            views = self.config.data.views
            return cache_views(self.speech, lambda *seen: model.encode(*(x.to(device) for x in seen)), views)

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """On the dev list: L1 of the coarse and of the sampled mel (nepers), share of units that are right."""
        model: Voice = self.average.model
        sampler = FrameBudgetSampler([clip.num_frames for clip in self.dev.clips], 2048, shuffle=False)
        sums, counted = torch.zeros(3), 0
        for indices in sampler.batches():
            batch = self.dev.batch(indices).to(self.fabric.device)
            lengths, visual = batch.seen.lengths, batch.visual
            seen = model.encode(batch.seen.video, lengths) if visual is None else visual
            coarse, fine = (model.speak_seen(seen, lengths, batch.speaker, FlowOptions(steps)) for steps in (0, 4))
            real = batch.units >= 0
            frames = real.repeat_interleave(2, 1)
            errors = [masked_mean((speech.mel - batch.mel).abs(), frames) for speech in (coarse, fine)]
            means = torch.tensor([*errors, (fine.units == batch.units)[real].float().mean()])
            sums, counted = sums + means * int(real.sum()), counted + int(real.sum())  # batches differ in size
        return dict(zip(("dev_coarse", "dev_mel", "dev_units"), (sums / counted).tolist(), strict=True))

    def export(self, folder: Path) -> Path:
        """Write the averaged weights as a model folder (by rank 0 alone)."""
        if self.fabric.is_global_zero:
            extra = {"name": self.folder.name, "training": self.reached(), "seen": self.config.data.seen}
            save_voice(folder, self.average.model, self.codebook, extra)
        return folder
