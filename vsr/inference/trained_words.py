"""Words outside the training vocabulary of a reader with few words: it can spell them, but has never seen them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from vsr.corpora.puppet.sentences import GRID_SLOTS
from vsr.modelstore.folder import NAMES
from vsr.text.normalise import lower


def trained_words(folder: Path) -> frozenset[str]:
    """The training vocabulary of the reader in a folder, if it is small and known: for the models in the package, which
    were trained on GRID's sentences; else empty."""
    shipped = any(folder.resolve() == model_folder.resolve() for model_folder in NAMES.values())
    return frozenset(word for slot in GRID_SLOTS for word in slot) if shipped else frozenset()


def strange_words(folder: Path, texts: Iterable[str]) -> list[str]:
    """Words of the texts that the reader was not trained on, each once, in order; none if its vocabulary is unknown."""
    vocabulary = trained_words(folder)
    words = dict.fromkeys(word for text in texts for word in lower(text).split())
    return [word for word in words if vocabulary and word not in vocabulary]


def strange_note(folder: Path, texts: Iterable[str]) -> str:
    """A sentence about the `strange_words`, "" if there are none."""
    unknown = strange_words(folder, texts)
    if not unknown:
        return ""
    quoted = ", ".join(f"'{word}'" for word in unknown[:5]) + (
        f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
    )
    explanation = (
        f"has seen {len(trained_words(folder))} words said, and {quoted} {'is' if len(unknown) == 1 else 'are'} not"
    )
    hint = "write numbers in words" if any(map(str.isdigit, "".join(unknown))) else "vsr models lists others"
    return f"this reader {explanation} among them: what it says of it is chance ({hint})"
