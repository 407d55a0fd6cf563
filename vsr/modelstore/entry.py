"""What is known of a published model: what it is, where it lies, what it may be used for, how it becomes a folder."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

READY, BY_HAND, SHIPPED = "fetched", "by hand", "in the package"
HUB = "hub:"  # a file of the hub: hub:ORG/NAME/FILE


@dataclass(frozen=True)
class Remote:
    """A file to fetch: the name it is kept under, its address (`HUB` or a URL; "": by hand), and the SHA-256 it must
    have, where that is known before the first fetch."""

    name: str
    address: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class Licence:
    """What the weights may be used for, in a line or two, and where that stands in full."""

    name: str
    terms: str
    url: str


@dataclass(frozen=True)
class Known:
    """One published model.

    Args:
        name: what `--model` takes.
        language: code, or "any".
        kind: what it reads: video, sound, both; encoder: it writes no text.
        words: what it writes with.
        size: megabytes to fetch; 0: not stated.
        error: the published error rate, with its test set.
        source: who says so.
        licence: of the weights.
        place: where it lies, for people.
        family: the importer, a key of `vsr.modelstore.importers.published.FAMILIES`; "" of what is in the package.
        state: READY, BY_HAND or SHIPPED.
        files: what the import takes, the checkpoint first. Names say what each is: `lm/model.pth` the language model.
        decode: published settings of the search, for the folder's config.
        note: one line: what to heed.
        normaliser: of `vsr.text.normalise`, what its publisher does to texts before errors are counted.
        modality: what its folder reads, where one file can become several; "": the file decides.
        whisper: of the hub, the one that writes its text and is given as a folder; "": it writes itself.
    """

    name: str
    language: str
    kind: str
    words: str
    size: int
    error: str
    source: str
    licence: Licence
    place: str
    family: str = ""
    state: str = READY
    files: tuple[Remote, ...] = ()
    decode: dict[str, Any] = field(default_factory=dict)
    note: str = ""
    normaliser: str = "lower"
    modality: str = ""
    whisper: str = ""
