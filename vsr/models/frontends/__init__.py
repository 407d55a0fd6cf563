"""Front ends from networks of other projects: mouth video -> features, one per frame."""
