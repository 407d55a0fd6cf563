"""Tell voices driven by units from those driven by lips, by their config; no model is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vsr.core.errors import VsrError
from vsr.modelstore.checkpoint import read_config

SEEN, UNITS = "seen", "units"  # key and value that training writes into the config of a voice that speaks units


def check_takes_units(config: Mapping[str, Any], folder: str | Path) -> None:
    """Refuse a voice driven by lips, by the config of its acoustic model. Raises VsrError bad_model."""
    if config.get(SEEN) != UNITS:
        problem = "speaks from lips, not from units of sound: train one with data.seen: units, and give it as --model"
        raise VsrError("bad_model", f"{folder} {problem}")


def check_units_folder(acoustic: Path) -> None:
    """`check_takes_units` for the folder of an acoustic model. Raises VsrError bad_model."""
    check_takes_units(read_config(acoustic), acoustic)
