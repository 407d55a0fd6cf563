"""The kinds of generators of this package; importing it registers them."""

from lip2speech.models import discrete_flow, masked_tokens, token_lm  # noqa: F401
