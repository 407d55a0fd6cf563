"""Training a reader that hears: the run of a lip reader on crops and sound, validated by lips, by sound and by both."""

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
    """`LipReaderRun` of a model that reads sound, or video and sound."""

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

    def validate(self) -> dict[str, float]:
        """Word error rate on the dev list, ``dev_wer`` of all that is read, and of each stream by its name, unless
        neither may be missing."""
        if len(self.read) < 2 or self.model.whole:
            return super().validate()
        whole = self.dev
        found: dict[str, float] = {}
        for name in (VIDEO, SOUND, BOTH):
            shown = MODALITIES[name]
            self.dev = AudioVisualDataset(whole.clips, self.tokenizer, modalities=shown, form=whole.form)
            figures = super().validate()
            found |= {key if name == BOTH else f"{key}_{name}": value for key, value in figures.items()}
        self.dev = whole
        return found


def check_whole(dropout: ModalityDropout, clips: Sequence[Clip]) -> None:
    """Raises VsrError where a reader of both together alone would be shown a clip without one of them."""
    if dropout.video or dropout.sound:
        problem = "frontend.whole: a clip never lacks a stream"
        raise VsrError("bad_config", f"{problem}: set data.modality_dropout to {{video: 0, sound: 0}}")
    if silent := [clip.id for clip in clips if not clip.sound]:
        raise VsrError("bad_manifest", f"frontend.whole: {len(silent)} clips have no sound, such as {silent[0]}")


def foundations_of(model: dict[str, Any]) -> set[str]:
    """The folders of foundation models that a run's settings name."""
    frontend = model.get("frontend")
    given = [frontend, frontend.get(SOUND)] if isinstance(frontend, dict) else []
    return {own["path"] for own in given if isinstance(own, dict) and own.get("kind") == "foundation"}


def hears(config: TrainConfig) -> bool:
    """Whether the model of a run reads sound."""
    given = config.model.get("frontend", VIDEO)
    kind = given.get("kind") if isinstance(given, dict) else given
    return SOUND in names_of(reads_of(FRONTENDS[kind])) if isinstance(kind, str) and kind in FRONTENDS else False


def modalities_of(config: LipReaderConfig) -> tuple[str, ...]:
    """What of a clip a reader of these settings reads."""
    return names_of(reads_of(frontend_of(config)))
