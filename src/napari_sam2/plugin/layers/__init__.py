"""The napari layers: which frames of the image are worked on, the prompts in them, and the labels written to them."""
