"""Borrowed parts, whose weights stay in their own folder: a model stores only their path and SHA-256.

Such a part is built on the device "meta"; `borrow` loads the weights before anything runs. Trained parameters, such as
those of adapters, belong to the model and are stored with it.
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
BACKBONE, HASHES = "backbone", "sha256"  # settings of a part with borrowed weights


class Borrower(nn.Module):
    """A module with borrowed weights."""

    def borrow(self) -> str:
        """Load the borrowed weights; returns a sentence that says which. Raises VsrError."""
        raise NotImplementedError

    def borrowed(self, name: str) -> bool:
        """Whether the tensor of that name in its state dict is borrowed."""
        raise NotImplementedError


def borrowed_names(model: nn.Module) -> set[str]:
    """Names of the borrowed tensors in the state dict of a model."""
    names = set()
    for path, module in model.named_modules():
        if isinstance(module, Borrower):
            prefix = f"{path}." if path else ""
            names |= {prefix + name for name in module.state_dict() if module.borrowed(name)}
    return names


def borrow(model: nn.Module) -> str:
    """Load all borrowed weights; returns a sentence that says which, "" if there are none. Raises VsrError."""
    return "; ".join([module.borrow() for module in model.modules() if isinstance(module, Borrower)])


def with_hashes(config: LipReaderConfig) -> LipReaderConfig:
    """The config with the SHA-256 of the weights of every backbone at the start of training. Raises VsrError."""
    return _with_settings(
        config, {name: {HASHES: hashes_of(settings[BACKBONE])} for name, settings in _borrowing(config).items()}
    )


def with_found_backbones(config: Config, folder: Path) -> Config:
    """The config with new paths of backbones that no longer exist, but are in the model's ``folder`` by their names."""
    moved = {
        name: {BACKBONE: str(new_path)}
        for name, settings in _borrowing(config).items()
        if not Path(settings[BACKBONE]).exists() and (new_path := folder / Path(settings[BACKBONE]).name).exists()
    }
    return _with_settings(config, moved)


def backbones_of(config: LipReaderConfig) -> list[str]:
    """Folders and files with the borrowed weights of a model."""
    return [settings[BACKBONE] for settings in _borrowing(config).values()]


def hashes_of(path: str | Path) -> dict[str, str]:
    """File name -> SHA-256 of the weights of a backbone. Raises VsrError bad_model."""
    return {file.name: sha256_of(file) for file in weight_files(path)}


def check_hashes(path: str | Path, hashes: Mapping[str, str]) -> None:
    """Raises VsrError bad_model if the backbone is not the one that the model was trained on."""
    if hashes and hashes_of(path) != dict(hashes):
        raise VsrError("bad_model", f"the model was trained on another language model than {path} holds now")


def _borrowing(config: Any) -> dict[str, dict[str, Any]]:
    """Settings of the parts with borrowed weights: of the front end under "", of further heads under their names."""
    parts = {"": config.frontend_settings, **config.further_heads} if isinstance(config, LipReaderConfig) else {}
    return {name: settings for name, settings in parts.items() if settings.get(BACKBONE)}


def _with_settings(config: Config, changes: Mapping[str, dict[str, Any]]) -> Config:
    if not changes or not isinstance(config, LipReaderConfig):
        return config
    heads = {name: settings | changes.get(name, {}) for name, settings in config.further_heads.items()}
    return replace(config, further_heads=heads, frontend_settings=config.frontend_settings | changes.get("", {}))
