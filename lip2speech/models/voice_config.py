"""Configuration of the acoustic model."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from lip2speech.conditions.registry import conditions_of
from lip2speech.models.flow import TARGETS, TIMES
from vsr.core.numbers import COUNT, NOT_NEGATIVE, SHARE
from vsr.models.limits import DROPPED, check_sizes
from vsr.models.lipreader import LipReaderConfig

ENCODERS = ("finetuned", "frozen")


@dataclass(frozen=True)
class VoiceConfig:
    """Hyperparameters of an acoustic model; stored with its weights.

    Args:
        reader: settings of the lip reader whose encoder is used.
        units: K; 0: a model without units.
        encoder: finetuned, or frozen as the lip reader was.
        dim, layers, velocity_layers, heads, hidden, kernel, dropout: of the content model and the flow's network.
        target: what the network predicts, velocity or x1.
        time: how training times are drawn, uniform or logit_normal.
        start: noise, or coarse: the flow starts at the coarse mel with noise of standard deviation ``prior_std`` on it.
        drop_condition: share of training clips without condition, for guidance.
        mel_weight, unit_weight, text_weight: of the coarse mel's L1, the units' cross-entropies and the lip reader's
            CTC and frame losses, added to the flow's loss.
        envelope_weight: of 1 - the correlation of the coarse mel's band envelopes (`lip2speech.models.envelope`). The
            flow has no such loss: it should sample probable mels, not the one that correlates best.
        conditions: further conditions, name -> {kind: ..., its settings} (`lip2speech.conditions.registry`).
    """

    reader: dict[str, Any] = field(default_factory=dict)
    units: int = 200
    encoder: str = "finetuned"
    dim: int = 256
    layers: int = 3
    velocity_layers: int = 4
    heads: int = 4
    hidden: int = 768
    kernel: int = 15
    dropout: float = 0.1
    target: str = "velocity"
    time: str = "uniform"
    start: str = "coarse"
    prior_std: float = field(default=0.5, metadata={"earlier": "spread"})
    drop_condition: float = 0.1
    mel_weight: float = 5.0
    unit_weight: float = 0.3
    text_weight: float = 0.3
    envelope_weight: float = 0.0
    conditions: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self):
        weights = dict.fromkeys(("mel_weight", "unit_weight", "text_weight", "envelope_weight"), NOT_NEGATIVE)
        sizes = dict.fromkeys(("dim", "layers", "velocity_layers", "heads", "hidden", "kernel"), COUNT)
        check_sizes(
            self, units=NOT_NEGATIVE, dropout=DROPPED, prior_std=NOT_NEGATIVE, drop_condition=SHARE, **weights, **sizes
        )  # fmt: skip
        conditions_of(self.conditions)
        for name, value, choices in (
            ("encoder", self.encoder, ENCODERS), ("target", self.target, TARGETS), ("time", self.time, TIMES),
            ("start", self.start, ("coarse", "noise")),
        ):  # fmt: skip
            if value not in choices:
                raise ValueError(f"{name} is '{value}'; it can be {' or '.join(choices)}")


def reader_settings(config: LipReaderConfig) -> dict[str, Any]:
    """Settings of a lip reader in the form of `VoiceConfig.reader`."""
    return asdict(config)
