"""Renders the lanes of an Inspection's page: mouth, lips, words, posteriors and attention on a common time axis.

Every lane spans the T frames shown, so that the lanes are aligned in time.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from vsr.core.tokens import BLANK
from vsr.report.collect import Inspection
from vsr.report.markup import lane, percent

ROWS = 24  # largest number of tokens in the lane of posteriors
FAINT = 0.05  # tokens whose posterior never reaches this have no row


def lanes(inspection: Inspection, columns: int, rows: int) -> list[str]:
    """HTML of each lane, from the top; ``columns`` and ``rows``: of the sprite of the crops."""
    calibrated = inspection.facts["Search"]["confidence"] == "calibrated"
    return [
        lane("", _ticks(inspection), kind="axis"),
        lane("The mouth", _film(len(inspection.crop), columns, rows), note="what the network is given"),
        lane("Opening of the lips", _opening(inspection), note="height by width, from the landmarks", kind="opening"),
        lane("Words", _words(inspection), note="with calibrated confidence" * calibrated, kind="words"),
        _posteriors(inspection),
        _attention(inspection),
    ]


def shown_tokens(posteriors: np.ndarray) -> list[int]:
    """The tokens with a row, by their posteriors (T, V), in the order of their first appearance; without blank."""
    peaks = posteriors.max(0)
    peaks[BLANK] = 0
    tokens = [int(i) for i in np.argsort(-peaks)[:ROWS] if peaks[i] >= FAINT] or [int(peaks.argmax())]
    return sorted(tokens, key=lambda i: int((posteriors[:, i] >= peaks[i] / 2).argmax()))


def _posteriors(inspection: Inspection) -> str:
    """Lane of the CTC posteriors, with the greedy path above and the blank below."""
    tokens = shown_tokens(inspection.posteriors)
    names = _names([inspection.labels[i] for i in tokens])
    blank = f'<div class="blank">{_canvas("blank", "heat", 1)}</div>'
    return lane(
        "CTC posteriors",
        f'<div class="spikes">{_spikes(inspection)}</div>{_canvas("ctc", "heat", len(tokens))}{blank}',
        f'<span style="height: 18px"></span>{names}<span class="blank">blank</span>',
        "how likely each token is at each frame; above, the likeliest path",
    )


def _attention(inspection: Inspection) -> str:
    """Lane of the decoder's attention for each token, with a choice of heads."""
    choices = "".join(f'<option value="look{k}">{escape(name)}</option>' for k, name in enumerate(inspection.attention))
    plot = _canvas("look0", "look", len(inspection.tokens), "attention")
    note = "attention over the frames before each token is written"
    without_choice = lane("Where the decoder looks", plot, _names(inspection.tokens), note)
    return without_choice.replace("</h2>", f'<select id="attention-map" aria-label="heads">{choices}</select></h2>', 1)


def _names(labels: Sequence[str]) -> str:
    return "".join(f"<span>{escape(label)}</span>" for label in labels)


def _canvas(name: str, palette: str, rows: int, identity: str = "") -> str:
    label = {"ctc": "CTC posteriors over time", "blank": "posterior of blank"}.get(name, "attention over time")
    return (
        f'<canvas {f"id={identity} " if identity else ""}data-map="{name}" data-palette="{palette}" role="img" '
        f'aria-label="{label}" style="height: calc({rows} * var(--row))"></canvas>'
    )


def _place(frame: float, frames: int) -> str:
    return f"{100 * frame / frames:.3f}%"


def _ticks(inspection: Inspection) -> str:
    """Marks every half second of the original video, or every 5 s of a long one."""
    edges, frames = inspection.edges, len(inspection.crop)
    step = 0.5 if edges[-1] - edges[0] < 30 else 5.0
    marks = np.arange(int(np.ceil(edges[0] / step - 1e-6)), edges[-1] / step - 0.2) * step
    return "".join(
        f'<span style="left: {_place(inspection.frame_at(mark), frames)}">{mark:.1f} s</span>' for mark in marks
    )


def _film(frames: int, columns: int, rows: int) -> str:
    """Every k-th crop from the sprite, each as wide as the k frames that it represents."""
    step = min(10, max(1, -(-frames // 16)))
    cells = []
    for first in range(0, frames, step):
        width = min(step, frames - first)
        row, column = divmod(min(frames - 1, first + step // 2), columns)
        x, y = 100 * column / max(1, columns - 1), 100 * row / max(1, rows - 1)
        inner = f'<i style="background-position: {x:.3f}% {y:.3f}%; width: {100 * step / width:.2f}%"></i>'
        cells.append(f'<span style="flex: {width}" data-tip="frames {first} to {first + width - 1}">{inner}</span>')
    return f'<div class="film">{"".join(cells)}</div>'


def _opening(inspection: Inspection) -> str:
    values, frames = inspection.opening, len(inspection.crop)
    top = max(float(values.max()), 0.1) * 1.1
    line = " L".join(f"{k + 0.5} {1 - value / top:.4f}" for k, value in enumerate(values))
    first = inspection.span[0]
    gaps = "".join(
        f'<rect class="gap" x="{a - first}" y="0" width="{b - a + 1}" height="1"><title>filled in</title></rect>'
        for a, b in inspection.clip.gaps
        if b >= first and a < first + frames
    )
    return (
        f'<svg viewBox="0 0 {frames} 1" preserveAspectRatio="none" role="img" aria-label="opening of the lips">'
        f'{gaps}<path class="area" d="M0.5 1 L{line} L{frames - 0.5} 1 Z"/></svg>'
    )


def _words(inspection: Inspection) -> str:
    frames, blocks = len(inspection.crop), []
    for word in inspection.words:
        start, end = inspection.frame_at(word.start), inspection.frame_at(word.end)
        style = f"left: {_place(start, frames)}; width: {_place(end - start, frames)}; --p: {100 * word.confidence:.0f}"
        tip = f"{word.word}  {word.start:.2f} to {word.end:.2f} s, confidence {percent(word.confidence)}"
        inner = f"{escape(word.word)}<small>{percent(word.confidence)}</small>"
        blocks.append(f'<div class="c" style="{style}" data-tip="{escape(tip)}">{inner}</div>')
    return "".join(blocks)


def _spikes(inspection: Inspection) -> str:
    """The tokens of the greedy path, each above the centre of its frames."""
    path = inspection.posteriors.argmax(1)
    borders = np.flatnonzero(np.diff(path, prepend=-1, append=-1))
    return "".join(
        f'<span style="left: {_place((a + b) / 2, len(path))}">{escape(inspection.labels[path[a]])}</span>'
        for a, b in zip(borders[:-1], borders[1:], strict=True)
        if path[a] != BLANK
    )
