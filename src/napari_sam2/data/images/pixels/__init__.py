"""What is done to the pixels of a frame: contrast, channels as colours, missing values, resampling."""
