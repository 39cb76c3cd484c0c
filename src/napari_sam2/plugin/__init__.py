"""The engine inside napari: what the manifest, ``napari.yaml``, refers to."""
