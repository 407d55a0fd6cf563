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
NEW = ("conditions.", "content_conditions.")  # weights that a model to start from may lack: they are zero at first


@dataclass(frozen=True)
class SpeechDataConfig:
    """Manifests of crops, folder of features, codebook of units, the lip reader to start from ("": the shipped one).

    ``tests`` are read only to refuse training or dev lists that overlap them. ``views``: number of augmented versions
    of each clip that a frozen encoder encodes once; training then decodes no video, but needs T * 4 * D bytes of memory
    per view. 0: every batch is encoded again, which a large corpus needs.
    ``seen``: "lips", or "units": speech units replace the lips as input, so that audio without faces can be used
    (`lip2speech.features.unit_input`), with the share ``hidden`` of them masked; a lip model can then start from it
    with trainer.init_from.
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
    """Training configuration of an acoustic model."""

    data: SpeechDataConfig

    def model_config(self, reader: dict[str, Any], units: int) -> VoiceConfig:
        """The model's configuration, completed from the lip reader and the codebook. Raises VsrError."""
        config = model_settings(VoiceConfig, {"units": units} | self.model, reader=reader)
        if config.encoder == "finetuned" and config.text_weight and not reader.get("ctc_weight", 1):
            raise VsrError("bad_config", "model: the lip reader has no CTC head to train on text: set text_weight to 0")
        return config


class VoiceRun(Run):
    """`vsr.training.loop.Run` with a `VoiceTrainConfig`."""

    chosen_by = "dev_mel"

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
        """Dataset of training clips, or with augmentation None of dev clips. Raises VsrError."""
        data, tokenizer, named = self.config.data, self.reader.tokenizer or NoText(), self._conditions()
        if data.seen == LIPS:
            return SpeechDataset(clips, data.features, tokenizer, augmentation, data.protocol, self.config.seed, named)
        units = UnitDataset(clips, data.features, NoText(), None, data.protocol, self.config.seed, named)
        units.vectors = unit_vectors(len(self.codebook), self.reader.model.config.dim)
        units.hidden = data.hidden if augmentation else 0.0
        return units

    def _conditions(self) -> dict[str, Condition]:
        """The model's further conditions, whose values the clips must have. Raises VsrError for unknown ones."""
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
        """Load the weights of another acoustic model with the same units and sizes. Raises VsrError."""
        if not torch.equal(Codebook.load(Path(folder) / UNITS_FILE).centres, self.codebook.centres):
            raise VsrError("bad_model", f"{folder} knows other units than data.units: give its own codebook there")
        try:
            weights = load_voice(folder)[0].state_dict()
            initial = {name: weight for name, weight in model.state_dict().items() if name.startswith(NEW)}
            model.load_state_dict(initial | weights)  # a new condition starts at zero, without effect
        except RuntimeError as error:
            raise VsrError("bad_model", f"{folder} has other sizes than the configuration's model: {error}") from error

    @torch.inference_mode()
    def _views(self, model: Voice) -> list[list[torch.Tensor]]:
        """Features of the training clips from the frozen encoder."""
        device = self.fabric.device
        model.eval().to(device)
        with self.fabric.autocast():
            views = self.config.data.views
            return cache_views(self.speech, lambda *inputs: model.encode(*(x.to(device) for x in inputs)), views)

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """On the dev list: L1 of the coarse and of the sampled mel (nepers), and unit accuracy."""
        model: Voice = self.average.model
        sampler = FrameBudgetSampler([clip.num_frames for clip in self.dev.clips], 2048, shuffle=False)
        sums, num_steps = torch.zeros(3), 0
        for indices in sampler.batches():
            batch = self.dev.batch(indices).to(self.fabric.device)
            lengths, cached = batch.lips.lengths, batch.visual
            visual = model.encode(batch.lips.video, lengths) if cached is None else cached
            coarse, sampled = (
                model.speak_features(visual, lengths, batch.speaker, FlowOptions(steps)) for steps in (0, 4)
            )
            real = batch.units >= 0
            frames = real.repeat_interleave(2, 1)
            errors = [masked_mean((speech.mel - batch.mel).abs(), frames) for speech in (coarse, sampled)]
            means = torch.tensor([*errors, (sampled.units == batch.units)[real].float().mean()])
            sums, num_steps = sums + means * int(real.sum()), num_steps + int(real.sum())  # batches differ in size
        return dict(zip(("dev_coarse", "dev_mel", "dev_units"), (sums / num_steps).tolist(), strict=True))

    def export(self, folder: Path) -> Path:
        """Write the averaged weights as a model folder (only on rank 0)."""
        if self.fabric.is_global_zero:
            extra = {"name": self.folder.name, "training": self.training_record(), "seen": self.config.data.seen}
            save_voice(folder, self.average.model, self.codebook, extra)
        return folder
