"""Label images and scores of a stack: composed from masks, stored, measured and put back in place."""
