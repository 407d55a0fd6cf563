"""A model on the hub (huggingface.co), `org/name` or `org/name@revision` <-> a model folder here.

Only weights in safetensors, settings, tokenizer and card travel. No other file is fetched or sent, so nothing that
could be unpickled ever arrives.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path

from vsr.core.errors import VsrError

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(@[\w./-]+)?")
FILES = ("*.safetensors", "config.json", "*/config.json", "tokenizer.json", "tokenizer.model", "MODEL_CARD.md")
LOG_IN = "hf auth login"  # the hub's own command


def locate(name, shipped: Mapping[str, Path], configs: Sequence[str], check: Callable[[Path], object]) -> Path:
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
    if Path(name).exists():
        return Path(name)
    if HUB_ID.fullmatch(str(name)):
        return fetch(str(name), configs, check)
    return shipped.get(str(name), Path(name))


def fetch(name: str, configs: Sequence[str], check: Callable[[Path], object]) -> Path:
    """The folder, in the hub's cache, of a model on the hub. Raises VsrError as `locate`."""
    repository, _, revision = name.partition("@")
    with _explained(name, f"{name}: no such folder here, and "):
        import huggingface_hub

        for patterns in (configs, FILES):
            found = huggingface_hub.snapshot_download(
                repository, revision=revision or None, allow_patterns=list(patterns)
            )
            _check_fetched(name, Path(found), check)
    return Path(found)


def fetch_files(name: str, files: Sequence[str]) -> Path:
    """The folder, in the hub's cache, that holds just these ``files`` of ``org/name[@revision]``.

    Raises VsrError as `locate`; bad_model where the repository lacks one of them.
    """
    repository, _, revision = name.partition("@")
    with _explained(name, f"{name}: no such folder here, and "):
        import huggingface_hub

        folder = Path(huggingface_hub.snapshot_download(repository, revision=revision or None, allow_patterns=[*files]))
    if absent := [file for file in files if not (folder / file).is_file()]:
        raise VsrError("bad_model", f"{name}: the hub has no {absent[0]} there")
    return folder


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
    with _explained(repository, f"{repository}: "):
        import huggingface_hub as hub

        files = {path: str(folder / path) for path in model_files(folder)} | {"README.md": card.encode("utf-8")}
        api = hub.HfApi()
        api.create_repo(repository, private=private, exist_ok=True)
        operations = [hub.CommitOperationAdd(path_in_repo=path, path_or_fileobj=file) for path, file in files.items()]
        api.create_commit(repository, operations, commit_message=message)
    return f"{hub.constants.ENDPOINT}/{repository}"


@contextmanager
def _explained(name: str, before: str) -> Iterator[None]:
    """What the hub's library raises becomes one line that says what to do."""
    try:
        from huggingface_hub import errors
    except ImportError as error:
        raise VsrError("missing_package", "models of the hub need the package huggingface_hub") from error
    known = (errors.HTTPError, errors.LocalEntryNotFoundError, errors.LocalTokenNotFoundError)
    try:
        yield
    except (*known, errors.OfflineModeIsEnabled, errors.HFValidationError) as error:
        raise _explanation(errors, error, name.partition("@")[2], before) from error


def _explanation(errors, error: Exception, revision: str, before: str) -> VsrError:
    """What happened and what to do."""
    if isinstance(error, errors.GatedRepoError):
        return VsrError("hub_denied", f"{before}its owner wants terms accepted: do so on its page, then {LOG_IN}")
    if isinstance(error, errors.RepositoryNotFoundError):
        return VsrError("hub_missing", f"{before}no such model on the hub (if it is private: {LOG_IN})")
    if isinstance(error, errors.RevisionNotFoundError):
        return VsrError("hub_missing", f"{before}the model on the hub has no revision '{revision}'")
    if isinstance(error, errors.HFValidationError):
        return VsrError("hub_missing", f"{before}it is no name that the hub allows")
    if isinstance(error, errors.LocalTokenNotFoundError):
        return VsrError("hub_denied", f"{before}the hub wants to know who you are: {LOG_IN}")
    if errors.OfflineModeIsEnabled in (type(error), type(error.__cause__)):
        return VsrError("hub_offline", f"{before}HF_HUB_OFFLINE is set: unset it, or give a folder")
    return _refusal(getattr(getattr(error, "response", None), "status_code", 0), before)


def _refusal(status: int, before: str) -> VsrError:
    """The answer to an HTTP status; 0 where the hub did not answer."""
    if status in (401, 403):
        return VsrError("hub_denied", f"{before}the hub refuses ({status}): {LOG_IN}, with a token that may do this")
    if status:
        return VsrError("hub_offline", f"{before}the hub answers {status}: try again later")
    return VsrError("hub_offline", f"{before}the hub cannot be reached: check the network, or give a folder")
