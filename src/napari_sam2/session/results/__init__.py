"""Results of a session: masks, labels and scores of frames."""
