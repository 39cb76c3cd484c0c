"""Prompts: points, boxes and masks, their checks, files and conversion between whole and part."""
