"""Training data: clips from rendered, labelled or filmed sources, their augmentation and simulated prompts."""
