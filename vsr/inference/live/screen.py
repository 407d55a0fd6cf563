"""Show captions on a terminal, or line by line elsewhere, write them to a file, and report their delay at the end."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from statistics import median

from vsr.inference.live.session import Caption
from vsr.output.ledger import write_recorded
from vsr.output.subtitles import WRITERS
from vsr.output.transcript import Alternative, Segment, Transcript
from vsr.output.unsure_words import readable

BAR = 0.5  # confidence below which a word is shown as unsure


class Screen:
    """Shows captions as they change.

    Args:
        source: name of the source, for the file.
        model: name of the model.
        out: file for the captions, rewritten after each utterance; the suffix determines the format.
    """

    def __init__(self, source: str, model: str, out: str | None = None):
        self.source, self.model, self.out = source, model, None if out is None else Path(out)
        self.segments: list[Segment] = []
        self.delays: list[float] = []
        self.terminal = sys.stdout.isatty()

    def show(self, captions: Iterable[Caption]) -> None:
        """Follow a session to its end."""
        for caption in captions:
            self.delays += caption.delays
            if self.terminal:
                self._redraw(caption)
            if caption.final and caption.standing:
                self._keep(caption)

    def _redraw(self, caption: Caption) -> None:
        """Redraw the line of the utterance: standing words bright, words that may change dim."""
        standing = " ".join(word.word if word.confidence >= BAR else f"{word.word}?" for word in caption.standing)
        loose = " ".join(word.word for word in caption.loose)
        sys.stdout.write(f"\r\033[K{standing} \033[2m{loose}\033[0m" + "\n" * caption.final)
        sys.stdout.flush()

    def _keep(self, caption: Caption) -> None:
        words = caption.standing
        text = " ".join(word.word for word in words)
        confidence = sum(word.confidence for word in words) / len(words)
        best = (Alternative(text, 0.0),)
        span = words[0].start, words[-1].end
        self.segments.append(Segment(*span, caption.person, confidence, words, best, caption.in_domain))
        if not self.terminal:
            (last,) = readable(replace(self.transcript(), segments=(self.segments[-1],)), "txt").segments
            print(f"{last.start:8.2f}  {last.text}", flush=True)
        if self.out is not None:
            transcript, name = self.transcript(), self.out.suffix[1:]
            write_recorded(self.out, transcript, WRITERS[name](readable(transcript, name)))

    def transcript(self) -> Transcript:
        """The transcript so far."""
        end = self.segments[-1].end if self.segments else 0.0
        return Transcript(self.source, 25.0, end, self.model, tuple(self.segments))

    def summary(self, dropped: int, notes: Iterable[str] = ()) -> str:
        """A line on the delay of the captions, on how the mouth was seen (``notes``, see `vsr.inference.live.notes`),
        on guesses and dropped frames."""
        parts = [f"{len(self.delays)} words"]
        if self.delays:
            late = sorted(self.delays)[int(0.95 * (len(self.delays) - 1))]
            parts.append(f"they stood {median(self.delays):.1f} s after they were said (95 %: {late:.1f} s)")
        parts += notes
        if guesses := sum(segment.outside_domain for segment in self.segments):
            unlike = f"look unlike what the model {self.model} was trained on: their words are guesses"
            parts.append(f"{guesses} of {len(self.segments)} utterances {unlike}")
        if dropped:
            parts.append(f"{dropped} frames dropped to keep up")
        return "; ".join(parts)
