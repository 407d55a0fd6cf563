"""The configuration of a lip reader, and the typed settings of its parts that follow from it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from vsr.core.numbers import COUNT, NOT_NEGATIVE
from vsr.models.conformer import ACTIVATIONS, POSITIONS
from vsr.models.heads import AttentionSettings, WordClassSettings
from vsr.models.limits import LIP_READER, check_heads, check_sizes
from vsr.models.registry import ENCODERS, FRONTENDS, HEADS, HeadPart, Part, settings_of, split_kind
from vsr.models.words import FIRST

OF_ALL = ("weight", "layer")  # settings that every further head has
LAYER = range(1000)
# Kinds with flat settings here: which of them an encoder has, and the flat name of each of a front end's.
ATTENTIVE = ("layers", "hidden", "dropout", "heads", "attention_dropout")
ENCODER_SETTINGS = {
    "conformer": (*ATTENTIVE, "kernel", "activation", "norm_eps", "positions"),
    "av_hubert": ATTENTIVE,
    "recurrent": ("layers", "hidden", "dropout"),
}
FRONTEND_SETTINGS = {
    "video_transformer": {
        "width": "frontend_width", "layers": "frontend_layers", "heads": "frontend_heads", "frames": "tubelet_frames",
        "patch": "tubelet_patch", "downscale": "tubelet_downscale",
    },
    "resnet3d": {"width": "resnet_width", "blocks": "resnet_blocks", "activation": "resnet_activation"},
    "landmarks": {"dropout": "dropout"},
}  # fmt: skip
OF_DECODER = ("heads", "dropout", "norm_eps", "attention_dropout")  # it has these of the encoder
RESERVED = ("ctc", "attention", "alignment", "words", "loss", "accuracy")  # names that no further head can have


@dataclass(frozen=True)
class LipReaderConfig:
    """The configuration of a lip reader, stored beside its weights.

    ``vocab_size`` counts blank and the shared start/end token. ``tubelet_*`` and ``frontend_*`` build the video
    transformer, ``resnet_*`` the ResNet-3D; torchvision's networks (``swin3d_t``, ``r3d_18`` ...) have fixed
    sizes; "landmarks" reads tracks of mouth points, and works best with the encoder
    "recurrent", whose ``hidden`` is the width in each direction. ``activation`` is that of the Conformer's feed-forward
    networks and ``norm_eps`` the constant of every layer normalisation: published models differ in both, and some use
    "legacy" relative positions (``positions``). ``ctc_weight`` is w of the loss w * CTC + (1 - w) * attention, to which
    ``alignment_weight`` * the loss of the frame targets is added. ``dropout`` is that of the layers' outputs,
    ``attention_dropout`` that of the attention weights of encoder and decoder.

    A model has no CTC or alignment head where its weight is 0, and no decoder with 0 ``decoder_layers``; a model with
    neither CTC nor decoder is an encoder only and has a vocabulary of 0. With ``encoder`` "av_hubert" the decoder is
    AV-HuBERT's too, and ``decoder_heads`` may differ (0: as many as the encoder's).

    With ``classes`` the model has a head that classifies that many isolated words: ``boundary`` adds an indicator of
    the frames of the word, ``mixup`` is the alpha of the Beta distribution for mixing clips in training (0: no mixing)
    if there is no other head.

    ``frontend`` and ``encoder`` may be any registered kind (`vsr.models.registry`), ``frontend_settings`` and
    ``encoder_settings`` are the settings of that kind; for the kinds of the package they override the flat numbers
    here. ``further_heads`` are additional heads: name -> {kind: ..., weight: of its loss, layer: of the encoder, from
    1, that it reads (0: the last, normalised), its settings}.
    """

    vocab_size: int
    frontend: str = "video_transformer"
    frontend_width: int = 128
    frontend_layers: int = 2
    frontend_heads: int = 4
    tubelet_frames: int = 5
    tubelet_patch: int = 11
    tubelet_downscale: int = 2
    resnet_width: int = 64
    resnet_blocks: tuple[int, ...] = (2, 2, 2, 2)
    resnet_activation: str = "silu"
    encoder: str = "conformer"
    dim: int = 192
    heads: int = 4
    hidden: int = 768
    layers: int = 4
    kernel: int = 15
    activation: str = "silu"
    norm_eps: float = 1e-5
    positions: str = "relative"
    decoder_layers: int = 2
    decoder_hidden: int = 768
    decoder_heads: int = 0
    dropout: float = 0.1
    ctc_weight: float = 0.3
    label_smoothing: float = 0.1
    alignment_weight: float = 0.5
    classes: int = 0
    boundary: bool = False
    mixup: float = 0.0
    frontend_settings: dict[str, Any] = field(default_factory=dict)
    encoder_settings: dict[str, Any] = field(default_factory=dict)
    further_heads: dict[str, dict[str, Any]] = field(default_factory=dict)
    attention_dropout: float = 0.0

    def __post_init__(self):
        check_sizes(self, **LIP_READER)
        check_heads("frontend_width", self.frontend_width, "frontend_heads", self.frontend_heads)
        check_heads("dim", self.dim, "decoder_heads", self.decoder_heads or self.heads)
        if self.positions not in POSITIONS:
            raise ValueError(f"positions is '{self.positions}'; it can be {' or '.join(POSITIONS)}")
        if self.activation not in ACTIVATIONS:
            raise ValueError(f"activation is '{self.activation}'; it can be {' or '.join(ACTIVATIONS)}")
        if not self.resnet_blocks or not all(count in COUNT for count in self.resnet_blocks):
            raise ValueError(f"resnet_blocks is {list(self.resnet_blocks)}: give at least one block for each stage")
        object.__setattr__(self, "resnet_blocks", tuple(self.resnet_blocks))
        self._check_parts()
        if not self.vocab_size and (self.ctc_weight or self.alignment_weight or self.decoder_layers):
            raise ValueError("a vocabulary of 0 leaves no place for ctc_weight, alignment_weight or decoder_layers")
        self._check_words()

    @property
    def only_words(self) -> bool:
        """Whether the model has a head for word classes and no other."""
        other_heads = self.ctc_weight or self.alignment_weight or self.decoder_layers or self.further_heads
        return bool(self.classes) and not other_heads

    def _check_parts(self) -> None:
        """Raises ValueError for an unknown kind, or a setting that its kind does not have."""
        frontend_of(self)
        encoder_of(self)
        for name, settings in self.further_heads.items():
            if name in RESERVED:
                raise ValueError(f"further_heads.{name}: heads of the model itself have that name; choose another")
            head_of(self, name)
            if settings.get("weight", 1.0) not in NOT_NEGATIVE:
                raise ValueError(f"further_heads.{name}.weight is {settings['weight']}: give 0 or more")
            if settings.get("layer", 0) not in LAYER:
                raise ValueError(
                    f"further_heads.{name}.layer is {settings['layer']!r}: give 0 (the last) or 1 and more"
                )

    def _check_words(self) -> None:
        """Raises ValueError where ``classes`` contradicts the other settings."""
        if not self.classes:
            if self.boundary or self.mixup:
                raise ValueError("boundary and mixup are for models that tell words apart: set classes")
            return
        if self.mixup and not self.only_words:
            problem = "set ctc_weight, alignment_weight and decoder_layers to 0, and give no further_heads"
            raise ValueError(f"mixup is for a model that has classes alone: {problem}")
        listed = self.vocab_size - FIRST - 1
        if self.classes != listed:
            raise ValueError(f"classes is {self.classes}, but the tokenizer lists {max(0, listed)} words")


def frontend_of(c: LipReaderConfig) -> Part:
    """The settings of the front end, nested or flat in the config, as in folders of format 1."""
    flat = {name: getattr(c, own) for name, own in FRONTEND_SETTINGS.get(c.frontend, {}).items()}
    return settings_of(FRONTENDS, c.frontend, flat | c.frontend_settings)


def encoder_of(c: LipReaderConfig) -> Part:
    """The settings of the encoder, nested or flat in the config."""
    flat = {name: getattr(c, name) for name in ENCODER_SETTINGS.get(c.encoder, ())}
    return settings_of(ENCODERS, c.encoder, flat | c.encoder_settings)


def unused_settings(c: LipReaderConfig, names: Iterable[str]) -> list[str]:
    """Those of the flat settings ``names`` that no part of the model has, such as ``kernel`` without a Conformer."""
    used = {*ENCODER_SETTINGS.get(c.encoder, ()), *FRONTEND_SETTINGS.get(c.frontend, {}).values()}
    used.update(OF_DECODER if c.decoder_layers else ())
    known = {name for part in ENCODER_SETTINGS.values() for name in part}
    known |= {name for part in FRONTEND_SETTINGS.values() for name in part.values()}
    return [name for name in names if name in known - used]


def head_of(c: LipReaderConfig, name: str) -> HeadPart:
    """The settings of one of the further heads."""
    kind, settings = split_kind(c.further_heads[name], f"further_heads.{name}")
    return settings_of(HEADS, kind, {key: value for key, value in settings.items() if key not in OF_ALL})


def layers_of(c: LipReaderConfig) -> dict[str, int]:
    """Head name -> encoder layer, from 1, of the further heads that read a layer below the last."""
    return {name: settings["layer"] for name, settings in c.further_heads.items() if settings.get("layer")}


def attention_of(c: LipReaderConfig) -> AttentionSettings:
    """The settings of the attention decoder."""
    heads, tied = c.decoder_heads or c.heads, c.encoder == "av_hubert"
    shares = c.dropout, c.norm_eps, c.label_smoothing, tied, c.attention_dropout
    return AttentionSettings(c.decoder_layers, heads, c.decoder_hidden, *shares)


def words_of(c: LipReaderConfig) -> WordClassSettings:
    """The settings of the head for ``classes``, the words that the tokenizer lists."""
    return WordClassSettings(label_smoothing=c.label_smoothing)


def tokenizer_of_head(c: LipReaderConfig, name: str, shared: Any) -> Any:
    """The tokenizer of a head; ``shared`` is that of the model."""
    return head_of(c, name).tokenizer(shared) if name in c.further_heads else shared


def further_heads_of(c: LipReaderConfig) -> dict[str, HeadPart]:
    """The settings of the further heads, by name."""
    return {name: head_of(c, name) for name in c.further_heads}
