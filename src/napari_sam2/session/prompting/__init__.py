"""Answering prompts: masks for clicks, boxes and painted masks."""
