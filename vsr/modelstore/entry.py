"""The record of a published model: what it is, its location, its licence, how it is imported."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

READY, BY_HAND, SHIPPED = "fetched", "by hand", "in the package"
HUB = "hub:"  # a file of the hub: hub:ORG/NAME/FILE


@dataclass(frozen=True)
class Remote:
    """A file to fetch: its local name, its address (`HUB` or a URL; "": by hand), and its SHA-256, if known before the
    first fetch."""

    name: str
    address: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class Licence:
    """The terms of use of the weights in a line or two, and the address of the full text."""

    name: str
    terms: str
    url: str


@dataclass(frozen=True)
class CatalogueEntry:
    """One published model.

    Args:
        name: for `--model`.
        language: code, or "any".
        kind: what it reads: video, sound, both; encoder: it writes no text.
        words: its output units.
        size: megabytes to fetch; 0: not stated.
        error: the published error rate, with its test set.
        source: of the error rate.
        licence: of the weights.
        place: its location, for people.
        family: the importer, a key of `vsr.modelstore.importers.published.FAMILIES`; "" for models in the package.
        state: READY, BY_HAND or SHIPPED.
        files: files for the import, the checkpoint first. Names say what each is: `lm/model.pth` the language model.
        decode: published settings of the search, for the folder's config.
        note: a remark of one line.
        normaliser: of `vsr.text.normalise`, applied by its publisher to texts before errors are counted.
        modality: what the folder reads, if one file can become several models; "": the file decides.
        whisper: hub id of the Whisper that writes its text, whose folder the user gives; "": none is needed.
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
