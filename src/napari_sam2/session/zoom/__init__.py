"""Crops around small objects: their size, their motion, and resampling between them."""
