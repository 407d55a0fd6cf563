"""Saves and loads one model of a voice: weights and `config.json`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from vsr.core.files import atomic_write, write_json
from vsr.modelstore.checkpoint import (
    CONFIG_FILE,
    FORMAT,
    WEIGHTS_FILE,
    load_weights,
    read_config,
    save_weights,
    stored_settings,
)


def save_part(folder: str | Path, model, extra: dict | None = None) -> Path:
    """Write weights (fp16) and `config.json` of a model with a dataclass ``config``; the config is written last."""
    folder = Path(folder)
    with atomic_write(folder / WEIGHTS_FILE) as temporary:
        save_weights(temporary, model, half=True)
        (folder / CONFIG_FILE).unlink(missing_ok=True)  # without it the folder is no model until all is written
    write_json(folder / CONFIG_FILE, (extra or {}) | {"format": FORMAT, "model": asdict(model.config)})
    return folder


def load_part(folder: str | Path, kind: type, config_kind: type) -> tuple[Any, dict]:
    """Load a model of class ``kind``, built from a ``config_kind``, and its config. Raises VsrError bad_model."""
    folder = Path(folder)
    config = read_config(folder)
    settings = stored_settings(folder, config, config_kind)
    return load_weights(folder, lambda: kind(settings)).eval(), config
