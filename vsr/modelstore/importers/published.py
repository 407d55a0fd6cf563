"""A published checkpoint, its other files, and the modality that it is imported for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vsr.core.errors import VsrError
from vsr.data.modalities import BOTH, SOUND, VIDEO
from vsr.models.whisper_head import whisper_sizes
from vsr.modelstore.importers import auto_avsr, av_hubert, cogenav, raven, usr, vsr4ml

FAMILIES = {
    "auto_avsr": auto_avsr, "av_hubert": av_hubert, "vsr4ml": vsr4ml, "raven": raven, "usr": usr, "cogenav": cogenav,
}  # fmt: skip
WAYS = {"av_hubert": (VIDEO, BOTH), "usr": (VIDEO, SOUND, BOTH)}  # modalities that one checkpoint can be imported for


@dataclass(frozen=True)
class Published:
    """A published checkpoint.

    Args:
        family: a key of `FAMILIES`.
        path: the checkpoint; it is read without running anything in it.
        tokenizer, units: files that the checkpoint does not contain.
        settings: for vsr4ml, the checkpoint's `model.json`; by default the one beside the checkpoint.
        lm: for vsr4ml and raven, ESPnet's language model, for vsr4ml with its `model.json` beside it; it becomes a
            part of the folder.
        modality: "video", "sound" or "both", for a checkpoint that can become several models (`WAYS`); "": for usr
            video, for av_hubert the modality in its settings, else video.
        whisper: for cogenav, the folder of the Whisper that writes its text; without, only the encoder is imported.
    """

    family: str
    path: str | Path
    tokenizer: str | Path | None = None
    units: str | Path | None = None
    settings: str | Path | None = None
    lm: str | Path | None = None
    modality: str = ""
    whisper: str | Path | None = None

    @property
    def beside(self) -> tuple[str | Path, ...]:
        """The other files that were given."""
        return tuple(filter(None, (self.tokenizer, self.units, self.settings, self.lm)))

    @property
    def about(self) -> dict[str, str]:
        """The origin of the weights, for the folder's config."""
        return {"name": Path(self.path).stem, "family": self.family, "licence": FAMILIES[self.family].LICENCE}

    def check(self) -> None:
        """Refuse options that a family does not have, before the checkpoint is read. Raises VsrError bad_options,
        bad_model."""
        if self.settings and self.family != "vsr4ml":
            raise VsrError("bad_options", f"--settings works only with vsr4ml, not with {self.family}")
        if self.lm:
            check_language(self.family)
        check_modality(self.family, self.modality)
        check_whisper(self.family, self.whisper)


def check_language(family: str) -> None:
    """Raise VsrError bad_options for a family without a language model."""
    if not hasattr(FAMILIES[family], "LM_WEIGHT"):
        problem = f"checkpoints of {family} come without a language model"
        raise VsrError("bad_options", f"{problem}: --lm works only with vsr4ml and raven")


def check_whisper(family: str, whisper: str | Path | None) -> None:
    """Raise VsrError bad_options for a family that uses no Whisper, bad_model for a folder that is not a Whisper."""
    if whisper is None:
        return
    if family != "cogenav":
        raise VsrError("bad_options", f"--whisper works only with cogenav, not with {family}")
    try:
        whisper_sizes(str(whisper), {})
    except VsrError as error:
        if error.reason not in ("bad_model", "bad_config"):
            raise
        files = "config.json with the model_type whisper, and model.safetensors, as those of openai/whisper-small"
        raise VsrError("bad_model", f"--whisper {whisper}: no folder of a Whisper ({files})") from error


def check_modality(family: str, modality: str) -> None:
    """Raise VsrError (bad_options) for a modality that checkpoints of a family cannot be imported for."""
    if not modality or modality in WAYS.get(family, ()):
        return
    if family not in WAYS:
        problem = f"--modality is of {' and '.join(WAYS)}"
        raise VsrError("bad_options", f"{problem}: what a checkpoint of {family} reads is in its tensors")
    hint = "; a folder of both reads sound alone, too" if family == "av_hubert" else ""
    raise VsrError("bad_options", f"--modality of {family} can be {' or '.join(WAYS[family])}{hint}")
