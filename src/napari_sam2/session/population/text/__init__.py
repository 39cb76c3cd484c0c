"""Objects by what they are called: a detector of another library finds boxes, which SAM 2 answers with masks."""
