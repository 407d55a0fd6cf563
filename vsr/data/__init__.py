"""Corpora on disk: manifests, mouth crops, batches."""
