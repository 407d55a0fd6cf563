"""Renders an Inspection as a self-contained HTML page, in light and dark, for wide and narrow screens.

Further data about the clip can be added as ``tracks`` (on the page's time axis) and ``sections`` (below it).
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from string import Template

from vsr.core.file_kinds import marked_kind
from vsr.report.cards import faces, facts, readings
from vsr.report.collect import Inspection
from vsr.report.images import sprite
from vsr.report.lanes import lanes
from vsr.report.markup import card, lane, percent
from vsr.report.script_data import script_data

MADE_BY = "Made by <code>vsr inspect</code>"  # in its footer
PAGE = marked_kind("a page of inspect", MADE_BY.encode())
TEMPLATE = Path(__file__).parent / "template"

Titled = Sequence[tuple[str, str]]  # (title as text, HTML)


def render_page(inspection: Inspection, tracks: Titled = (), sections: Titled = ()) -> str:
    """The page as HTML.

    Args:
        inspection: from `vsr.report.collect.inspect_video`.
        tracks: further lanes, (title, HTML); the HTML spans the T frames, so that an image of 4 T mel frames is aligned
            with the mouth.
        sections: further cards below, (title, HTML). An <audio> element in them moves the playhead as it plays.
    """
    cards = [("The face", faces(inspection)), ("Readings", readings(inspection)), *sections]
    cards.append(("Facts", facts(inspection)))
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
        lanes="\n".join([*lanes(inspection, columns, rows), *(lane(*track) for track in tracks)]),
        cards="\n".join(card(*title_and_body) for title_and_body in cards),
        footer=f"{MADE_BY}. Everything is in this file.",
        data=script_data(inspection, columns, rows),
    )  # fmt: skip


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
