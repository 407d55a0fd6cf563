"""Stable words of live captions: a word is shown as soon as it is read, and stands once two consecutive readings agree.

The rule is local agreement, of simultaneous translation (Liu et al. 2020): standing words are never changed.
"""

from __future__ import annotations

from collections.abc import Sequence

from vsr.output.transcript import TimedWord

HEAD = 0.25  # latest seconds, in which no word stands yet: it may be incomplete


class Captions:
    """The words of one utterance while it grows."""

    def __init__(self) -> None:
        self.standing: list[TimedWord] = []
        self.loose: list[TimedWord] = []  # shown, but may still change

    def update(self, words: Sequence[TimedWord], end: float) -> list[TimedWord]:
        """Add a reading of the utterance up to ``end`` seconds; returns the words that stand from now on."""
        fresh = self._new_words(words)
        agreed = 0
        for old, new in zip(self.loose, fresh, strict=False):
            if old.word != new.word or new.end > end - HEAD:
                break
            agreed += 1
        self.standing += fresh[:agreed]
        self.loose = fresh[agreed:]
        return fresh[:agreed]

    def finish(self, words: Sequence[TimedWord]) -> list[TimedWord]:
        """Add the last reading; returns the remaining words, which now stand."""
        fresh = self._new_words(words)
        self.standing += fresh
        self.loose = []
        return fresh

    def _new_words(self, words: Sequence[TimedWord]) -> list[TimedWord]:
        """The words after the standing ones: by count if the readings agree so far, else by time."""
        count = len(self.standing)
        if [word.word for word in words[:count]] == [word.word for word in self.standing]:
            return list(words[count:])
        until = self.standing[-1].end
        return [word for word in words if (word.start + word.end) / 2 > until]
