"""Inputs of a run, by its settings and the contents of the files that they name: a run resumes only with the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import MISSING, asdict, fields, is_dataclass
from functools import reduce
from pathlib import Path
from typing import Any

from vsr.core.artifacts import LEDGER, Ledger, differences, digest_of, identify, identify_folder
from vsr.core.errors import VsrError
from vsr.core.files import write_text
from vsr.data.manifest import read_manifest
from vsr.training.config import dump_config

CONFIG = "config.yaml"


def begin_run(folder: str | Path, config: Any, resume: bool = False) -> str:
    """Write config.yaml and a record of the run's inputs; returns a sentence for the user, "" if there is none.

    Machine and length of a run (all of `trainer` except init_from) may change when it is resumed, nothing else may.
    Raises VsrError bad_config where a resumed run started with other inputs.
    """
    ledger, inputs = Ledger(folder), inputs_of(config)
    is_recorded = CONFIG in ledger.records
    begun = defaults_of(config, inputs) | ledger.inputs(CONFIG)
    if resume and is_recorded and (changed := differences(begun, inputs)):
        names = ", ".join(_changed_setting(name, begun.get(name), inputs.get(name)) for name in changed)
        problem = f"{folder} holds a run that was begun with other {names}"
        raise VsrError("bad_config", f"{problem}: choose another folder, or give what it was begun with")
    write_text(Path(folder) / CONFIG, dump_config(config))
    ledger.add(CONFIG, inputs)
    return "" if is_recorded or not resume else f"{folder} does not say what it was begun with: taken to be the same"


def defaults_of(config: Any, names: Iterable[str]) -> dict[str, Any]:
    """Setting -> its default, for those that have one: what a run did whose version did not know the setting yet."""
    defaults = {}
    for name in names:
        *path, last = name.split(".")
        owner = reduce(lambda part, key: getattr(part, key, None), path, config)
        known = {field.name: field.default for field in fields(owner)} if is_dataclass(owner) else {}
        if known.get(last, MISSING) is not MISSING:
            defaults[name] = known[last]
    return defaults


def _changed_setting(name: str, was: Any, now: Any) -> str:
    """Name of a changed setting, with both values if they are numbers."""
    has_numbers = all(isinstance(value, (bool, int, float)) for value in (was, now))
    return f"{name} ({was}, not {now})" if has_numbers else name


def inputs_of(config: Any) -> dict[str, Any]:
    """Setting, such as "optim.lr" -> its value, or the identity of the files that it names."""
    settings = asdict(config)
    start = settings.pop("trainer", {}).get("init_from", "")
    values = dict(_flat(settings)) | {"trainer.init_from": start}
    lists = [path for name in ("data.train", "data.dev") for path in values.get(name, ())]
    return {name: _content(name, value, lists) for name, value in values.items()}


def _flat(settings: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _content(name: str, value: Any, lists: list[str]) -> Any:
    """The value of a setting; of files, their identity; of folders of features, the inputs of the lists' clips."""
    if isinstance(value, (list, tuple)):
        return [_content(name, item, lists) for item in value]
    if not isinstance(value, str) or not value or not name.startswith(("data.", "trainer.")):
        return value
    path = Path(value)
    if path.is_file():
        return identify(path)
    if (path / LEDGER).is_file() and name in ("data.features", "data.predicted"):
        return digest_of(_recorded_inputs(Ledger(path), lists))
    return identify_folder(path) if path.is_dir() else value


def _recorded_inputs(ledger: Ledger, lists: list[str]) -> list:
    """The recorded inputs of the feature files of the lists' clips."""
    names: list[str] = []
    for path in lists:
        with suppress(VsrError):  # the run itself reports what is wrong with a list
            names += [f"{clip.id}.safetensors" for clip in read_manifest(path)]
    return [ledger.inputs(name) for name in names]
