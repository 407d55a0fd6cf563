"""The kinds of conditions of this package; importing it registers them."""

from lip2speech.conditions import context, cross_text, emotion, noisy, text, tracks  # noqa: F401
