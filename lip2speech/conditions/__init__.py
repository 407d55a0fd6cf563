"""Named conditions of the flow, each with its own null and its own drop."""
