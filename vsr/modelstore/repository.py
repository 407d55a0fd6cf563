"""A model on the hub (huggingface.co), `org/name` or `org/name@revision` <-> a model folder here.

Only weights in safetensors, settings, tokenizer and card travel. No other file is fetched or sent, so nothing that
could be unpickled ever arrives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from vsr.core.errors import VsrError
from vsr.core.hub import explained, is_hub_id, snapshot

FILES = ("*.safetensors", "config.json", "*/config.json", "tokenizer.json", "tokenizer.model", "MODEL_CARD.md")


def locate(
    name: str | Path | None, shipped: Mapping[str, Path], configs: Sequence[str], check: Callable[[Path], object]
) -> Path:
    """The folder of a model, fetched if it is on the hub and not yet in the hub's cache here.

    Args:
        name: None for the first of ``shipped``; a folder; a name in ``shipped``; or a hub id. A folder goes first.
        shipped: models in the package.
        configs: files that the hub must have before anything large is fetched.
        check: raises VsrError bad_model for a folder with the wrong ones.

    Raises:
        VsrError: hub_missing, hub_denied, hub_offline, bad_model, missing_package.
    """
    if name is None:
        return next(iter(shipped.values()))
    if is_hub_id(name):
        return fetch(str(name), configs, check)
    return Path(name) if Path(name).exists() else shipped.get(str(name), Path(name))


def fetch(name: str, configs: Sequence[str], check: Callable[[Path], object]) -> Path:
    """The folder, in the hub's cache, of a model on the hub. Raises VsrError as `locate`."""
    for patterns in (configs, FILES):
        found = snapshot(name, patterns)
        _check_fetched(name, found, check)
    return found


def _check_fetched(name: str, folder: Path, check: Callable[[Path], object]) -> None:
    try:
        check(folder)
    except VsrError as error:
        raise VsrError(error.reason, str(error).replace(str(folder), name)) from error


def model_files(folder: Path) -> list[str]:
    """What of a model folder belongs on the hub, as paths inside it, sorted."""
    inside = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    seen = [path.as_posix() for path in inside if not any(part.startswith(".") for part in path.parts)]
    return sorted(path for path in seen if any(fnmatchcase(path, pattern) for pattern in FILES))


def send(folder: Path, repository: str, card: str, private: bool = False, message: str = "Model") -> str:
    """Make the repository if need be and commit a model and its card as one step; returns the page's address.

    Raises VsrError: hub_denied, hub_missing, hub_offline, missing_package.
    """
    with explained(repository, f"{repository}: "):
        import huggingface_hub as hub

        files = {path: str(folder / path) for path in model_files(folder)} | {"README.md": card.encode("utf-8")}
        api = hub.HfApi()
        api.create_repo(repository, private=private, exist_ok=True)
        operations = [hub.CommitOperationAdd(path_in_repo=path, path_or_fileobj=file) for path, file in files.items()]
        api.create_commit(repository, operations, commit_message=message)
    return f"{hub.constants.ENDPOINT}/{repository}"
