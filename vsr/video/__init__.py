"""Video in, mouth crops out: reader -> faces -> mouth, then transforms for the network."""
