"""Training of models, and teaching them a user's own objects."""
