"""The kinds of translators of this package; importing it registers them."""

from lip2speech.models import masked_translator, translator  # noqa: F401
