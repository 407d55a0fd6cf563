"""Published checkpoints -> model folders of this project; one file for each family."""
