"""What a preparation found, beside what the corpus's authors and users published: a difference is warned of."""

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
    """One figure, such as "test utterances"; ``published`` is None where nobody printed one."""

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
    """Of a preparation: lists that were written (name -> clips), figures, skipped clips and small faults by name."""

    corpus: str
    counts: list[Count]
    lists: dict[str, int] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)

    @property
    def differs(self) -> bool:
        """Whether any figure is not the published one."""
        return any(count.published not in (None, count.found) for count in self.counts)

    def lines(self) -> list[str]:
        """What is printed."""
        lists = "  ".join(f"{name} {count:,}" for name, count in self.lists.items())
        reasons = [f"skipped {number:,}: {reason}" for reason, number in Counter(self.skipped.values()).items()]
        faults = [f"word tables that cannot be used: {len(self.faults):,}"] if self.faults else []
        loud = [f"{self.corpus}: NOT THE PUBLISHED CORPUS, figures will not compare"] if self.differs else []
        return [*map(str, self.counts), *reasons, *faults, f"lists: {lists}", *loud]


def write_lists(out_dir: str | Path, lists: dict[str, list[Clip]], report: Report) -> Report:
    """Write ``<list>.jsonl`` of every list that has clips and ``report.json``.

    Raises VsrError bad_corpus if none has any, exists for lists that are not of this corpus.
    """
    out_dir = Path(out_dir)
    found = {name: sorted(clips, key=lambda clip: clip.id) for name, clips in lists.items() if clips}
    if not found:
        raise VsrError("bad_corpus", f"{report.corpus}: not one clip has both a video and a transcript")
    report.lists |= listed.write_lists(out_dir, report.corpus, found)
    counts = [vars(count) for count in report.counts]
    write_json(out_dir / "report.json", {"corpus": report.corpus, "lists": report.lists, "counts": counts,
                                         "skipped": report.skipped, "faults": report.faults})  # fmt: skip
    return report
