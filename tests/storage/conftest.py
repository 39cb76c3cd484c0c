"""The small sessions that are saved here."""

from session_fixtures import checkpoint, flickering_model, frames, make_model, model, one_thread, session, tracked

__all__ = ["checkpoint", "flickering_model", "frames", "make_model", "model", "one_thread", "session", "tracked"]
