"""Speech foundation models as front ends for sound: wav2vec 2.0, HuBERT or Whisper's encoder from a local folder.

Unimodal-SSL AVSR (Pan et al. 2022) joins such a model with a front end for video. The folder has the format of the
transformers library, with safetensors; its settings are stored with the trained model, which then does not need the
folder. It is frozen unless ``frozen`` is false. Each clip is encoded alone at its own length: with group normalisation
and attention without a mask, padding would change the states.

Shapes: B clips, T video frames, D width, H width of the foundation model. Sound is the waveform, (B, T, 640).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vsr.core.clock import FPS, SAMPLE_RATE, UNIT_RATE, UNITS_PER_FRAME, exact
from vsr.core.errors import VsrError, one_line
from vsr.data.modalities import SOUND, WAVE
from vsr.models.lengths import zero_padding
from vsr.models.registry import FRONTENDS

KINDS = ("wav2vec2", "hubert", "whisper")
STEP = exact(SAMPLE_RATE, UNIT_RATE)  # samples per state, in each of them
LONGEST = 30  # seconds, Whisper's window


class Foundation(nn.Module):
    """Sound (B, T, 640), mask (B, T) -> (B, T, D), zero on padding: the two states of a layer per frame, projected.

    Args:
        dim: D.
        settings: of the model, as in its ``config.json``.
        layer: the layer whose states are used, counted from the input (0); -1: the last.
        normalise: normalise the wave of each clip to mean 0 and standard deviation 1, as some models need.
        frozen: train only the projection to D.
    """

    def __init__(self, dim: int, settings: dict[str, Any], layer: int, normalise: bool, frozen: bool):
        super().__init__()
        self.kind, self.layer, self.normalise, self.frozen = settings["model_type"], layer, normalise, frozen
        self.pretrained = _built(settings)
        self.out = nn.Linear(UNITS_PER_FRAME * _width(settings), dim)
        self.pretrained.requires_grad_(not frozen)

    def train(self, mode: bool = True) -> Foundation:
        """Training mode, except for a frozen model."""
        super().train(mode)
        if self.frozen:
            self.pretrained.eval()
        return self

    def forward(self, sound: Tensor, mask: Tensor) -> Tensor:
        clips = []
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            for wave, frames in zip(sound, mask.sum(1).tolist(), strict=True):
                states = (
                    self.states(wave[:frames].flatten()) if frames else wave.new_zeros(0, self.out.in_features // 2)
                )
                clips.append(F.pad(states, (0, 0, 0, UNITS_PER_FRAME * (len(wave) - frames))))
        pairs = torch.stack(clips).unflatten(1, (-1, UNITS_PER_FRAME)).flatten(2)
        return zero_padding(self.out(pairs), mask)

    def states(self, wave: Tensor) -> Tensor:
        """Wave (640 T,) of one clip -> states (2T, H)."""
        count = exact(len(wave), STEP)
        if self.normalise:
            wave = (wave - wave.mean()) / torch.sqrt(wave.var(correction=0) + 1e-7)
        x = whisper_input(wave, self.pretrained.config.num_mel_bins) if self.kind == "whisper" else wave[None]
        padded = x if self.kind == "whisper" else F.pad(x, (0, STEP // 4))  # 80 samples, for the last state
        states = self.pretrained(padded, output_hidden_states=True).hidden_states[self.layer][0, :count]
        return torch.cat([states, states[-1:].expand(count - len(states), -1)])


def whisper_input(wave: Tensor, bands: int) -> Tensor:
    """Wave (640 T,) -> Whisper's log-mel of 30 s, (1, bands, 3000). Raises VsrError for a longer wave."""
    from transformers import WhisperFeatureExtractor

    if len(wave) > LONGEST * SAMPLE_RATE:
        problem = f"a clip of {len(wave) / SAMPLE_RATE:.1f} s: Whisper hears {LONGEST} s at once"
        raise VsrError("bad_manifest", f"{problem}: set data.max_frames to {LONGEST * FPS}")
    extract = WhisperFeatureExtractor(feature_size=bands)
    features = extract(wave.float().cpu().numpy(), sampling_rate=SAMPLE_RATE, return_tensors="pt")
    return features.input_features.to(wave.device)


def load_pretrained(model: nn.Module, folder: str | Path) -> str:
    """Load a folder's weights into every `Foundation` of a model; returns a sentence. Raises VsrError bad_model."""
    from transformers import AutoModel

    count = 0
    for module in model.modules():
        if isinstance(module, Foundation):
            try:
                settings_in(folder)
                source = AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True)
                source = source.encoder if module.kind == "whisper" else source
                module.pretrained.load_state_dict(source.state_dict())
            except (OSError, ValueError, RuntimeError, AttributeError) as error:
                raise VsrError("bad_model", f"{folder}: its weights cannot be used: {one_line(error)}") from error
            count += sum(parameter.numel() for parameter in module.pretrained.parameters())
    return f"foundation {folder}: {count / 1e6:.1f} M parameters"


def _built(settings: dict[str, Any]) -> nn.Module:
    """The model of these settings, with random weights."""
    from transformers import AutoConfig, AutoModel

    config = AutoConfig.for_model(**settings)
    model = AutoModel.from_config(config)
    return model.encoder if settings["model_type"] == "whisper" else model


def _width(settings: dict[str, Any]) -> int:
    return int(settings["d_model"] if settings["model_type"] == "whisper" else settings["hidden_size"])


def settings_in(folder: str | Path) -> tuple[dict[str, Any], bool]:
    """(contents of a folder's ``config.json``, whether to normalise waves). Raises ValueError of one line."""
    try:
        config = json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))
        extractor_file = Path(folder) / "preprocessor_config.json"
        extractor_settings = json.loads(extractor_file.read_text(encoding="utf-8")) if extractor_file.is_file() else {}
    except (OSError, ValueError) as error:
        raise ValueError(f"{folder} is no folder of a foundation model: {one_line(error)}") from error
    if (kind := config.get("model_type")) not in KINDS:
        raise ValueError(f"{folder} holds a model of the kind '{kind}'; it can be {' or '.join(KINDS)}")
    if (rate := extractor_settings.get("sampling_rate", SAMPLE_RATE)) != SAMPLE_RATE:
        raise ValueError(f"{folder} hears {rate} samples a second, and sound here has {SAMPLE_RATE}")
    return config, bool(extractor_settings.get("do_normalize", False)) and kind != "whisper"


@FRONTENDS.register("foundation")
@dataclass(frozen=True)
class FoundationSettings:
    """``path``: the folder of the weights, which training loads; ``settings``: by default those of its ``config.json``,
    and ``normalise`` too is then read from the folder; other settings as in `Foundation`."""

    path: str = ""
    layer: int = -1
    frozen: bool = True
    normalise: bool = False
    settings: dict[str, Any] = field(default_factory=dict)

    reads = SOUND
    form = WAVE

    def __post_init__(self):
        if not self.settings:
            if not self.path:
                raise ValueError("foundation needs a path, the folder of a wav2vec 2.0, HuBERT or Whisper")
            settings, normalise = settings_in(self.path)
            object.__setattr__(self, "settings", settings)
            object.__setattr__(self, "normalise", normalise)
        if (kind := self.settings.get("model_type")) not in KINDS:
            raise ValueError(f"settings.model_type is {kind!r}; it can be {' or '.join(KINDS)}")
        layers = self.settings.get("num_hidden_layers", self.settings.get("encoder_layers", 0))
        if not -1 <= self.layer <= layers:
            raise ValueError(f"layer is {self.layer}; that model has 0 to {layers}")

    def build(self, dim: int) -> nn.Module:
        return Foundation(dim, self.settings, self.layer, self.normalise, self.frozen)
