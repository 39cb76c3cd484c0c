"""What the mouse does on the canvas: prompts of one object or of many, and the region."""
