"""What the widget tries by itself on frames that were accepted."""
