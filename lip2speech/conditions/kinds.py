"""The kinds of conditions of this package; importing it registers them."""

from lip2speech.conditions import context, emotion, noisy, text, tracks  # noqa: F401
