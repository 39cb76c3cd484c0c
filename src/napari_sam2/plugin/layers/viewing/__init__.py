"""Which frames the viewer shows, and from where."""
