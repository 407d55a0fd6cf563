"""Words that a reader of few words cannot know: it may spell any other, but never saw one said."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from vsr.corpora.puppet.sentences import GRID_SLOTS
from vsr.modelstore.folder import NAMES
from vsr.text.normalise import lower


def trained_words(folder: Path) -> frozenset[str]:
    """All words that the reader in a folder was trained on, where they are few and known: of those in the package,
    which were trained on GRID's sentences; else none."""
    shipped = any(folder.resolve() == own.resolve() for own in NAMES.values())
    return frozenset(word for slot in GRID_SLOTS for word in slot) if shipped else frozenset()


def strange_words(folder: Path, texts: Iterable[str]) -> list[str]:
    """Words of the texts that the reader was not trained on, each once, in their order."""
    known = trained_words(folder)
    said = dict.fromkeys(word for text in texts for word in lower(text).split())
    return [word for word in said if known and word not in known]


def strange_note(folder: Path, texts: Iterable[str]) -> str:
    """One sentence about them, "" where there are none."""
    found = strange_words(folder, texts)
    if not found:
        return ""
    named = ", ".join(f"'{word}'" for word in found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else "")
    others = f"has seen {len(trained_words(folder))} words said, and {named} {'is' if len(found) == 1 else 'are'} not"
    return f"this reader {others} among them: what it says of it is chance (vsr models lists others)"
