"""Building blocks of HTML for the pages of readings."""

from __future__ import annotations

from html import escape


def lane(title: str, plot: str, names: str = "", note: str = "", kind: str = "") -> str:
    """A lane on the time axis: HTML of the plot, with ``names`` for its rows beside it."""
    heading = f"<h2>{escape(title)}{f'<small>{escape(note)}</small>' if note else ''}</h2>" if title else ""
    return f'<div class="lane {kind}">{heading}<div class="names">{names}</div><div class="plot">{plot}</div></div>'


def card(title: str, body: str) -> str:
    """A card of the page below the time axis: HTML under a heading."""
    return f'<section class="card"><h2>{escape(title)}</h2>{body}</section>'


def percent(share: float) -> str:
    """0.978 -> "98 %", with a no-break space."""
    return f"{100 * share:.0f}\u00a0%"
