"""Reports of preparations: figures found, compared with published ones, with a warning if they differ."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from vsr.core.errors import VsrError
from vsr.core.files import write_json
from vsr.corpora import lists as listed
from vsr.data.manifest import Clip


@dataclass(frozen=True)
class Count:
    """One figure, such as "test utterances"; ``published`` is None if there is no published figure."""

    what: str
    found: int
    published: int | None = None

    def __str__(self) -> str:
        if self.published is None:
            return f"{self.what}: {self.found:,}"
        if self.found == self.published:
            return f"{self.what}: {self.found:,}, as published"
        difference = self.found - self.published
        words = f"{abs(difference):,} {'more' if difference > 0 else 'fewer'}"
        return f"DIFFERS: {self.what}: {self.found:,}, published {self.published:,} ({words})"


@dataclass
class Report:
    """Report of a preparation: lists written (name -> clips), figures, skipped clips and small faults by name."""

    corpus: str
    counts: list[Count]
    lists: dict[str, int] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)

    @property
    def differs(self) -> bool:
        """Whether any figure differs from the published one."""
        return any(count.published not in (None, count.found) for count in self.counts)

    def lines(self) -> list[str]:
        """The lines to print."""
        lists = "  ".join(f"{name} {count:,}" for name, count in self.lists.items())
        reasons = [f"skipped {number:,}: {reason}" for reason, number in Counter(self.skipped.values()).items()]
        faults = [f"word tables that cannot be used: {len(self.faults):,}"] if self.faults else []
        loud = [f"{self.corpus}: NOT THE PUBLISHED CORPUS, figures will not compare"] if self.differs else []
        return [*map(str, self.counts), *reasons, *faults, f"lists: {lists}", *loud]


def write_lists(out_dir: str | Path, lists: dict[str, list[Clip]], report: Report) -> Report:
    """Write ``<list>.jsonl`` for every list with clips, and ``report.json``.

    Raises VsrError bad_corpus if all lists are empty, exists for lists that are not of this corpus.
    """
    out_dir = Path(out_dir)
    filled = {name: sorted(clips, key=lambda clip: clip.id) for name, clips in lists.items() if clips}
    if not filled:
        raise VsrError("bad_corpus", f"{report.corpus}: not one clip has both a video and a transcript")
    report.lists |= listed.write_lists(out_dir, report.corpus, filled)
    counts = [vars(count) for count in report.counts]
    write_json(out_dir / "report.json", {"corpus": report.corpus, "lists": report.lists, "counts": counts,
                                         "skipped": report.skipped, "faults": report.faults})  # fmt: skip
    return report
