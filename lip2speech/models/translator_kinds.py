"""The translators that are in the package; importing registers them."""

from lip2speech.models import masked_translator, translator  # noqa: F401
