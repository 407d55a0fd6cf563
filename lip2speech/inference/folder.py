"""Model folders of lip2speech: the acoustic model, the vocoder, and both together, ready to speak.

A folder holds `acoustic/` and `vocoder/`, each `model.safetensors` (fp16 or fp32) and `config.json`; the acoustic
model also has its codebook of units, and may have a `listener/` of the same format, which text needs
(`lip2speech.models.pull`). Nothing in it is ever unpickled.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from lip2speech.models.parts import load_part, save_part  # noqa: F401  known by these names
from vsr.core.errors import VsrError
from vsr.core.hub import is_hub_id
from vsr.core.machine import find_device
from vsr.modelstore.checkpoint import CONFIG_FILE, read_config
from vsr.modelstore.repository import locate

SHIPPED = Path(__file__).parents[1] / "weights"
NAMES = {"grid": SHIPPED}  # of the models in the package; the first is the default
ACOUSTIC, VOCODER, LISTENER, UNITS_FILE = "acoustic", "vocoder", "listener", "units.safetensors"
EMOTION = "emotion"  # a listener whose words are emotions


@dataclass
class LoadedVoice:
    """An acoustic model and a vocoder in eval mode; ``parts``: the folders of the two; ``made_by``: further inputs of
    the mel, such as a token model."""

    voice: Any
    vocoder: Any
    config: dict
    folder: Path
    parts: tuple[Path, Path] = (SHIPPED / ACOUSTIC, SHIPPED / VOCODER)
    made_by: dict = field(default_factory=dict)

    @cached_property
    def reader(self):
        """The lip reader for the words, the default model of `vsr`; loaded at first use."""
        from vsr.modelstore.folder import load_model

        return load_model(None, str(self.voice.mel_mean.device))

    @property
    def has_listener(self) -> bool:
        """Whether it can be pulled towards words."""
        return accepts_words(self.parts[0])

    @property
    def is_told(self) -> bool:
        """Whether words are a condition of its flow, which needs no listener."""
        from lip2speech.conditions.traits import is_spoken

        return any(map(is_spoken, self.voice.condition_settings.values()))

    @cached_property
    def listener(self):
        """The recogniser that pulls towards text; loaded at first use. Raises VsrError no_listener, bad_model."""
        if not self.has_listener:
            raise VsrError("no_listener", f"{self.parts[0]} has no listener, which text needs: use --text none")
        return load_listener(self.parts[0] / LISTENER, self.voice)

    @cached_property
    def emotions(self):
        """The listener of emotions; loaded at first use. Raises VsrError bad_model if there is none."""
        check_emotion(self.parts[0])
        return load_listener(self.parts[0] / EMOTION, self.voice)

    @cached_property
    def face_voice(self):
        """The network that derives a voice from a face; loaded at first use. Raises VsrError bad_model without one."""
        from lip2speech.inference.face_voices import load_face_voice

        return load_face_voice(self.parts[0])


def accepts_words(acoustic: Path) -> bool:
    """Whether the folder of an acoustic model has a listener."""
    return (acoustic / LISTENER / CONFIG_FILE).is_file()


def check_emotion(acoustic: Path, name: str = "") -> None:
    """Refuse an acoustic model without emotions, or without this one. Raises VsrError bad_model, bad_options."""
    folder = acoustic / EMOTION
    if not (folder / CONFIG_FILE).is_file():
        raise VsrError("bad_model", f"{acoustic} knows no emotions: train {folder} with lip2speech listener")
    emotions = read_config(folder)["model"].get("words", [])
    if name and name not in emotions:
        raise VsrError(
            "bad_options", f"this voice does not know the emotion '{name}': it can be {', '.join(sorted(emotions))}"
        )


NO_SOUND_CONDITION = "speaks from lips alone: train one with a condition of kind noisy, and give it as the model"
NO_GAP_CONDITION = (
    "fills no gaps: train one with a condition of kind context, or give --tokens with a model that infills"
)


def check_sound_condition(acoustic: Path, fill: bool) -> None:
    """Refuse an acoustic model without a condition for noisy sound or, with ``fill``, for the sound around a gap.
    Raises VsrError."""
    from lip2speech.conditions.registry import conditions_of
    from lip2speech.conditions.traits import is_around, is_recorded

    conditions = conditions_of(read_config(acoustic)["model"].get("conditions") or {})
    if not any(map(is_around if fill else is_recorded, conditions.values())):
        raise VsrError("bad_model", f"{acoustic} {NO_GAP_CONDITION if fill else NO_SOUND_CONDITION}")


def save_voice(folder: str | Path, voice, codebook, extra: dict | None = None) -> Path:
    """Write an acoustic model's folder: weights as fp16, config, codebook. Raises VsrError not_writable, no_space."""
    folder = Path(folder)
    codebook.save(folder / UNITS_FILE)
    return save_part(folder, voice, extra)


def load_voice(folder: str | Path):
    """Load the acoustic model of a folder and its config."""
    from lip2speech.models.voice import Voice
    from lip2speech.models.voice_config import VoiceConfig

    return load_part(folder, Voice, VoiceConfig)


def load_vocoder(folder: str | Path):
    """Load the vocoder of a folder and its config."""
    from lip2speech.vocoders.generator import Generator, GeneratorConfig

    return load_part(folder, Generator, GeneratorConfig)


def load_listener(folder: str | Path, voice):
    """Load the listener of an acoustic model. Raises VsrError bad_model if it was trained for another one."""
    import torch

    from lip2speech.models.listener import Listener, ListenerConfig

    listener, _ = load_part(folder, Listener, ListenerConfig)
    voice_stats, listener_stats = (torch.stack([part.mel_mean, part.mel_deviation]).cpu() for part in (voice, listener))
    if not torch.allclose(voice_stats, listener_stats, atol=0.02):  # both are stored in half precision
        raise VsrError("bad_model", f"{folder} was trained for another voice: its mels are normalised differently")
    return listener.to(voice.mel_mean.device)


def load_model(
    name: str | Path | None = None,
    device: str = "cpu",
    acoustic: str | Path | None = None,
    vocoder: str | Path | None = None,
) -> LoadedVoice:
    """Load a voice.

    Args:
        name: a folder with `acoustic/` and `vocoder/`; a name in `NAMES`; or a model on the hub, ``org/name`` or
            ``org/name@revision``, which is downloaded once. None: the voice that ships with the package.
        device: cpu, cuda, cuda:1 ..., or auto, a GPU where there is one.
        acoustic, vocoder: folders that replace those two.

    Raises:
        VsrError: bad_model; hub_missing, hub_denied, hub_offline; bad_options for a device that is not there.
    """
    device = find_device(device)
    folder = find_model(name)
    parts = Path(acoustic or folder / ACOUSTIC), Path(vocoder or folder / VOCODER)
    (voice, config), (generator, about) = load_voice(parts[0]), load_vocoder(parts[1])
    if generator.config.units not in (0, max(1, voice.config.units)):
        vocoder_units, voice_units = generator.config.units, voice.config.units
        raise VsrError(
            "bad_model", f"the vocoder knows {vocoder_units} units, the acoustic model makes {voice_units}: not a pair"
        )
    config = {"acoustic": config, "vocoder": about}
    return LoadedVoice(voice.to(device), generator.to(device), config, folder, parts)


def find_model(name: str | Path | None = None) -> Path:
    """The folder of a model that `load_model` would load, downloaded if needed. Raises VsrError as `load_model`."""
    if name is not None and not (Path(name).exists() or str(name) in NAMES or is_hub_id(name)):
        known = f"no voice has that name (in the package: {', '.join(NAMES)})"
        raise VsrError("bad_model", f"{name}: no such model folder, and {known}")
    configs = [f"{part}/{CONFIG_FILE}" for part in (ACOUSTIC, VOCODER)]
    return locate(name, NAMES, configs, lambda folder: [read_config(folder / part) for part in (ACOUSTIC, VOCODER)])
