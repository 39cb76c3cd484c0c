"""One job: a stack and prompts in; labels, scores and pictures in a folder out."""
