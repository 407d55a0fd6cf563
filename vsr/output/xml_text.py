"""Escapes text for XML like the standard library's `xml.sax.saxutils`, which would also import networking modules."""

from __future__ import annotations

TEXT = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
ATTRIBUTE = TEXT | str.maketrans({"\n": "&#10;", "\r": "&#13;", "\t": "&#9;"})


def escape(text: str) -> str:
    """Escape text between tags."""
    return text.translate(TEXT)


def quoteattr(text: str) -> str:
    """Quote the value of an attribute, with double quotes unless the text contains those and no single ones."""
    value = text.translate(ATTRIBUTE)
    if '"' in value and "'" not in value:
        return f"'{value}'"
    return '"' + value.replace('"', "&quot;") + '"'
