"""Train an audio-visual or audio-only model: a lip reader's run on crops and sound, validated on each and on both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vsr.core.errors import VsrError
from vsr.data.audio_visual import AudioVisualDataset, ModalityDropout
from vsr.data.manifest import Clip
from vsr.data.modalities import BOTH, MODALITIES, SOUND, VIDEO, names_of
from vsr.models.foundation import load_pretrained
from vsr.models.lipreader import LipReader, LipReaderConfig, frontend_of, further_heads_of
from vsr.models.registry import FRONTENDS, reads_of, reads_wholes, sound_form_of
from vsr.training.config import TrainConfig
from vsr.training.lipreader import LipReaderRun


class AudioVisualRun(LipReaderRun):
    """`LipReaderRun` for a model that reads sound, or video and sound."""

    train: AudioVisualDataset
    dev: AudioVisualDataset
    hears = True

    def _open_data(self) -> None:
        super()._open_data()
        data, seed = self.config.data, self.config.seed
        config = self.config.model_config(self.tokenizer.vocab_size)
        self.read = read = modalities_of(config)
        form = sound_form_of(frontend_of(config))
        data.corruption.check_streams(video=VIDEO in read, sound=SOUND in read)
        if reads_wholes(frontend_of(config)):
            check_whole(data.modality_dropout, [*self.train.clips, *self.dev.clips])
        heads, dropout = further_heads_of(config), data.modality_dropout if len(read) > 1 else None
        self.train = AudioVisualDataset(
            self.train.clips, self.tokenizer, data.augmentation, seed, heads,
            dropout, read, data.wrong_lips, form, data.corruption,
        )  # fmt: skip
        self.dev = AudioVisualDataset(self.dev.clips, self.tokenizer, modalities=read, form=form)

    def _build_model(self) -> LipReader:
        model = super()._build_model()
        for path in foundations_of(self.config.model):
            self.say(load_pretrained(model, path))
        return model

    def unvaried(self) -> AudioVisualDataset:
        """The training clips without augmentation, with all streams that they have."""
        return AudioVisualDataset(self.train.clips, self.tokenizer, modalities=self.read, form=self.train.form)

    def validate(self) -> dict[str, float]:
        """Word error rate on the dev list: ``dev_wer`` with all streams, and with each stream alone under its name,
        unless the model always needs both."""
        if len(self.read) < 2 or self.model.whole:
            return super().validate()
        whole = self.dev
        results: dict[str, float] = {}
        for name in (VIDEO, SOUND, BOTH):
            modalities = MODALITIES[name]
            self.dev = AudioVisualDataset(whole.clips, self.tokenizer, modalities=modalities, form=whole.form)
            figures = super().validate()
            results |= {key if name == BOTH else f"{key}_{name}": value for key, value in figures.items()}
        self.dev = whole
        return results


def check_whole(dropout: ModalityDropout, clips: Sequence[Clip]) -> None:
    """Raises VsrError if a model that always needs both streams would get a clip without one of them."""
    if dropout.video or dropout.sound:
        problem = "frontend.whole: a clip never lacks a stream"
        raise VsrError("bad_config", f"{problem}: set data.modality_dropout to {{video: 0, sound: 0}}")
    if silent := [clip.id for clip in clips if not clip.sound]:
        raise VsrError("bad_manifest", f"frontend.whole: {len(silent)} clips have no sound, such as {silent[0]}")


def foundations_of(model: dict[str, Any]) -> set[str]:
    """Folders of the foundation models that the settings of a model name."""
    frontend = model.get("frontend")
    streams = [frontend, frontend.get(SOUND)] if isinstance(frontend, dict) else []
    return {stream["path"] for stream in streams if isinstance(stream, dict) and stream.get("kind") == "foundation"}


def hears(config: TrainConfig) -> bool:
    """Whether the model of a configuration reads sound."""
    frontend = config.model.get("frontend", VIDEO)
    kind = frontend.get("kind") if isinstance(frontend, dict) else frontend
    return SOUND in names_of(reads_of(FRONTENDS[kind])) if isinstance(kind, str) and kind in FRONTENDS else False


def modalities_of(config: LipReaderConfig) -> tuple[str, ...]:
    """Modalities that a model with these settings reads."""
    return names_of(reads_of(frontend_of(config)))
