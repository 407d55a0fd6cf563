"""Text in XML, as the standard library's `xml.sax.saxutils` writes it, which would load the network's modules, too."""

from __future__ import annotations

TEXT = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
ATTRIBUTE = TEXT | str.maketrans({"\n": "&#10;", "\r": "&#13;", "\t": "&#9;"})


def escape(text: str) -> str:
    """Between tags."""
    return text.translate(TEXT)


def quoteattr(text: str) -> str:
    """The value of an attribute with its quotes: double ones, unless the text has such and no single ones."""
    value = text.translate(ATTRIBUTE)
    if '"' in value and "'" not in value:
        return f"'{value}'"
    return '"' + value.replace('"', "&quot;") + '"'
