"""The files of a session folder: their layout, schema and encoding, the journal, and the lock of its writer."""
