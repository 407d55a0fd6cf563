"""A model folder on disk <-> a model ready to read lips: the last stage of training, the first of decoding.

A folder is self-contained: weights (fp16 or fp32), `config.json` (settings that rebuild the model, and values fitted
after training, such as the confidence mapping) and the tokenizer's files. `vsr.modelstore.checkpoint` has what all
models share, including those of lip2speech.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeVar

from vsr.core.artifacts import sha256_of
from vsr.core.errors import one_line
from vsr.core.hub import HUB_ID
from vsr.core.machine import FLOAT32, check_precision, find_device
from vsr.data.modalities import VIDEO, names_of
from vsr.modelstore.checkpoint import CONFIG_FILE, WEIGHTS_FILE, bad_model, load_weights, read_config, stored_settings
from vsr.modelstore.precision import chosen_precision
from vsr.modelstore.repository import locate
from vsr.modelstore.saving import FUSED_READER, LANGUAGE_MODEL, LIP_READER, check_tokenizer, save_model
from vsr.modelstore.store import folder_by_name

__all__ = ["FUSED_READER", "LANGUAGE_MODEL", "LIP_READER", "LoadedModel", "load_model", "save_model"]

SHIPPED = Path(__file__).parents[1] / "weights"
NAMES = {  # models in the package; the first is the default
    "grid-tracks": SHIPPED / "grid-tracks", "grid": SHIPPED, "grid-av": SHIPPED / "grid-av",
}  # fmt: skip


@dataclass
class LoadedModel:
    """A LipReader, FusedReader or LanguageModel in eval mode, with its tokenizer and its config.

    ``precision`` is that of its layers, and of the language models that it uses (`vsr.models.precision`).
    ``languages`` caches the language models of searches with this model, by name; ``hashes`` identifies them and the
    model itself (`vsr.decoding.provenance`).
    """

    model: Any
    tokenizer: Any
    config: dict = field(repr=False)
    folder: Path
    precision: str = FLOAT32
    languages: dict = field(default_factory=dict, repr=False)
    hashes: dict = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        """The model's name in its config, else its folder's name."""
        return str(self.config.get("name") or self.folder.name)

    @cached_property
    def weights_sha256(self) -> str:
        """SHA-256 of the file of weights, hexadecimal."""
        return sha256_of(self.folder / WEIGHTS_FILE)


def load_model(name: str | Path | None = None, device: str = "cpu", precision: str = FLOAT32) -> LoadedModel:
    """Load a lip reader.

    Args:
        name: a model folder; a name in `NAMES`, or of a published model (`vsr.modelstore.catalogue`); or a model on the
            hub, ``org/name`` or ``org/name@revision``. A model that is not here is fetched once. None: the default
            model of the package.
        device: cpu, cuda, cuda:1 ..., or auto, a GPU if there is one.
        precision: float32, bfloat16, int8, or auto, see `vsr.modelstore.precision.chosen_precision`. Training needs
            float32.

    Raises:
        VsrError: bad_model, one line that names the first error; hub_missing, hub_denied, hub_offline; bad_options for
            a missing device, or a precision that it does not have.
    """
    folder = find_model(name)
    if read_config(folder).get("kind") == FUSED_READER:
        from vsr.models.fusion import FusedConfig, FusedReader

        return _load(folder, FUSED_READER, FusedReader, FusedConfig, device, precision)
    from vsr.models.lipreader import LipReader, LipReaderConfig

    return _load(folder, LIP_READER, LipReader, LipReaderConfig, device, precision)


def pixel_reader(model):
    """The part of a lip reader that reads mouth crops: of a fused one, its pixel reader."""
    return getattr(model, "pixels", model)


def load_language_model(name: str | Path, device: str = "cpu", precision: str = FLOAT32) -> LoadedModel:
    """Load a language model of `vsr lm train`: a folder or one on the hub. Raises VsrError like `load_model`."""
    from vsr.models.language import LanguageModel, LanguageModelConfig

    return _load(find_model(name), LANGUAGE_MODEL, LanguageModel, LanguageModelConfig, device, precision)


def find_model(name: str | Path | None = None) -> Path:
    """The folder of a model by a name of `load_model`, fetched if needed. Raises VsrError like `load_model`."""
    name = name if name is None else str(name)  # a path may be a name as well
    if name is not None and not (Path(name).exists() or name in NAMES or HUB_ID.fullmatch(str(name))):
        return folder_by_name(str(name))
    return locate(name, NAMES, (CONFIG_FILE,), read_config)


def modalities_in(folder: Path) -> tuple[str, ...]:
    """Names of the modalities that the lip reader in a folder reads. Raises VsrError bad_model."""
    from vsr.models.lipreader import LipReaderConfig, frontend_of
    from vsr.models.registry import reads_of

    config = read_config(folder)
    settings = stored_settings(folder, config, LipReaderConfig, _unnested)
    return names_of(reads_of(frontend_of(settings)) if isinstance(settings, LipReaderConfig) else VIDEO)


def _unnested(stored: dict) -> Any:
    from vsr.modelstore.nested_settings import from_nested

    return from_nested(stored)


class Written(Protocol):
    """Settings of a model that writes tokens of a vocabulary; 0: it has none."""

    @property
    def vocab_size(self) -> int: ...


Settings = TypeVar("Settings", bound=Written)


def _load(
    folder: Path, kind: str, build: Callable[[Settings], Any], settings: type[Settings], device, precision: str
) -> LoadedModel:
    """Load a folder of this kind; ``build`` makes a model from ``settings``."""
    from vsr.models.borrowed import with_found_backbones
    from vsr.text.tokenizer import load_tokenizer

    device = find_device(device)
    check_precision(precision)
    config = read_config(folder)
    folder_kind = config.get("kind", LIP_READER)
    if folder_kind != kind:
        raise bad_model(folder, f"{_with_article(folder_kind)} where {_with_article(kind)} is needed")
    model_config = stored_settings(folder, config, settings, _unnested)
    if not isinstance(model_config, settings):
        raise bad_model(folder, f"{CONFIG_FILE} holds the settings of another kind of model than a {kind}")
    model_config = with_found_backbones(model_config, folder)
    try:
        tokenizer = load_tokenizer(folder) if model_config.vocab_size else None
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise bad_model(folder, f"its tokenizer cannot be read: {one_line(error)}") from error
    check_tokenizer(tokenizer, model_config.vocab_size, folder)
    precision = chosen_precision(folder, precision, device)
    model = load_weights(folder, lambda: build(model_config)).to(device).eval()
    return LoadedModel(_lowered(model, precision), tokenizer, config, folder, precision)


def _lowered(model: Any, precision: str) -> Any:
    if precision == FLOAT32:
        return model
    from vsr.models.precision import lower_precision

    return lower_precision(model, precision)


def _with_article(kind: str) -> str:
    """A kind of model in a sentence: "a lip reader", "an acoustic model"."""
    return f"{'an' if kind[:1] in tuple('aeiou') else 'a'} {kind.replace('_', ' ')}"
