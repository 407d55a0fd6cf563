"""The description of a folder of puppet clips, corpus.json: a run continues only the corpus that it began."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vsr.core.errors import VsrError
from vsr.core.files import read_json, write_json
from vsr.corpora.lists import check_lists

NAME = "corpus.json"
CORPUS, SPLITS = "puppet", ("train", "dev", "test")


def claim(out_dir: Path, description: dict[str, Any]) -> None:
    """Write the description. Raises VsrError bad_corpus, exists for a folder that holds something else."""
    path = out_dir / NAME
    if path.exists() and (existing := _read(path)) != description:
        problem = f"{out_dir} holds another puppet corpus ({difference(existing, description)})"
        raise VsrError("bad_corpus", f"{problem}: choose another folder")
    if not path.exists():
        check_lists(out_dir, CORPUS, SPLITS)
    write_json(path, description)


def difference(existing: Any, expected: dict[str, Any]) -> str:
    """The settings in which two descriptions differ, in words."""
    if not isinstance(existing, dict):
        return f"its {NAME} is not one of vsr prepare puppet"
    keys = [key for key in {**existing, **expected} if existing.get(key) != expected.get(key)]
    return "; ".join(
        f"{key} {_format_value(existing.get(key))}, not {_format_value(expected.get(key))}" for key in keys
    )


def _read(path: Path) -> Any:
    """The value of a JSON file, None if it is not JSON."""
    try:
        return read_json(path)
    except (UnicodeDecodeError, json.JSONDecodeError):
        return None


def _format_value(value: Any) -> str:
    """A setting in a few words: counts as "dev 10 test 60 train 160"."""
    if isinstance(value, dict):
        return " ".join(f"{name} {count}" for name, count in value.items())
    return "none" if value is None else str(value)[:40]
