"""Corpora on disk -> manifests."""
