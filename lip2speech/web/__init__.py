"""A page for people: a video goes in, its words and its voice come out."""
