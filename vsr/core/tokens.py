"""Token numbers that tokenizers, batches, models and losses agree on."""

BLANK, UNK = 0, 1  # of CTC; what no entry of a vocabulary stands for. The last entry is the start and the end of a text
IGNORE = -1  # padding of a batch of tokens
