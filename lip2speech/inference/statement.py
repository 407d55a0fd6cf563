"""What whoever makes somebody's voice says to have: asked for by the commands, shown by the page and the API."""

STATEMENT = (
    "I make voices only of people who have agreed to it, for these words and this use, and never to deceive, "
    "to impersonate or to pass a check of identity; whoever hears one is informed that it is synthetic."
)
