"""Model folders, the hub, and published checkpoints."""
