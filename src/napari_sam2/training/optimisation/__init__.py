"""Losses, optimisers, precision and several processes."""
