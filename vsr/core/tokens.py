"""Token numbers that tokenizers, batches, models and losses agree on."""

BLANK, UNK = 0, 1  # CTC's blank; text outside the vocabulary. The last token is both start and end of a text
IGNORE = -1  # padding of a batch of tokens
