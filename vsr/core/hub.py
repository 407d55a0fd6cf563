"""The model hub (huggingface.co): files of `org/name[@revision]` in its local cache, errors in one line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from vsr.core.errors import VsrError

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(@[\w./-]+)?")
LOG_IN = "hf auth login"  # the hub's own command


def is_hub_id(name: str | Path) -> bool:
    """Whether a name is looked up on the hub: it has the form, and no local file or folder has that name."""
    return not Path(name).exists() and HUB_ID.fullmatch(str(name)) is not None


def snapshot(name: str, patterns: Sequence[str]) -> Path:
    """The folder in the hub's cache with the files of ``org/name[@revision]`` that match ``patterns``; others are not
    fetched. Raises VsrError: hub_missing, hub_denied, hub_offline, missing_package."""
    repository, _, revision = name.partition("@")
    with explain_hub_errors(name, f"{name}: no such folder here, and "):
        import huggingface_hub

        folder = huggingface_hub.snapshot_download(repository, revision=revision or None, allow_patterns=[*patterns])
    return Path(folder)


def fetch_files(name: str, required: Sequence[str], optional: Sequence[str] = ()) -> Path:
    """The folder in the hub's cache with the ``required`` files of ``org/name[@revision]`` and those of ``optional``
    that exist; both are patterns. Raises VsrError like `snapshot`; bad_model if the repository lacks a needed one."""
    folder = snapshot(name, (*required, *optional))
    if absent := [pattern for pattern in required if not any(folder.glob(pattern))]:
        raise VsrError("bad_model", f"{name}: the hub has no {absent[0]} there")
    return folder


@contextmanager
def explain_hub_errors(name: str, before: str) -> Iterator[None]:
    """Turn errors of the hub's library into one line that says what to do; it begins with ``before``. Raises
    VsrError."""
    try:
        from huggingface_hub import errors
    except ImportError as error:
        raise VsrError("missing_package", "models of the hub need the package huggingface_hub") from error
    failures = (errors.HTTPError, errors.LocalEntryNotFoundError, errors.LocalTokenNotFoundError)
    try:
        yield
    except (*failures, errors.OfflineModeIsEnabled, errors.HFValidationError) as error:
        raise _explanation(errors, error, name.partition("@")[2], before) from error


def _explanation(errors, error: Exception, revision: str, before: str) -> VsrError:
    """The VsrError that says what happened and what to do."""
    if isinstance(error, errors.GatedRepoError):
        return VsrError(
            "hub_denied", f"{before}its owner requires you to accept terms: do so on its page, then {LOG_IN}"
        )
    if isinstance(error, errors.RepositoryNotFoundError):
        return VsrError("hub_missing", f"{before}no such model on the hub (if it is private: {LOG_IN})")
    if isinstance(error, errors.RevisionNotFoundError):
        return VsrError("hub_missing", f"{before}the model on the hub has no revision '{revision}'")
    if isinstance(error, errors.HFValidationError):
        return VsrError("hub_missing", f"{before}the hub does not allow such a name")
    if isinstance(error, errors.LocalTokenNotFoundError):
        return VsrError("hub_denied", f"{before}the hub requires you to log in: {LOG_IN}")
    if errors.OfflineModeIsEnabled in (type(error), type(error.__cause__)):
        return VsrError("hub_offline", f"{before}HF_HUB_OFFLINE is set: unset it, or give a folder")
    return _refusal(getattr(getattr(error, "response", None), "status_code", 0), before)


def _refusal(status: int, before: str) -> VsrError:
    """The VsrError for an HTTP status; 0 if the hub did not answer."""
    if status in (401, 403):
        return VsrError("hub_denied", f"{before}the hub refuses ({status}): {LOG_IN}, with a token that may do this")
    if status:
        return VsrError("hub_offline", f"{before}the hub answers {status}: try again later")
    return VsrError("hub_offline", f"{before}the hub cannot be reached: check the network, or give a folder")
