"""A page about one reading: what was cut out, what the network saw in it, what the search made of that."""
