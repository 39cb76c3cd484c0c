"""Controls of finding many objects at once."""
