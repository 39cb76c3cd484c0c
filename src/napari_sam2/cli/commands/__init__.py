"""The commands of ``napari-sam2``, a module for each."""
