"""Jobs: tracking of one stack from its prompts to a folder of labels, scores and pictures."""
