"""The session folder as files: its layout, schema and journal, and the lock that one writer holds."""
