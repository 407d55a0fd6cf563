"""Error rates, accuracy, word times, RESULTS.md and model cards."""
