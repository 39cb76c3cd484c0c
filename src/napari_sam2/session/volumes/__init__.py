"""Tracking through time-lapses of volumes."""
