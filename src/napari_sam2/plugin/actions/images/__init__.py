"""Which image is worked on, what the model sees of it, and where results go."""
