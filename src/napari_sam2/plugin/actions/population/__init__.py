"""What the controls of finding many objects at once do."""
