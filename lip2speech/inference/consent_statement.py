"""The statement of consent for making a person's voice: required by the commands, shown by the page and the API."""

STATEMENT = (
    "I make voices only of people who have agreed to it, for these words and this use, and never to deceive, "
    "to impersonate or to pass a check of identity; whoever hears one is informed that it is synthetic."
)
