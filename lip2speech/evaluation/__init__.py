"""How well synthesised speech is understood, and how good it sounds."""
