"""Access to the API: keys from a file, and no public address without them."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from vsr.core.errors import VsrError
from vsr.core.files import read_lines

KEY = re.compile(r"[!-~]{16,512}")


class Keys:
    """Keys of the API; without any, all programs on this machine are admitted. Only their hashes are kept.

    Args:
        keys: as sent in `Authorization: Bearer KEY`.
    """

    def __init__(self, keys: Iterable[str] = ()):
        self._hashes = [_hash(key) for key in keys]

    def __bool__(self) -> bool:
        return bool(self._hashes)

    def admit(self, headers: Mapping[str, str]) -> bool:
        """Whether a request with these headers has a valid key; takes as long for a wrong key as for a right one."""
        kind, _, key = headers.get("authorization", "").partition(" ")
        key_hash = _hash(key.strip())
        return (kind.lower() == "bearer") & any([hmac.compare_digest(key_hash, stored) for stored in self._hashes])


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def read_keys(path: str | Path | None) -> Keys:
    """Read the keys of a file, one per line; # begins a comment. Raises VsrError unreadable, bad_options."""
    if path is None:
        return Keys()
    keys = []
    for number, line in read_lines(path):
        key = line.strip()
        if not key or key.startswith("#"):
            continue
        if not KEY.fullmatch(key):  # no message contains the key itself
            raise VsrError("bad_options", f"{path}, line {number}: a key has 16 to 512 letters, figures or signs")
        keys.append(key)
    if not keys:
        raise VsrError("bad_options", f"{path}: no key in it; `openssl rand -hex 24` makes one")
    return Keys(keys)


def check_host(host: str, keys: Keys) -> None:
    """Refuse to listen on a public address without keys. Raises VsrError bad_options."""
    if not (keys or is_loopback(host)):
        raise VsrError("bad_options", f"--host {host} can be reached from outside: give --key-file FILE")


def is_loopback(host: str) -> bool:
    """Whether a name or address is a loopback address of this machine."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def is_local(headers: Mapping[str, str]) -> bool:
    """Whether a request without a key comes from a local program and not from a web page in a browser: such a page
    sends its origin, or has made its host name point to this machine."""
    host = urlsplit(f"//{headers.get('host', '')}").hostname or ""
    origin = headers.get("origin")
    return is_loopback(host) and (origin is None or origin == f"http://{headers['host']}")
