"""Dialogs about pictures and videos that are exported."""
