"""A run goes on as it was begun, or not at all: its settings, its training list and its alphabet must be the same."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vsr.errors import VsrError
from vsr.training.config import load_config

# May change from one part of a run to the next: the length of the run, the machines, and where the lists lie.
FREE = ("trainer.", *(f"data.{name}" for name in ("train", "dev", "tests", "tokenizer", "features", "units", "reader")))


def digest(value: Any) -> str:
    """A short name of a value of JSON."""
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]


def check_same(folder: Path, config: Any, before: dict[str, str], now: dict[str, str]) -> None:
    """Compare what a run was begun with: its ``config.yaml`` and the digests of its data, by name.

    Raises VsrError bad_config naming the first thing that differs.
    """
    for name, value in before.items():
        if now.get(name) != value:
            raise _other(folder, f"another {name}")
    if (folder / "config.yaml").is_file():
        old, new = (flat(asdict(own)) for own in (load_config(folder / "config.yaml", (), type(config)), config))
        for name in sorted(old.keys() | new.keys()):
            was, given = old.get(name, "the default"), new.get(name, "the default")
            if was != given and not name.startswith(FREE):
                raise _other(folder, f"{name} {was}, not {given}")


def _other(folder: Path, what: str) -> VsrError:
    told = f"cannot resume {folder}: it was begun with {what}. Leave it so, or begin another --out"
    return VsrError("bad_config", f"{told} with trainer.init_from={folder}/model")


def flat(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by their dotted names."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        found |= flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return found
