"""The vocoders: the multi-input generator, and a published Vocos."""
