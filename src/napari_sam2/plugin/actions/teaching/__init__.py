"""Fine-tuning on accepted frames, and settings tried on them."""
