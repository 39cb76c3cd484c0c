"""A model of a few thousand weights: what is tested here is the session, not the masks."""

from session_fixtures import checkpoint, flickering_model, frames, make_model, model, one_thread, session, tracked

__all__ = ["checkpoint", "flickering_model", "frames", "make_model", "model", "one_thread", "session", "tracked"]
