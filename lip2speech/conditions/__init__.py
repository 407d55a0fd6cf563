"""Named conditions of the flow, each with its own null and dropout in training."""
