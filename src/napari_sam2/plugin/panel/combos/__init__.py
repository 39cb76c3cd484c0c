"""Combo boxes that know what they list."""
