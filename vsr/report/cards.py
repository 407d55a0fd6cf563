"""Renders the cards below the lanes of an Inspection's page: the face with its landmarks, n-best list, facts."""

from __future__ import annotations

from difflib import SequenceMatcher
from html import escape
from math import exp

from vsr.report.collect import Alternative, Inspection
from vsr.report.images import image_url
from vsr.report.stills import Still

PARTS = ((0, 5, ""), (5, 11, "Z"), (11, 17, "Z"), (17, 29, "Z"), (29, 37, "Z"))  # nose, eyes, outer and inner lips


def faces(inspection: Inspection) -> str:
    """Some frames with the landmarks and the square of the crop."""
    figures = "".join(_figure(still, inspection.edges[still.frame]) for still in inspection.stills)
    note = "Landmarks, and the square that is cut out after the face has been turned upright and scaled."
    return f'<div class="stills">{figures}</div><p class="note">{note}</p>'


def _figure(still: Still, seconds: float) -> str:
    side = still.image.shape[0]
    lines = "".join("M" + " L".join(f"{x:.1f} {y:.1f}" for x, y in still.points[a:b]) + end for a, b, end in PARTS)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="1.7"/>' for x, y in still.points)
    corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in still.corners)
    return (
        f'<figure data-frame="{still.frame}"><svg viewBox="0 0 {side} {side}" role="img" aria-label="landmarks">'
        f'<image href="{image_url(still.image)}" width="{side}" height="{side}"/>'
        f'<polygon points="{corners}"/><path d="{lines}"/>{dots}</svg>'
        f"<figcaption>{seconds:.2f} s</figcaption></figure>"
    )


def readings(inspection: Inspection) -> str:
    """A table of the n-best hypotheses, with differences from the first marked."""
    best = inspection.nbest[0]
    rows = [_reading_row(number, best, other) for number, other in enumerate(inspection.nbest, 1)]
    return (
        '<table><tr><th class="number">rank</th><th>reading, marked where it differs from the first</th>'
        '<th class="number">score</th><th class="bar-cell">relative to the first</th></tr>'
        f"{''.join(rows)}</table>"
    )


def _reading_row(number: int, best: Alternative, other: Alternative) -> str:
    """A row of the table of `readings`."""
    width = 100 * exp(other.score - best.score)
    return (
        f'<tr><td class="number">{number}</td><td>{_marked(best.text, other.text)}</td>'
        f'<td class="number">{other.score:.2f}</td>'
        f'<td class="bar-cell"><span class="bar" style="width: {width:.1f}%"></span></td></tr>'
    )


def _marked(best: str, other: str) -> str:
    """``other`` with the words marked that differ from ``best``."""
    best_words, other_words = best.split(), other.split()
    parts = []
    for operation, _, _, a, b in SequenceMatcher(None, best_words, other_words, autojunk=False).get_opcodes():
        text = escape(" ".join(other_words[a:b]))
        parts.append(text if operation == "equal" else f"<mark>{text or '∅'}</mark>")
    return " ".join(parts) or "<mark>nothing</mark>"


def facts(inspection: Inspection) -> str:
    """Lists of the facts about video, model and search."""
    groups = []
    for title, entries in inspection.facts.items():
        rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in entries.items())
        groups.append(f"<div><h3>{escape(title)}</h3><dl>{rows}</dl></div>")
    return f'<div class="facts">{"".join(groups)}</div>'
