"""A voice laid under a video: which frames go along, how they get there, and whether the container can hold them."""
