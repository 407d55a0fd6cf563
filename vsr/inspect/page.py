"""An Inspection -> one HTML page that needs no other file and no network: light and dark, wide and narrow.

Further pictures of the same clip join through ``tracks`` (on the page's time axis) and ``sections`` (below it).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from difflib import SequenceMatcher
from html import escape
from math import exp
from pathlib import Path
from string import Template

import numpy as np

from vsr.clock import FPS
from vsr.inspect.collect import Inspection, Still
from vsr.inspect.images import base64_bytes, image_url, sprite
from vsr.text.tokenizer import BLANK

TEMPLATE = Path(__file__).parent / "template"
ROWS = 24  # tokens that the posteriors' lane shows
FAINT = 0.05  # a token that never gets this posterior has no row
LIKELIEST = 5  # tokens listed for each frame
PARTS = ((0, 5, ""), (5, 11, "Z"), (11, 17, "Z"), (17, 29, "Z"), (29, 37, "Z"))  # nose, eyes, outer and inner lips

Titled = Sequence[tuple[str, str]]  # (title as text, HTML)


def render_page(inspection: Inspection, tracks: Titled = (), sections: Titled = ()) -> str:
    """The page as HTML.

    Args:
        inspection: of `vsr.inspect.collect.inspect_video`.
        tracks: further lanes, (title, HTML); the HTML is as wide as the T frames, so an image of 4 T mel frames
            stands under the mouth that said them.
        sections: further cards below, (title, HTML). An <audio> in one moves the playhead as it plays.
    """
    cards = [("The face", _faces(inspection)), ("Readings", _readings(inspection)), *sections]
    cards.append(("Facts", _facts(inspection)))
    url, columns, rows = sprite(inspection.crop)
    page = Template((TEMPLATE / "page.html").read_text(encoding="utf-8"))
    return page.substitute(
        title=escape(f"{Path(inspection.clip.info.path).name}: how it was read"),
        style=(TEMPLATE / "style.css").read_text(encoding="utf-8"),
        script=(TEMPLATE / "page.js").read_text(encoding="utf-8"),
        sprite=url, sprite_size=f"{100 * columns}% {100 * rows}%",
        frames=len(inspection.crop), last_frame=len(inspection.crop) - 1,
        eyebrow=escape(f"{Path(inspection.clip.info.path).name} · {inspection.facts['Model']['name']}"),
        heading=_heading(inspection), summary=escape(_summary(inspection)),
        lanes="\n".join([*_lanes(inspection, columns, rows), *(lane(*track) for track in tracks)]),
        cards="\n".join(f'<section class="card"><h2>{escape(title)}</h2>{body}</section>' for title, body in cards),
        footer="Made by <code>vsr inspect</code>. Everything is in this file.",
        data=_data(inspection, columns, rows),
    )  # fmt: skip


def lane(title: str, plot: str, names: str = "", note: str = "", kind: str = "") -> str:
    """One row of the time axis: HTML of the plot, beside it ``names`` for its rows."""
    heading = f"<h2>{escape(title)}{f'<small>{escape(note)}</small>' if note else ''}</h2>" if title else ""
    return f'<div class="lane {kind}">{heading}<div class="names">{names}</div><div class="plot">{plot}</div></div>'


def percent(share: float) -> str:
    """0.978 -> "98 %", with a space that does not break."""
    return f"{100 * share:.0f}\u00a0%"


def _heading(inspection: Inspection) -> str:
    words = [
        f'<span class="c" style="--p: {100 * word.confidence:.0f}" title="{percent(word.confidence)}">'
        f"{escape(word.word)}</span>"
        for word in inspection.words
    ]
    return " ".join(words) or '<span class="none">No words were read.</span>'


def _summary(inspection: Inspection) -> str:
    words = inspection.words
    parts = [f"{inspection.edges[0]:.2f} to {inspection.edges[-1]:.2f} s"]
    if words:
        mean = sum(word.confidence for word in words) / len(words)
        least = min(word.confidence for word in words)
        parts.append(f"{len(words)} words, mean confidence {percent(mean)}, least {percent(least)}")
    if inspection.windows > 1:
        parts.append(f"window {inspection.window + 1} of {inspection.windows}; --at SECONDS shows another")
    return " · ".join(parts)


def _lanes(inspection: Inspection, columns: int, rows: int) -> list[str]:
    shown = shown_tokens(inspection.posteriors)
    names = _names([inspection.labels[i] for i in shown])
    spikes = '<div class="spikes">' + _spikes(inspection) + "</div>"
    heat = _canvas("ctc", "heat", len(shown)) + f'<div class="blank">{_canvas("blank", "heat", 1)}</div>'
    choices = "".join(
        f'<option value="look{k}">{escape(name)}</option>' for k, name in enumerate(inspection.attention)
    )
    attention = lane(
        "Where the decoder looks", _canvas("look0", "look", len(inspection.tokens), "attention"),
        _names(inspection.tokens), "attention over the frames before each token is written",
    ).replace("</h2>", f'<select id="attention-map" aria-label="heads">{choices}</select></h2>', 1)  # fmt: skip
    return [
        lane("", _ticks(inspection), kind="axis"),
        lane("The mouth", _film(len(inspection.crop), columns, rows), note="what the network is given"),
        lane("Opening of the lips", _opening(inspection), note="height by width, from the landmarks", kind="opening"),
        lane("Words", _words(inspection), note="with calibrated confidence" * _is_calibrated(inspection), kind="words"),
        lane(
            "CTC posteriors", spikes + heat,
            f'<span style="height: 18px"></span>{names}<span class="blank">blank</span>',
            "how likely each token is at each frame; above, the likeliest path",
        ),
        attention,
    ]  # fmt: skip


def _is_calibrated(inspection: Inspection) -> bool:
    return inspection.facts["Search"]["confidence"] == "calibrated"


def shown_tokens(posteriors: np.ndarray) -> list[int]:
    """Of posteriors (T, V) the tokens worth a row, in the order in which they first come up; without blank."""
    peaks = posteriors.max(0)
    peaks[BLANK] = 0
    chosen = [int(i) for i in np.argsort(-peaks)[:ROWS] if peaks[i] >= FAINT] or [int(peaks.argmax())]
    return sorted(chosen, key=lambda i: int((posteriors[:, i] >= peaks[i] / 2).argmax()))


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
    """A mark each half second of the original video."""
    edges, frames = inspection.edges, len(inspection.crop)
    step = 0.5 if edges[-1] - edges[0] < 30 else 5.0
    marks = np.arange(int(np.ceil(edges[0] / step - 1e-6)), edges[-1] / step - 0.2) * step
    return "".join(
        f'<span style="left: {_place(inspection.frame_at(mark), frames)}">{mark:.1f} s</span>' for mark in marks
    )


def _film(frames: int, columns: int, rows: int) -> str:
    """Every k-th crop out of the sprite, each as wide as the k frames it stands for."""
    each = min(10, max(1, -(-frames // 16)))
    cells = []
    for first in range(0, frames, each):
        width = min(each, frames - first)
        row, column = divmod(min(frames - 1, first + each // 2), columns)
        x, y = 100 * column / max(1, columns - 1), 100 * row / max(1, rows - 1)
        inner = f'<i style="background-position: {x:.3f}% {y:.3f}%; width: {100 * each / width:.2f}%"></i>'
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
        place = f"left: {_place(start, frames)}; width: {_place(end - start, frames)}; --p: {100 * word.confidence:.0f}"
        tip = f"{word.word}  {word.start:.2f} to {word.end:.2f} s, confidence {percent(word.confidence)}"
        inner = f"{escape(word.word)}<small>{percent(word.confidence)}</small>"
        blocks.append(f'<div class="c" style="{place}" data-tip="{escape(tip)}">{inner}</div>')
    return "".join(blocks)


def _spikes(inspection: Inspection) -> str:
    """The tokens of the greedy path over the middle of their frames."""
    path = inspection.posteriors.argmax(1)
    borders = np.flatnonzero(np.diff(path, prepend=-1, append=-1))
    return "".join(
        f'<span style="left: {_place((a + b) / 2, len(path))}">{escape(inspection.labels[path[a]])}</span>'
        for a, b in zip(borders[:-1], borders[1:], strict=True)
        if path[a] != BLANK
    )


def _faces(inspection: Inspection) -> str:
    figures = "".join(_figure(still, inspection.edges[still.frame]) for still in inspection.stills)
    note = "Landmarks, and the square that is cut out after the face has been turned upright and scaled."
    return f'<div class="stills">{figures}</div><p class="note">{note}</p>'


def _figure(still: Still, seconds: float) -> str:
    side = still.picture.shape[0]
    lines = "".join(
        "M" + " L".join(f"{x:.1f} {y:.1f}" for x, y in still.points[a:b]) + end for a, b, end in PARTS
    )
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="1.7"/>' for x, y in still.points)
    corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in still.corners)
    return (
        f'<figure data-frame="{still.frame}"><svg viewBox="0 0 {side} {side}" role="img" aria-label="landmarks">'
        f'<image href="{image_url(still.picture)}" width="{side}" height="{side}"/>'
        f'<polygon points="{corners}"/><path d="{lines}"/>{dots}</svg>'
        f"<figcaption>{seconds:.2f} s</figcaption></figure>"
    )


def _readings(inspection: Inspection) -> str:
    best = inspection.nbest[0]
    rows = [
        f'<tr><td class="number">{number}</td><td>{_marked(best.text, other.text)}</td>'
        f'<td class="number">{other.score:.2f}</td>'
        f'<td class="bar-cell"><span class="bar" style="width: {100 * exp(other.score - best.score):.1f}%"></span></td>'
        "</tr>"
        for number, other in enumerate(inspection.nbest, 1)
    ]
    return (
        '<table><tr><th class="number">rank</th><th>reading, marked where it differs from the first</th>'
        '<th class="number">score</th><th class="bar-cell">relative to the first</th></tr>'
        f"{''.join(rows)}</table>"
    )


def _marked(best: str, other: str) -> str:
    """``other`` with the words marked that stand otherwise in ``best``."""
    ours, theirs = best.split(), other.split()
    parts = []
    for what, _, _, a, b in SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes():
        text = escape(" ".join(theirs[a:b]))
        parts.append(text if what == "equal" else f"<mark>{text or '∅'}</mark>")
    return " ".join(parts) or "<mark>nothing</mark>"


def _facts(inspection: Inspection) -> str:
    groups = []
    for title, facts in inspection.facts.items():
        rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts.items())
        groups.append(f"<div><h3>{escape(title)}</h3><dl>{rows}</dl></div>")
    return f'<div class="facts">{"".join(groups)}</div>'


def _data(inspection: Inspection, columns: int, rows: int) -> str:
    """What the script needs, as JSON that cannot end its own element."""
    posteriors, labels = inspection.posteriors, inspection.labels
    shown = shown_tokens(posteriors)
    maps = {
        "ctc": _map(posteriors[:, shown].T, [labels[i] for i in shown]),
        "blank": _map(posteriors[:, [BLANK]].T, ["blank"]),
    }
    maps |= {f"look{k}": _map(own, inspection.tokens) for k, own in enumerate(inspection.attention.values())}
    likeliest = np.argsort(-posteriors, axis=1)[:, :LIKELIEST].tolist()
    words = [
        {
            "word": word.word, "confidence": round(word.confidence, 4),
            "from": round(inspection.frame_at(word.start), 3), "to": round(inspection.frame_at(word.end), 3),
        }
        for word in inspection.words
    ]  # fmt: skip
    value = {
        "frames": len(posteriors), "fps": FPS, "first": inspection.span[0],
        "start": int(inspection.opening.argmax()),
        "times": [round(float(second), 3) for second in inspection.edges[:-1]],
        "sprite": [columns, rows], "maps": maps, "words": words,
        "top": [
            [[labels[i], round(float(own[i]), 4)] for i in order]
            for own, order in zip(posteriors, likeliest, strict=True)
        ],
    }  # fmt: skip
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def _map(values: np.ndarray, labels: list[str]) -> dict:
    """Values (rows, T) as bytes of their peak."""
    peak = max(float(values.max()), 1e-9)
    data = base64_bytes(np.round(255 * values / peak).astype(np.uint8))
    return {"labels": labels, "peak": round(peak, 5), "data": data}
