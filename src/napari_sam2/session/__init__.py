"""Sessions: prompts, tracking and results of one stack and one model."""
