"""Which words stand: a word is shown as soon as it is read, and stands once two readings in a row agree on it.

The rule is that of simultaneous translation (local agreement, Liu et al. 2020): what stands is never taken back.
"""

from __future__ import annotations

from collections.abc import Sequence

from vsr.output.transcript import TimedWord

HEAD = 0.25  # seconds at the newest end in which no word stands: its other half may be still to come


class Captions:
    """The words of one utterance while it grows."""

    def __init__(self) -> None:
        self.standing: list[TimedWord] = []
        self.loose: list[TimedWord] = []  # shown, and may yet change

    def update(self, words: Sequence[TimedWord], end: float) -> list[TimedWord]:
        """A new reading of the utterance up to ``end`` seconds; returns the words that stand from now on."""
        fresh = self._after_standing(words)
        agreed = 0
        for old, new in zip(self.loose, fresh, strict=False):
            if old.word != new.word or new.end > end - HEAD:
                break
            agreed += 1
        self.standing += fresh[:agreed]
        self.loose = fresh[agreed:]
        return fresh[:agreed]

    def finish(self, words: Sequence[TimedWord]) -> list[TimedWord]:
        """The last reading: what has not stood yet stands now."""
        fresh = self._after_standing(words)
        self.standing += fresh
        self.loose = []
        return fresh

    def _after_standing(self, words: Sequence[TimedWord]) -> list[TimedWord]:
        """The words that follow those that stand: by their number where the readings agree, else by their times."""
        count = len(self.standing)
        if [word.word for word in words[:count]] == [word.word for word in self.standing]:
            return list(words[count:])
        until = self.standing[-1].end
        return [word for word in words if (word.start + word.end) / 2 > until]
