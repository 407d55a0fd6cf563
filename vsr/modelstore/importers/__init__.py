"""Published checkpoints -> model folders of this project; one module per family."""
