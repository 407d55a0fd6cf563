"""Fetches the file of an address and compares its SHA-256 with the known value; `vsr.core.download` does the fetching.

Addresses are URLs, or `hub:ORG/NAME/FILE`. HF_ENDPOINT replaces the hub's address; VSR_MIRROR precedes every other
host, as `VSR_MIRROR/HOST/PATH`, for networks without other access.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

from vsr.core.artifacts import sha256_of
from vsr.core.download import download, mirrored
from vsr.core.errors import VsrError
from vsr.modelstore.entry import HUB

HUB_HOST = "https://huggingface.co"


def url_of(address: str) -> str:
    """The URL of an address, redirected by the environment variables."""
    if address.startswith(HUB):
        organisation, name, file = address.removeprefix(HUB).split("/", 2)
        host = os.environ.get("HF_ENDPOINT") or HUB_HOST
        return f"{host.rstrip('/')}/{organisation}/{name}/resolve/main/{quote(file)}"
    return mirrored(address)


def fetch(address: str, path: str | Path, sha256: str = "") -> str:
    """Fetch one file to ``path``, unless it exists; a partial file is continued.

    Args:
        address: see above.
        path: of the file; its folder is made. During the fetch it is `.part` beside it.
        sha256: expected value; "" for a file that was never fetched before.

    Returns:
        Its SHA-256.

    Raises:
        VsrError: those of `vsr.core.download.download`; bad_download for another SHA-256 (the file is removed then).
    """
    path = download(url_of(address), path)
    digest = sha256_of(path)
    if sha256 and digest != sha256:
        path.unlink()
        problem = f"{url_of(address)} is not the file it was: SHA-256 {digest[:12]}..., known is {sha256[:12]}..."
        raise VsrError("bad_download", f"{problem}; it was not kept")
    return digest
