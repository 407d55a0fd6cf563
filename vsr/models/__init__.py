"""Networks of the lip reader; each module takes and returns (B, T, D)."""
