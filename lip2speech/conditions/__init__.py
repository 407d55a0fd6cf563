"""What the flow is given beside what is seen: named conditions, each with its own null and its own drop."""
