"""A published checkpoint, the files that belong to it, and as which reader it is read."""

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
WAYS = {"av_hubert": (VIDEO, BOTH), "usr": (VIDEO, SOUND, BOTH)}  # of reading that one checkpoint can be made for


@dataclass(frozen=True)
class Published:
    """A published checkpoint.

    Args:
        family: a key of `FAMILIES`.
        path: the checkpoint; read without running anything in it.
        tokenizer, units: files that the checkpoint does not hold.
        settings: of vsr4ml, the checkpoint's `model.json`; without it the one beside the checkpoint.
        lm: of vsr4ml and raven, ESPnet's language model, of the former with its `model.json` beside it; it becomes a
            part of the folder.
        modality: "video", "sound" or "both", what is read, of a checkpoint that can become several (`WAYS`); "": of usr
            video, of av_hubert what its settings say that it was tuned on, else video.
        whisper: of cogenav, the folder of the Whisper that writes its text; without, the encoder alone is made.
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
        """The further files that are named."""
        return tuple(filter(None, (self.tokenizer, self.units, self.settings, self.lm)))

    @property
    def about(self) -> dict[str, str]:
        """What the folder's config says about where the weights come from."""
        return {"name": Path(self.path).stem, "family": self.family, "licence": FAMILIES[self.family].LICENCE}

    def check(self) -> None:
        """Refuse what a family does not have, before its checkpoint is read. Raises VsrError bad_options, bad_model."""
        if self.settings and self.family != "vsr4ml":
            raise VsrError("bad_options", f"--settings works only with vsr4ml, not with {self.family}")
        if self.lm:
            check_language(self.family)
        check_modality(self.family, self.modality)
        check_whisper(self.family, self.whisper)


def check_language(family: str) -> None:
    """Raises VsrError bad_options for a family that comes without a language model."""
    if not hasattr(FAMILIES[family], "LM_WEIGHT"):
        problem = f"checkpoints of {family} come without a language model"
        raise VsrError("bad_options", f"{problem}: --lm works only with vsr4ml and raven")


def check_whisper(family: str, whisper: str | Path | None) -> None:
    """Raises VsrError bad_options for a family whose text no Whisper writes, bad_model for what is no folder of one."""
    if whisper is None:
        return
    if family != "cogenav":
        raise VsrError("bad_options", f"--whisper works only with cogenav, not with {family}")
    try:
        whisper_sizes(str(whisper), {})
    except VsrError as error:
        if error.reason not in ("bad_model", "bad_config"):
            raise
        wanted = "config.json with the model_type whisper, and model.safetensors, as those of openai/whisper-small"
        raise VsrError("bad_model", f"--whisper {whisper}: no folder of a Whisper ({wanted})") from error


def check_modality(family: str, modality: str) -> None:
    """Raises VsrError (bad_config) for a way of reading that checkpoints of a family do not become."""
    if not modality or modality in WAYS.get(family, ()):
        return
    if family not in WAYS:
        problem = f"--modality is of {' and '.join(WAYS)}"
        raise VsrError("bad_options", f"{problem}: what a checkpoint of {family} reads is in its tensors")
    hint = "; a folder of both reads sound alone, too" if family == "av_hubert" else ""
    raise VsrError("bad_options", f"--modality of {family} can be {' or '.join(WAYS[family])}{hint}")
