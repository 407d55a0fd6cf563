"""Parts whose weights stay in their own folder: a model stores the path and SHA-256 of the weights, not the weights.

Such a part is built on the device "meta"; `borrow` brings the weights before anything runs. What is trained of it, as
adapters are, belongs to the model and is stored with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from torch import nn

from vsr.core.artifacts import sha256_of
from vsr.core.errors import VsrError
from vsr.models.lipreader import LipReaderConfig
from vsr.models.text_backbone import weight_files

Config = TypeVar("Config")
BACKBONE, HASHES = "backbone", "sha256"  # settings of a part that borrows


class Borrower(nn.Module):
    """A module with parts that are not its own."""

    def borrow(self) -> str:
        """Bring the borrowed weights; returns a sentence. Raises VsrError."""
        raise NotImplementedError

    def borrowed(self, name: str) -> bool:
        """Whether the tensor of that name in its state is not its own."""
        raise NotImplementedError


def borrowed_names(model: nn.Module) -> set[str]:
    """Names of the tensors in the state of a model that are not its own."""
    found = set()
    for place, module in model.named_modules():
        if isinstance(module, Borrower):
            before = f"{place}." if place else ""
            found |= {before + name for name in module.state_dict() if module.borrowed(name)}
    return found


def borrow(model: nn.Module) -> str:
    """Bring all borrowed weights; returns a sentence, "" where there are none. Raises VsrError."""
    return "; ".join([own.borrow() for own in model.modules() if isinstance(own, Borrower)])


def identified(config: LipReaderConfig) -> LipReaderConfig:
    """The settings with the SHA-256 of the weights of every backbone, which a run begins with. Raises VsrError."""
    return _with(config, {name: {HASHES: hashes_of(own[BACKBONE])} for name, own in _borrowing(config).items()})


def located(config: Config, folder: Path) -> Config:
    """The settings with every backbone that is not where it was, but in the model's ``folder`` by its name, there."""
    moved = {
        name: {BACKBONE: str(here)}
        for name, own in _borrowing(config).items()
        if not Path(own[BACKBONE]).exists() and (here := folder / Path(own[BACKBONE]).name).exists()
    }
    return _with(config, moved)


def backbones_of(config: LipReaderConfig) -> list[str]:
    """Folders and files that hold the borrowed weights of a model."""
    return [own[BACKBONE] for own in _borrowing(config).values()]


def hashes_of(path: str | Path) -> dict[str, str]:
    """File -> SHA-256 of the weights of a backbone. Raises VsrError bad_model."""
    return {own.name: sha256_of(own) for own in weight_files(path)}


def check_hashes(path: str | Path, known: Mapping[str, str]) -> None:
    """Refuse another backbone than the model was trained on. Raises VsrError bad_model."""
    if known and hashes_of(path) != dict(known):
        raise VsrError("bad_model", f"the model was trained on another language model than {path} holds now")


def _borrowing(config: Any) -> dict[str, dict[str, Any]]:
    """Settings of the parts that borrow: of the front end by "", of further heads by their names."""
    parts = {"": config.frontend_settings, **config.further_heads} if isinstance(config, LipReaderConfig) else {}
    return {name: own for name, own in parts.items() if own.get(BACKBONE)}


def _with(config: Config, more: Mapping[str, dict[str, Any]]) -> Config:
    if not more or not isinstance(config, LipReaderConfig):
        return config
    heads = {name: own | more.get(name, {}) for name, own in config.further_heads.items()}
    return replace(config, further_heads=heads, frontend_settings=config.frontend_settings | more.get("", {}))
