"""The pieces of HTML that the pages of readings are made of."""

from __future__ import annotations

from html import escape


def lane(title: str, plot: str, names: str = "", note: str = "", kind: str = "") -> str:
    """One row of the time axis: HTML of the plot, beside it ``names`` for its rows."""
    heading = f"<h2>{escape(title)}{f'<small>{escape(note)}</small>' if note else ''}</h2>" if title else ""
    return f'<div class="lane {kind}">{heading}<div class="names">{names}</div><div class="plot">{plot}</div></div>'


def card(title: str, body: str) -> str:
    """One part of the page under the time axis: HTML under a heading."""
    return f'<section class="card"><h2>{escape(title)}</h2>{body}</section>'


def percent(share: float) -> str:
    """0.978 -> "98 %", with a space that does not break."""
    return f"{100 * share:.0f}\u00a0%"
