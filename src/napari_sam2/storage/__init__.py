"""Session folders: writing all of a session to disk as the work goes, and reading it back."""
