"""Fetches models from the hub (huggingface.co), `org/name` or `org/name@revision`, and sends model folders to it.

Only weights in safetensors, settings, tokenizer and card are transferred. No other file is fetched or sent, so nothing
that could be unpickled ever arrives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from vsr.core.errors import VsrError
from vsr.core.hub import explain_hub_errors, is_hub_id, snapshot

FILES = ("*.safetensors", "config.json", "*/config.json", "tokenizer.json", "tokenizer.model", "MODEL_CARD.md")


def locate(
    name: str | Path | None, shipped: Mapping[str, Path], configs: Sequence[str], check: Callable[[Path], object]
) -> Path:
    """The folder of a model, fetched if it is on the hub and not yet in the hub's local cache.

    Args:
        name: None for the first of ``shipped``; a folder; a name in ``shipped``; or a hub id. Folders have priority.
        shipped: models in the package.
        configs: files that must be on the hub before anything large is fetched.
        check: raises VsrError bad_model for a folder with wrong configs.

    Raises:
        VsrError: hub_missing, hub_denied, hub_offline, bad_model, missing_package.
    """
    if name is None:
        return next(iter(shipped.values()))
    if is_hub_id(name):
        return fetch(str(name), configs, check)
    return Path(name) if Path(name).exists() else shipped.get(str(name), Path(name))


def fetch(name: str, configs: Sequence[str], check: Callable[[Path], object]) -> Path:
    """The folder of a hub model in the hub's cache. Raises VsrError like `locate`."""
    for patterns in (configs, FILES):
        folder = snapshot(name, patterns)
        _check_fetched(name, folder, check)
    return folder


def _check_fetched(name: str, folder: Path, check: Callable[[Path], object]) -> None:
    try:
        check(folder)
    except VsrError as error:
        raise VsrError(error.reason, str(error).replace(str(folder), name)) from error


def model_files(folder: Path) -> list[str]:
    """The files of a model folder that belong on the hub, as paths inside it, sorted."""
    paths = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    visible = [path.as_posix() for path in paths if not any(part.startswith(".") for part in path.parts)]
    return sorted(path for path in visible if any(fnmatchcase(path, pattern) for pattern in FILES))


def send(folder: Path, repository: str, card: str, private: bool = False, message: str = "Model") -> str:
    """Make the repository if needed and commit a model and its card in one step; returns the page's address.

    Raises VsrError: hub_denied, hub_missing, hub_offline, missing_package.
    """
    with explain_hub_errors(repository, f"{repository}: "):
        import huggingface_hub as hub

        files = {path: str(folder / path) for path in model_files(folder)} | {"README.md": card.encode("utf-8")}
        api = hub.HfApi()
        api.create_repo(repository, private=private, exist_ok=True)
        operations = [hub.CommitOperationAdd(path_in_repo=path, path_or_fileobj=file) for path, file in files.items()]
        api.create_commit(repository, operations, commit_message=message)
    return f"{hub.constants.ENDPOINT}/{repository}"
