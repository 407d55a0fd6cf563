"""The acoustic model: visual states -> content -> flow -> mel and units."""
