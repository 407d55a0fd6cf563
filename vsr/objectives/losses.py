"""Losses of single heads, re-exported from `vsr.models.head_losses`."""

from __future__ import annotations

from vsr.models.head_losses import alignment_loss, ctc_loss

__all__ = ["alignment_loss", "ctc_loss"]
