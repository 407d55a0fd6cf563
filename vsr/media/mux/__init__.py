"""Writing videos with new sound: copying or re-encoding of frames, and checks that the container can hold them."""
