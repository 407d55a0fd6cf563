"""Front ends of other projects' networks: mouth video -> features, one state a frame."""
