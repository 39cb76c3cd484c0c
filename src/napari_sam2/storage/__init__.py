"""Session folders: everything about a session, on disk."""
