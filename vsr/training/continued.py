"""What a run hangs on, by settings and by the contents of the files that they name: only the same run goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vsr.core.artifacts import LEDGER, Ledger, differences, digest_of, identify, identify_folder
from vsr.core.errors import VsrError
from vsr.core.files import write_text
from vsr.data.manifest import read_manifest
from vsr.training.config import dump_config

CONFIG = "config.yaml"


def begin(folder: str | Path, config: Any, resume: bool = False) -> str:
    """Write config.yaml and what the run hangs on; returns a sentence for the user, "" if there is nothing to say.

    The machine and the length of a run (all of `trainer` but init_from) may change while it goes on, nothing else.
    Raises VsrError bad_config where a run that is gone on with was begun with something else.
    """
    ledger, made = Ledger(folder), hangs_on(config)
    known = CONFIG in ledger.records
    if resume and known and (other := differences(ledger.made(CONFIG), made)):
        was = ", ".join(_told(name, ledger.made(CONFIG).get(name), made.get(name)) for name in other)
        problem = f"{folder} holds a run that was begun with other {was}"
        raise VsrError("bad_config", f"{problem}: choose another folder, or give what it was begun with")
    write_text(Path(folder) / CONFIG, dump_config(config))
    ledger.add(CONFIG, made)
    return "" if known or not resume else f"{folder} does not say what it was begun with: taken to be the same"


def _told(name: str, was: Any, now: Any) -> str:
    """A setting, with both values where they are no contents of files."""
    shown = all(isinstance(value, (bool, int, float)) for value in (was, now))
    return f"{name} ({was}, not {now})" if shown else name


def hangs_on(config: Any) -> dict[str, Any]:
    """Setting, such as "optim.lr" -> its value, or the contents of what it names."""
    settings = asdict(config)
    start = settings.pop("trainer", {}).get("init_from", "")
    found = dict(_flat(settings)) | {"trainer.init_from": start}
    lists = [path for name in ("data.train", "data.dev") for path in found.get(name, ())]
    return {name: _content(name, value, lists) for name, value in found.items()}


def _flat(settings: dict[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield before + name, value


def _content(name: str, value: Any, lists: list[str]) -> Any:
    """Of a setting that names files: what they hold; of folders of a corpus: what its clips were made from."""
    if isinstance(value, (list, tuple)):
        return [_content(name, item, lists) for item in value]
    if not isinstance(value, str) or not value or not name.startswith(("data.", "trainer.")):
        return value
    path = Path(value)
    if path.is_file():
        return identify(path)
    if (path / LEDGER).is_file() and name in ("data.features", "data.predicted"):
        return digest_of(_made(Ledger(path), lists))
    return identify_folder(path) if path.is_dir() else value


def _made(ledger: Ledger, lists: list[str]) -> list:
    """What the files of the lists' clips were made from."""
    names: list[str] = []
    for path in lists:
        with suppress(VsrError):  # the run itself says what is wrong with a list
            names += [f"{clip.id}.safetensors" for clip in read_manifest(path)]
    return [ledger.made(name) for name in names]
